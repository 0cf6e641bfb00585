"""The Python face of WebTorrent's swarm; what the swarm does is judged by the model in tests/."""

import pytest
from thalweg_common._core import ffi
from thalweg_common.swarm import AccessList, Counts
from thalweg_common.udp_wire import Event
from thalweg_common.ws_swarm import MAX_OFFERS, SHARDS, AnnounceOutcome, AnswerOutcome, Target, WsSwarm, WsTotals

A, B = b"A" * 20, b"B" * 20
ALICE, BOB = b"-WW0102-alice-------", b"-WW0102-bob---------"
OFFER = b"o" * 20


def test_an_offer_and_its_answer() -> None:
    """An offer goes to the other peer with its index, and the answer finds its way back, once."""
    with WsSwarm() as swarm:
        assert swarm.announce(1, A, ALICE, event=Event.STARTED, offer_ids=[OFFER]).targets == []
        told = swarm.announce(2, A, BOB, event=Event.COMPLETED, left_nothing=True, offer_ids=[OFFER, B])
        assert told == (AnnounceOutcome.ANNOUNCED, Counts(1, 1, 0, 1), [Target(0, 1, ALICE)])
        assert swarm.answer(1, A, ALICE, BOB, OFFER) == (AnswerOutcome.RELAY, 2)
        assert swarm.answer(1, A, ALICE, BOB, OFFER).outcome is AnswerOutcome.NO_OFFER
        assert swarm.answer(1, A, ALICE, b"nobody".ljust(20), OFFER).outcome is AnswerOutcome.TARGET_GONE
        assert swarm.scrape(A) == told.counts


def test_a_download_counts_once() -> None:
    """Each stored peer completes once, however often it says so; the count outlives it."""
    with WsSwarm() as swarm:
        for event in (Event.COMPLETED, Event.COMPLETED, Event.NONE, Event.COMPLETED, Event.STOPPED):
            swarm.announce(1, A, ALICE, event=event)
        assert swarm.scrape(A) == Counts(0, 0, 0, 1)
        assert swarm.announce(2, A, BOB, event=Event.COMPLETED).counts == Counts(1, 0, 0, 2)


def test_a_closed_connection_leaves_everything() -> None:
    """Its peers are gone from all torrents, and nobody else's."""
    with WsSwarm() as swarm:
        for info_hash in (A, B):
            swarm.announce(1, info_hash, ALICE)
            swarm.announce(2, info_hash, BOB)
        assert swarm.forget(1) == 2
        assert swarm.forget(1) == 0
        assert (swarm.scrape(A), swarm.scrape(B)) == (Counts(0, 1, 0, 0),) * 2
        assert swarm.totals().connections == 1


def test_peers_and_offers_expire_when_told_the_time() -> None:
    """No test has to wait."""
    with WsSwarm(max_peer_age=100, max_offer_age=10, clean_interval=1) as swarm:
        swarm.announce(1, A, ALICE, now_ms=1_000)
        swarm.announce(2, A, BOB, offer_ids=[OFFER], now_ms=1_000)
        assert swarm.totals().offers == 1
        swarm.expire_all(now_ms=12_000)
        assert (swarm.totals().offers, swarm.totals().expired_offers, swarm.totals().peers) == (0, 1, 2)
        swarm.tend(now_ms=0)
        assert swarm.tend(now_ms=102_000, budget=1)
        swarm.expire_all(now_ms=102_000)
        assert (swarm.totals().peers, swarm.totals().expired_peers, swarm.work().bytes_used) == (0, 2, 0)


def test_access_lists_purge() -> None:
    """What a list does not allow is removed, with its peers."""
    with WsSwarm() as swarm:
        for info_hash in (A, B):
            swarm.announce(1, info_hash, ALICE)
        steps = list(swarm.purge(AccessList("deny", A)))
        assert (len(steps), sum(steps)) == (SHARDS, 1)
        assert (swarm.scrape(A), swarm.scrape(B)) == (Counts(0, 0, 0, 0), Counts(0, 1, 0, 0))


def test_offers_beyond_the_most_are_not_looked_at() -> None:
    """However many there are in a message."""
    with WsSwarm(max_offers_per_peer=255) as swarm:
        for number in range(100):
            swarm.announce(number, A, number.to_bytes(20, "big"))
        told = swarm.announce(100, A, ALICE, offer_ids=[number.to_bytes(20, "big") for number in range(90)])
        assert len({target.connection for target in told.targets}) == MAX_OFFERS


def test_identifiers_of_another_length_are_refused() -> None:
    """They are 20 bytes, all of them."""
    with WsSwarm() as swarm:
        with pytest.raises(ValueError, match="of 19 bytes, expected 20"):
            swarm.announce(1, A[1:], ALICE)
        with pytest.raises(ValueError, match="of 21 bytes, expected 20"):
            swarm.announce(1, A, ALICE, offer_ids=[OFFER, OFFER + b"o"])
        with pytest.raises(ValueError, match="of 0 bytes, expected 20"):
            swarm.answer(1, A, ALICE, b"", OFFER)
        with pytest.raises(ValueError, match="of 40 bytes, expected 20"):
            swarm.scrape(A + B)


@pytest.mark.parametrize(
    "arguments",
    [
        {"max_peer_age": 0},
        {"max_offer_age": 0},
        {"clean_interval": 241},
        {"max_peers_per_torrent": 0},
        {"max_peers_per_connection": 0},
        {"max_offers_per_peer": 256},
        {"max_bytes": 0},
    ],
)
def test_options_out_of_range_are_refused(arguments: dict[str, int]) -> None:
    """The core says no, and Python says so."""
    with pytest.raises(MemoryError, match="out of range"):
        WsSwarm(**arguments)  # type: ignore[arg-type]


def test_the_totals_are_those_of_the_core() -> None:
    """None is missing in Python."""
    assert set(dir(ffi.new("tw_ws_swarm_totals *"))) == set(WsTotals._fields)
