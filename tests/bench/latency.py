"""How long replies take while three million peers expire within a minute, beside how long they take otherwise.

One run: fill three million peers; then other peers announce at a moderate, fixed rate, first while nobody is old
enough to expire, then while all of the three million do. Latencies count from the time a request was due, so that a
pause of the server shows in every request that would have been made during it.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import msgspec
from thalweg.load_generator import Generator, Phase
from thalweg.load_population import BLOCK, WORKLOADS, Population
from thalweg.load_report import latencies
from thalweg.load_udp import UdpGenerator, UdpTraffic
from thalweg_common.status import parse_status

from tests.bench import servers
from tests.bench.servers import Server, StartError

RATE = 20_000
MAX_PEER_AGE = 75
CLEANING_INTERVAL = 15
"""Seconds for a whole sweep. Peers expire in the order of the fill, which takes some 20 seconds, and with the sweep."""
QUIET_SECONDS = 30
OTHERS = 1000 * BLOCK
"""Peers that announce while it is measured: each is back long before it expires."""
DEADLINE_SECONDS = 200.0


class LatencyResult(msgspec.Struct, frozen=True, kw_only=True):
    """One part of the run. Latencies in microseconds."""

    part: str
    seconds: float
    replies: int
    lost: int
    peers_before: int
    peers_after: int
    latency_us: dict[str, float]


class _Peers:
    """How many peers the server holds, from its status lines."""

    def __init__(self, descriptor: int) -> None:
        os.set_blocking(descriptor, False)
        self._descriptor = descriptor
        self._text = b""
        self.count = 0

    def update(self) -> int:
        """The newest count."""
        try:
            while data := os.read(self._descriptor, 65536):
                self._text += data
        except BlockingIOError:
            pass
        *lines, self._text = self._text.split(b"\n")
        if lines:
            self.count = parse_status(lines[-1]).ip_version["4"].peers
        return self.count


def measure_latency(server_cpu: int) -> list[LatencyResult]:
    """Both parts; takes some two minutes. StartError when the server does not start or its peers do not expire."""
    wide = WORKLOADS["wide"]
    crowd = Population(torrents=wide.torrents, peers=wide.peers, seed=1)
    others = msgspec.structs.replace(crowd, first_peer=wide.peers, peers=OTHERS)
    with _server(server_cpu) as (server, peers):
        with UdpGenerator(servers.ADDRESS, server.port, crowd, UdpTraffic(timeout=0.25)) as generator:
            start = time.monotonic()
            while not generator.run(Phase.FILL, 1):
                peers.update()
        traffic = UdpTraffic(rate=RATE, in_flight=4096)
        with UdpGenerator(servers.ADDRESS, server.port, others, traffic) as generator:
            generator.run(Phase.FILL, 20)
            quiet_end = min(time.monotonic() + QUIET_SECONDS, start + MAX_PEER_AGE)
            quiet = _part("quiet", generator, peers, lambda: time.monotonic() < quiet_end)
            if not quiet.replies:
                raise StartError(f"the fill took longer than {MAX_PEER_AGE} seconds: nothing was quiet after it")
            deadline = start + DEADLINE_SECONDS
            while peers.update() == quiet.peers_after and time.monotonic() < deadline:
                generator.run(Phase.STEADY, 0.5)
            expiring = _part("expiring", generator, peers, lambda: peers.count > OTHERS and time.monotonic() < deadline)
    if expiring.peers_after > OTHERS:
        raise StartError(f"{expiring.peers_after:,} peers have not expired after {DEADLINE_SECONDS:.0f} seconds")
    return [quiet, expiring]


@contextmanager
def _server(cpu: int) -> Iterator[tuple[Server, _Peers]]:
    settings = {
        "CLEANING__MAX_PEER_AGE": str(MAX_PEER_AGE),
        "CLEANING__TORRENT_CLEANING_INTERVAL": str(CLEANING_INTERVAL),
    }
    reader, writer = os.pipe()
    try:
        with servers.thalweg_udp("thalweg", servers.default_thalweg(), settings, cpu, status_fd=writer) as server:
            yield server, _Peers(reader)
    finally:
        os.close(reader)
        os.close(writer)


def _part(name: str, generator: Generator, peers: _Peers, going_on: Callable[[], bool]) -> LatencyResult:
    """Load at RATE for as long as `going_on()` says."""
    generator.run(Phase.DRAIN, 2)
    generator.reset_counts()
    before = peers.update()
    start = time.monotonic()
    while going_on():
        generator.run(Phase.STEADY, 1)
        peers.update()
    seconds = time.monotonic() - start
    counts = generator.counts()
    return LatencyResult(
        part=name,
        seconds=round(seconds, 1),
        replies=sum(counts.replies.values()),
        lost=counts.lost,
        peers_before=before,
        peers_after=peers.count,
        latency_us=latencies(counts.latency),
    )


def table(results: list[LatencyResult]) -> list[str]:
    """Both parts and their ratio as lines."""
    names = list(results[0].latency_us)
    lines = [f"at {RATE:,} requests/s" + "".join(f"{name:>10}" for name in names) + "   replies   lost   peers"]
    for result in results:
        columns = "".join(f"{value:>7,.0f} µs" for value in result.latency_us.values())
        peers = f"{result.peers_before:,} → {result.peers_after:,} in {result.seconds:.0f} s"
        lines.append(f"  {result.part:<17}{columns} {result.replies:>9,} {result.lost:>6,}   {peers}")
    quiet, expiring = (result.latency_us for result in results)
    lines.append(f"  {'expiring / quiet':<17}" + "".join(f"{expiring[name] / quiet[name]:>10.2f}" for name in names))
    return lines
