"""Every eligible peer is equally likely to be chosen, and every pair: chi-square over 100,000 requests each.

Swarms of 5, 100, 300 and 5,000 peers are kept in different ways inside; seeders draw from the downloaders alone.
"""

import pytest

from .chi_square import SUSPICIOUS, Tally
from .core import Core, info_hash_of, peer_of

TORRENT = info_hash_of(18)
REQUESTS = 100_000


def fill(core: Core, downloaders: int, seeders: int, ip_version: int) -> list[bytes]:
    """Store peers, every state spread over the order of arrival; give the downloaders."""
    everybody = downloaders + seeders
    chosen = []
    for number in range(everybody):
        seeds = number * seeders // everybody != (number + 1) * seeders // everybody
        peer = peer_of(number + 1, ip_version)
        core.announce(TORRENT, peer, 0, left_nothing=seeds)
        if not seeds:
            chosen.append(peer)
    return chosen


def draw(core: Core, peers: list[bytes], numwant: int, ip_version: int, asks_as_seeder: bool) -> Tally:
    """Let one peer ask again and again."""
    tally = Tally(peers, REQUESTS)
    asker = peer_of(0, ip_version)
    for request in range(REQUESTS):
        _, drawn = core.announce(TORRENT, asker, 0, numwant=numwant, left_nothing=asks_as_seeder)
        assert len(drawn) == numwant
        tally.add(request, drawn)
    return tally


@pytest.mark.parametrize("ip_version", [4, 6])
@pytest.mark.parametrize(
    ("size", "numwant"), [(5, 3), (5, 1), (100, 20), (100, 1), (100, 97), (300, 8), (300, 50), (5000, 30)]
)
def test_a_leecher_draws_every_peer_and_pair_equally_often(size: int, numwant: int, ip_version: int) -> None:
    """A leecher's peers are a uniform sample of all others, two thirds of them seeders."""
    core = Core(seed=size + numwant)
    fill(core, size - 2 * size // 3, 2 * size // 3, ip_version)
    peers = [peer_of(number + 1, ip_version) for number in range(size)]
    tally = draw(core, peers, numwant, ip_version, asks_as_seeder=False)
    assert tally.p_of_singles(numwant) > SUSPICIOUS
    if numwant > 1:
        assert tally.p_of_pairs(numwant, among=100) > SUSPICIOUS


@pytest.mark.parametrize("ip_version", [4, 6])
@pytest.mark.parametrize(
    ("downloaders", "seeders", "numwant"), [(5, 2, 3), (5, 100, 2), (100, 100, 20), (100, 4000, 20), (3000, 300, 30)]
)
def test_a_seeder_draws_every_downloader_and_pair_equally_often(
    downloaders: int, seeders: int, numwant: int, ip_version: int
) -> None:
    """A seeder's peers are a uniform sample of the downloaders, however many seeders there are."""
    core = Core(seed=downloaders + numwant)
    peers = fill(core, downloaders, seeders, ip_version)
    tally = draw(core, peers, numwant, ip_version, asks_as_seeder=True)
    assert tally.p_of_singles(numwant) > SUSPICIOUS
    assert tally.p_of_pairs(numwant, among=100) > SUSPICIOUS


@pytest.mark.parametrize("numwant", [2, 20])
def test_gaps_left_by_peers_that_stopped_favour_nobody(numwant: int) -> None:
    """After two thirds of a large swarm have left, the rest is still drawn evenly."""
    core = Core(seed=numwant)
    everybody = fill(core, 900, 0, 4)
    stayed = [peer for number, peer in enumerate(everybody) if number % 3 == 0]
    for peer in set(everybody) - set(stayed):
        core.announce(TORRENT, peer, 0, event=3)
    tally = draw(core, stayed, numwant, 4, asks_as_seeder=False)
    assert tally.p_of_singles(numwant) > SUSPICIOUS
    assert tally.p_of_pairs(numwant, among=100) > SUSPICIOUS


def test_equal_seeds_give_equal_choices() -> None:
    """A sampler's choices follow from its seed, so that a failure can be repeated."""
    replies = []
    for seed in (1, 1, 2):
        core = Core(seed=seed)
        fill(core, 200, 0, 4)
        replies.append([core.announce(TORRENT, peer_of(0, 4), 0, numwant=10)[1] for _ in range(5)])
    assert replies[0] == replies[1]
    assert replies[0] != replies[2]
