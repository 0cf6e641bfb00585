"""The swarm of the C core as a Python object: torrents and their peers, for both address families.

    swarm = Swarm(max_peer_age=3600)
    counts, peers = swarm.announce(info_hash, compact_peer("10.0.0.1", 6881), event=Event.STARTED, numwant=50)

A peer is its compact bytes: 6 for IPv4 (BEP 23), 18 for IPv6 (BEP 7); their number tells the family. Info hashes are
20 bytes. Times are milliseconds of the monotonic clock and may be given, so that tests need not wait.
Announcing is for one thread per object; everything else may be called from any.
"""

from __future__ import annotations

import os
import socket
import struct
from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple, Self

from thalweg_common._core import ffi, lib
from thalweg_common.ownership import owned

if TYPE_CHECKING:
    from thalweg_common._core import CData

SHARDS: int = lib.TW_SHARDS
ROWS_AT_ONCE = 256  # how many torrents are copied under one lock

_ROW = struct.Struct("=20s4I")
_FAMILY_OF_SIZE = {lib.TW_PEER4_SIZE: 4, lib.TW_PEER6_SIZE: 6}


class Counts(NamedTuple):
    """Of one torrent; `leechers` includes `partial_seeds` (BEP 21)."""

    seeders: int
    leechers: int
    partial_seeds: int
    downloads: int


class Row(NamedTuple):
    """One torrent that has peers."""

    info_hash: bytes
    counts: Counts


class Totals(NamedTuple):
    """Sums over one family; the last six count since the swarm was made."""

    torrents: int
    peers: int
    seeders: int
    partial_seeds: int
    downloads: int
    expired_peers: int
    removed_torrents: int
    evicted_peers: int
    evicted_torrents: int
    refused_peers: int


class Work(NamedTuple):
    """Memory in bytes, and what expiry did since the swarm was made."""

    bytes_used: int
    bytes_reserved: int
    bytes_max: int
    swept_records: int
    full_sweeps: int


