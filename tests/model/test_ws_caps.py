"""Caps of WebTorrent's swarm: it answers on, what is there stays, and nothing refused leaves a trace."""

import pytest
from thalweg_common.swarm import Counts
from thalweg_common.ws_swarm import AnnounceOutcome, AnswerOutcome, WsSwarm

from .core import info_hash_of

TORRENT = info_hash_of(7)


def peer_of(number: int) -> bytes:
    """Give the number-th peer id."""
    return number.to_bytes(20, "big")


def test_a_full_torrent_replaces_who_has_been_silent_longest() -> None:
    """A newcomer always gets in, the number never passes the cap, and recent peers stay."""
    with WsSwarm(max_peers_per_torrent=50, clean_interval=240, max_bytes=1 << 24) as swarm:
        for number in range(50):
            swarm.announce(number, TORRENT, peer_of(number), now_ms=number * 1000)
        for number in range(50, 60):
            told = swarm.announce(number, TORRENT, peer_of(number), now_ms=50_000, offer_ids=[peer_of(0)])
            assert told.outcome is AnnounceOutcome.ANNOUNCED
            assert told.counts.leechers == 50
            assert len(told.targets) == 1
        totals = swarm.totals()
        assert (totals.peers, totals.evicted_peers, totals.connections) == (50, 10, 50)
        assert all(swarm.forget(number) for number in range(40, 60))


def test_a_torrent_of_one_peer_passes_to_the_newcomer() -> None:
    """The smallest cap there is."""
    with WsSwarm(max_peers_per_torrent=1, max_bytes=1 << 24) as swarm:
        for number in range(100):
            assert swarm.announce(number, TORRENT, peer_of(number)).counts.leechers == 1
        assert (swarm.totals().connections, swarm.forget(99)) == (1, 1)


def test_the_cap_of_torrents_refuses_new_ones_until_one_is_gone() -> None:
    """Those that are there are served on; a refused one is told zeros and stores nothing."""
    with WsSwarm(max_torrents=10, max_bytes=1 << 24) as swarm:
        for number in range(20):
            told = swarm.announce(number, info_hash_of(number), peer_of(number), now_ms=0)
            assert told.outcome is (AnnounceOutcome.ANNOUNCED if number < 10 else AnnounceOutcome.FULL)
            assert told.counts == Counts(0, int(number < 10), 0, 0)
        assert swarm.announce(30, info_hash_of(5), peer_of(30), now_ms=0).counts.leechers == 2
        assert (swarm.totals().torrents, swarm.totals().connections, swarm.totals().refused_full) == (10, 11, 10)
        swarm.forget(0)
        swarm.expire_all(now_ms=0)
        assert swarm.announce(11, info_hash_of(11), peer_of(11), now_ms=0).outcome is AnnounceOutcome.ANNOUNCED


def test_a_connection_holds_so_many_peers_and_no_more() -> None:
    """New torrents and new names are refused alike, refreshing is not, and a refused torrent is not there."""
    with WsSwarm(max_peers_per_connection=3, max_bytes=1 << 24) as swarm:
        for number in range(3):
            swarm.announce(1, info_hash_of(number), peer_of(1), now_ms=0)
        for info_hash, peer_id in [(info_hash_of(3), peer_of(1)), (info_hash_of(0), peer_of(2))]:
            assert swarm.announce(1, info_hash, peer_id, now_ms=0).outcome is AnnounceOutcome.CONNECTION_FULL
        assert swarm.announce(1, info_hash_of(0), peer_of(1), now_ms=0).outcome is AnnounceOutcome.ANNOUNCED
        totals = swarm.totals()
        assert (totals.torrents, totals.peers, totals.refused_connection) == (3, 3, 2)
        swarm.announce(1, info_hash_of(0), peer_of(1), event=3, now_ms=0)
        assert swarm.announce(1, info_hash_of(3), peer_of(1), now_ms=0).outcome is AnnounceOutcome.ANNOUNCED


