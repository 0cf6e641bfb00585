"""WebTorrent's swarm and a model of dictionaries are told the same and must say the same."""

from collections.abc import Sequence

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from thalweg_common.swarm import AccessList
from thalweg_common.ws_swarm import AnswerOutcome, WsSwarm

from .core import info_hash_of
from .exploring import MACHINE_SETTINGS
from .ws_model import WsModel

MAX_PEER_AGE, MAX_OFFER_AGE = 100, 40
PER_CONNECTION, OFFERS_PER_PEER = 5, 12
TORRENTS = [info_hash_of(number) for number in range(3)]
PEER_IDS = [f"-WW0102-{number:012}".encode() for number in range(12)]
OFFER_IDS = [info_hash_of(number) for number in range(100, 106)]

torrents = st.sampled_from(TORRENTS)
peer_ids = st.sampled_from(PEER_IDS)
connections = st.integers(0, 5)
events = st.sampled_from([0, 0, 0, 1, 2, 2, 3, 4, 9])
offers = st.lists(st.sampled_from(OFFER_IDS), max_size=8) | st.integers(0, 80).map(lambda size: OFFER_IDS[:1] * size)


class WsSwarmMachine(RuleBasedStateMachine):
    """Calls in any order; six connections at a time, each replaced by a new one when it closes."""

    def __init__(self) -> None:
        """Begin at some time with nobody there."""
        super().__init__()
        self.swarm = WsSwarm(
            max_peer_age=MAX_PEER_AGE,
            max_offer_age=MAX_OFFER_AGE,
            clean_interval=10,
            max_peers_per_connection=PER_CONNECTION,
            max_offers_per_peer=OFFERS_PER_PEER,
            max_bytes=1 << 24,
            seed=bytes(range(48)),
        )
        self.model = WsModel(
            max_peer_age=MAX_PEER_AGE,
            max_offer_age=MAX_OFFER_AGE,
            per_connection=PER_CONNECTION,
            offers_per_peer=OFFERS_PER_PEER,
        )
        self.now = 1000
        self.open = [1 << 63 | number for number in range(6)]
        self.relayed: list[tuple[int, bytes, bytes, bytes, bytes]] = []

    @property
    def now_ms(self) -> int:
        """The clock that the core is told: half a second into the model's."""
        return self.now * 1000 + 500

    def teardown(self) -> None:
        """Leave nothing behind: what was stored is given back to the last byte."""
        for connection in self.open:
            self.swarm.forget(connection)
        self.swarm.expire_all(self.now_ms)
        assert self.swarm.work().bytes_used == 0
        self.swarm.__exit__()

    @rule(
        which=connections, torrent=torrents, peer_id=peer_ids, event=events, left_nothing=st.booleans(), offers=offers
    )
    def announce(
        self, which: int, torrent: bytes, peer_id: bytes, event: int, left_nothing: bool, offers: Sequence[bytes]
    ) -> None:
        """Somebody announces anything; mostly under names that are theirs."""
        connection = self.open[which]
        told = self.swarm.announce(
            connection,
            torrent,
            peer_id,
            event=event,
            left_nothing=left_nothing,
            offer_ids=offers,
            now_ms=self.now_ms,
        )
        self.model.judge_announce(connection, torrent, peer_id, event, left_nothing, offers, self.now, told)
        for target in told.targets:
            self.relayed.append((target.connection, torrent, target.peer_id, peer_id, offers[target.offer]))

    @precondition(lambda self: any(self.model.everybody()))
    @rule(data=st.data(), event=events, left_nothing=st.booleans(), offers=offers)
    def announce_again(self, data: st.DataObject, event: int, left_nothing: bool, offers: Sequence[bytes]) -> None:
        """Somebody who is there announces anything, under its own name."""
        stored = [
            (self.open.index(peer.connection), torrent, peer_id)
            for torrent, peers in self.model.torrents.items()
            for peer_id, peer in peers.peers.items()
        ]
        self.announce(*data.draw(st.sampled_from(stored)), event, left_nothing, offers)

    @rule(torrent=torrents, seeders=st.integers(0, 12))
    def all_announce(self, torrent: bytes, seeders: int) -> None:
        """Everyone joins who may, so that there is somebody to choose from."""
        for number, peer_id in enumerate(PEER_IDS):
            self.announce(number % 6, torrent, peer_id, 0, number < seeders, OFFER_IDS[:3])

    def both_answer(self, connection: int, torrent: bytes, peer_id: bytes, to_peer_id: bytes, offer: bytes) -> None:
        """Answer both and compare."""
        answered = self.swarm.answer(connection, torrent, peer_id, to_peer_id, offer, now_ms=self.now_ms)
        expected = self.model.answer(connection, torrent, peer_id, to_peer_id, offer, self.now)
        assert answered.outcome is expected.outcome
        assert answered.outcome is not AnswerOutcome.RELAY or answered.connection == expected.connection

    @precondition(lambda self: self.relayed)
    @rule(data=st.data())
    def answer(self, data: st.DataObject) -> None:
        """Somebody answers an offer that was relayed, perhaps long ago or for the second time."""
        self.both_answer(*data.draw(st.sampled_from(self.relayed[-40:])))

    @precondition(lambda self: self.relayed)
    @rule(data=st.data(), which=connections, part=st.integers(0, 4), name=peer_ids, torrent=torrents)
    def answer_nearly(self, data: st.DataObject, which: int, part: int, name: bytes, torrent: bytes) -> None:
        """One thing about the answer is another than it should be."""
        right = data.draw(st.sampled_from(self.relayed[-40:]))
        other = (self.open[which], torrent, name, name, OFFER_IDS[which])
        self.both_answer(
            other[0] if part == 0 else right[0],
            other[1] if part == 1 else right[1],
            other[2] if part == 2 else right[2],
            other[3] if part == 3 else right[3],
            other[4] if part == 4 else right[4],
        )

    @rule(which=connections)
    def close(self, which: int) -> None:
        """A connection closes: all its peers are gone at once."""
        connection = self.open[which]
        low, high = self.model.held_by(connection, self.now)
        assert low <= self.swarm.forget(connection) <= high
        assert self.swarm.forget(connection) == 0
        self.model.forget(connection)
        self.open[which] = max(self.open) + 1

    @rule(seconds=st.integers(0, 3) | st.integers(0, 45) | st.integers(0, 110))
    def wait(self, seconds: int) -> None:
        """Time passes."""
        self.now += seconds

    @rule(budget=st.sampled_from([1, 7, 64, 1000]), rounds=st.integers(1, 200))
    def tend(self, budget: int, rounds: int) -> None:
        """Part of the swarm is swept."""
        for _ in range(rounds):
            if not self.swarm.tend(self.now_ms, budget):
                break
        self.model.may_have_swept(self.now)

    @rule()
    def expire_all(self) -> None:
        """All of the swarm is swept: totals are exact again."""
        self.swarm.expire_all(self.now_ms)
        self.model.expire_all(self.now)
        totals, everybody = self.swarm.totals(), list(self.model.everybody())
        assert totals.torrents == len(self.model.torrents)
        assert totals.peers == len(everybody)
        assert totals.connections == len({peer.connection for peer in everybody})
        assert totals.offers == sum(len(peer.offers) for peer in everybody)
        assert (totals.torrents == 0) == (self.swarm.work().bytes_used == 0)

    @rule(kept=st.lists(torrents, unique=True), deny=st.booleans())
    def purge(self, kept: list[bytes], deny: bool) -> None:
        """An access list removes torrents, and their peers from their connections."""
        denied = [torrent for torrent in TORRENTS if torrent not in kept]
        access_list = AccessList("deny", b"".join(denied)) if deny else AccessList("allow", b"".join(kept))
        sum(self.swarm.purge(access_list))
        self.model.keep_only(kept)

    @invariant()
    def sums_agree(self) -> None:
        """Every torrent's scrape agrees, and every offer is accounted for, after every step."""
        for torrent in TORRENTS:
            counts, bounds = self.swarm.scrape(torrent), self.model.counts(torrent, self.now)
            assert bounds.hold(counts), (counts, bounds)
        totals = self.swarm.totals()
        ended = totals.answered_offers + totals.expired_offers + totals.displaced_offers + totals.withdrawn_offers
        assert totals.handed_offers == totals.offers + ended
        scraped = [self.swarm.scrape(torrent) for torrent in TORRENTS]
        assert totals.seeders == sum(counts.seeders for counts in scraped)
        assert totals.peers == sum(counts.seeders + counts.leechers for counts in scraped)
        assert totals.partial_seeds == sum(counts.partial_seeds for counts in scraped)


TestWsSwarmAgainstModel = WsSwarmMachine.TestCase
TestWsSwarmAgainstModel.settings = MACHINE_SETTINGS
TestWsSwarmAgainstModel.__doc__ = "The core agrees with the model whatever is called in whatever order."
