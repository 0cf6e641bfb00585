"""Prometheus metrics: declared in a table, read when asked for, served on a port of their own.

A service has one tuple of Metric; its collector yields Samples that name them. Nothing is counted here: the numbers
are the C core's, and every series exists from the first scrape on, at zero.

prometheus-client is imported only when the endpoint is on: it and the HTTP server take about 10 MB.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from msgspec import Struct

from thalweg_common.config import reason_of
from thalweg_common.endpoints import Endpoint

if TYPE_CHECKING:
    from prometheus_client.metrics_core import Metric as Family

MetricType = Literal["counter", "gauge", "histogram"]


class MetricsError(Exception):
    """The endpoint cannot be had; the text is one line for the operator."""


class Metric(Struct, frozen=True):
    """One metric. Counters end in `_total`; units are in the name."""

    name: str
    type: MetricType
    help: str
    labels: tuple[str, ...] = ()
    optional: str = ""
    """The option that switches it on, where it is not always there."""


class Sample(NamedTuple):
    """One value. For a histogram: buckets as (upper bound, count of that and all lower ones), and the sum."""

    name: str
    labels: tuple[str, ...]
    value: float
    buckets: list[tuple[str, float]] | None = None


Collect = Callable[[], Iterable[Sample]]


class Collection:
    """Samples of objects that will be freed: after close() there are none. Any thread."""

    def __init__(self, read: Collect) -> None:
        """`read` gives all samples of the moment."""
        self._read = read
        self._lock = threading.Lock()
        self._closed = False

    def __call__(self) -> list[Sample]:
        """Samples in any order; none after close()."""
        with self._lock:
            return [] if self._closed else list(self._read())

    def close(self) -> None:
        """Gives no more samples, and returns when none are being read: what they were read from may be freed then."""
        with self._lock:
            self._closed = True


class Collector:
    """What prometheus-client's registry asks for values."""

    def __init__(self, table: tuple[Metric, ...], collect: Collect) -> None:
        """`collect` gives all samples of the moment, in any order; names are those of the table."""
        self._table = table
        self._collect = collect

    def collect(self) -> Iterable[Family]:
        """Families in the order of the table."""
        families = {metric.name: _family(metric) for metric in self._table}
        for name, labels, value, buckets in self._collect():
            if buckets is None:
                families[name].add_metric(labels, value)
            else:
                families[name].add_metric(labels, buckets=buckets, sum_value=value)
        return [family for family in families.values() if family.samples]


def serve(endpoint: Endpoint, table: tuple[Metric, ...], collect: Collect) -> Endpoint:
    """Serves the metrics until the process ends; gives the address with the port it got. MetricsError."""
    from prometheus_client import CollectorRegistry, start_http_server

    registry = CollectorRegistry()
    registry.register(Collector(table, collect))
    try:
        server, _ = start_http_server(endpoint.port, endpoint.host, registry)
    except OSError as error:
        raise MetricsError(f"cannot serve metrics on {endpoint}: {reason_of(error)}") from error
    return endpoint._replace(port=server.server_port)


def reference(table: tuple[Metric, ...]) -> str:
    """The table as Markdown."""
    rows = [
        f"| `{metric.name}` | {metric.type} | {', '.join(f'`{label}`' for label in metric.labels) or 'none'} | "
        f"{metric.help}{f' Only with `{metric.optional}`.' if metric.optional else ''} |"
        for metric in table
    ]
    return "\n".join(["| name | type | labels | meaning |", "|---|---|---|---|", *rows]) + "\n"


def _family(metric: Metric) -> Any:
    from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily

    made = {"counter": CounterMetricFamily, "gauge": GaugeMetricFamily, "histogram": HistogramMetricFamily}
    return made[metric.type](metric.name, metric.help, labels=metric.labels)
