"""The sweep: bounded steps, every peer reached, and no harm from clocks that differ between workers."""

import pytest

from .core import Core, info_hash_of, peer_of

TORRENT = info_hash_of(0)


def sweep_until_done(core: Core, now_ms: int, budget: int) -> int:
    """Tend until nothing is due; give the number of steps."""
    for step in range(100_000):
        if not core.tend(now_ms, budget):
            return step
    return pytest.fail("the sweep always says that more is due")


@pytest.mark.parametrize("budget", [1, 50, 5000])
def test_tending_removes_what_is_due_within_an_interval(budget: int) -> None:
    """Small steps reach every peer: one pass of the sweep after the due time all are gone, and work was counted."""
    core = Core(max_peer_age=100, clean_interval=10)
    for number in range(3000):
        core.announce(info_hash_of(number // 5 if number < 1500 else 1), peer_of(number, 4), 0)
    for tenth in range(1020, 1230):
        sweep_until_done(core, tenth * 100, budget)
    assert core.totals(4)["peers"] == core.totals(4)["torrents"] == 0
    assert core.work()["full_sweeps"] == 2
    assert core.work()["swept_records"] >= 3000


@pytest.mark.parametrize("ip_version", [4, 6])
def test_a_step_is_bounded_by_its_budget(ip_version: int) -> None:
    """One call looks at about `budget` records (a leaf of at most 255 more), however large the torrent is."""
    core = Core(max_peer_age=100, clean_interval=10)
    core.tend(0, 1)
    for number in range(20_000):
        core.announce(TORRENT, peer_of(number, ip_version), 0)
    before, more, steps = core.work()["swept_records"], True, 0
    while more:
        more = core.tend(20_000, 100)
        after = core.work()["swept_records"]
        assert after - before <= 100 + 255 + 1
        before, steps = after, steps + 1
    assert steps >= 20_000 // 356


@pytest.mark.parametrize("swept", [10, 300, 600, 990])
def test_expire_all_is_complete_after_part_of_a_sweep(swept: int) -> None:
    """A sweep that paused inside a torrent hides none of its peers from a later one."""
    core = Core(max_peer_age=100, clean_interval=1)
    core.tend(0, 1)
    for number in range(1000):
        core.announce(TORRENT, peer_of(number, 4), 0)
    while core.work()["swept_records"] < swept:
        core.tend(50_000, 10)
    core.expire_all(102_000)
    assert core.totals(4)["peers"] == 0


@pytest.mark.parametrize("ip_version", [4, 6])
@pytest.mark.parametrize("behind", [1, 1000, 5000])
@pytest.mark.parametrize("peers", [1, 50, 1000])
def test_a_clock_slightly_behind_removes_nobody(peers: int, behind: int, ip_version: int) -> None:
    """Workers read the clock for themselves: a peer from another one's next second is young, not very old."""
    core = Core(max_peer_age=100, clean_interval=1)
    core.tend(1, 1000)
    for number in range(peers):
        core.announce(TORRENT, peer_of(number, ip_version), 50_000)
    asker = peer_of(0, ip_version)[:-2] + b"\0\0"
    assert len(core.announce(TORRENT, asker, 50_000 - behind, numwant=50)[1]) == min(peers, 50)
    while core.tend(50_000 - behind, 1000):
        pass
    core.expire_all(50_000 - behind)
    assert core.scrape(ip_version, TORRENT).leechers == peers
