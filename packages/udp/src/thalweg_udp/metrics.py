"""The metrics of thalweg-udp: the table, and where each number comes from.

`ip_version` is the family of the client, also on a socket that serves both. Labels with the same name have the same
values everywhere, so that series can be divided by one another.
"""

from __future__ import annotations

from collections.abc import Iterator

from thalweg_common.clients import client_name
from thalweg_common.metrics import Sample
from thalweg_common.tracker_metrics import (
    ACCESS_LIST_METRICS,
    PROCESS_METRICS,
    SWARM_METRICS,
    V,
    access_list_samples,
    counter,
    gauge,
    histogram,
    latency_buckets,
    process_samples,
    swarm_samples,
)

from thalweg_udp.config import UdpConfig
from thalweg_udp.counters import (
    DROP_REASONS,
    ERROR_REASONS,
    KINDS,
    FamilyCounters,
    Snapshot,
    client_announces,
    take_snapshot,
)
from thalweg_udp.maintenance import Maintenance
from thalweg_udp.percentiles import percentiles
from thalweg_udp.tracker import Tracker

METRICS = (
    counter(
        "thalweg_requests_total", "Well-formed requests, announces and scrapes with a good connection id.", "type", V
    ),
    counter("thalweg_replies_total", "Replies; type error are error packets.", "type", V),
    counter(
        "thalweg_error_replies_total",
        "Error packets: denied by the access list, or a scrape without an info hash.",
        "reason",
        V,
    ),
    counter("thalweg_dropped_datagrams_total", "Datagrams that got no reply.", "reason", V),
    counter("thalweg_received_bytes_total", "Payload received.", V),
    counter("thalweg_sent_bytes_total", "Payload of replies.", V),
    counter("thalweg_send_failures_total", "Replies the kernel did not take.", V),
    counter("thalweg_late_connection_ids_total", "Connection ids accepted though older than the previous epoch.", V),
    counter("thalweg_url_data_announces_total", "Announces with URL data (BEP 41).", V),
    counter(
        "thalweg_kernel_dropped_datagrams_total",
        "Datagrams the kernel dropped because a socket's buffer was full.",
        "address",
    ),
    counter("thalweg_batches_total", "Batches of up to 64 datagrams."),
    histogram(
        "thalweg_batch_duration_seconds", "From a batch's receipt to its replies' hand-over; one batch in 16 is timed."
    ),
    *SWARM_METRICS,
    gauge("thalweg_workers", "Threads that serve clients."),
    *ACCESS_LIST_METRICS,
    counter("thalweg_scrape_exports_total", "Scrape exports written.", "result"),
    *PROCESS_METRICS,
    gauge(
        "thalweg_peers_per_torrent",
        "Percentiles of the peers of a torrent, of the last count.",
        "type",
        V,
        optional="statistics.torrent_peer_histograms",
    ),
    counter(
        "thalweg_client_announces_total",
        "Announces by client software, from peer ids.",
        "client",
        optional="statistics.peer_clients",
    ),
    counter(
        "thalweg_peer_id_prefix_announces_total",
        "Announces by the first 8 bytes of the peer id, in hexadecimal; clients without a place are `others`.",
        "prefix_hex",
        optional="statistics.prometheus_peer_id_prefixes",
    ),
)


class Samples:
    """Reads all samples of the moment."""

    def __init__(self, tracker: Tracker, maintenance: Maintenance, config: UdpConfig, started_at: float) -> None:
        """`started_at`: Unix time."""
        self._tracker = tracker
        self._maintenance = maintenance
        self._config = config
        self._started_at = started_at

    def __call__(self) -> Iterator[Sample]:
        """Samples in any order."""
        snapshot = take_snapshot(self._tracker)
        for ip_version, family in snapshot.families.items():
            yield from _family_samples(str(ip_version), family)
        yield from _batch_samples(snapshot)
        yield from swarm_samples(self._tracker.swarm)
        yield from self._service_samples()
        yield from self._optional_samples()

    def _service_samples(self) -> Iterator[Sample]:
        tracker, maintenance = self._tracker, self._maintenance
        for listener in tracker.listeners:
            yield Sample("thalweg_kernel_dropped_datagrams_total", (str(listener.endpoint),), listener.kernel_drops())
        yield Sample("thalweg_workers", (), len(tracker.workers))
        yield from access_list_samples(tracker.access_list, maintenance.reloads, maintenance.purged_torrents)
        for result, count in maintenance.exports.items():
            yield Sample("thalweg_scrape_exports_total", (result,), count)
        yield from process_samples(self._started_at)

    def _optional_samples(self) -> Iterator[Sample]:
        statistics = self._config.statistics
        if statistics.torrent_peer_histograms:
            for ip_version, sizes in list(self._maintenance.peers_per_torrent.items()):
                for name, size in percentiles(sizes).items():
                    yield Sample("thalweg_peers_per_torrent", (name, str(ip_version)), size)
        if statistics.peer_clients:
            yield from _client_samples(self._tracker, statistics.prometheus_peer_id_prefixes)


def _family_samples(version: str, family: FamilyCounters) -> Iterator[Sample]:
    by_type = {"thalweg_requests_total": (KINDS[:3], family.requests), "thalweg_replies_total": (KINDS, family.replies)}
    by_reason = {
        "thalweg_error_replies_total": (ERROR_REASONS, family.errors),
        "thalweg_dropped_datagrams_total": (DROP_REASONS, family.dropped),
    }
    for name, (labels, values) in {**by_type, **by_reason}.items():
        for label, value in zip(labels, values, strict=False):
            yield Sample(name, (label, version), value)
    plain = {
        "thalweg_received_bytes_total": family.rx_bytes,
        "thalweg_sent_bytes_total": family.tx_bytes,
        "thalweg_send_failures_total": family.send_failed,
        "thalweg_late_connection_ids_total": family.late_ids,
        "thalweg_url_data_announces_total": family.url_data,
    }
    for name, value in plain.items():
        yield Sample(name, (version,), value)


def _batch_samples(snapshot: Snapshot) -> Iterator[Sample]:
    yield Sample("thalweg_batches_total", (), snapshot.batches)
    yield Sample("thalweg_batch_duration_seconds", (), snapshot.latency_us / 1e6, latency_buckets(snapshot.latency))


def _client_samples(tracker: Tracker, prefixes_too: bool) -> Iterator[Sample]:
    counts, others = client_announces(tracker)
    by_name: dict[str, int] = {}
    for prefix, count in counts.items():
        by_name[client_name(prefix)] = by_name.get(client_name(prefix), 0) + count
    by_name["other"] = by_name.get("other", 0) + others
    for name, count in by_name.items():
        yield Sample("thalweg_client_announces_total", (name,), count)
    if prefixes_too:
        for prefix, count in counts.items():
            yield Sample("thalweg_peer_id_prefix_announces_total", (prefix.hex(),), count)
        yield Sample("thalweg_peer_id_prefix_announces_total", ("others",), others)
