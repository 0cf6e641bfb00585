"""Whom the load generator plays: peers, the torrents they have, and how popular those are.

The model is a fixed set of peers. Each has one torrent, drawn once by the torrents' weights, one address and port,
and is a seeder or not. Every request then picks a peer, all equally likely. So a torrent is asked for as often as it
has peers, and a swarm that was filled stays as large as it is while it is measured.

Weights of the `skewed` popularity, for torrent i of T with P peers in all:

    P / T + exp(6.5 - 500 * i / T)

A floor that all torrents share (the long tail: a few peers each), and about one torrent in a hundred that towers above
it, the first ones with hundreds of times the floor. The shape is that of aquatic's load test. `uniform`: all the same.
"""

from __future__ import annotations

import math
from array import array
from enum import StrEnum

import msgspec

BLOCK = 64
"""Peers are numbered in blocks that share a source address; a population begins at a multiple of it."""


class Popularity(StrEnum):
    """How peers spread over torrents."""

    SKEWED = "skewed"
    UNIFORM = "uniform"


class Population(msgspec.Struct, frozen=True, kw_only=True):
    """Peers `first_peer` … `first_peer + peers - 1` of the endless sequence that `seed` stands for."""

    torrents: int
    peers: int
    popularity: Popularity = Popularity.UNIFORM
    seeder_share: float = 0.75
    seed: int = 0
    first_peer: int = 0

    def weights(self) -> array[float] | None:
        """One weight for each torrent, the first the most popular; None when all are equal."""
        if self.popularity is Popularity.UNIFORM:
            return None
        floor = self.peers / self.torrents
        return array("d", (floor + math.exp(6.5 - 500 * i / self.torrents) for i in range(self.torrents)))


class Workload(msgspec.Struct, frozen=True, kw_only=True):
    """A population with a name, and how many peers its members ask for."""

    summary: str
    torrents: int
    peers: int
    popularity: Popularity
    numwant: int = 50


WORKLOADS = {
    "skewed": Workload(
        summary="a public tracker: a few large swarms, a long tail of small ones",
        torrents=100_000,
        peers=330_000,
        popularity=Popularity.SKEWED,
    ),
    "full": Workload(
        summary="large swarms only: every reply carries all the peers that were asked for",
        torrents=1_000,
        peers=1_600_000,
        popularity=Popularity.UNIFORM,
    ),
    "wide": Workload(
        summary="a million small swarms: every request misses the processor's caches",
        torrents=1_000_000,
        peers=3_000_000,
        popularity=Popularity.UNIFORM,
    ),
}
