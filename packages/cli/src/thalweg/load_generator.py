"""The load generators of the C core (csrc/load.c) as objects: what those for UDP and HTTP have in common."""

from __future__ import annotations

import errno
import ipaddress
import os
from typing import Any, ClassVar, Self

import msgspec
from thalweg_common._core import ffi, lib

from thalweg.load_population import Population

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

KINDS = ("connect", "announce", "scrape", "error")
"""Requests (all but the last) and replies, in BEP 15's numbering of actions."""


class Traffic(msgspec.Struct, frozen=True, kw_only=True):
    """What is sent, and how fast.

    in_flight: requests that wait for a reply at any time, at most; over HTTP, the connections they use. rate: requests
    a second, 0: as fast as replies come. timeout: seconds until a request counts as lost and is sent again. Shares are
    relative to one another; connects that the protocol needs are sent in any case. sources: loopback addresses to send
    from.
    """

    in_flight: int = 256
    rate: int = 0
    timeout: float = 1.0
    announces: int = 100
    scrapes: int = 1
    connects: int = 0
    scrape_hashes: int = 5
    numwant: int = 50
    sources: int = 64


class Counts(msgspec.Struct, frozen=True, kw_only=True):
    """What was counted since the last reset; csrc/api.h (tw_load_counts) says what each number means."""

    requests: dict[str, int]
    replies: dict[str, int]
    reply_bytes: dict[str, int]
    peers: int
    lost: int
    late: int
    malformed: int
    send_failed: int
    connections: int
    broken: int
    latency: list[int]
    error_text: str


class Phase:
    """What a run does: announce each peer once, play, take the replies that are due, open all connections."""

    FILL: int = lib.TW_LOAD_FILL
    STEADY: int = lib.TW_LOAD_STEADY
    DRAIN: int = lib.TW_LOAD_DRAIN
    OPEN: int = lib.TW_LOAD_OPEN


class Generator:
    """One generator on one tracker address. Use it in one thread, as a context manager.

    ValueError: a number is out of its range (csrc/api.h, tw_load_options, has them all).
    """

    kinds: ClassVar[tuple[str, ...]] = KINDS
    """Those of KINDS that the transport has."""

    def __init__(self, address: str, port: int, population: Population, traffic: Traffic) -> None:
        """Makes it; sends nothing yet."""
        ip = ipaddress.ip_address(address)
        self.population = population
        self.traffic = traffic
        self.sources = self._most_sources() if ip.version == 4 and ip.is_loopback else 1
        options = self._options(ip, port)
        weights = population.weights()
        doubles = ffi.NULL if weights is None else ffi.from_buffer("double[]", weights)
        self._load = self._make(ip, options, doubles)
        if self._load == ffi.NULL:
            raise self._failure(ffi.errno)

    def _most_sources(self) -> int:
        """Addresses to send from, where there are many."""
        return self.traffic.sources

    def _make(self, ip: Address, options: Any, weights: Any) -> Any:
        """The core's generator; NULL and errno when it cannot be."""
        raise NotImplementedError

    def _transport_options(self) -> dict[str, object]:
        """What only this transport's tw_load_options have."""
        return {}

    def _failure(self, number: int) -> Exception:
        if number == errno.EINVAL:
            return ValueError(f"a setting is out of range: {self.population}, {self.traffic}")
        return MemoryError() if number == errno.ENOMEM else OSError(number, os.strerror(number))

    def __enter__(self) -> Self:
        """The generator itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Closes it."""
        self.close()

    def close(self) -> None:
        """Frees everything; the generator must not be used after it."""
        lib.tw_load_free(self._load)
        self._load = ffi.NULL

    def run(self, phase: int, seconds: float) -> bool:
        """Plays one phase for a time or until it is done (True). OSError: the kernel refuses to send."""
        result: int = lib.tw_load_run(self._load, phase, round(seconds * 1000))
        if result < 0:
            raise OSError(-result, os.strerror(-result))
        return result == 1

    def counts(self) -> Counts:
        """All counters, as they stand."""
        raw = lib.tw_load_get_counts(self._load)
        return Counts(
            requests=self._by_kind(raw.requests),
            replies=self._by_kind(raw.replies),
            reply_bytes=self._by_kind(raw.reply_bytes),
            peers=raw.peers,
            lost=raw.lost,
            late=raw.late,
            malformed=raw.malformed,
            send_failed=raw.send_failed,
            connections=raw.connections,
            broken=raw.broken,
            latency=list(raw.latency),
            error_text=ffi.string(raw.error_text).decode("utf-8", "replace"),
        )

    def _by_kind(self, numbers: Any) -> dict[str, int]:
        return {kind: number for kind, number in zip(KINDS, numbers, strict=False) if kind in self.kinds}

    def reset_counts(self) -> None:
        """All counters to zero. What is in flight is counted when its reply comes."""
        lib.tw_load_reset_counts(self._load)

    def peer(self, index: int) -> tuple[int, int, int, bool]:
        """Torrent, source (both numbers from 0), port, and whether it is a seeder."""
        if not 0 <= index < self.population.peers:
            raise IndexError(index)
        peer = ffi.new("tw_load_peer *")
        lib.tw_load_get_peer(self._load, index, peer)
        return peer.torrent, peer.source, peer.port, peer.seeder

    def info_hash(self, torrent: int) -> bytes:
        """The 20-byte info hash of a torrent of the population."""
        if not 0 <= torrent < self.population.torrents:
            raise IndexError(torrent)
        info_hash = ffi.new("uint8_t[20]")
        lib.tw_load_get_info_hash(self._load, torrent, info_hash)
        return bytes(info_hash)

    def _options(self, ip: Address, port: int) -> Any:
        population, traffic = self.population, self.traffic
        try:
            return ffi.new(
                "tw_load_options *",
                {
                    "seed": population.seed,
                    "torrents": population.torrents,
                    "first_peer": population.first_peer,
                    "peers": population.peers,
                    "sources": self.sources,
                    "seeder_share": population.seeder_share,
                    "ip_version": ip.version,
                    "address": ip.packed.ljust(16, b"\0"),
                    "port": port,
                    "in_flight": traffic.in_flight,
                    "rate": traffic.rate,
                    "timeout_ms": round(traffic.timeout * 1000),
                    "announce_share": traffic.announces,
                    "scrape_share": traffic.scrapes,
                    "connect_share": traffic.connects,
                    "scrape_hashes": traffic.scrape_hashes,
                    "numwant": traffic.numwant,
                    **self._transport_options(),
                },
            )
        except OverflowError as error:
            raise ValueError(f"a setting is out of range: {error}") from None