def test_a_refused_newcomer_displaces_nobody_from_a_full_torrent() -> None:
    """Room is made only for who gets in."""
    with WsSwarm(max_peers_per_torrent=2, max_peers_per_connection=1, max_bytes=1 << 24) as swarm:
        for number in range(2):
            swarm.announce(number, TORRENT, peer_of(number))
        assert swarm.announce(1, TORRENT, peer_of(9)).outcome is AnnounceOutcome.CONNECTION_FULL
        assert (swarm.totals().evicted_peers, swarm.scrape(TORRENT).leechers) == (0, 2)


def test_a_peers_newest_offers_displace_its_oldest() -> None:
    """Who offers more than the cap loses its own offers and nobody else's."""
    with WsSwarm(max_offers_per_peer=5, max_bytes=1 << 24) as swarm:
        swarm.announce(1, TORRENT, peer_of(1))
        swarm.announce(2, TORRENT, peer_of(2), offer_ids=[peer_of(50)])
        for number in range(8):
            swarm.announce(3, TORRENT, peer_of(3), left_nothing=True, offer_ids=[peer_of(100 + number)] * 2)
        totals = swarm.totals()
        assert (totals.offers, totals.displaced_offers, totals.handed_offers) == (6, 11, 17)
        assert swarm.answer(1, TORRENT, peer_of(1), peer_of(2), peer_of(50)).outcome is AnswerOutcome.RELAY
        answers = [
            [swarm.answer(number, TORRENT, peer_of(number), peer_of(3), peer_of(100 + offer)) for number in (1, 2)]
            for offer in range(8)
        ]
        relayed = [sum(answer.outcome is AnswerOutcome.RELAY for answer in both) for both in answers]
        assert relayed == [0, 0, 0, 0, 0, 1, 2, 2]


@pytest.mark.parametrize("offers", [0, 10])
def test_the_cap_of_memory_refuses_newcomers_and_serves_the_others(offers: int) -> None:
    """At max_bytes peers that are there announce on, offers are relayed, and memory freed is used again."""
    offer_ids = [peer_of(number) for number in range(offers)]
    with WsSwarm(max_bytes=1, max_peers_per_connection=1_000_000) as swarm:
        stored, number = 0, 0
        while swarm.totals().refused_full < 100:
            for _ in range(1000):
                told = swarm.announce(
                    number, info_hash_of(number % 500), peer_of(number), offer_ids=offer_ids, now_ms=0
                )
                stored += told.outcome is AnnounceOutcome.ANNOUNCED
                number += 1
        work = swarm.work()
        assert swarm.totals().peers == stored > 1000
        assert work.bytes_used <= work.bytes_reserved <= work.bytes_max
        assert swarm.announce(0, info_hash_of(0), peer_of(0), now_ms=0).outcome is AnnounceOutcome.ANNOUNCED
        for connection in range(number):
            swarm.forget(connection)
        swarm.expire_all(now_ms=0)
        assert swarm.work().bytes_used == 0
        assert swarm.announce(1, TORRENT, peer_of(1), now_ms=0).outcome is AnnounceOutcome.ANNOUNCED


def test_a_stop_of_the_unknown_stores_nothing() -> None:
    """Neither a torrent nor a connection."""
    with WsSwarm(max_bytes=1 << 24) as swarm:
        for number in range(1000):
            told = swarm.announce(number, info_hash_of(number), peer_of(number), event=3, offer_ids=[peer_of(1)])
            assert told == (AnnounceOutcome.ANNOUNCED, Counts(0, 0, 0, 0), [])
        assert (swarm.work().bytes_used, swarm.totals().torrents, swarm.totals().connections) == (0, 0, 0)


def test_a_peer_is_small() -> None:
    """A connection with one peer in a torrent of ten takes less than 150 bytes, and alone in its own less than 250."""
    for torrents, most in [(1000, 150), (10_000, 250)]:
        with WsSwarm(max_bytes=1 << 26) as swarm:
            for number in range(10_000):
                swarm.announce(number, info_hash_of(number % torrents), peer_of(number), now_ms=0)
            assert swarm.work().bytes_used / 10_000 < most
