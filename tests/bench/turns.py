"""What the benches share: servers that take turns under load, and what they spent for each reply.

One server at a time is under load, in turns, for several rounds; the server has one CPU for itself, the generator
(`thalweg load`'s) another. What a server spent is read from the kernel, to the nanosecond, so a noisy machine moves the
rate but hardly the result. The limit is a program that does the socket work of a tracker and nothing else, with replies
as large as those of the server it is compared with: what is left of its rate is what the tracker's own work costs.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
from pathlib import Path
from typing import Self

import msgspec
from thalweg.load_generator import Generator, Phase
from thalweg.load_process import Memory, cpu_seconds, memory
from thalweg.load_report import latencies

from tests.bench.servers import Server

BUSY_SHARE = 0.9
"""A server that used less of its CPU was not at its limit: something else ran there, or beside the generator."""
ONE_SIZE = 0.03
"""Mean replies that differ by less than this share are compared with one limit."""
SEED = 1


class Turn(msgspec.Struct, frozen=True, kw_only=True):
    """One server under load for some seconds."""

    replies: int
    seconds: float
    cpu_seconds: float
    replies_per_cpu_second: float
    mean_reply_bytes: float
    lost: int
    latency_us: dict[str, float]


class Result(msgspec.Struct, kw_only=True):
    """All turns of a server in a workload. of_limit and of_opentracker are ratios of medians."""

    server: str
    turns: list[Turn]
    fill_memory: Memory | None = None
    of_limit: float | None = None
    of_opentracker: float | None = None

    def median(self) -> float:
        """Replies per CPU second."""
        return statistics.median(turn.replies_per_cpu_second for turn in self.turns)

    def spread(self) -> float:
        """Half of what lies between the best and the worst turn, as a share of the median."""
        rates = [turn.replies_per_cpu_second for turn in self.turns]
        return (max(rates) - min(rates)) / 2 / self.median()


class Contender:
    """A server and the generator that loads it; both live through all rounds."""

    def __init__(self, server: Server, generator: Generator) -> None:
        """Sends nothing yet."""
        self.server = server
        self.generator = generator
        self.result = Result(server=server.name, turns=[])

    def __enter__(self) -> Self:
        """The contender itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Closes the generator; the server stays."""
        self.generator.close()

    def fill(self) -> Memory:
        """Announces every peer; the memory that takes."""
        while not self.generator.run(Phase.FILL, 1):
            announced = self.generator.counts().replies["announce"]
            progress(f"{self.server.name}: filled {announced / self.generator.population.peers:.0%}")
        self.result.fill_memory = memory(self.server.pid)
        return self.result.fill_memory

    def take_turn(self, seconds: float) -> Turn:
        """Load for some seconds, and all replies of it."""
        self.generator.reset_counts()
        before = cpu_seconds(self.server.pid)
        self.generator.run(Phase.STEADY, seconds)
        self.generator.run(Phase.DRAIN, self.generator.traffic.timeout + 1)
        spent = cpu_seconds(self.server.pid) - before
        counts = self.generator.counts()
        replies = sum(counts.replies.values())
        return Turn(
            replies=replies,
            seconds=seconds,
            cpu_seconds=round(spent, 6),
            replies_per_cpu_second=round(replies / spent, 1),
            mean_reply_bytes=round(counts.reply_bytes["announce"] / max(1, counts.replies["announce"]), 2),
            lost=counts.lost,
            latency_us=latencies(counts.latency),
        )


def progress(text: str) -> None:
    """What is going on, on a terminal; an empty text takes it away."""
    if sys.stderr.isatty():
        print(f"\r{text}\x1b[K", end="", file=sys.stderr, flush=True)


def take_turns(title: str, contenders: list[Contender], rounds: int, seconds: float) -> None:
    """Every contender once in every round."""
    for number in range(rounds):
        for contender in contenders:
            progress(f"{title}: round {number + 1} of {rounds}, {contender.server.name}")
            contender.result.turns.append(contender.take_turn(seconds))
    progress("")


def distinct(sizes: list[float]) -> list[float]:
    """The sizes without those that are close to one that was there before."""
    found: list[float] = []
    for size in sizes:
        if all(abs(size - other) > ONE_SIZE * size for other in found):
            found.append(size)
    return found


def compare(trackers: list[Result], limits: list[Result]) -> list[Result]:
    """Sets the ratios: to the limit whose replies are nearest in size, and to opentracker."""
    rival = next((result for result in trackers if result.server == "opentracker"), None)
    for result in trackers:
        size = result.turns[0].mean_reply_bytes
        nearest = min(limits, key=lambda limit: abs(limit.turns[0].mean_reply_bytes - size))
        result.of_limit = round(result.median() / nearest.median(), 3)
        if rival:
            result.of_opentracker = round(result.median() / rival.median(), 3)
    return [*trackers, *limits]


COLUMNS = "{:<15}{:>13}{:>8}{:>9}{:>16}{:>10}{:>10}{:>8}{:>10}{:>8}{:>7}"
HEADER = (
    "replies/CPU-s",
    "spread",
    "of limit",
    "of opentracker",
    "reply (B)",
    "CPU used",
    "lost",
    "RSS (MB)",
    "anon",
    "file",
)


def table(workload: str, results: list[Result]) -> list[str]:
    """One workload as lines: medians of the turns, memory after the fill."""
    return [COLUMNS.format(workload, *HEADER), *(COLUMNS.format(*_row(result)).rstrip() for result in results), ""]


def _row(result: Result) -> list[str]:
    turns = result.turns
    row = [
        f"  {result.server}",
        f"{result.median():,.0f}",
        f"±{result.spread():.1%}",
        _ratio(result.of_limit),
        _ratio(result.of_opentracker),
        f"{statistics.median(turn.mean_reply_bytes for turn in turns):.1f}",
        f"{statistics.median(turn.cpu_seconds / turn.seconds for turn in turns):.0%}",
        f"{sum(turn.lost for turn in turns):,}",
    ]
    size = result.fill_memory
    counts = (size.rss_bytes, size.anonymous_bytes, size.file_bytes) if size else ()
    return row + ([f"{count / 1e6:.1f}" for count in counts] or [""] * 3)


def _ratio(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}"


def warn_when_idle(results: list[Result]) -> None:
    """Says so when not every server was at its limit."""
    turns = [turn for result in results for turn in result.turns]
    if any(turn.cpu_seconds < BUSY_SHARE * turn.seconds for turn in turns):
        print("Not every server could use its CPU fully: other programs run here. Measure again without them.")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options that all benches have."""
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=5.0, help="of each turn (5)")
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--server-cpu", type=int, default=0)
    parser.add_argument("--generator-cpu", type=int, default=1)
    parser.add_argument("--without-opentracker", action="store_true")


def take_cpus(arguments: argparse.Namespace) -> bool:
    """Moves this process to its CPU. False: there are not two."""
    if not {arguments.server_cpu, arguments.generator_cpu} <= os.sched_getaffinity(0):
        print("needs two CPUs; name them with --server-cpu and --generator-cpu", file=sys.stderr)
        return False
    os.sched_setaffinity(0, {arguments.generator_cpu})
    return True


def keep(output: Path, key: str, value: object) -> None:
    """Writes one part of the report; the other parts of a former run stay."""
    output.parent.mkdir(exist_ok=True)
    report = msgspec.json.decode(output.read_bytes()) if output.exists() else {}
    report[key] = msgspec.to_builtins(value)
    output.write_bytes(msgspec.json.format(msgspec.json.encode(report), indent=1) + b"\n")
    print(f"kept as {output}")
