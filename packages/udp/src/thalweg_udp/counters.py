"""The workers' counters, summed and with the swarm's, at one moment: what status, statistics and metrics show."""

from __future__ import annotations

import struct
from typing import Any

from msgspec import Struct
from thalweg_common._core import ffi, lib
from thalweg_common.swarm import Totals

from thalweg_udp.tracker import Tracker

IP_VERSIONS = (4, 6)

_CLIENT = struct.Struct("=8sQ")  # tw_client

# In the order of the C core's indices (api.h).
KINDS = ("connect", "announce", "scrape", "error")
ERROR_REASONS = ("denied", "empty_scrape")
DROP_REASONS = ("short", "source_port", "action", "protocol_id", "connection_id_expired", "connection_id_unknown")


class FamilyCounters(Struct, frozen=True, kw_only=True):
    """Of clients of one address family, since start. Lists are in the order of the names above."""

    requests: list[int]
    replies: list[int]
    errors: list[int]
    dropped: list[int]
    rx_bytes: int
    tx_bytes: int
    send_failed: int
    late_ids: int
    url_data: int
    swarm: Totals


class Snapshot(Struct, frozen=True, kw_only=True):
    """Everything that is counted."""

    families: dict[int, FamilyCounters]
    batches: int
    latency: list[int]
    """Bucket i: sampled batches that took less than 2**i microseconds and not less than half of that."""
    latency_us: int


def take_snapshot(tracker: Tracker) -> Snapshot:
    """Reads all counters. They go on counting meanwhile: each figure is right, sums may be off by a batch."""
    workers = [lib.tw_udp_worker_counters(worker) for worker in tracker.workers]
    return Snapshot(
        families={version: _family(tracker, workers, version) for version in IP_VERSIONS},
        batches=sum(worker.batches for worker in workers),
        latency=_sums([worker.latency for worker in workers]),
        latency_us=sum(worker.latency_us for worker in workers),
    )


def client_announces(tracker: Tracker) -> tuple[dict[bytes, int], int]:
    """Announces by the first 8 bytes of the peer id, and those of clients the bounded tables had no place for."""
    counts: dict[bytes, int] = {}
    others = 0
    for worker in tracker.workers:
        table = lib.tw_udp_worker_clients(worker)
        others += table.others
        for prefix, announces in _CLIENT.iter_unpack(ffi.buffer(table.slots)):
            if announces:
                counts[prefix] = counts.get(prefix, 0) + announces
    return counts, others


def _family(tracker: Tracker, workers: list[Any], version: int) -> FamilyCounters:
    index = IP_VERSIONS.index(version)
    return FamilyCounters(
        requests=_sums([worker.requests[index] for worker in workers]),
        replies=_sums([worker.replies[index] for worker in workers]),
        errors=_sums([worker.errors[index] for worker in workers]),
        dropped=_sums([worker.dropped[index] for worker in workers]),
        rx_bytes=sum(worker.rx_bytes[index] for worker in workers),
        tx_bytes=sum(worker.tx_bytes[index] for worker in workers),
        send_failed=sum(worker.send_failed[index] for worker in workers),
        late_ids=sum(worker.late_ids[index] for worker in workers),
        url_data=sum(worker.url_data[index] for worker in workers),
        swarm=tracker.swarm.totals(version),
    )


def _sums(arrays: list[Any]) -> list[int]:
    """Adds C arrays of equal length, place by place."""
    return [sum(column) for column in zip(*arrays, strict=True)]
