"""The C swarm and the dictionary model get the same calls, drawn by Hypothesis, and must say the same.

The swarm changes how it keeps a torrent at about 3 and 128 peers, and keeps downloaders apart from the others; the
bulk rules walk across those sizes in both directions.
"""

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from thalweg_common._core import lib

from .core import Core, info_hash_of, peer_of
from .exploring import MACHINE_SETTINGS
from .model import Model, state_of

TORRENTS = [info_hash_of(number) for number in range(3)]
FAMILIES = (4, 6)
UNSWEPT_SECONDS = 1000  # a service sweeps all the time; a clock that leaps past the times in records is not the model's

torrents = st.sampled_from(TORRENTS)
families = st.sampled_from(FAMILIES)
events = st.integers(0, 9)
numwants = st.sampled_from([0, 1, 2, 3, 7, 8, 9, 16, 30, 50, 74, 127, 200, 202, 300]) | st.integers(0, 300)
numbers = st.integers(0, 12) | st.integers(0, 3000)
bulk_sizes = st.sampled_from([2, 3, 4, 8, 20, 40, 60, 100, 120, 128, 150, 200, 260, 600, 1500])


def choose_peer(number: int, ip_version: int) -> bytes:
    """Give a peer: every seventh is local, and of those above 2000 nearly all."""
    return peer_of(number, ip_version, local=number % 7 == 0 or (number > 2000 and number % 100 != 0))


