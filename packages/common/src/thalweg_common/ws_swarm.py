"""WebTorrent's swarm of the C core as a Python object: torrents, their peers, and the offers that await answers.

    swarm = WsSwarm(max_peer_age=240)
    told = swarm.announce(connection, info_hash, peer_id, offer_ids=[offer_id])
    for target in told.targets:
        ...  # relay the offer number target.offer to target.connection
    answered = swarm.answer(connection, info_hash, peer_id, to_peer_id, offer_id)

A peer is (connection, info hash, peer_id); connections are numbers that the caller gives and never gives again. Info
hashes, peer ids and offer ids are 20 bytes. Times are milliseconds of the monotonic clock and may be given, so that
tests need not wait. Announcing is for one thread per object; everything else may be called from any.
"""

from __future__ import annotations

import enum
import os
from collections.abc import Iterator, Sequence
from typing import NamedTuple, Self

from thalweg_common._core import ffi, lib
from thalweg_common.ownership import owned
from thalweg_common.swarm import AccessList, Counts, Work, or_now, read_counts

MAX_OFFERS: int = lib.TW_WS_OFFERS_MAX  # relayed for one announce
SHARDS: int = lib.TW_WS_SHARDS


class AnnounceOutcome(enum.IntEnum):
    """What became of an announce; whatever is not ANNOUNCED was refused and changed nothing."""

    ANNOUNCED = lib.TW_WS_ANNOUNCED
    OWNED = lib.TW_WS_OWNED
    """The peer_id belongs to another connection in this torrent."""
    CONNECTION_FULL = lib.TW_WS_CONNECTION_FULL
    """The connection holds max_peers_per_connection."""
    FULL = lib.TW_WS_FULL
    """No room: max_torrents or max_bytes."""


class AnswerOutcome(enum.IntEnum):
    """Whether an answer may be relayed."""

    RELAY = lib.TW_WS_RELAY
    NO_OFFER = lib.TW_WS_NO_OFFER
    """No such offer was relayed to this peer by that one; or it was answered, or is too old."""
    TARGET_GONE = lib.TW_WS_TARGET_GONE
    """Nobody is called that in the torrent."""


class Target(NamedTuple):
    """Whom an offer goes to; `offer` is its index among the offer ids of the announce."""

    offer: int
    connection: int
    peer_id: bytes


class Announced(NamedTuple):
    """The reply to an announce; the counts are right for a refused one, too."""

    outcome: AnnounceOutcome
    counts: Counts
    targets: list[Target]


class Answered(NamedTuple):
    """Where an answer goes: `connection` means something with RELAY only."""

    outcome: AnswerOutcome
    connection: int


class WsTotals(NamedTuple):
    """Sums; from `downloads` on they count since the swarm was made. What each means: tw_ws_swarm_totals in api.h."""

    torrents: int
    peers: int
    seeders: int
    partial_seeds: int
    offers: int
    connections: int
    downloads: int
    expired_peers: int
    removed_torrents: int
    evicted_peers: int
    handed_offers: int
    answered_offers: int
    expired_offers: int
    displaced_offers: int
    withdrawn_offers: int
    refused_owned: int
    refused_connection: int
    refused_full: int
    refused_answers: int
    answers_without_peer: int


