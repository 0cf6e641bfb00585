"""Percentiles of the number of peers per torrent."""

from __future__ import annotations

from collections.abc import Mapping

SHARES = {
    "min": 0.0,
    **{f"p{tenth}0": tenth / 10 for tenth in range(1, 10)},
    "p95": 0.95,
    "p99": 0.99,
    "p999": 0.999,
    "max": 1.0,
}


def percentiles(sizes: Mapping[int, int]) -> dict[str, int]:
    """For each share the smallest size that at least this share of torrents does not exceed; zeros without torrents.

    `sizes` maps a number of peers to the number of torrents that have so many.
    """
    total = sum(sizes.values())
    ordered = sorted(sizes.items())
    return {name: _at(ordered, share * total) for name, share in SHARES.items()}


def _at(ordered: list[tuple[int, int]], rank: float) -> int:
    passed = 0
    for size, torrents in ordered:
        passed += torrents
        if passed >= rank:
            return size
    return 0