def compact_peer(address: str, port: int) -> bytes:
    """The 6 or 18 bytes of a peer from its numeric address; ValueError when it is neither IPv4 nor IPv6."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    try:
        return socket.inet_pton(family, address) + port.to_bytes(2, "big")
    except (OSError, OverflowError) as error:
        raise ValueError(f"expected an IP address and a port, got {address!r} and {port}") from error


class Swarm:
    """A swarm in C; freed with the object. The options are those of `tw_swarm_options` in api.h."""

    def __init__(
        self,
        *,
        max_peer_age: int = 3600,
        clean_interval: int = 120,
        max_torrents: int = 0,
        max_peers_per_torrent: int = 1_000_000,
        max_bytes: int = 1 << 30,
        filter_addresses: bool = True,
        seed: bytes | None = None,
    ) -> None:
        """`seed`: 48 bytes that decide hashing and choices, for repeatable tests; random when left out."""
        seed = os.urandom(48) if seed is None else seed
        options = ffi.new("tw_swarm_options *")
        options.max_peer_age = max_peer_age
        options.clean_interval = clean_interval
        options.max_torrents = max_torrents
        options.max_peers_per_torrent = max_peers_per_torrent
        options.max_bytes = max_bytes
        options.filter_addresses = filter_addresses
        options.seed = seed[:16]
        self.cdata = owned(lib.tw_swarm_new(options), lib.tw_swarm_free)
        """The C object, for other calls of the core. Belongs to this one."""
        self._sampler = owned(lib.tw_sampler_new(seed[16:48]), lib.tw_sampler_free)

    def __enter__(self) -> Self:
        """Itself; leaving frees the memory."""
        return self

    def __exit__(self, *_: object) -> None:
        """Frees the memory now: no other thread may be in a call."""
        ffi.release(self._sampler)
        ffi.release(self.cdata)

    def announce(
        self,
        info_hash: bytes,
        peer: bytes,
        *,
        event: int = 0,
        left_nothing: bool = False,
        numwant: int = 50,
        now_ms: int | None = None,
    ) -> tuple[Counts, list[bytes]]:
        """Stores, refreshes or removes the peer; gives the torrent's counts and up to `numwant` other peers."""
        announce = ffi.new("tw_announce *")
        announce.info_hash = info_hash
        announce.peer = peer
        announce.ip_version = _family_of(peer)
        announce.event = event
        announce.left_nothing = left_nothing
        announce.numwant = numwant
        counts = ffi.new("tw_counts *")
        peers = ffi.new("uint8_t[]", numwant * len(peer) + 2)
        found = lib.tw_swarm_announce(self.cdata, self._sampler, announce, or_now(now_ms), counts, peers)
        data = bytes(ffi.buffer(peers, found * len(peer)))
        return read_counts(counts), [data[start : start + len(peer)] for start in range(0, len(data), len(peer))]

    def scrape(self, ip_version: int, info_hash: bytes) -> Counts:
        """The counts of a torrent in one family; zeros for an unknown one."""
        counts = ffi.new("tw_counts *")
        lib.tw_swarm_scrape(self.cdata, ip_version, info_hash, counts)
        return read_counts(counts)

    def tend(self, now_ms: int | None = None, budget: int = 4096) -> bool:
        """Does a bounded piece of the sweep that is due; whether more is due."""
        return lib.tw_swarm_tend(self.cdata, or_now(now_ms), budget)

    def expire_all(self, now_ms: int | None = None) -> None:
        """Removes every peer whose time has come, however many they are."""
        lib.tw_swarm_expire_all(self.cdata, or_now(now_ms))

    def totals(self, ip_version: int) -> Totals:
        """Sums over one family."""
        totals = ffi.new("tw_swarm_totals *")
        lib.tw_swarm_get_totals(self.cdata, ip_version, totals)
        return Totals(*(getattr(totals, name) for name in Totals._fields))

    def work(self) -> Work:
        """Memory and expiry."""
        work = ffi.new("tw_swarm_work *")
        lib.tw_swarm_get_work(self.cdata, work)
        return Work(*(getattr(work, name) for name in Work._fields))

    def rows(self, ip_version: int) -> Iterator[Row]:
        """Every torrent of one family that has peers. Locks one shard briefly at a time: no snapshot of an instant."""
        rows = ffi.new("tw_row[]", ROWS_AT_ONCE)
        for shard in range(SHARDS):
            cursor = ffi.new("uint32_t *", 0)
            found = ROWS_AT_ONCE
            while found == ROWS_AT_ONCE:
                found = lib.tw_swarm_rows(self.cdata, ip_version, shard, cursor, rows, ROWS_AT_ONCE)
                for info_hash, *counts in _ROW.iter_unpack(ffi.buffer(rows, found * _ROW.size)):
                    yield Row(info_hash, Counts(*counts))


class AccessList:
    """An immutable list of info hashes in C; `mode` is "off", "allow" or "deny"."""

    def __init__(self, mode: str, info_hashes: bytes = b"") -> None:
        """`info_hashes`: 20 bytes each, one after the other; doubles are allowed."""
        number = {"off": lib.TW_ACCESS_OFF, "allow": lib.TW_ACCESS_ALLOW, "deny": lib.TW_ACCESS_DENY}[mode]
        made = lib.tw_access_list_new(number, info_hashes, len(info_hashes) // lib.TW_INFO_HASH_SIZE)
        self.cdata = owned(made, lib.tw_access_list_free)
        """The C object, for other calls of the core. Belongs to this one."""

    def __len__(self) -> int:
        """How many different info hashes it holds."""
        return lib.tw_access_list_size(self.cdata)

    def allows(self, info_hash: bytes) -> bool:
        """Whether this torrent may be served."""
        return lib.tw_access_list_allows(self.cdata, info_hash)

    def purge(self, swarm: Swarm) -> Iterator[int]:
        """Removes what is not allowed, shard by shard; gives the number of torrents removed at each step."""
        for shard in range(SHARDS):
            yield lib.tw_swarm_purge(swarm.cdata, shard, self.cdata)


def _family_of(peer: bytes) -> int:
    if len(peer) not in _FAMILY_OF_SIZE:
        raise ValueError(f"peer of {len(peer)} bytes, expected 6 or 18")
    return _FAMILY_OF_SIZE[len(peer)]


def read_counts(counts: CData) -> Counts:
    """A `tw_counts` as a tuple."""
    return Counts(counts.seeders, counts.leechers, counts.partial_seeds, counts.downloads)


def or_now(now_ms: int | None) -> int:
    """The time given, or the monotonic clock's, in milliseconds."""
    return lib.tw_monotonic_ms() if now_ms is None else now_ms