class WsSwarm:
    """A WebTorrent swarm in C; freed with the object. The options are those of `tw_ws_swarm_options` in api.h."""

    def __init__(
        self,
        *,
        max_peer_age: int = 240,
        max_offer_age: int = 120,
        clean_interval: int = 30,
        max_torrents: int = 0,
        max_peers_per_torrent: int = 100_000,
        max_peers_per_connection: int = 1000,
        max_offers_per_peer: int = 64,
        max_bytes: int = 1 << 30,
        seed: bytes | None = None,
    ) -> None:
        """`seed`: 48 bytes that decide hashing and choices, for repeatable tests; random when left out."""
        seed = os.urandom(48) if seed is None else seed
        options = ffi.new("tw_ws_swarm_options *")
        options.max_peer_age = max_peer_age
        options.max_offer_age = max_offer_age
        options.clean_interval = clean_interval
        options.max_torrents = max_torrents
        options.max_peers_per_torrent = max_peers_per_torrent
        options.max_peers_per_connection = max_peers_per_connection
        options.max_offers_per_peer = max_offers_per_peer
        options.max_bytes = max_bytes
        options.seed = seed[:16]
        self.cdata = owned(lib.tw_ws_swarm_new(options), lib.tw_ws_swarm_free)
        """The C object, for other calls of the core. Belongs to this one."""
        self._sampler = owned(lib.tw_sampler_new(seed[16:48]), lib.tw_sampler_free)
        self._targets = ffi.new("tw_ws_target[]", MAX_OFFERS)

    def __enter__(self) -> Self:
        """Itself; leaving frees the memory."""
        return self

    def __exit__(self, *_: object) -> None:
        """Frees the memory now: no other thread may be in a call."""
        ffi.release(self._sampler)
        ffi.release(self.cdata)

    def announce(
        self,
        connection: int,
        info_hash: bytes,
        peer_id: bytes,
        *,
        event: int = 0,
        left_nothing: bool = False,
        offer_ids: Sequence[bytes] = (),
        now_ms: int | None = None,
    ) -> Announced:
        """Stores, refreshes or removes the peer, and chooses other peers for its offers, one for each of the first.

        At most MAX_OFFERS of the offers are looked at; there are fewer targets where there are fewer peers.
        ValueError when an identifier is not of 20 bytes.
        """
        offers = ffi.from_buffer("uint8_t[]", b"".join(map(_twenty, offer_ids)))
        announcement = ffi.new("tw_ws_announcement *")
        announcement.connection = connection
        announcement.info_hash = _twenty(info_hash)
        announcement.peer_id = _twenty(peer_id)
        announcement.event = event
        announcement.left_nothing = left_nothing
        announcement.offers = len(offer_ids)
        announcement.offer_ids = offers
        told = lib.tw_ws_swarm_announce(self.cdata, self._sampler, announcement, or_now(now_ms), self._targets)
        targets = enumerate(self._targets[0 : told.targets])
        return Announced(
            AnnounceOutcome(told.outcome),
            read_counts(told.counts),
            [Target(offer, target.connection, bytes(target.peer_id)) for offer, target in targets],
        )

    def answer(
        self,
        connection: int,
        info_hash: bytes,
        peer_id: bytes,
        to_peer_id: bytes,
        offer_id: bytes,
        now_ms: int | None = None,
    ) -> Answered:
        """Whether this connection's `peer_id` may answer that offer of `to_peer_id`, and where the answer goes.

        Once for each offer, and only by the peer that it was relayed to. ValueError as for `announce`.
        """
        answered = lib.tw_ws_swarm_answer(
            self.cdata,
            connection,
            _twenty(info_hash),
            _twenty(peer_id),
            _twenty(to_peer_id),
            _twenty(offer_id),
            or_now(now_ms),
        )
        return Answered(AnswerOutcome(answered.outcome), answered.connection)

    def forget(self, connection: int) -> int:
        """The connection is closed: its peers leave all torrents. Gives their number."""
        return lib.tw_ws_swarm_forget(self.cdata, connection)

    def scrape(self, info_hash: bytes) -> Counts:
        """The counts of a torrent; zeros for an unknown one. ValueError as for `announce`."""
        counts = ffi.new("tw_counts *")
        lib.tw_ws_swarm_scrape(self.cdata, _twenty(info_hash), counts)
        return read_counts(counts)

    def tend(self, now_ms: int | None = None, budget: int = 4096) -> bool:
        """Does a bounded piece of the sweep that is due; whether more is due."""
        return lib.tw_ws_swarm_tend(self.cdata, or_now(now_ms), budget)

    def expire_all(self, now_ms: int | None = None) -> None:
        """Removes every peer and every offer whose time has come, however many they are."""
        lib.tw_ws_swarm_expire_all(self.cdata, or_now(now_ms))

    def purge(self, access_list: AccessList) -> Iterator[int]:
        """Removes what the list does not allow, shard by shard; gives the number of torrents removed at each step."""
        for shard in range(SHARDS):
            yield lib.tw_ws_swarm_purge(self.cdata, shard, access_list.cdata)

    def totals(self) -> WsTotals:
        """Sums over all torrents."""
        totals = ffi.new("tw_ws_swarm_totals *")
        lib.tw_ws_swarm_get_totals(self.cdata, totals)
        return WsTotals(*(getattr(totals, name) for name in WsTotals._fields))

    def work(self) -> Work:
        """Memory and expiry."""
        work = ffi.new("tw_swarm_work *")
        lib.tw_ws_swarm_get_work(self.cdata, work)
        return Work(*(getattr(work, name) for name in Work._fields))


def _twenty(name: bytes) -> bytes:
    if len(name) != lib.TW_INFO_HASH_SIZE:
        raise ValueError(f"info hash, peer id or offer id of {len(name)} bytes, expected 20")
    return name
