"""Each eligible WebTorrent peer is equally likely to get an offer, and each pair: chi-square over 30,000 announces."""

import pytest
from thalweg_common.ws_swarm import WsSwarm

from .chi_square import SUSPICIOUS, Tally
from .core import info_hash_of

TORRENT = info_hash_of(18)
ASKER, ASKERS_CONNECTION = bytes(20), 1
REQUESTS = 30_000


def make_swarm(seed: int) -> WsSwarm:
    """An empty swarm whose choices follow from the seed."""
    return WsSwarm(max_bytes=1 << 24, max_offers_per_peer=64, seed=seed.to_bytes(48, "big"))


def peer_of(number: int) -> bytes:
    """Give the number-th peer id, from 1 on."""
    return number.to_bytes(20, "big")


def join(swarm: WsSwarm, numbers: range, seeders: int) -> list[bytes]:
    """Store peers, each on its own connection, the seeders spread over the order of arrival; give the downloaders."""
    chosen = []
    for at, number in enumerate(numbers):
        seeds = at * seeders // len(numbers) != (at + 1) * seeders // len(numbers)
        swarm.announce(100 + number, TORRENT, peer_of(number), left_nothing=seeds, now_ms=0)
        if not seeds:
            chosen.append(peer_of(number))
    return chosen


def draw(swarm: WsSwarm, peers: list[bytes], offers: int, asks_as_seeder: bool) -> Tally:
    """Let one peer announce again and again."""
    tally = Tally(peers, REQUESTS)
    offer_ids = [peer_of(number) for number in range(offers)]
    for request in range(REQUESTS):
        told = swarm.announce(
            ASKERS_CONNECTION, TORRENT, ASKER, left_nothing=asks_as_seeder, offer_ids=offer_ids, now_ms=0
        )
        assert len(told.targets) == offers
        tally.add(request, [target.peer_id for target in told.targets])
    return tally


def judge(tally: Tally, offers: int) -> None:
    """Assert that neither singles nor pairs were favoured."""
    assert tally.p_of_singles(offers) > SUSPICIOUS
    if offers > 1:
        assert tally.p_of_pairs(offers, among=100) > SUSPICIOUS


@pytest.mark.parametrize(("size", "offers"), [(5, 1), (5, 3), (30, 10), (100, 1), (1000, 10)])
def test_a_leechers_offers_go_to_every_peer_and_pair_equally_often(size: int, offers: int) -> None:
    """They are a uniform sample of all others, two thirds of them seeders."""
    with make_swarm(size + offers) as swarm:
        join(swarm, range(1, size + 1), 2 * size // 3)
        judge(draw(swarm, [peer_of(number + 1) for number in range(size)], offers, asks_as_seeder=False), offers)


@pytest.mark.parametrize(("downloaders", "seeders", "offers"), [(5, 2, 3), (5, 100, 2), (60, 60, 10)])
def test_a_seeders_offers_go_to_every_downloader_and_pair_equally_often(
    downloaders: int, seeders: int, offers: int
) -> None:
    """They are a uniform sample of the downloaders, however many seeders there are."""
    with make_swarm(downloaders + offers) as swarm:
        peers = join(swarm, range(1, downloaders + seeders + 1), seeders)
        judge(draw(swarm, peers, offers, asks_as_seeder=True), offers)


def test_gaps_left_by_closed_connections_favour_nobody() -> None:
    """After two thirds of a swarm have left, the rest still gets offers evenly."""
    with make_swarm(3) as swarm:
        everybody = join(swarm, range(1, 151), 0)
        for number in range(1, 151):
            if number % 3:
                swarm.forget(100 + number)
        judge(draw(swarm, everybody[2::3], 10, asks_as_seeder=False), 10)


def test_the_newcomer_at_a_full_torrent_displaces_everybody_equally_often() -> None:
    """Among peers that have been silent equally long, each is as likely to make room."""
    tally = Tally([peer_of(number) for number in range(1, 11)], 3000)
    for request in range(3000):
        with WsSwarm(max_peers_per_torrent=10, max_bytes=1, seed=request.to_bytes(48, "big")) as swarm:
            join(swarm, range(1, 11), 5)
            told = swarm.announce(1, TORRENT, ASKER, offer_ids=[peer_of(offer) for offer in range(20)], now_ms=0)
            tally.add(request, set(tally.columns) - {target.peer_id for target in told.targets})
    assert tally.p_of_singles(1) > SUSPICIOUS
