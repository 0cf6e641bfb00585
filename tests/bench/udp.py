"""`make bench-udp`: thalweg-udp beside the kernel's limit and opentracker, in replies per CPU second of the server.

One server at a time is under load, in turns, for several rounds; the server has one CPU for itself, the generator
(`thalweg load`'s) another. What a server spent is read from the kernel, to the nanosecond, so a
noisy machine moves the rate but hardly the result. The limit is a batched echo (udp_echo.c) whose replies are as
large as those of the server it is compared with: what is left of its rate is what the tracker's own work costs.

Workloads are those of `thalweg load`: skewed (a), full (b) and wide (c). Both trackers are filled with all peers
first; the memory in the table is what they hold then. With --latency: tests/bench/latency.py.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import shlex
import statistics
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import msgspec
from thalweg.load_generator import Phase
from thalweg.load_population import WORKLOADS, Population
from thalweg.load_process import Memory, cpu_seconds, memory
from thalweg.load_report import latencies
from thalweg.load_udp import UdpGenerator, UdpTraffic

from tests.bench import servers
from tests.bench.latency import LatencyResult, measure_latency
from tests.bench.latency import table as latency_table
from tests.bench.servers import Server, StartError

LETTERS = {"a": "skewed", "b": "full", "c": "wide"}
OUTPUT = Path("out/bench-udp.json")
SEED = 1
BUSY_SHARE = 0.9
"""A server that used less of its CPU was not at its limit: something else ran there, or beside the generator."""
ONE_SIZE = 0.03
"""Mean replies that differ by less than this share are compared with one echo."""


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
    """All turns of a server in a workload. of_echo and of_opentracker are ratios of medians."""

    server: str
    turns: list[Turn]
    fill_memory: Memory | None = None
    of_echo: float | None = None
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

    def __init__(self, server: Server, population: Population, traffic: UdpTraffic) -> None:
        """Sends nothing yet."""
        self.server = server
        self.generator = UdpGenerator(servers.ADDRESS, server.port, population, traffic)
        self.result = Result(server=server.name, turns=[])

    def fill(self) -> None:
        """Announces every peer, and notes the memory that takes."""
        while not self.generator.run(Phase.FILL, 1):
            announced = self.generator.counts().replies["announce"]
            _progress(f"{self.server.name}: filled {announced / self.generator.population.peers:.0%}")
        self.result.fill_memory = memory(self.server.pid)

    def take_turn(self, seconds: float) -> Turn:
        """Load for some seconds, and all replies of it."""
        self.generator.reset_counts()
        before = cpu_seconds(self.server.pid)
        self.generator.run(Phase.STEADY, seconds)
        self.generator.run(Phase.DRAIN, 1)
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


def _progress(text: str) -> None:
    if sys.stderr.isatty():
        print(f"\r{text}\x1b[K", end="", file=sys.stderr, flush=True)


def bench(workload: str, arguments: argparse.Namespace, echo_program: Path) -> list[Result]:
    """Every server's result in one workload, the echoes last."""
    chosen = WORKLOADS[workload]
    population = Population(
        torrents=chosen.torrents, peers=chosen.peers, popularity=chosen.popularity, seed=arguments.seed
    )
    traffic = UdpTraffic(numwant=chosen.numwant, timeout=0.25)
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        _write_whitelist(folder / "whitelist", population)
        trackers = [
            Contender(stack.enter_context(server), population, traffic) for server in _trackers(arguments, folder)
        ]
        for tracker in trackers:
            tracker.fill()
        sizes = {tracker.server.name: tracker.take_turn(1).mean_reply_bytes for tracker in trackers}
        echoes = [
            Contender(stack.enter_context(servers.echo(echo_program, size, arguments.server_cpu)), population, traffic)
            for size in distinct(list(sizes.values()))
        ]
        for number in range(arguments.rounds):
            for contender in (*echoes, *trackers):
                _progress(f"{workload}: round {number + 1} of {arguments.rounds}, {contender.server.name}")
                contender.result.turns.append(contender.take_turn(arguments.seconds))
        _progress("")
        for contender in (*echoes, *trackers):
            contender.generator.close()
        return compare([tracker.result for tracker in trackers], [echo.result for echo in echoes])


