"""`thalweg load` on real trackers, thalweg-http and opentracker: what they answer adds up."""

import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from thalweg.load_generator import Counts, Phase
from thalweg.load_http import HttpGenerator, HttpTraffic
from thalweg.load_population import Population

from tests.bench import servers
from tests.running import RunningService

POPULATION = Population(torrents=5, peers=400, seed=3)
CONFIG = 'network.addresses = ["127.0.0.1:0"]\nlog_level = "warn"\n'


def play(port: int, traffic: HttpTraffic) -> Counts:
    """Fills, then plays for a moment; what was counted after the fill."""
    with HttpGenerator("127.0.0.1", port, POPULATION, traffic) as generator:
        assert generator.run(Phase.FILL, 30)
        assert generator.counts().replies["announce"] == POPULATION.peers
        generator.reset_counts()
        generator.run(Phase.STEADY, 0.3)
        assert generator.run(Phase.DRAIN, 30)
        return generator.counts()


@pytest.fixture(scope="module", params=["true", "false"])
def thalweg_http(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    """The service, with and without its fast path."""
    folder = tmp_path_factory.mktemp("service")
    command = [sys.executable, "-m", "thalweg_http.main"]
    with RunningService(folder, CONFIG, command, THALWEG_HTTP__NETWORK__FAST_PATH=request.param) as service:
        yield service


@pytest.mark.parametrize(
    "traffic",
    [
        HttpTraffic(in_flight=16, timeout=20, announces=10, scrapes=1),
        HttpTraffic(in_flight=16, timeout=20, announces=10, scrapes=1, pipeline=5),
        HttpTraffic(in_flight=16, timeout=20, announces=10, scrapes=1, connection_per_request=True),
    ],
)
def test_thalweg_http(thalweg_http: RunningService, traffic: HttpTraffic) -> None:
    """Every request is answered, with the swarm's peers, and connections are kept as wished."""
    counts = play(thalweg_http.port(), traffic)
    assert counts.replies["announce"] > counts.replies["scrape"] > 0
    assert (counts.replies["error"], counts.lost, counts.malformed, counts.broken) == (0, 0, 0, 0), counts.error_text
    assert counts.peers > 10 * counts.replies["announce"]
    if not traffic.connection_per_request:
        assert counts.connections == 0


def test_opentracker() -> None:
    """It ends every connection after the reply, by agreement."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        traffic = HttpTraffic(in_flight=16, timeout=20, connection_per_request=True)
        servers.write_whitelist(folder, POPULATION)
        with servers.opentracker(folder, min(os.sched_getaffinity(0)), wildcard=False) as server:
            counts = play(server.port, traffic)
    assert counts.replies["announce"] > 0
    assert (counts.replies["error"], counts.lost, counts.malformed, counts.broken) == (0, 0, 0, 0), counts.error_text
    assert counts.peers > 10 * counts.replies["announce"]
