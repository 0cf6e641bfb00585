"""The benches' own parts: the limits, and the arithmetic. Their figures are not tested."""

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from thalweg.load_http import HttpGenerator, HttpTraffic
from thalweg.load_population import Population
from thalweg.load_udp import UdpGenerator, UdpTraffic

from tests.bench import idle, servers
from tests.bench.turns import Contender, Result, Turn, compare, distinct, table

CPU = min(os.sched_getaffinity(0))
FEW = Population(torrents=10, peers=640)


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    """For compiled programs."""
    with tempfile.TemporaryDirectory() as name:
        yield Path(name)


@pytest.fixture(scope="module")
def udp_echo(folder: Path) -> Path:
    """udp_echo.c, compiled."""
    return servers.compile_limit("udp_echo", folder)


@pytest.fixture(scope="module")
def http_limit(folder: Path) -> Path:
    """http_limit.c, compiled."""
    return servers.compile_limit("http_limit", folder)


def check_turn(contender: Contender, size: float) -> None:
    """All kinds of requests are answered, announces with that size on average, and the CPU time is seen."""
    memory = contender.fill()
    taken = contender.take_turn(0.1)
    assert taken.mean_reply_bytes == pytest.approx(size, abs=0.5)
    assert taken.replies > 0
    assert taken.lost == 0
    assert taken.cpu_seconds > 0
    assert contender.result.fill_memory == memory


@pytest.mark.parametrize("size", [20.0, 95.0, 320.0])
def test_the_udp_limit_answers_with_the_size_asked_for(udp_echo: Path, size: float) -> None:
    """So that its rate can be compared with a tracker's."""
    traffic = UdpTraffic(announces=20, scrapes=1, connects=1, timeout=10)
    with (
        servers.limit(udp_echo, size, CPU) as server,
        Contender(server, UdpGenerator(servers.ADDRESS, server.port, FEW, traffic)) as contender,
    ):
        check_turn(contender, size)


@pytest.mark.parametrize("size", [150.0, 281.5, 700.0])
@pytest.mark.parametrize("connection_per_request", [False, True])
def test_the_http_limit_answers_with_the_size_asked_for(
    http_limit: Path, size: float, connection_per_request: bool
) -> None:
    """And keeps connections or not, as asked."""
    traffic = HttpTraffic(announces=20, scrapes=1, timeout=10, connection_per_request=connection_per_request)
    with (
        servers.limit(http_limit, size, CPU) as server,
        Contender(server, HttpGenerator(servers.ADDRESS, server.port, FEW, traffic)) as contender,
    ):
        check_turn(contender, size)
        counts = contender.generator.counts()
        assert (counts.malformed, counts.broken) == (0, 0)
        assert counts.connections == (sum(counts.requests.values()) if connection_per_request else 0)


def test_idle_connections_are_open_while_it_is_measured(http_limit: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both parts have replies at one rate, and the second one has what a connection costs."""
    monkeypatch.setattr(idle, "SETTLE_SECONDS", 0.01)
    with servers.limit(http_limit, 280.0, CPU) as server:
        without, among = idle.measure_idle(server, FEW, connections=300, seconds=0.1, rounds=2)
    assert (without.idle_connections, among.idle_connections) == (0, 300)
    assert without.rate == among.rate > 0
    assert [len(result.parts) for result in (without, among)] == [2, 2]
    assert all(part.replies > 0 == part.idle_broken for part in without.parts + among.parts)
    assert without.bytes_per_connection is None
    assert among.bytes_per_connection is not None
    assert len(idle.table([without, among])) == 3


def turn(size: float, rate: float) -> Turn:
    """One with nothing else of interest."""
    return Turn(
        replies=1, seconds=1, cpu_seconds=1, replies_per_cpu_second=rate, mean_reply_bytes=size, lost=0, latency_us={}
    )


def result(server: str, size: float, *rates: float) -> Result:
    """A result with these rates."""
    return Result(server=server, turns=[turn(size, rate) for rate in rates])


def test_ratios_are_of_medians_with_the_limit_of_like_size() -> None:
    """Every tracker is compared with the limit whose replies are nearest in size."""
    trackers = [result("opentracker", 120, 90, 100, 1000), result("thalweg", 95, 240, 180, 200)]
    limits = [result("limit", 119, 400), result("limit", 96, 250)]
    rival, ours, *_ = compare(trackers, limits)
    assert (rival.of_limit, rival.of_opentracker) == (0.25, 1.0)
    assert (ours.of_limit, ours.of_opentracker) == (0.8, 2.0)
    assert ours.spread() == pytest.approx(0.15)
    assert table("skewed", [ours])[1].split() == ["thalweg", "200", "±15.0%", "0.80", "2.00", "95.0", "100%", "0"]


def test_sizes_that_are_alike_share_a_limit() -> None:
    """Within three percent."""
    assert distinct([100.0, 102.0, 120.0]) == [100.0, 120.0]
