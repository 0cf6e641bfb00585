"""The bench's own parts: the echo that is its limit, and its arithmetic. Its figures are not tested."""

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from thalweg.load_population import Population
from thalweg.load_udp import UdpTraffic

from tests.bench import servers
from tests.bench.udp import Contender, Result, Turn, compare, distinct, table


@pytest.fixture(scope="module")
def echo_program() -> Iterator[Path]:
    """udp_echo.c, compiled."""
    with tempfile.TemporaryDirectory() as folder:
        yield servers.compile_echo(Path(folder))


@pytest.mark.parametrize("size", [20.0, 95.0, 320.0])
def test_the_echo_answers_with_the_size_asked_for(echo_program: Path, size: float) -> None:
    """Announce replies have it on average, all kinds of requests are answered, and the CPU time is seen."""
    traffic = UdpTraffic(announces=20, scrapes=1, connects=1, timeout=10)
    with servers.echo(echo_program, size, cpu=min(os.sched_getaffinity(0))) as server:
        contender = Contender(server, Population(torrents=10, peers=640), traffic)
        contender.fill()
        taken = contender.take_turn(0.1)
        contender.generator.close()
    assert taken.mean_reply_bytes == pytest.approx(size, abs=0.5)
    assert taken.replies > 0
    assert taken.cpu_seconds > 0
    assert contender.result.fill_memory is not None


def turn(size: float, rate: float) -> Turn:
    """One with nothing else of interest."""
    return Turn(
        replies=1, seconds=1, cpu_seconds=1, replies_per_cpu_second=rate, mean_reply_bytes=size, lost=0, latency_us={}
    )


def result(server: str, size: float, *rates: float) -> Result:
    """A result with these rates."""
    return Result(server=server, turns=[turn(size, rate) for rate in rates])


def test_ratios_are_of_medians_with_the_echo_of_like_size() -> None:
    """Every tracker is compared with the echo whose replies are nearest in size."""
    trackers = [result("opentracker", 120, 90, 100, 1000), result("thalweg", 95, 240, 180, 200)]
    echoes = [result("echo", 119, 400), result("echo", 96, 250)]
    rival, ours, *_ = compare(trackers, echoes)
    assert (rival.of_echo, rival.of_opentracker) == (0.25, 1.0)
    assert (ours.of_echo, ours.of_opentracker) == (0.8, 2.0)
    assert ours.spread() == pytest.approx(0.15)
    assert table("skewed", [ours])[1].split() == ["thalweg", "200", "±15.0%", "0.80", "2.00", "95.0", "100%", "0"]


def test_sizes_that_are_alike_share_an_echo() -> None:
    """Within three percent."""
    assert distinct([100.0, 102.0, 120.0]) == [100.0, 120.0]
