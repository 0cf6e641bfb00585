"""Which addresses are hidden from global peers: the edges of every network, against the model's list of networks."""

import ipaddress

import pytest

from .core import Core, info_hash_of
from .model import LOCAL_NETWORKS, is_local

TORRENT = info_hash_of(0)
GLOBAL = {4: "11.22.33.44", 6: "2a00:1::44"}
LOCAL = {4: "10.9.8.7", 6: "fd00::7"}
PORT = (6881).to_bytes(2, "big")


def packed(address: str) -> bytes:
    """Give the compact form of an address with a port."""
    return ipaddress.ip_address(address).packed + PORT


def told_of(core: Core, asker: str, other: str) -> bool:
    """Announce the second address, then tell whether the first is told of it."""
    core.announce(TORRENT, packed(other), 0)
    _, peers = core.announce(TORRENT, packed(asker), 0, numwant=50)
    return packed(other) in peers


def edges() -> list[str]:
    """Give the first and last address of each network and their neighbours outside."""
    found = []
    for network in LOCAL_NETWORKS:
        first, last = network[0], network[-1]
        found += [first, last] + ([first - 1] if int(first) else [])
        found += [last + 1] if int(last) + 1 < 1 << network.max_prefixlen else []
    odd = {"0.0.0.1", "239.255.255.255", "240.0.0.0"}  # "this network" and class E: the rules do not name them
    return sorted({str(address) for address in found} - odd)


@pytest.mark.parametrize("address", edges())
def test_local_addresses_are_hidden_from_global_peers_only(address: str) -> None:
    """A global peer is told of exactly the global addresses; a local one of all; without the filter so is everyone."""
    version = ipaddress.ip_address(address).version
    assert told_of(Core(), GLOBAL[version], address) is not is_local(packed(address))
    assert told_of(Core(), LOCAL[version], address)
    assert told_of(Core(filter_addresses=False), GLOBAL[version], address)


@pytest.mark.parametrize("version", [4, 6])
def test_counts_include_hidden_peers(version: int) -> None:
    """A global peer learns from the counts that a hidden peer exists, but not its address."""
    core = Core()
    core.announce(TORRENT, packed(LOCAL[version]), 0, left_nothing=True)
    counts, peers = core.announce(TORRENT, packed(GLOBAL[version]), 0, numwant=50)
    assert (counts.seeders, counts.leechers, peers) == (1, 1, [])


@pytest.mark.parametrize("version", [4, 6])
@pytest.mark.parametrize("hidden", [1, 5, 127, 400, 3000])
@pytest.mark.parametrize("shown", [0, 1, 3, 60])
def test_few_global_peers_among_many_hidden_are_all_found(version: int, hidden: int, shown: int) -> None:
    """However few peers may be shown, the reply has exactly those, and never one more."""
    core = Core()
    for number in range(hidden + shown):
        place = number * shown // (hidden + shown) != (number + 1) * shown // (hidden + shown)
        network = ipaddress.ip_address(GLOBAL[version] if place else LOCAL[version])
        core.announce(TORRENT, (network + 256 * (number + 1)).packed + PORT, 0)
    _, peers = core.announce(TORRENT, packed(GLOBAL[version]), 0, numwant=50)
    assert len(peers) == len(set(peers)) == min(50, shown)
    assert not any(is_local(peer) for peer in peers)
