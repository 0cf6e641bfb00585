"""The metrics that services over TCP share: their rows, where their numbers come from, and the endpoint.

`ip_version` is the family of the client, as the proxy named it where one did.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack

from thalweg_common.binding import BindError
from thalweg_common.endpoints import parse_endpoint
from thalweg_common.metrics import Collection, Metric, MetricsError, Sample, serve
from thalweg_common.swarm import AccessList
from thalweg_common.tracker_metrics import V, access_list_samples, counter, gauge
from thalweg_common.web.config import MetricsConfig
from thalweg_common.web.counters import IP_VERSIONS, StreamCounters
from thalweg_common.web.service import StreamService
from thalweg_common.web.tls import TlsFiles

STREAM_METRICS = (
    counter("thalweg_received_bytes_total", "Bytes received, behind TLS.", V),
    counter("thalweg_sent_bytes_total", "Bytes sent, before TLS.", V),
    counter("thalweg_accepted_connections_total", "Connections taken from the kernel."),
    counter("thalweg_closed_connections_total", "Connections that are over, by how they ended.", "reason"),
    counter(
        "thalweg_accept_failures_total", "Times that connections could not be taken for want of descriptors or memory."
    ),
    counter(
        "thalweg_ignored_forwarded_headers_total",
        "Requests in which somebody outside of network.trusted_proxies named another client.",
    ),
    gauge("thalweg_connections", "Open connections."),
    gauge("thalweg_max_connections", "Connections there may be."),
)
CERTIFICATE_METRICS = (
    counter("thalweg_certificate_reloads_total", "Reloads of the TLS files.", "result"),
    gauge(
        "thalweg_certificate_end_time_seconds",
        "When the TLS certificate ends, in Unix time.",
        optional="network.tls_certificate_path",
    ),
)


def stream_samples(service: StreamService, counters: StreamCounters) -> Iterator[Sample]:
    """Of STREAM_METRICS, and of the connections that were refused."""
    for version in IP_VERSIONS:
        yield Sample("thalweg_received_bytes_total", (str(version),), counters.received_bytes[version])
        yield Sample("thalweg_sent_bytes_total", (str(version),), counters.sent_bytes[version])
    yield Sample("thalweg_accepted_connections_total", (), counters.accepted)
    yield from labelled("thalweg_refused_connections_total", counters.refused)
    yield from labelled("thalweg_closed_connections_total", counters.closed)
    yield Sample("thalweg_accept_failures_total", (), counters.accept_failures)
    yield Sample("thalweg_ignored_forwarded_headers_total", (), counters.ignored_forwarded)
    yield Sample("thalweg_connections", (), service.connections.open)
    yield Sample("thalweg_max_connections", (), service.connections.most)


def reload_samples(counters: StreamCounters, access_list: AccessList | None, tls: TlsFiles | None) -> Iterator[Sample]:
    """Of ACCESS_LIST_METRICS and CERTIFICATE_METRICS."""
    yield from access_list_samples(access_list, counters.access_list_reloads, counters.purged_torrents)
    yield from labelled("thalweg_certificate_reloads_total", counters.certificate_reloads)
    if tls is not None:
        yield Sample("thalweg_certificate_end_time_seconds", (), tls.not_after)


def labelled(name: str, values: Mapping[str, int], *more: str) -> Iterator[Sample]:
    """A sample for each value of a label; `more`: the labels behind that."""
    for label, value in values.items():
        yield Sample(name, (label, *more), value)


def serve_metrics(
    service: StreamService,
    settings: MetricsConfig,
    table: tuple[Metric, ...],
    read: Callable[[], Iterable[Sample]],
    closing: ExitStack,
) -> None:
    """Opens the Prometheus endpoint; BindError. `closing`: stops reading before what is read from is freed."""
    collection = Collection(read)
    closing.callback(collection.close)
    try:
        endpoint = serve(parse_endpoint(settings.prometheus_endpoint_address), table, collection)
    except MetricsError as error:
        raise BindError(str(error)) from error
    service.log.info("serving metrics", url=f"http://{endpoint}/metrics")
