"""Peers expire on time and leave nothing behind."""

import pytest

from .core import Core, info_hash_of, peer_of

TORRENT = info_hash_of(0)
MILLION = 1_000_000


@pytest.mark.parametrize("ip_version", [4, 6])
@pytest.mark.parametrize("peers", [1, 3, 100, 1000])
@pytest.mark.parametrize("max_peer_age", [1, 1800, 2000])
def test_a_peer_lives_for_max_peer_age_and_a_second(max_peer_age: int, peers: int, ip_version: int) -> None:
    """At max_peer_age all are there; two seconds (units of time) later none is handed out, and a sweep removes all."""
    core = Core(max_peer_age=max_peer_age)
    start = 123_456
    for number in range(1, peers + 1):
        core.announce(TORRENT, peer_of(number, ip_version), start)
    asker = peer_of(0, ip_version)[:-2] + b"\0\0"
    core.expire_all(start + max_peer_age * 1000)
    assert len(core.announce(TORRENT, asker, start + max_peer_age * 1000, numwant=512)[1]) == min(peers, 512)
    late = start + (max_peer_age + 2) * 1000
    assert core.announce(TORRENT, asker, late, numwant=512)[1] == []
    core.expire_all(late)
    assert core.totals(ip_version)["peers"] == core.totals(ip_version)["torrents"] == 0
    assert core.totals(ip_version)["expired_peers"] == peers
    assert core.totals(ip_version)["removed_torrents"] == 1


@pytest.mark.parametrize("max_peer_age", [4000, 86_400, MILLION])
def test_long_ages_are_kept_to_a_two_thousandth(max_peer_age: int) -> None:
    """Above 2000 seconds times are coarser: never early, late by two units at most."""
    unit = -(-max_peer_age // 2000)
    core = Core(max_peer_age=max_peer_age)
    core.announce(TORRENT, peer_of(1, 4), 5000)
    core.expire_all(5000 + max_peer_age * 1000)
    assert core.scrape(4, TORRENT).leechers == 1
    core.expire_all(5000 + (max_peer_age + 2 * unit) * 1000)
    assert core.scrape(4, TORRENT).leechers == 0


def test_refreshed_peers_stay_for_ever() -> None:
    """A peer that announces in time outlives the width of the core's clock, many times over."""
    core = Core(max_peer_age=1800, clean_interval=60)
    for minute in range(0, 3 * 24 * 60, 25):
        now = minute * 60_000
        counts, _ = core.announce(TORRENT, peer_of(1, 4), now, left_nothing=True)
        assert counts.seeders == 1
        core.expire_all(now)
    assert core.totals(4)["expired_peers"] == 0


def test_a_million_torrents_come_and_go() -> None:
    """A million torrents of one peer, then one torrent of a million: totals return to zero and memory with them."""
    core = Core(max_peer_age=100, max_bytes=1 << 30)
    empty = core.work()["bytes_used"]
    for number in range(MILLION):
        core.announce(number.to_bytes(4, "big") * 5, peer_of(number, 4), 0)
    assert core.totals(4)["torrents"] == core.totals(4)["peers"] == MILLION
    full = core.work()["bytes_used"]
    core.expire_all(200_000)
    assert core.totals(4)["torrents"] == core.totals(4)["peers"] == 0
    assert core.work()["bytes_used"] - empty < full // 50
    for number in range(MILLION):
        core.announce(TORRENT, peer_of(number, 4), 200_000)
    assert core.scrape(4, TORRENT).leechers == MILLION
    core.expire_all(400_000)
    assert core.totals(4)["peers"] == 0
    assert core.work()["bytes_used"] - empty < full // 50
