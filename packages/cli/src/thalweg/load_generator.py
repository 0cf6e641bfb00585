"""The load generator of the C core (csrc/udp_load.c), as an object with a socket of its own."""

from __future__ import annotations

import contextlib
import errno
import ipaddress
import os
import socket
from typing import Self

import msgspec
from thalweg_common._core import ffi, lib

from thalweg.load_population import Population

KINDS = ("connect", "announce", "scrape", "error")
"""Requests (all but the last) and replies, in BEP 15's numbering of actions."""

_RECEIVE_BUFFER = 8 << 20
_SO_RCVBUFFORCE = 33


class Traffic(msgspec.Struct, frozen=True, kw_only=True):
    """What is sent, and how fast.

    in_flight: requests that wait for a reply at any time, at most. rate: requests a second, 0: as fast as replies come.
    timeout: seconds until a request counts as lost and is sent again. Shares are relative to one another; connects that
    the protocol needs are sent in any case. sources: loopback addresses to send from. segmentation: hand the
    kernel many requests as one buffer.
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
    segmentation: bool = True


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
    latency: list[int]
    error_text: str


class Phase:
    """What a run does: announce each peer once, play, or take the replies that are due."""

    FILL: int = lib.TW_LOAD_FILL
    STEADY: int = lib.TW_LOAD_STEADY
    DRAIN: int = lib.TW_LOAD_DRAIN


class Generator:
    """One generator on one tracker address. Use it in one thread, as a context manager.

    ValueError: a number is out of its range (csrc/api.h, tw_load_options, has them all).
    """

    def __init__(self, address: str, port: int, population: Population, traffic: Traffic) -> None:
        """Opens the socket; sends nothing yet."""
        ip = ipaddress.ip_address(address)
        many = ip.version == 4 and ip.is_loopback
        self.population = population
        self.traffic = traffic
        self.sources = traffic.sources if many else 1
        options = _options(ip, port, population, traffic, self.sources)
        weights = population.weights()
        self._socket = _open_socket(ip.version)
        doubles = ffi.NULL if weights is None else ffi.from_buffer("double[]", weights)
        self._load = lib.tw_load_new(options, doubles, self._socket.fileno())
        if self._load == ffi.NULL:
            self._socket.close()
            if ffi.errno == errno.EINVAL:
                raise ValueError(f"a setting is out of range: {population}, {traffic}")
            raise MemoryError

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
        self._socket.close()

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
            requests=dict(zip(KINDS[:3], raw.requests, strict=True)),
            replies=dict(zip(KINDS, raw.replies, strict=True)),
            reply_bytes=dict(zip(KINDS, raw.reply_bytes, strict=True)),
            peers=raw.peers,
            lost=raw.lost,
            late=raw.late,
            malformed=raw.malformed,
            send_failed=raw.send_failed,
            latency=list(raw.latency),
            error_text=ffi.string(raw.error_text).decode("utf-8", "replace"),
        )

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


def _open_socket(ip_version: int) -> socket.socket:
    family = socket.AF_INET if ip_version == 4 else socket.AF_INET6
    opened = socket.socket(family, socket.SOCK_DGRAM)
    opened.setblocking(False)
    opened.bind(("", 0))
    opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BUFFER)
    with contextlib.suppress(PermissionError):  # beyond the system's limit: only with privileges
        opened.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, _RECEIVE_BUFFER)
    return opened


def _options(
    ip: ipaddress.IPv4Address | ipaddress.IPv6Address, port: int, population: Population, traffic: Traffic, sources: int
) -> object:
    try:
        return ffi.new(
            "tw_load_options *",
            {
                "seed": population.seed,
                "torrents": population.torrents,
                "first_peer": population.first_peer,
                "peers": population.peers,
                "sources": sources,
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
                "use_segmentation": traffic.segmentation,
            },
        )
    except OverflowError as error:
        raise ValueError(f"a setting is out of range: {error}") from None
