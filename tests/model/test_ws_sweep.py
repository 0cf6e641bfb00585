"""The sweep of WebTorrent's swarm: bounded steps, every peer and offer reached, and who is overdue is not met again."""

import pytest
from thalweg_common.swarm import Counts
from thalweg_common.ws_swarm import AnnounceOutcome, AnswerOutcome, WsSwarm

from .core import info_hash_of

TORRENT = info_hash_of(0)


def peer_of(number: int) -> bytes:
    """Give the number-th peer id."""
    return number.to_bytes(20, "big")


def make_swarm(clean_interval: int) -> WsSwarm:
    """A swarm whose peers live for 100 seconds and whose offers live for 20."""
    return WsSwarm(max_peer_age=100, max_offer_age=20, clean_interval=clean_interval, max_bytes=1 << 24)


@pytest.mark.parametrize("budget", [5, 50, 5000])
def test_tending_removes_what_is_due_within_an_interval(budget: int) -> None:
    """Small steps reach every peer: one pass of the sweep after the due time all are gone, and work was counted."""
    with make_swarm(clean_interval=10) as swarm:
        for number in range(3000):
            info_hash = info_hash_of(number // 5 if number < 1500 else 1)
            swarm.announce(number, info_hash, peer_of(number), offer_ids=[peer_of(1)], now_ms=0)
        swarm.tend(0, budget)
        for tenth in range(1, 120):
            while swarm.tend(20_000 + tenth * 100, budget):
                pass
        assert (swarm.totals().offers, swarm.totals().peers) == (0, 3000)
        for tenth in range(1020, 1130):
            while swarm.tend(tenth * 100, budget):
                pass
        totals = swarm.totals()
        assert (totals.torrents, totals.peers, totals.connections) == (0, 0, 0)
        assert (totals.expired_peers, totals.expired_offers) == (3000, totals.handed_offers)
        assert totals.removed_torrents == 300
        assert swarm.work().full_sweeps >= 2
        assert swarm.work().swept_records >= 6000


def test_a_step_is_bounded_by_its_budget() -> None:
    """One call looks at `budget` records or a few more, however large the torrent is."""
    with make_swarm(clean_interval=10) as swarm:
        swarm.tend(0, 1)
        for number in range(20_000):
            swarm.announce(number, TORRENT, peer_of(number), now_ms=0)
        before, more, steps = swarm.work().swept_records, True, 0
        while more:
            more = swarm.tend(15_000, 100)
            after = swarm.work().swept_records
            assert after - before <= 100 + 50
            before, steps = after, steps + 1
        assert steps >= 20_000 // 150


def test_who_is_overdue_gets_no_offer_and_owns_no_name() -> None:
    """Without any sweep: neither a target nor an answer, and their name is free."""
    with make_swarm(clean_interval=100) as swarm:
        swarm.announce(1, TORRENT, peer_of(1), now_ms=0)
        assert swarm.announce(2, TORRENT, peer_of(2), offer_ids=[peer_of(9)], now_ms=90_000).targets
        assert swarm.announce(3, TORRENT, peer_of(1), now_ms=100_000).outcome is AnnounceOutcome.OWNED
        answer = TORRENT, peer_of(1), peer_of(2), peer_of(9)
        assert swarm.answer(1, *answer, now_ms=101_000).outcome is AnswerOutcome.NO_OFFER
        assert swarm.announce(3, TORRENT, peer_of(1), now_ms=101_000).outcome is AnnounceOutcome.ANNOUNCED
        assert swarm.announce(4, TORRENT, peer_of(4), offer_ids=[peer_of(9)] * 9, now_ms=200_000).counts.leechers == 2
        assert swarm.totals().expired_peers == 2


def test_an_announce_meets_a_bounded_number_of_overdue_peers() -> None:
    """It removes some of them, not all, and later ones go on with it."""
    with make_swarm(clean_interval=100) as swarm:
        for number in range(1, 1001):
            swarm.announce(number, TORRENT, peer_of(number), now_ms=0)
        told = swarm.announce(1001, TORRENT, peer_of(1001), offer_ids=[peer_of(9)], now_ms=150_000)
        assert (told.targets, told.counts) == ([], Counts(0, 1000 - 64 + 1, 0, 0))
        for _ in range(20):
            told = swarm.announce(1001, TORRENT, peer_of(1001), offer_ids=[peer_of(9)], now_ms=150_000)
        assert told.counts == Counts(0, 1, 0, 0)


def test_offers_live_as_long_as_they_should() -> None:
    """An answer in the last second is relayed, one after it is not."""
    with make_swarm(clean_interval=100) as swarm:
        swarm.announce(1, TORRENT, peer_of(1), now_ms=0)
        swarm.announce(2, TORRENT, peer_of(2), offer_ids=[peer_of(8)], now_ms=0)
        swarm.announce(2, TORRENT, peer_of(2), offer_ids=[peer_of(9)], now_ms=1000)
        answers = [swarm.answer(1, TORRENT, peer_of(1), peer_of(2), peer_of(offer), now_ms=21_000) for offer in (8, 9)]
        assert [answer.outcome for answer in answers] == [AnswerOutcome.NO_OFFER, AnswerOutcome.RELAY]


@pytest.mark.parametrize("behind", [1, 1000, 50_000])
def test_a_clock_slightly_behind_removes_nobody(behind: int) -> None:
    """Workers read the clock for themselves: who is from another one's next second is young, not very old."""
    with make_swarm(clean_interval=1) as swarm:
        swarm.tend(1, 1000)
        for number in range(1, 51):
            swarm.announce(number, TORRENT, peer_of(number), offer_ids=[peer_of(9)], now_ms=60_000)
        told = swarm.announce(99, TORRENT, peer_of(99), offer_ids=[peer_of(9)] * 50, now_ms=60_000 - behind)
        assert len(told.targets) == 50
        swarm.expire_all(60_000 - behind)
        assert (swarm.totals().peers, swarm.totals().offers) == (51, 49 + 50)


def test_a_peer_that_left_and_came_back_is_another() -> None:
    """Offers relayed to the one before it are not for it to answer, nor are those it sent itself still answered."""
    with make_swarm(clean_interval=100) as swarm:
        swarm.announce(1, TORRENT, peer_of(1), now_ms=0)
        for offer in (8, 9):
            swarm.announce(2, TORRENT, peer_of(2), offer_ids=[peer_of(offer)], now_ms=0)
        assert swarm.answer(1, TORRENT, peer_of(1), peer_of(2), peer_of(8), now_ms=0).outcome is AnswerOutcome.RELAY
        swarm.announce(1, TORRENT, peer_of(1), event=3, now_ms=0)
        swarm.announce(1, TORRENT, peer_of(1), now_ms=0)
        answer = TORRENT, peer_of(1), peer_of(2), peer_of(9)
        assert swarm.answer(1, *answer, now_ms=0).outcome is AnswerOutcome.NO_OFFER
        swarm.announce(2, TORRENT, peer_of(2), offer_ids=[peer_of(9)], now_ms=0)
        swarm.forget(2)
        assert swarm.answer(1, *answer, now_ms=0).outcome is AnswerOutcome.TARGET_GONE
        swarm.announce(2, TORRENT, peer_of(2), now_ms=0)
        assert swarm.answer(1, *answer, now_ms=0).outcome is AnswerOutcome.NO_OFFER
        assert swarm.totals().withdrawn_offers == 2