def _trackers(arguments: argparse.Namespace, folder: Path) -> Iterator[contextlib.AbstractContextManager[Server]]:
    cpu, wildcard = arguments.server_cpu, arguments.wildcard
    if not arguments.without_opentracker:
        yield servers.opentracker(folder, cpu, wildcard)
    settings = {}
    if arguments.access_list:
        settings = {"ACCESS_LIST__MODE": "allow", "ACCESS_LIST__PATH": str(folder / "whitelist")}
    commands = arguments.server_command or [servers.default_thalweg()]
    for number, command in enumerate(commands, start=1):
        name = "thalweg" if len(commands) == 1 else f"thalweg-{number}"
        yield servers.thalweg_udp(name, command, settings, cpu, wildcard=wildcard)


def _write_whitelist(path: Path, population: Population) -> None:
    with UdpGenerator(servers.ADDRESS, 1, population, UdpTraffic()) as generator, path.open("w") as file:
        file.writelines(f"{generator.info_hash(torrent).hex()}\n" for torrent in range(population.torrents))


def distinct(sizes: list[float]) -> list[float]:
    """The sizes without those that are close to one that was there before."""
    found: list[float] = []
    for size in sizes:
        if all(abs(size - other) > ONE_SIZE * size for other in found):
            found.append(size)
    return found


def compare(trackers: list[Result], echoes: list[Result]) -> list[Result]:
    """Sets the ratios: to the echo whose replies are nearest in size, and to opentracker."""
    rival = next((result for result in trackers if result.server == "opentracker"), None)
    for result in trackers:
        size = result.turns[0].mean_reply_bytes
        nearest = min(echoes, key=lambda echo: abs(echo.turns[0].mean_reply_bytes - size))
        result.of_echo = round(result.median() / nearest.median(), 3)
        if rival:
            result.of_opentracker = round(result.median() / rival.median(), 3)
    return [*trackers, *echoes]


COLUMNS = "{:<15}{:>13}{:>8}{:>9}{:>16}{:>10}{:>10}{:>8}{:>10}{:>8}{:>7}"
HEADER = (
    "replies/CPU-s",
    "spread",
    "of echo",
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
        _ratio(result.of_echo),
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


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workload", action="append", choices=[*LETTERS, *LETTERS.values()], help="(all three)")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=5.0, help="of each turn (5)")
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--server-cpu", type=int, default=0)
    parser.add_argument("--generator-cpu", type=int, default=1)
    parser.add_argument(
        "--server-command",
        action="append",
        type=shlex.split,
        metavar="COMMAND",
        help="thalweg-udp of another build; repeatable",
    )
    parser.add_argument("--without-opentracker", action="store_true")
    parser.add_argument(
        "--access-list", action="store_true", help="give thalweg-udp the torrents as an allow list, too"
    )
    parser.add_argument(
        "--wildcard", action="store_true", help="bind 0.0.0.0: what replying from the asked address costs"
    )
    parser.add_argument("--latency", action="store_true", help="replies while three million peers expire, instead")
    return parser.parse_args()


def _run_workloads(arguments: argparse.Namespace) -> dict[str, list[Result]]:
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        echo_program = servers.compile_echo(Path(folder))
        for chosen in arguments.workload or LETTERS:
            workload = LETTERS.get(chosen, chosen)
            found[workload] = bench(workload, arguments, echo_program)
            print("\n".join(table(workload, found[workload])), flush=True)
    turns = [turn for results in found.values() for result in results for turn in result.turns]
    if any(turn.cpu_seconds < BUSY_SHARE * turn.seconds for turn in turns):
        print("Not every server could use its CPU fully: other programs run here. Measure again without them.")
    return found


def _keep(key: str, value: dict[str, list[Result]] | list[LatencyResult]) -> None:
    """Writes one part of the report; the other part of a former run stays."""
    OUTPUT.parent.mkdir(exist_ok=True)
    report = msgspec.json.decode(OUTPUT.read_bytes()) if OUTPUT.exists() else {}
    report[key] = msgspec.to_builtins(value)
    OUTPUT.write_bytes(msgspec.json.format(msgspec.json.encode(report), indent=1) + b"\n")
    print(f"kept as {OUTPUT}")


def main() -> int:
    """The bench; 1 when a server does not start."""
    arguments = _parse()
    if not {arguments.server_cpu, arguments.generator_cpu} <= os.sched_getaffinity(0):
        print("bench-udp: needs two CPUs; name them with --server-cpu and --generator-cpu", file=sys.stderr)
        return 2
    os.sched_setaffinity(0, {arguments.generator_cpu})
    try:
        if arguments.latency:
            results = measure_latency(arguments.server_cpu)
            print("\n".join(latency_table(results)))
            _keep("latency", results)
        else:
            _keep("workloads", _run_workloads(arguments))
    except StartError as error:
        print(f"bench-udp: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
