"""The metrics of thalweg-http: the table, and where each number comes from.

`ip_version` is the family of the client, as the proxy named it where one did.
"""

from __future__ import annotations

from collections.abc import Iterator

from thalweg_common.metrics import Sample
from thalweg_common.tracker_metrics import (
    ACCESS_LIST_METRICS,
    PROCESS_METRICS,
    SWARM_METRICS,
    V,
    counter,
    histogram,
    latency_buckets,
    process_samples,
    swarm_samples,
)
from thalweg_common.web.metrics import (
    CERTIFICATE_METRICS,
    STREAM_METRICS,
    labelled,
    reload_samples,
    stream_samples,
)
from thalweg_common.web.tls import TlsFiles

from thalweg_http.counters import Counters, FamilyCounters
from thalweg_http.service import Service

METRICS = (
    counter("thalweg_requests_total", "Requests that were read to their end.", "type", V),
    counter(
        "thalweg_replies_total",
        "Replies: to announces and scrapes, failures of these, pages, and errors of HTTP itself.",
        "type",
        V,
    ),
    counter(
        "thalweg_failure_replies_total",
        "Announces and scrapes answered with a failure reason; proxy: a trusted proxy did not say whose request it is.",
        "reason",
        V,
    ),
    counter("thalweg_error_replies_total", "Replies with a status of HTTP's own, by what was wrong.", "reason", V),
    *STREAM_METRICS,
    counter(
        "thalweg_refused_connections_total",
        "Connections turned away: beyond limits.max_connections, or those of one address, or limits.max_odd_connections"
        " (whole_path), with a 503; memory: too much was kept for slow clients.",
        "reason",
    ),
    counter(
        "thalweg_handed_over_connections_total", "Connections with a request that the fast path left to the whole path."
    ),
    counter("thalweg_batches_total", "Batches of up to 256 connections that the fast path served."),
    histogram(
        "thalweg_batch_duration_seconds",
        "From the fast path's waking up to the last reply's hand-over; one batch in 16 is timed.",
    ),
    *SWARM_METRICS,
    *ACCESS_LIST_METRICS,
    *CERTIFICATE_METRICS,
    *PROCESS_METRICS,
)


class Samples:
    """Reads all samples of the moment."""

    def __init__(self, service: Service, tls: TlsFiles | None, started_at: float) -> None:
        """`started_at`: Unix time."""
        self._service = service
        self._tls = tls
        self._started_at = started_at

    def __call__(self) -> Iterator[Sample]:
        """Samples in any order."""
        service = self._service
        counters = service.totals()
        for version, family in counters.families.items():
            yield from _family_samples(str(version), family)
        yield from stream_samples(service, counters)
        yield from _path_samples(counters)
        yield from swarm_samples(service.tracker.swarm)
        yield from reload_samples(counters, service.tracker.access_list, self._tls)
        yield from process_samples(self._started_at)


def _path_samples(counters: Counters) -> Iterator[Sample]:
    yield Sample("thalweg_handed_over_connections_total", (), counters.handed_over)
    yield Sample("thalweg_batches_total", (), counters.batches)
    buckets = latency_buckets(counters.latency)
    yield Sample("thalweg_batch_duration_seconds", (), counters.latency_us / 1e6, buckets)


def _family_samples(version: str, family: FamilyCounters) -> Iterator[Sample]:
    yield from labelled("thalweg_requests_total", family.requests, version)
    yield from labelled("thalweg_replies_total", family.replies, version)
    yield from labelled("thalweg_failure_replies_total", family.failures, version)
    yield from labelled("thalweg_error_replies_total", family.errors, version)
