"""The metrics of thalweg-ws: the table, and where each number comes from.

`ip_version` is the family of the client, as the proxy named it where one did. The swarm is one for both families.
"""

from __future__ import annotations

from collections.abc import Iterator

from thalweg_common.metrics import Sample
from thalweg_common.tracker_metrics import (
    ACCESS_LIST_METRICS,
    PROCESS_METRICS,
    WORK_METRICS,
    V,
    counter,
    gauge,
    process_samples,
    work_samples,
)
from thalweg_common.web.metrics import (
    CERTIFICATE_METRICS,
    STREAM_METRICS,
    labelled,
    reload_samples,
    stream_samples,
)
from thalweg_common.web.tls import TlsFiles
from thalweg_common.ws_swarm import WsSwarm

from thalweg_ws.counters import FamilyCounters
from thalweg_ws.service import Service

WS_SWARM_METRICS = (
    gauge("thalweg_torrents", "Torrents."),
    gauge("thalweg_peers", "Peers, seeders included."),
    gauge("thalweg_seeders", "Peers that have everything."),
    gauge("thalweg_partial_seeds", "Peers that have all they want (BEP 21)."),
    counter("thalweg_downloads_total", "Completed downloads."),
    counter("thalweg_expired_peers_total", "Peers forgotten because they did not announce in time."),
    counter("thalweg_removed_torrents_total", "Torrents removed because they had become empty."),
    counter("thalweg_evicted_peers_total", "Peers removed to make room at limits.max_peers_per_torrent."),
    gauge("thalweg_pending_offers", "Offers that were relayed and may still be answered."),
    counter("thalweg_expired_offers_total", "Offers that nobody answered in time."),
    counter("thalweg_displaced_offers_total", "Offers forgotten because their sender made too many newer ones."),
    counter("thalweg_withdrawn_offers_total", "Offers forgotten because their sender left."),
)
METRICS = (
    counter(
        "thalweg_requests_total",
        "Messages by type (unreadable: neither announce nor scrape, or no JSON), upgrades, and requests for pages.",
        "type",
        V,
    ),
    counter(
        "thalweg_replies_total",
        "Replies sent: to announces and scrapes, failures of these, upgrades, pages, and errors of HTTP itself.",
        "type",
        V,
    ),
    counter("thalweg_relayed_messages_total", "Offers and answers sent on to clients of this family.", "type", V),
    counter("thalweg_failure_replies_total", "Messages that got a failure reason.", "reason", V),
    counter(
        "thalweg_unanswered_messages_total",
        "Messages with a mistake and without an info hash that can be read: nothing can safely be sent.",
        V,
    ),
    counter("thalweg_error_replies_total", "Replies with a status of HTTP's own, by what was wrong.", "reason", V),
    counter(
        "thalweg_dropped_messages_total",
        "Messages that did not reach a client. queue: it did not read what waited for it; rate: its sender has made "
        "more than limits.max_offers_per_minute; gone: it is not there any more.",
        "type",
        "reason",
    ),
    gauge("thalweg_websockets", "Open WebSockets.", V),
    gauge("thalweg_queued_bytes", "Bytes that wait for clients to read them."),
    *STREAM_METRICS,
    counter(
        "thalweg_refused_connections_total",
        "Connections turned away with a 503: beyond limits.max_connections, or those of one address.",
        "reason",
    ),
    *WS_SWARM_METRICS,
    *WORK_METRICS,
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
        service, counters = self._service, self._service.counters
        for version, family in counters.families.items():
            yield from _family_samples(str(version), family)
        for (kind, reason), count in counters.dropped.items():
            yield Sample("thalweg_dropped_messages_total", (kind, reason), count)
        yield Sample("thalweg_queued_bytes", (), service.queued_bytes)
        yield from stream_samples(service, counters)
        yield from _swarm_samples(service.tracker.swarm)
        yield from reload_samples(counters, service.tracker.access_list, self._tls)
        yield from process_samples(self._started_at)


def _family_samples(version: str, family: FamilyCounters) -> Iterator[Sample]:
    yield from labelled("thalweg_requests_total", family.requests, version)
    yield from labelled("thalweg_replies_total", family.replies, version)
    yield from labelled("thalweg_relayed_messages_total", family.relayed, version)
    yield from labelled("thalweg_failure_replies_total", family.failures, version)
    yield from labelled("thalweg_error_replies_total", family.errors, version)
    yield Sample("thalweg_unanswered_messages_total", (version,), family.unanswered)
    yield Sample("thalweg_websockets", (version,), family.sockets)


def _swarm_samples(swarm: WsSwarm) -> Iterator[Sample]:
    totals = swarm.totals()
    for metric in WS_SWARM_METRICS:
        field = metric.name.removeprefix("thalweg_").removesuffix("_total")
        yield Sample(metric.name, (), getattr(totals, "offers" if field == "pending_offers" else field))
    yield from work_samples(swarm.work())
