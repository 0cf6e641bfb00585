"""The peers a load plays: spread over torrents as their weights say, and always the same for a seed."""

from collections import Counter

import pytest
from thalweg.load_generator import Generator
from thalweg.load_population import BLOCK, Popularity, Population
from thalweg.load_udp import UdpGenerator, UdpTraffic


def generator_of(population: Population) -> Generator:
    """A generator that is only asked for its peers."""
    return UdpGenerator("127.0.0.1", 1, population, UdpTraffic())


@pytest.mark.parametrize("popularity", list(Popularity))
def test_torrents_have_peers_by_weight(popularity: Popularity) -> None:
    """Chi-square of the torrents' peers against their weights."""
    population = Population(torrents=500, peers=100_000, popularity=popularity, seed=3)
    with generator_of(population) as generator:
        peers = Counter(generator.peer(index)[0] for index in range(population.peers))
    weights = population.weights() or [1.0] * population.torrents
    scale = population.peers / sum(weights)
    statistic = sum((peers[i] - weight * scale) ** 2 / (weight * scale) for i, weight in enumerate(weights))
    assert statistic < 499 + 6 * (2 * 499) ** 0.5


def test_skewed_weights_tower_over_their_floor() -> None:
    """The first torrent weighs hundreds of floors, most torrents just the floor."""
    weights = Population(torrents=1000, peers=3000, popularity=Popularity.SKEWED).weights()
    assert weights is not None
    assert weights[0] == pytest.approx(3 + 665.14, abs=0.01)
    assert weights[500] == pytest.approx(3)


def test_peers_have_addresses_and_ports_of_their_own() -> None:
    """With enough sources no two peers are one to the tracker."""
    with generator_of(Population(torrents=10, peers=100_000)) as generator:
        identities = {generator.peer(index)[1:3] for index in range(100_000)}
    assert len(identities) == 100_000
    assert {source for source, _ in identities} == set(range(64))
    assert min(port for _, port in identities) >= 1


def test_seeders_have_their_share() -> None:
    """Within six standard deviations; exactly none and all at the ends."""
    for share, low, high in ((0.0, 0, 0), (0.75, 7240, 7760), (1.0, 10_000, 10_000)):
        with generator_of(Population(torrents=10, peers=10_000, seeder_share=share, seed=5)) as generator:
            seeders = sum(generator.peer(index)[3] for index in range(10_000))
        assert low <= seeders <= high


def test_a_seed_is_a_population() -> None:
    """The same seed gives the same peers, another one others; a later range is a part of the whole."""
    whole = Population(torrents=1000, peers=10 * BLOCK, popularity=Popularity.UNIFORM, seed=11)
    part = Population(torrents=1000, peers=BLOCK, popularity=Popularity.UNIFORM, seed=11, first_peer=3 * BLOCK)
    other = Population(torrents=1000, peers=BLOCK, popularity=Popularity.UNIFORM, seed=12, first_peer=3 * BLOCK)
    with generator_of(whole) as first, generator_of(part) as second, generator_of(other) as third:
        assert [second.peer(i) for i in range(BLOCK)] == [first.peer(3 * BLOCK + i) for i in range(BLOCK)]
        assert [third.peer(i)[0] for i in range(BLOCK)] != [second.peer(i)[0] for i in range(BLOCK)]
        hashes = {generator.info_hash(torrent) for generator in (first, third) for torrent in range(1000)}
        assert first.info_hash(7) == second.info_hash(7)
    assert len(hashes) == 2000
