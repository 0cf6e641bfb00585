"""`make bench-http`: thalweg-http beside the kernel's limit and opentracker, in replies per CPU second of the server.

How it is measured: tests/bench/turns.py. The limit is http_limit.c. The workload is `skewed` of `thalweg load`, in two
modes: kept connections, and one connection per request. opentracker has only the latter, for it keeps no connection.
thalweg is the service with one worker, thalweg-whole the same without its fast path: everything in Python, with a
tenth of the torrents and peers, which make replies of the same size.

On loopback the kernel does most of the work for a new connection, the server's part included, in the client's time.
So with one connection per request the generator is at its limit first, and servers use less than their CPU.

With --idle: tests/bench/idle.py.
"""

from __future__ import annotations

import argparse
import contextlib
import resource
import shlex
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import msgspec
from thalweg.load_http import HttpGenerator, HttpTraffic
from thalweg.load_population import WORKLOADS, Population

from tests.bench import idle, servers, turns
from tests.bench.servers import Server, StartError
from tests.bench.turns import Contender, Result

OUTPUT = Path("out/bench-http.json")
MODES = {"keep-alive": HttpTraffic(), "per-connection": HttpTraffic(connection_per_request=True)}
WHOLE_PATH = {"NETWORK__FAST_PATH": "false"}
WHOLE_SHARE = 10
"""The whole path is filled with so many times fewer torrents and peers: it would take minutes otherwise."""
OPENTRACKER = "opentracker"


class Tracker(msgspec.Struct, frozen=True):
    """A server, the peers it holds, and the modes it has."""

    server: Server
    population: Population
    modes: tuple[str, ...] = tuple(MODES)

    def contender(self, mode: str) -> Contender:
        """The server with a generator of its own."""
        generator = HttpGenerator(servers.ADDRESS, self.server.port, self.population, MODES[mode])
        return Contender(self.server, generator)


def make_population(seed: int, share: int = 1) -> Population:
    """The skewed workload's, or a share of it."""
    skewed = WORKLOADS["skewed"]
    return Population(
        torrents=skewed.torrents // share, peers=skewed.peers // share, popularity=skewed.popularity, seed=seed
    )


def start_trackers(arguments: argparse.Namespace, stack: contextlib.ExitStack) -> Iterator[Tracker]:
    """Everything that is compared with the limit."""
    cpu, everybody = arguments.server_cpu, make_population(arguments.seed)
    if not arguments.without_opentracker:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        servers.write_whitelist(folder, everybody)
        server = stack.enter_context(servers.opentracker(folder, cpu, wildcard=False))
        yield Tracker(server, everybody, ("per-connection",))
    for name, settings, share in thalwegs(arguments):
        server = stack.enter_context(servers.thalweg_http(name, arguments.server_command, settings, cpu))
        yield Tracker(server, make_population(arguments.seed, share))


def thalwegs(arguments: argparse.Namespace) -> Iterator[tuple[str, dict[str, str], int]]:
    """Name, settings and share of the population of both paths."""
    yield "thalweg", {"SOCKET_WORKERS": "1"}, 1
    if not arguments.without_whole:
        yield "thalweg-whole", WHOLE_PATH, WHOLE_SHARE


def bench(arguments: argparse.Namespace, limit_program: Path) -> dict[str, list[Result]]:
    """Every server's result by mode, the limits last."""
    found = {}
    with contextlib.ExitStack() as stack:
        trackers = list(start_trackers(arguments, stack))
        memories = {}
        for tracker in trackers:
            with tracker.contender(tracker.modes[0]) as filler:
                memories[tracker.server.name] = filler.fill()
        for mode in arguments.mode or MODES:
            here = [tracker for tracker in trackers if mode in tracker.modes]
            found[mode] = bench_mode(mode, here, arguments, limit_program)
            for result in found[mode]:
                result.fill_memory = memories.get(result.server)
            print("\n".join(turns.table(mode, found[mode])), flush=True)
    return found


def bench_mode(mode: str, trackers: list[Tracker], arguments: argparse.Namespace, limit_program: Path) -> list[Result]:
    """All trackers that have the mode, and limits with replies of their sizes."""
    with contextlib.ExitStack() as stack:
        contenders = [stack.enter_context(tracker.contender(mode)) for tracker in trackers]
        sizes = [contender.take_turn(1).mean_reply_bytes for contender in contenders]
        limits = []
        for size in turns.distinct(sizes):
            server = stack.enter_context(servers.limit(limit_program, size, arguments.server_cpu))
            limits.append(stack.enter_context(Tracker(server, make_population(arguments.seed)).contender(mode)))
        turns.take_turns(mode, [*limits, *contenders], arguments.rounds, arguments.seconds)
        return turns.compare([each.result for each in contenders], [limit.result for limit in limits])


def bench_idle(arguments: argparse.Namespace, limit_program: Path) -> list[idle.IdleResult]:
    """Latency and memory with and without idle connections, server by server."""
    results = []
    population = make_population(arguments.seed, WHOLE_SHARE)
    settings = {"CLEANING__MAX_CONNECTION_IDLE": "3600", "LIMITS__MAX_CONNECTIONS_PER_ADDRESS": "0"}
    starts = [servers.limit(limit_program, idle.LIMIT_REPLY_BYTES, arguments.server_cpu)]
    for name, path, _ in thalwegs(arguments):
        command = arguments.server_command
        starts.append(servers.thalweg_http(name, command, settings | path, arguments.server_cpu))
    for start in starts:
        with start as server:
            turns.progress(f"idle connections: {server.name}")
            results += idle.measure_idle(server, population, arguments.connections, arguments.seconds, arguments.rounds)
    turns.progress("")
    return results


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mode", action="append", choices=MODES, help="(both)")
    turns.add_arguments(parser)
    parser.add_argument(
        "--server-command",
        type=shlex.split,
        default=servers.default_thalweg("thalweg-http"),
        metavar="COMMAND",
        help="thalweg-http of another build",
    )
    parser.add_argument("--without-whole", action="store_true", help="leave out thalweg-http without its fast path")
    parser.add_argument("--idle", action="store_true", help="latency and memory with many idle connections, instead")
    parser.add_argument("--connections", type=int, default=10_000, help="idle ones (10000)")
    return parser.parse_args()


def main() -> int:
    """The bench; 1 when a server does not start or the system's limits are too low."""
    arguments = _parse()
    if not turns.take_cpus(arguments):
        return 2
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))  # the servers inherit it
    try:
        with tempfile.TemporaryDirectory() as folder:
            limit_program = servers.compile_limit("http_limit", Path(folder))
            if arguments.idle:
                results = bench_idle(arguments, limit_program)
                print("\n".join(idle.table(results)))
                turns.keep(OUTPUT, "idle", results)
            else:
                turns.keep(OUTPUT, "modes", bench(arguments, limit_program))
    except (StartError, OSError) as error:
        print(f"bench-http: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
