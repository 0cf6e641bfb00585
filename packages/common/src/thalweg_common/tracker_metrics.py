"""The metrics that every tracker service with a swarm has: their rows, and where their numbers come from."""

from __future__ import annotations

import platform
from collections.abc import Iterator, Mapping, Sequence

from thalweg_common.memory import resident_bytes
from thalweg_common.metrics import Metric, Sample
from thalweg_common.swarm import AccessList, Swarm, Work
from thalweg_common.version import core_version

V = "ip_version"


def counter(name: str, text: str, *labels: str, optional: str = "") -> Metric:
    """A row for what only grows."""
    return Metric(name, "counter", text, labels, optional)


def gauge(name: str, text: str, *labels: str, optional: str = "") -> Metric:
    """A row for what goes up and down."""
    return Metric(name, "gauge", text, labels, optional)


def histogram(name: str, text: str) -> Metric:
    """A row for how long things take."""
    return Metric(name, "histogram", text)


def latency_buckets(latency: Sequence[int]) -> list[tuple[str, float]]:
    """The core's buckets for Prometheus, which wants each to include the lower ones. Bucket i ends at 2**i us."""
    passed = 0
    buckets: list[tuple[str, float]] = []
    for power, count in enumerate(latency):
        passed += count
        bound = f"{2**power / 1e6:g}" if power < len(latency) - 1 else "+Inf"
        buckets.append((bound, passed))
    return buckets


WORK_METRICS = (
    counter("thalweg_swept_records_total", "Peer records looked at for expiry."),
    counter("thalweg_sweeps_total", "Times every peer was looked at for expiry."),
    gauge("thalweg_swarm_used_bytes", "Memory in torrents, peers and their tables."),
    gauge("thalweg_swarm_reserved_bytes", "Memory taken from the system for them."),
    gauge("thalweg_swarm_max_bytes", "Memory they may take (limits.max_memory_mib)."),
)
SWARM_METRICS = (
    gauge("thalweg_torrents", "Torrents.", V),
    gauge("thalweg_peers", "Peers, seeders included.", V),
    gauge("thalweg_seeders", "Peers that have everything.", V),
    gauge("thalweg_partial_seeds", "Peers that have all they want (BEP 21).", V),
    counter("thalweg_downloads_total", "Completed downloads.", V),
    counter("thalweg_expired_peers_total", "Peers forgotten because they did not announce in time.", V),
    counter("thalweg_removed_torrents_total", "Torrents removed because they had become empty.", V),
    counter("thalweg_evicted_peers_total", "Peers removed to make room at limits.max_peers_per_torrent.", V),
    counter(
        "thalweg_evicted_torrents_total", "Torrents removed to make room at limits.max_torrents or max_memory_mib.", V
    ),
    counter("thalweg_refused_peers_total", "Peers answered but not stored: no room could be made.", V),
    *WORK_METRICS,
)
ACCESS_LIST_METRICS = (
    gauge("thalweg_access_list_info_hashes", "Info hashes in the access list."),
    counter("thalweg_access_list_reloads_total", "Reloads of the access list.", "result"),
    counter("thalweg_purged_torrents_total", "Torrents removed because a reloaded access list forbids them."),
)
PROCESS_METRICS = (
    gauge("thalweg_resident_memory_bytes", "Resident size of the process."),
    gauge("thalweg_start_time_seconds", "When the service started, in Unix time."),
    gauge("thalweg_build_info", "Always 1; the versions are in the labels.", "version", "python"),
)


def swarm_samples(swarm: Swarm) -> Iterator[Sample]:
    """Of SWARM_METRICS."""
    for ip_version in (4, 6):
        totals = swarm.totals(ip_version)
        for metric in SWARM_METRICS:
            field = metric.name.removeprefix("thalweg_").removesuffix("_total")
            if V in metric.labels:
                yield Sample(metric.name, (str(ip_version),), getattr(totals, field))
    yield from work_samples(swarm.work())


def work_samples(work: Work) -> Iterator[Sample]:
    """Of WORK_METRICS."""
    yield Sample("thalweg_swept_records_total", (), work.swept_records)
    yield Sample("thalweg_sweeps_total", (), work.full_sweeps)
    yield Sample("thalweg_swarm_used_bytes", (), work.bytes_used)
    yield Sample("thalweg_swarm_reserved_bytes", (), work.bytes_reserved)
    yield Sample("thalweg_swarm_max_bytes", (), work.bytes_max)


def access_list_samples(access_list: AccessList | None, reloads: Mapping[str, int], purged: int) -> Iterator[Sample]:
    """Of ACCESS_LIST_METRICS; `reloads` by result."""
    yield Sample("thalweg_access_list_info_hashes", (), len(access_list or ()))
    for result, count in reloads.items():
        yield Sample("thalweg_access_list_reloads_total", (result,), count)
    yield Sample("thalweg_purged_torrents_total", (), purged)


def process_samples(started_at: float) -> Iterator[Sample]:
    """Of PROCESS_METRICS; `started_at` in Unix time."""
    yield Sample("thalweg_resident_memory_bytes", (), resident_bytes())
    yield Sample("thalweg_start_time_seconds", (), started_at)
    yield Sample("thalweg_build_info", (core_version(), platform.python_version()), 1)
