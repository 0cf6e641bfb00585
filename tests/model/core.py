"""The C swarm as tests call it: thin, typed, with buffers made once. No rule of the tracker is repeated here."""

import random
from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

from thalweg_common._core import ffi, lib

if TYPE_CHECKING:
    from thalweg_common._core import CData

PEER_SIZES = {4: lib.TW_PEER4_SIZE, 6: lib.TW_PEER6_SIZE}
MIB = 1 << 20


class Counts(NamedTuple):
    """tw_counts."""

    seeders: int
    leechers: int
    partial_seeds: int
    downloads: int


class Core:
    """One swarm with one sampler. Everything random in it follows from `seed`."""

    def __init__(
        self,
        *,
        max_peer_age: int = 1800,
        clean_interval: int | None = None,
        max_torrents: int = 0,
        max_peers_per_torrent: int = 1_000_000,
        max_bytes: int = 256 * MIB,
        filter_addresses: bool = True,
        seed: int = 1,
    ) -> None:
        """Make an empty swarm; the names are those of tw_swarm_options."""
        dice = random.Random(seed)
        options = {
            "max_peer_age": max_peer_age,
            "clean_interval": clean_interval or max_peer_age,
            "max_torrents": max_torrents,
            "max_peers_per_torrent": max_peers_per_torrent,
            "max_bytes": max_bytes,
            "filter_addresses": filter_addresses,
            "seed": dice.randbytes(16),
        }
        swarm = lib.tw_swarm_new(ffi.new("tw_swarm_options *", options))
        assert swarm != ffi.NULL
        self.swarm = ffi.gc(swarm, lib.tw_swarm_free)
        self.sampler = ffi.gc(lib.tw_sampler_new(dice.randbytes(32)), lib.tw_sampler_free)
        self._announce = ffi.new("tw_announce *")
        self._counts = ffi.new("tw_counts *")
        self._peers = ffi.new("uint8_t[]", 10_000 * PEER_SIZES[6] + 2)
        self._fields = ffi.buffer(self._announce)

    def announce(
        self,
        info_hash: bytes,
        peer: bytes,
        now_ms: int,
        *,
        event: int = 0,
        left_nothing: bool = False,
        numwant: int = 0,
    ) -> tuple[Counts, list[bytes]]:
        """Announce a peer of 6 or 18 bytes; give the counts after it and the peers chosen for it."""
        size = len(peer)
        request = self._announce
        self._fields[0:20] = info_hash
        self._fields[20 : 20 + size] = peer
        request.ip_version = 4 if size == PEER_SIZES[4] else 6
        request.event, request.left_nothing, request.numwant = event, left_nothing, numwant
        number = lib.tw_swarm_announce(self.swarm, self.sampler, request, now_ms, self._counts, self._peers)
        found = bytes(ffi.buffer(self._peers, number * size)) if number else b""
        return self._read_counts(self._counts), [found[at : at + size] for at in range(0, len(found), size)]

    def scrape(self, ip_version: int, info_hash: bytes) -> Counts:
        """Give the counts of a torrent."""
        lib.tw_swarm_scrape(self.swarm, ip_version, info_hash, self._counts)
        return self._read_counts(self._counts)

    def tend(self, now_ms: int, budget: int) -> bool:
        """Sweep what is due, `budget` records at most; tell whether more is due."""
        return bool(lib.tw_swarm_tend(self.swarm, now_ms, budget))

    def expire_all(self, now_ms: int) -> None:
        """Sweep everything."""
        lib.tw_swarm_expire_all(self.swarm, now_ms)

    def totals(self, ip_version: int) -> dict[str, int]:
        """Give tw_swarm_totals of one family, by field name."""
        totals = ffi.new("tw_swarm_totals *")
        lib.tw_swarm_get_totals(self.swarm, ip_version, totals)
        return {name: getattr(totals, name) for name in dir(totals)}

    def work(self) -> dict[str, int]:
        """Give tw_swarm_work, by field name."""
        work = ffi.new("tw_swarm_work *")
        lib.tw_swarm_get_work(self.swarm, work)
        return {name: getattr(work, name) for name in dir(work)}

    def rows(self, ip_version: int, capacity: int = 64) -> Iterator[tuple[bytes, Counts]]:
        """Walk the export, shard by shard, `capacity` rows a call."""
        rows, cursor = ffi.new("tw_row[]", capacity), ffi.new("uint32_t *")
        for shard in range(lib.TW_SHARDS):
            cursor[0], number = 0, capacity
            while number == capacity:
                number = lib.tw_swarm_rows(self.swarm, ip_version, shard, cursor, rows, capacity)
                for row in rows[0:number]:
                    yield bytes(row.info_hash), self._read_counts(row.counts)

    def purge(self, mode: int, info_hashes: list[bytes]) -> int:
        """Remove what an access list of `mode` (TW_ACCESS_…) does not allow; give the number of torrents."""
        access_list = lib.tw_access_list_new(mode, b"".join(info_hashes), len(info_hashes))
        try:
            return sum(lib.tw_swarm_purge(self.swarm, shard, access_list) for shard in range(lib.TW_SHARDS))
        finally:
            lib.tw_access_list_free(access_list)

    @staticmethod
    def _read_counts(counts: "CData") -> Counts:
        return Counts(counts.seeders, counts.leechers, counts.partial_seeds, counts.downloads)


def info_hash_of(number: int) -> bytes:
    """Give the number-th of many different info hashes that look random."""
    return random.Random(number).randbytes(20)


def peer_of(number: int, ip_version: int, local: bool = False) -> bytes:
    """Give the number-th of a million different peers: four ports an address; `local` ones in 10/8 or fc00::/7."""
    port = (6881, 1, 256, 65535)[number % 4].to_bytes(2, "big")
    host = (number // 4).to_bytes(3, "big")
    if ip_version == 4:
        return (b"\x0a" if local else b"\x0b") + host + port
    high, low = host[:2], host[2:]  # the halves of an IPv6 address vary apart
    return (b"\xfd\x00" if local else b"\x2a\x00") + high + bytes(4) + bytes(7) + low + port
