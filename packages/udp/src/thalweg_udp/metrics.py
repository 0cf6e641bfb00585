"""The metrics of thalweg-udp: the table, and where each number comes from.

`ip_version` is the family of the client, also on a socket that serves both. Labels with the same name have the same
values everywhere, so that series can be divided by one another.
"""

from __future__ import annotations

import platform
import threading
from collections.abc import Iterator

from thalweg_common.clients import client_name
from thalweg_common.memory import resident_bytes
from thalweg_common.metrics import Metric, Sample
from thalweg_common.version import core_version

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

V = "ip_version"


def _counter(name: str, text: str, *labels: str, optional: str = "") -> Metric:
    return Metric(name, "counter", text, labels, optional)


def _gauge(name: str, text: str, *labels: str, optional: str = "") -> Metric:
    return Metric(name, "gauge", text, labels, optional)


def _histogram(name: str, text: str) -> Metric:
    return Metric(name, "histogram", text)


METRICS = (
    _counter(
        "thalweg_requests_total", "Well-formed requests, announces and scrapes with a good connection id.", "type", V
    ),
    _counter("thalweg_replies_total", "Replies; type error are error packets.", "type", V),
    _counter(
        "thalweg_error_replies_total",
        "Error packets: denied by the access list, or a scrape without an info hash.",
        "reason",
        V,
    ),
    _counter("thalweg_dropped_datagrams_total", "Datagrams that got no reply.", "reason", V),
    _counter("thalweg_received_bytes_total", "Payload received.", V),
    _counter("thalweg_sent_bytes_total", "Payload of replies.", V),
    _counter("thalweg_send_failures_total", "Replies the kernel did not take.", V),
    _counter("thalweg_late_connection_ids_total", "Connection ids accepted though older than the previous epoch.", V),
    _counter("thalweg_url_data_announces_total", "Announces with URL data (BEP 41).", V),
    _counter(
        "thalweg_kernel_dropped_datagrams_total",
        "Datagrams the kernel dropped because a socket's buffer was full.",
        "address",
    ),
    _counter("thalweg_batches_total", "Batches of up to 64 datagrams."),
    _histogram(
        "thalweg_batch_duration_seconds", "From a batch's receipt to its replies' hand-over; one batch in 16 is timed."
    ),
    _gauge("thalweg_torrents", "Torrents.", V),
    _gauge("thalweg_peers", "Peers, seeders included.", V),
    _gauge("thalweg_seeders", "Peers that have everything.", V),
    _gauge("thalweg_partial_seeds", "Peers that have all they want (BEP 21).", V),
    _counter("thalweg_downloads_total", "Completed downloads.", V),
    _counter("thalweg_expired_peers_total", "Peers forgotten because they did not announce in time.", V),
    _counter("thalweg_removed_torrents_total", "Torrents removed because they had become empty.", V),
    _counter("thalweg_evicted_peers_total", "Peers removed to make room at limits.max_peers_per_torrent.", V),
    _counter(
        "thalweg_evicted_torrents_total", "Torrents removed to make room at limits.max_torrents or max_memory_mib.", V
    ),
    _counter("thalweg_refused_peers_total", "Peers answered but not stored: no room could be made.", V),
    _counter("thalweg_swept_records_total", "Peer records looked at for expiry."),
    _counter("thalweg_sweeps_total", "Times every peer was looked at for expiry."),
    _gauge("thalweg_swarm_used_bytes", "Memory in torrents, peers and their tables."),
    _gauge("thalweg_swarm_reserved_bytes", "Memory taken from the system for them."),
    _gauge("thalweg_swarm_max_bytes", "Memory they may take (limits.max_memory_mib)."),
    _gauge("thalweg_resident_memory_bytes", "Resident size of the process."),
    _gauge("thalweg_workers", "Threads that serve clients."),
    _gauge("thalweg_access_list_info_hashes", "Info hashes in the access list."),
    _counter("thalweg_access_list_reloads_total", "Reloads of the access list.", "result"),
    _counter("thalweg_purged_torrents_total", "Torrents removed because a reloaded access list forbids them."),
    _counter("thalweg_scrape_exports_total", "Scrape exports written.", "result"),
    _gauge("thalweg_start_time_seconds", "When the service started, in Unix time."),
    _gauge("thalweg_build_info", "Always 1; the versions are in the labels.", "version", "python"),
    _gauge(
        "thalweg_peers_per_torrent",
        "Percentiles of the peers of a torrent, of the last count.",
        "type",
        V,
        optional="statistics.torrent_peer_histograms",
    ),
    _counter(
        "thalweg_client_announces_total",
        "Announces by client software, from peer ids.",
        "client",
        optional="statistics.peer_clients",
    ),
    _counter(
        "thalweg_peer_id_prefix_announces_total",
        "Announces by the first 8 bytes of the peer id, in hexadecimal; clients without a place are `others`.",
        "prefix_hex",
        optional="statistics.prometheus_peer_id_prefixes",
    ),
)


