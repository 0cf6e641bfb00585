"""What many idle connections cost an HTTP tracker: memory for each, and the time in which the others are answered.

A server is asked at a fifth of what it can answer, on kept connections; then the same while many more connections are
open, each of which has had one reply. Latencies count from the time at which a request was due.
"""

from __future__ import annotations

import msgspec
from thalweg.load_generator import Phase
from thalweg.load_http import HttpGenerator, HttpTraffic
from thalweg.load_population import Population
from thalweg.load_process import memory
from thalweg.load_report import latencies

from tests.bench import servers
from tests.bench.servers import Server, StartError
from tests.bench.turns import Contender

LIMIT_REPLY_BYTES = 280.0
BUSY_SHARE = 5
OPEN_SECONDS = 60.0


class IdleResult(msgspec.Struct, frozen=True, kw_only=True):
    """One part of the run of a server. Latencies in microseconds; rate in requests a second."""

    server: str
    idle_connections: int
    idle_broken: int = 0
    rate: int
    replies: int
    lost: int
    rss_bytes: int
    bytes_per_connection: float | None = None
    latency_us: dict[str, float]


def measure_idle(server: Server, population: Population, connections: int, seconds: float) -> list[IdleResult]:
    """Both parts. StartError when the connections cannot be opened."""
    with Contender(server, _generator(server, population, HttpTraffic())) as filler:
        filler.fill()
        rate = round(filler.take_turn(1).replies / BUSY_SHARE)
    traffic = HttpTraffic(rate=rate, scrapes=0)
    with (
        _generator(server, population, traffic) as busy,
        _generator(server, population, HttpTraffic(in_flight=connections, scrapes=0)) as holder,
    ):
        without = _part(server, busy, 0, seconds)
        if not holder.run(Phase.OPEN, OPEN_SECONDS):
            raise StartError(f"{server.name}: not all of {connections:,} connections could be opened")
        opened = memory(server.pid).rss_bytes
        among = _part(server, busy, connections, seconds)
        holder.run(Phase.DRAIN, 1)  # takes notice of connections that the server has ended
        return [
            without,
            msgspec.structs.replace(
                among,
                idle_broken=holder.counts().broken,
                bytes_per_connection=round((opened - without.rss_bytes) / connections, 1),
            ),
        ]


def _generator(server: Server, population: Population, traffic: HttpTraffic) -> HttpGenerator:
    return HttpGenerator(servers.ADDRESS, server.port, population, traffic)


def _part(server: Server, generator: HttpGenerator, idle: int, seconds: float) -> IdleResult:
    generator.run(Phase.STEADY, 0.2)
    generator.reset_counts()
    generator.run(Phase.STEADY, seconds)
    generator.run(Phase.DRAIN, 1)
    counts = generator.counts()
    return IdleResult(
        server=server.name,
        idle_connections=idle,
        rate=generator.traffic.rate,
        replies=counts.replies["announce"],
        lost=counts.lost,
        rss_bytes=memory(server.pid).rss_bytes,
        latency_us=latencies(counts.latency),
    )


COLUMNS = "  {:<15}{:>7}{:>10}{:>9}{:>7}{:>10}{:>10}{:>10}{:>10}{:>14}"
HEADER = ("server", "idle", "replies/s", "lost", "ended", "p50", "p99", "p99.9", "RSS (MB)", "B/connection")


def table(results: list[IdleResult]) -> list[str]:
    """All parts as lines."""
    return [COLUMNS.format(*HEADER), *(COLUMNS.format(*_row(result)).rstrip() for result in results)]


def _row(result: IdleResult) -> list[str]:
    return [
        result.server,
        f"{result.idle_connections:,}",
        f"{result.rate:,}",
        f"{result.lost:,}",
        f"{result.idle_broken:,}",
        *(f"{result.latency_us[name]:,.0f} µs" for name in ("p50", "p99", "p99.9")),
        f"{result.rss_bytes / 1e6:.1f}",
        "" if result.bytes_per_connection is None else f"{result.bytes_per_connection:,.0f}",
    ]
