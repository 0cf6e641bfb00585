"""What many idle connections cost an HTTP tracker: memory for each, and the time in which the others are answered.

A server is asked at a fifth of what it can answer, on kept connections; then the same while many more connections are
open, each of which has had one reply; and so on in turns. Latencies count from the time at which a request was due.
"""

from __future__ import annotations

import statistics

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
SETTLE_SECONDS = 2.0
"""In which a server is done with the connections that were just opened or closed."""


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """One turn with or without idle connections. Latencies in microseconds, memory of the server."""

    replies: int
    lost: int
    rss_bytes: int
    idle_broken: int = 0
    latency_us: dict[str, float]


class IdleResult(msgspec.Struct, frozen=True, kw_only=True):
    """All turns of a server without or with idle connections; rate in requests a second."""

    server: str
    idle_connections: int
    rate: int
    parts: list[Part]
    bytes_per_connection: float | None = None

    def latency(self, quantile: str) -> float:
        """The median of the turns, microseconds."""
        return statistics.median(part.latency_us[quantile] for part in self.parts)


def measure_idle(
    server: Server, population: Population, connections: int, seconds: float, rounds: int
) -> list[IdleResult]:
    """Turns without and with so many connections. StartError when they cannot be opened."""
    with Contender(server, _generator(server, population, HttpTraffic())) as filler:
        filler.fill()
        rate = round(filler.take_turn(1).replies / BUSY_SHARE)
    without, among = [], []
    with _generator(server, population, HttpTraffic(rate=rate, scrapes=0)) as busy:
        for _ in range(rounds):
            without.append(_part(server, busy, seconds))
            among.append(_part_among(server, busy, seconds, population, connections))
    memory_of_all = among[0].rss_bytes - without[0].rss_bytes
    return [
        IdleResult(server=server.name, idle_connections=0, rate=rate, parts=without),
        IdleResult(
            server=server.name,
            idle_connections=connections,
            rate=rate,
            parts=among,
            bytes_per_connection=round(memory_of_all / connections, 1),
        ),
    ]


def _part_among(
    server: Server, generator: HttpGenerator, seconds: float, population: Population, connections: int
) -> Part:
    with _generator(server, population, HttpTraffic(in_flight=connections, scrapes=0)) as holder:
        if not holder.run(Phase.OPEN, OPEN_SECONDS):
            raise StartError(f"{server.name}: not all of {connections:,} connections could be opened")
        part = _part(server, generator, seconds)
        holder.run(Phase.DRAIN, 1)  # takes notice of connections that the server has ended
        return msgspec.structs.replace(part, idle_broken=holder.counts().broken)


def _generator(server: Server, population: Population, traffic: HttpTraffic) -> HttpGenerator:
    return HttpGenerator(servers.ADDRESS, server.port, population, traffic)


def _part(server: Server, generator: HttpGenerator, seconds: float) -> Part:
    generator.run(Phase.STEADY, SETTLE_SECONDS)
    generator.reset_counts()
    generator.run(Phase.STEADY, seconds)
    generator.run(Phase.DRAIN, 1)
    counts = generator.counts()
    return Part(
        replies=counts.replies["announce"],
        lost=counts.lost,
        rss_bytes=memory(server.pid).rss_bytes,
        latency_us=latencies(counts.latency),
    )


COLUMNS = "{:<17}{:>7}{:>10}{:>9}{:>7}{:>11}{:>11}{:>11}{:>10}{:>14}"
HEADER = ("idle connections", "", "replies/s", "lost", "ended", "p50", "p99", "p99.9", "RSS (MB)", "B/connection")


def table(results: list[IdleResult]) -> list[str]:
    """Every server without and with idle connections as lines: medians of the turns."""
    return [COLUMNS.format(*HEADER), *(COLUMNS.format(*_row(result)).rstrip() for result in results)]


def _row(result: IdleResult) -> list[str]:
    return [
        f"  {result.server}",
        f"{result.idle_connections:,}",
        f"{result.rate:,}",
        f"{sum(part.lost for part in result.parts):,}",
        f"{sum(part.idle_broken for part in result.parts):,}",
        *(f"{result.latency(quantile):,.0f} µs" for quantile in ("p50", "p99", "p99.9")),
        f"{statistics.median(part.rss_bytes for part in result.parts) / 1e6:.1f}",
        "" if result.bytes_per_connection is None else f"{result.bytes_per_connection:,.0f}",
    ]