class Collection:
    """Gives all samples of the moment: `metrics.serve` calls it at every scrape."""

    def __init__(self, tracker: Tracker, maintenance: Maintenance, config: UdpConfig, started_at: float) -> None:
        """`started_at`: Unix time."""
        self._tracker = tracker
        self._maintenance = maintenance
        self._config = config
        self._started_at = started_at
        self._lock = threading.Lock()
        self._closed = False

    def __call__(self) -> list[Sample]:
        """Samples in any order; none after close()."""
        with self._lock:
            return [] if self._closed else list(self._samples())

    def close(self) -> None:
        """Gives no more samples, and returns when none are being read: the tracker may be freed then."""
        with self._lock:
            self._closed = True

    def _samples(self) -> Iterator[Sample]:
        snapshot = take_snapshot(self._tracker)
        for ip_version, family in snapshot.families.items():
            yield from _family_samples(str(ip_version), family)
        yield from _work_samples(snapshot)
        yield from self._service_samples()
        yield from self._optional_samples()

    def _service_samples(self) -> Iterator[Sample]:
        tracker, maintenance = self._tracker, self._maintenance
        for listener in tracker.listeners:
            yield Sample("thalweg_kernel_dropped_datagrams_total", (str(listener.endpoint),), listener.kernel_drops())
        yield Sample("thalweg_resident_memory_bytes", (), resident_bytes())
        yield Sample("thalweg_workers", (), len(tracker.workers))
        yield Sample("thalweg_access_list_info_hashes", (), len(tracker.access_list or ()))
        for result, count in maintenance.reloads.items():
            yield Sample("thalweg_access_list_reloads_total", (result,), count)
        yield Sample("thalweg_purged_torrents_total", (), maintenance.purged_torrents)
        for result, count in maintenance.exports.items():
            yield Sample("thalweg_scrape_exports_total", (result,), count)
        yield Sample("thalweg_start_time_seconds", (), self._started_at)
        yield Sample("thalweg_build_info", (core_version(), platform.python_version()), 1)

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
        "thalweg_torrents": family.swarm.torrents,
        "thalweg_peers": family.swarm.peers,
        "thalweg_seeders": family.swarm.seeders,
        "thalweg_partial_seeds": family.swarm.partial_seeds,
        "thalweg_downloads_total": family.swarm.downloads,
        "thalweg_expired_peers_total": family.swarm.expired_peers,
        "thalweg_removed_torrents_total": family.swarm.removed_torrents,
        "thalweg_evicted_peers_total": family.swarm.evicted_peers,
        "thalweg_evicted_torrents_total": family.swarm.evicted_torrents,
        "thalweg_refused_peers_total": family.swarm.refused_peers,
    }
    for name, value in plain.items():
        yield Sample(name, (version,), value)


def _work_samples(snapshot: Snapshot) -> Iterator[Sample]:
    work = snapshot.work
    yield Sample("thalweg_batches_total", (), snapshot.batches)
    yield Sample("thalweg_batch_duration_seconds", (), snapshot.latency_us / 1e6, _buckets(snapshot.latency))
    yield Sample("thalweg_swept_records_total", (), work.swept_records)
    yield Sample("thalweg_sweeps_total", (), work.full_sweeps)
    yield Sample("thalweg_swarm_used_bytes", (), work.bytes_used)
    yield Sample("thalweg_swarm_reserved_bytes", (), work.bytes_reserved)
    yield Sample("thalweg_swarm_max_bytes", (), work.bytes_max)


def _buckets(latency: list[int]) -> list[tuple[str, float]]:
    """Prometheus wants each bucket to include the lower ones; bucket i of the core ends at 2**i microseconds."""
    passed = 0
    buckets: list[tuple[str, float]] = []
    for power, count in enumerate(latency):
        passed += count
        bound = f"{2**power / 1e6:g}" if power < len(latency) - 1 else "+Inf"
        buckets.append((bound, passed))
    return buckets


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