class SwarmMachine(RuleBasedStateMachine):
    """Any order of announces, scrapes, sweeps, purges and passing time."""

    @initialize(
        max_peer_age=st.sampled_from([1, 60, 900]),
        clean_interval=st.sampled_from([1, 60, 900]),
        filter_addresses=st.booleans(),
        start=st.sampled_from([0, 1, 999, 2_047_000, 2_048_001, 10**9, 2**33 - 5000, 2**45 + 7]),
        seed=st.integers(0, 2**32),
    )
    def begin(self, max_peer_age: int, clean_interval: int, filter_addresses: bool, start: int, seed: int) -> None:
        """Make both swarms; the clock begins anywhere."""
        self.core = Core(
            max_peer_age=max_peer_age,
            clean_interval=min(clean_interval, max_peer_age),
            max_bytes=1 << 26,
            filter_addresses=filter_addresses,
            seed=seed,
        )
        self.core.tend(start, 1)
        self.models = {family: Model(max_peer_age, filter_addresses) for family in FAMILIES}
        self.start, self.now, self.swept = start, 0, 0

    @property
    def now_ms(self) -> int:
        """The core's clock."""
        return self.start + self.now * 1000

    def both(self, torrent: bytes, peer: bytes, event: int, left_nothing: bool, numwant: int) -> None:
        """Announce to both and compare the reply."""
        model = self.models[4 if len(peer) == 6 else 6]
        counts, found = self.core.announce(
            torrent, peer, self.now_ms, event=event, left_nothing=left_nothing, numwant=numwant
        )
        model.announce(torrent, peer, event, left_nothing, self.now)
        assert model.counts(torrent, self.now).hold(counts), (counts, model.counts(torrent, self.now))
        eligible = model.eligible(torrent, peer, event, left_nothing, self.now)
        assert set(found) <= eligible, (state_of(event, left_nothing), set(found) - eligible)
        assert len(found) == min(numwant, len(eligible))
        assert len(set(found)) == len(found)

    def both_uncompared(self, torrent: bytes, peer: bytes, event: int, left_nothing: bool) -> None:
        """Announce to both; the invariant compares the counts after the last of many."""
        self.core.announce(torrent, peer, self.now_ms, event=event, left_nothing=left_nothing)
        self.models[4 if len(peer) == 6 else 6].announce(torrent, peer, event, left_nothing, self.now)

    @rule(torrent=torrents, family=families, number=numbers, event=events, left_nothing=st.booleans(), numwant=numwants)
    def announce(self, torrent: bytes, family: int, number: int, event: int, left_nothing: bool, numwant: int) -> None:
        """One peer announces anything."""
        self.both(torrent, choose_peer(number, family), event, left_nothing, numwant)

    @rule(torrent=torrents, family=families, number=numbers, event=events, numwant=numwants)
    def announce_without_port(self, torrent: bytes, family: int, number: int, event: int, numwant: int) -> None:
        """A peer that cannot be reached is answered and not stored."""
        self.both(torrent, choose_peer(number, family)[:-2] + b"\0\0", event, False, numwant)

    @rule(
        torrent=torrents,
        family=families,
        first=numbers,
        size=bulk_sizes,
        event=st.sampled_from([0, 0, 1, 2, 4]),
        left_nothing=st.booleans(),
    )
    def many_announce(self, torrent: bytes, family: int, first: int, size: int, event: int, left_nothing: bool) -> None:
        """Neighbouring peers announce the same; some change their state by it."""
        for number in range(first, first + size):
            self.both_uncompared(torrent, choose_peer(number, family), event, left_nothing)

    @rule(torrent=torrents, family=families, first=numbers, size=bulk_sizes, step=st.sampled_from([1, 1, 2, 3]))
    def many_stop(self, torrent: bytes, family: int, first: int, size: int, step: int) -> None:
        """Neighbouring peers leave."""
        for number in range(first, first + size * step, step):
            self.both_uncompared(torrent, choose_peer(number, family), 3, False)

    @rule(
        torrent=torrents,
        family=families,
        share=st.sampled_from([0.1, 0.5, 0.9, 1.0]),
        left_nothing=st.booleans(),
        first=st.integers(0, 100),
    )
    def many_ask(self, torrent: bytes, family: int, share: float, left_nothing: bool, first: int) -> None:
        """Stored peers ask one after another, for part of the swarm or all of it."""
        if torrent not in self.models[family].torrents:
            return
        stored = list(self.models[family].torrents[torrent].peers)
        for peer in stored[first : first + 20]:
            self.both(torrent, peer, 0, left_nothing, min(300, int(len(stored) * share)))

    @rule(seconds=st.integers(0, 3) | st.integers(0, 70) | st.integers(0, UNSWEPT_SECONDS))
    def wait(self, seconds: int) -> None:
        """Time passes; before it passes for too long unswept, everything is swept."""
        if self.now + seconds - self.swept > UNSWEPT_SECONDS:
            self.expire_all()
        self.now += seconds

    @rule(budget=st.sampled_from([1, 7, 64, 1000]), rounds=st.integers(1, 20))
    def tend(self, budget: int, rounds: int) -> None:
        """Part of the swarm is swept."""
        for _ in range(rounds):
            if not self.core.tend(self.now_ms, budget):
                break
        for model in self.models.values():
            model.may_have_swept(self.now)

    @rule()
    def expire_all(self) -> None:
        """All of the swarm is swept: totals are exact again."""
        self.core.expire_all(self.now_ms)
        self.swept = self.now
        for family, model in self.models.items():
            model.expire_all(self.now)
            totals = self.core.totals(family)
            sums = [sum(column) for column in zip(*self.exact_counts(family).values(), strict=True)] or [0, 0, 0, 0]
            assert totals["torrents"] == len(model.torrents)
            assert totals["peers"] == sums[0] + sums[1]
            assert totals["seeders"] == sums[0]
            assert totals["partial_seeds"] == sums[2]

    @rule(kept=st.lists(torrents, unique=True), deny=st.booleans())
    def purge(self, kept: list[bytes], deny: bool) -> None:
        """An access list removes torrents of both families."""
        denied = [torrent for torrent in TORRENTS if torrent not in kept]
        stored = sum(torrent in model.torrents for model in self.models.values() for torrent in denied)
        with_peers = sum(any(self.core.scrape(family, torrent)[:2]) for family in FAMILIES for torrent in denied)
        removed = self.core.purge(lib.TW_ACCESS_DENY, denied) if deny else self.core.purge(lib.TW_ACCESS_ALLOW, kept)
        assert with_peers <= removed <= stored
        for model in self.models.values():
            model.keep_only(kept)

    @precondition(lambda self: self.now == self.swept)
    @rule(capacity=st.sampled_from([1, 2, 64]))
    def export(self, capacity: int) -> None:
        """The export has each torrent with peers once, with the counts that a scrape gives."""
        for family in FAMILIES:
            rows = list(self.core.rows(family, capacity))
            expected = {key: counts for key, counts in self.exact_counts(family).items() if sum(counts[:2])}
            assert len(rows) == len(expected)
            assert {key: tuple(counts)[:3] for key, counts in rows} == {
                key: counts[:3] for key, counts in expected.items()
            }

    @invariant()
    def scrape(self) -> None:
        """Every torrent's scrape agrees, after every step."""
        for family, model in self.models.items():
            for torrent in TORRENTS:
                counts, bounds = self.core.scrape(family, torrent), model.counts(torrent, self.now)
                assert bounds.hold(counts), (counts, bounds)

    def exact_counts(self, family: int) -> dict[bytes, tuple[int, int, int, int]]:
        """Give the model's counts of torrents without overdue peers."""
        model = self.models[family]
        return {torrent: model.counts(torrent, self.now).low for torrent in model.torrents}


TestSwarmAgainstModel = SwarmMachine.TestCase
TestSwarmAgainstModel.settings = MACHINE_SETTINGS
TestSwarmAgainstModel.__doc__ = "The core agrees with the model whatever is called in whatever order."
