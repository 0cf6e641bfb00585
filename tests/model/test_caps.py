"""Hard caps: the swarm always answers, never holds more than it may, and makes room by the documented policy.

* At max_torrents (or max_bytes) the victim is, among eight random torrents of the newcomer's shard or of the next one
  that has any, the torrent with the fewest peers.
* At max_peers_per_torrent the stalest of a few random peers makes room.
"""

import pytest

from .core import MIB, Core, info_hash_of, peer_of

TORRENT = info_hash_of(0)


def counter_sum(core: Core, name: str) -> int:
    """Give a total over both families."""
    return sum(core.totals(ip_version)[name] for ip_version in (4, 6))


@pytest.mark.parametrize("cap", [1, 3, 1000])
def test_torrents_never_exceed_their_cap(cap: int) -> None:
    """Each torrent beyond the cap replaces another; both families count together."""
    core = Core(max_torrents=cap)
    for number in range(cap * 2 + 5):
        ip_version = 4 if number % 3 else 6
        counts, _ = core.announce(info_hash_of(number), peer_of(number, ip_version), 0)
        assert counts.leechers == 1
        assert core.scrape(ip_version, info_hash_of(number)).leechers == 1
        if number % 50 == 0:
            assert counter_sum(core, "torrents") <= cap
    assert counter_sum(core, "torrents") == cap
    assert counter_sum(core, "peers") == cap
    assert counter_sum(core, "evicted_torrents") == cap + 5


def test_known_torrents_stay_when_the_cap_is_reached() -> None:
    """Peers of stored torrents evict no torrent."""
    core = Core(max_torrents=10)
    for number in range(1000):
        core.announce(info_hash_of(number % 10), peer_of(number, 4), 0)
    assert counter_sum(core, "evicted_torrents") == 0
    assert counter_sum(core, "peers") == 1000


def test_small_torrents_give_way_to_new_ones() -> None:
    """With sixteen torrents in each shard, half of them large, nearly every victim is one of the small ones."""
    stored, newcomers = 65_536, 4_000
    core = Core(max_torrents=stored)
    for number in range(stored):
        for peer in range(1 if number % 2 else 4):
            core.announce(info_hash_of(number), peer_of(peer, 4), 0)
    for number in range(stored, stored + newcomers):
        core.announce(info_hash_of(number), peer_of(1, 4), 0)
    lost_large = sum(not any(core.scrape(4, info_hash_of(number))) for number in range(0, stored, 2))
    assert counter_sum(core, "evicted_torrents") == newcomers
    assert lost_large < newcomers // 20


@pytest.mark.parametrize("ip_version", [4, 6])
@pytest.mark.parametrize("cap", [1, 2, 3, 4, 10, 128, 129, 1000])
def test_peers_of_a_torrent_never_exceed_their_cap(cap: int, ip_version: int) -> None:
    """Each peer beyond the cap replaces another one, and is itself stored."""
    core = Core(max_peers_per_torrent=cap)
    for number in range(cap * 2 + 20):
        newcomer = peer_of(number, ip_version)
        counts, _ = core.announce(TORRENT, newcomer, 0, left_nothing=number % 3 == 0)
        assert counts.seeders + counts.leechers == min(number + 1, cap)
        refreshed, _ = core.announce(TORRENT, newcomer, 0, left_nothing=number % 3 == 0)
        assert refreshed == counts
    totals = core.totals(ip_version)
    assert (totals["peers"], totals["evicted_peers"], totals["refused_peers"]) == (cap, cap + 20, 0)


@pytest.mark.parametrize("ip_version", [4, 6])
@pytest.mark.parametrize("cap", [40, 2000])
def test_stale_peers_give_way_to_new_ones(cap: int, ip_version: int) -> None:
    """When half of the peers are stale, clearly more than half of the evicted ones are."""
    fresh_left = 0
    for seed in range(10):
        core = Core(max_peers_per_torrent=cap, seed=seed)
        for number in range(cap):
            core.announce(TORRENT, peer_of(number, ip_version), 0)
        for number in range(0, cap, 2):
            core.announce(TORRENT, peer_of(number, ip_version), 500_000)
        for number in range(cap, cap + cap // 4):
            core.announce(TORRENT, peer_of(number, ip_version), 501_000)
        core.expire_all(1_900_000)  # what was stale is gone now
        fresh_left += core.scrape(ip_version, TORRENT).leechers - cap // 4
    lost = 10 * (cap // 2) - fresh_left
    assert lost < 10 * (cap // 4) * 0.4


@pytest.mark.parametrize("ip_version", [4, 6])
@pytest.mark.parametrize("peers_each", [1, 5, 3000])
def test_memory_never_exceeds_its_cap(ip_version: int, peers_each: int) -> None:
    """A swarm of 2 MiB is offered more records than that: it answers each announce, evicts, and stays below its cap."""
    core = Core(max_bytes=2 * MIB)
    for number in range(300_000 if ip_version == 4 else 150_000):
        info_hash = info_hash_of(number // peers_each) if peers_each < 3000 else info_hash_of(number // 3000 % 400)
        core.announce(info_hash, peer_of(number, ip_version), number // 1000, numwant=5)
        if number % 10_000 == 0:
            work = core.work()
            assert work["bytes_used"] <= work["bytes_reserved"] <= work["bytes_max"]
    totals = core.totals(ip_version)
    assert totals["evicted_torrents"] + totals["refused_peers"] + totals["evicted_peers"] > 0
    core.expire_all(10_000_000)
    assert core.totals(ip_version)["peers"] == 0
    counts, _ = core.announce(info_hash_of(0), peer_of(0, ip_version), 10_000_000)
    assert counts.leechers == 1


def test_a_full_swarm_still_answers_scrapes_and_stops() -> None:
    """At every cap at once, known torrents are served as before."""
    core = Core(max_torrents=2, max_peers_per_torrent=2, max_bytes=2 * MIB)
    for number in range(2):
        core.announce(TORRENT, peer_of(number, 4), 0)
    assert core.scrape(4, TORRENT).leechers == 2
    counts, _ = core.announce(TORRENT, peer_of(0, 4), 0, event=3)
    assert counts.leechers == 1
