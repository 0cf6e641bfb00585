"""A slow, obvious WebTorrent swarm made of dictionaries and lists: what the C core must agree with.

Time is in whole seconds, as ages count in the core. A peer is an object here, so that one who left and came back under
the same name is another, to whom no earlier offer was relayed.

Between the moment a peer is due to expire and whatever removes it, the core may still count it, but treats it as gone
otherwise. The model keeps such peers as overdue and gives counts as bounds; without overdue peers the bounds meet. The
same holds for the downloads of a torrent that a sweep may have removed.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from thalweg_common.ws_swarm import MAX_OFFERS, Announced, AnnounceOutcome, Answered, AnswerOutcome

from .model import COMPLETED, NOTHING, STOPPED, Bounds, State, state_of


@dataclass(eq=False)
class WsPeer:
    """One stored peer with the offers it waits to have answered: (offer id, whom it went to, when), oldest first."""

    connection: int
    seen: int
    state: State = State.LEECHER
    completed: bool = False
    offers: list[tuple[bytes, "WsPeer", int]] = field(default_factory=list)


@dataclass
class WsTorrent:
    """The peers of one info hash by peer_id."""

    peers: dict[bytes, WsPeer] = field(default_factory=dict)
    downloads_low: int = 0
    downloads_high: int = 0


class WsModel:
    """All torrents."""

    def __init__(self, *, max_peer_age: int, max_offer_age: int, per_connection: int, offers_per_peer: int) -> None:
        """Make an empty swarm; ages in seconds."""
        self.max_peer_age = max_peer_age
        self.max_offer_age = max_offer_age
        self.per_connection = per_connection
        self.offers_per_peer = offers_per_peer
        self.torrents: dict[bytes, WsTorrent] = {}

    # ------------------------------------------------------------------ announces

    def judge_announce(
        self,
        connection: int,
        info_hash: bytes,
        peer_id: bytes,
        event: int,
        left_nothing: bool,
        offer_ids: Sequence[bytes],
        now: int,
        told: Announced,
    ) -> None:
        """Assert that a reply is right, and do the same here."""
        self._forget_overdue(info_hash, peer_id, now)
        assert told.outcome in self._outcomes(connection, info_hash, peer_id, event, now)
        if told.outcome is AnnounceOutcome.ANNOUNCED:
            self._store(connection, info_hash, peer_id, event, left_nothing, now)
        assert self.counts(info_hash, now).hold(told.counts), (told.counts, self.counts(info_hash, now))
        if told.outcome is not AnnounceOutcome.ANNOUNCED or event == STOPPED:
            assert told.targets == []
        else:
            self._judge_targets(info_hash, peer_id, offer_ids, now, told)

    def _outcomes(
        self, connection: int, info_hash: bytes, peer_id: bytes, event: int, now: int
    ) -> set[AnnounceOutcome]:
        """Give what the core may say: overdue peers may still stand in their connection's way, or not."""
        stored = self._stored(info_hash, peer_id)
        if stored or event == STOPPED:
            owned = stored is not None and stored.connection != connection
            return {AnnounceOutcome.OWNED if owned else AnnounceOutcome.ANNOUNCED}
        low, high = self.held_by(connection, now)
        may = {AnnounceOutcome.ANNOUNCED} if low < self.per_connection else set()
        return may | ({AnnounceOutcome.CONNECTION_FULL} if high >= self.per_connection else set())

    def _store(
        self, connection: int, info_hash: bytes, peer_id: bytes, event: int, left_nothing: bool, now: int
    ) -> None:
        if event == STOPPED:
            if info_hash in self.torrents:
                self.torrents[info_hash].peers.pop(peer_id, None)
            return
        torrent = self.torrents.setdefault(info_hash, WsTorrent())
        peer = torrent.peers.setdefault(peer_id, WsPeer(connection, now))
        peer.seen, peer.state = now, state_of(event, left_nothing)
        if event == COMPLETED and not peer.completed:
            peer.completed = True
            torrent.downloads_low += 1
            torrent.downloads_high += 1

    def eligible(self, info_hash: bytes, peer_id: bytes, now: int) -> set[tuple[int, bytes]]:
        """Give those that offers of a stored peer may go to: (connection, peer_id)."""
        peers = self.torrents[info_hash].peers
        downloads = peers[peer_id].state is State.LEECHER
        return {
            (other.connection, name)
            for name, other in peers.items()
            if name != peer_id and not self.is_overdue(other, now) and (downloads or other.state is State.LEECHER)
        }

    def _judge_targets(
        self, info_hash: bytes, peer_id: bytes, offer_ids: Sequence[bytes], now: int, told: Announced
    ) -> None:
        eligible = self.eligible(info_hash, peer_id, now)
        chosen = [(target.connection, target.peer_id) for target in told.targets]
        assert set(chosen) <= eligible, set(chosen) - eligible
        assert len(set(chosen)) == len(chosen)
        assert len(chosen) == min(len(offer_ids), len(eligible), MAX_OFFERS, self.offers_per_peer)
        assert [target.offer for target in told.targets] == list(range(len(chosen)))
        peers = self.torrents[info_hash].peers
        for offer_id, target in zip(offer_ids, told.targets, strict=False):
            peers[peer_id].offers.append((offer_id, peers[target.peer_id], now))
        if chosen:
            self._drop_old_offers(peers[peer_id], now)
            del peers[peer_id].offers[: -self.offers_per_peer]

    # ------------------------------------------------------------------ answers

    def answer(
        self, connection: int, info_hash: bytes, peer_id: bytes, to_peer_id: bytes, offer_id: bytes, now: int
    ) -> Answered:
        """Give what the core must say of an answer, and note that it was given."""
        self._forget_overdue(info_hash, peer_id, now)
        answerer = self._stored(info_hash, peer_id)
        if answerer is None or answerer.connection != connection:
            return Answered(AnswerOutcome.NO_OFFER, 0)
        self._forget_overdue(info_hash, to_peer_id, now)
        target = self._stored(info_hash, to_peer_id)
        if target is None:
            return Answered(AnswerOutcome.TARGET_GONE, 0)
        self._drop_old_offers(target, now)
        for index, (known, recipient, _) in enumerate(target.offers):
            if known == offer_id and recipient is answerer:
                del target.offers[index]
                return Answered(AnswerOutcome.RELAY, target.connection)
        return Answered(AnswerOutcome.NO_OFFER, 0)

    def _drop_old_offers(self, peer: WsPeer, now: int) -> None:
        peer.offers = [offer for offer in peer.offers if now - offer[2] <= self.max_offer_age]

    # ------------------------------------------------------------------ peers that leave

    def is_overdue(self, peer: WsPeer, now: int) -> bool:
        """Tell whether a peer has not announced for longer than max_peer_age."""
        return now - peer.seen > self.max_peer_age

    def _stored(self, info_hash: bytes, peer_id: bytes) -> WsPeer | None:
        return self.torrents[info_hash].peers.get(peer_id) if info_hash in self.torrents else None

    def _forget_overdue(self, info_hash: bytes, peer_id: bytes, now: int) -> None:
        """Who is met after their time is gone."""
        peer = self._stored(info_hash, peer_id)
        if peer and self.is_overdue(peer, now):
            del self.torrents[info_hash].peers[peer_id]

    def _keep(self, wanted: Callable[[WsPeer], bool]) -> None:
        for torrent in self.torrents.values():
            torrent.peers = {name: peer for name, peer in torrent.peers.items() if wanted(peer)}

    def forget(self, connection: int) -> None:
        """Remove a connection's peers."""
        self._keep(lambda peer: peer.connection != connection)

    def may_have_swept(self, now: int) -> None:
        """Note that a part of the swarm was swept: a torrent without live peers may have been removed."""
        for torrent in self.torrents.values():
            if all(self.is_overdue(peer, now) for peer in torrent.peers.values()):
                torrent.downloads_low = 0

    def expire_all(self, now: int) -> None:
        """Remove every overdue peer and offer, then every torrent without peers."""
        self._keep(lambda peer: not self.is_overdue(peer, now))
        self.torrents = {key: torrent for key, torrent in self.torrents.items() if torrent.peers}
        for peer in self.everybody():
            self._drop_old_offers(peer, now)

    def keep_only(self, allowed: Iterable[bytes]) -> None:
        """Remove every torrent that an access list does not allow."""
        kept = set(allowed)
        self.torrents = {key: torrent for key, torrent in self.torrents.items() if key in kept}

    # ------------------------------------------------------------------ counts

    def everybody(self) -> Iterator[WsPeer]:
        """Give all stored peers, the overdue ones included."""
        for torrent in self.torrents.values():
            yield from torrent.peers.values()

    def held_by(self, connection: int, now: int) -> tuple[int, int]:
        """Give the fewest and the most peers that a connection may have."""
        own = [peer for peer in self.everybody() if peer.connection == connection]
        return sum(not self.is_overdue(peer, now) for peer in own), len(own)

    def counts(self, info_hash: bytes, now: int) -> Bounds:
        """Give what a scrape may say."""
        if info_hash not in self.torrents:
            return NOTHING
        torrent = self.torrents[info_hash]
        low = tally(peer for peer in torrent.peers.values() if not self.is_overdue(peer, now))
        return Bounds((*low, torrent.downloads_low), (*tally(torrent.peers.values()), torrent.downloads_high))


def tally(peers: Iterable[WsPeer]) -> tuple[int, int, int]:
    """Give the numbers of seeders, leechers and partial seeds; the last are among the leechers."""
    states = [peer.state for peer in peers]
    seeders, partial_seeds = states.count(State.SEEDER), states.count(State.PARTIAL_SEED)
    return seeders, len(states) - seeders, partial_seeds
