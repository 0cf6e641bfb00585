"""`make bench-udp`: thalweg-udp beside the kernel's limit and opentracker, in replies per CPU second of the server.

How it is measured: tests/bench/turns.py. The limit is a batched echo (udp_echo.c). Workloads are those of `thalweg
load`: skewed (a), full (b) and wide (c). Both trackers are filled with all peers first; the memory in the table is what
they hold then. With --latency: tests/bench/latency.py.
"""

from __future__ import annotations

import argparse
import contextlib
import shlex
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from thalweg.load_population import WORKLOADS, Population
from thalweg.load_udp import UdpGenerator, UdpTraffic

from tests.bench import servers, turns
from tests.bench.latency import measure_latency
from tests.bench.latency import table as latency_table
from tests.bench.servers import Server, StartError
from tests.bench.turns import Contender, Result, compare, distinct, table

LETTERS = {"a": "skewed", "b": "full", "c": "wide"}
OUTPUT = Path("out/bench-udp.json")


def contender(server: Server, population: Population, traffic: UdpTraffic) -> Contender:
    """The server and a generator of its own."""
    return Contender(server, UdpGenerator(servers.ADDRESS, server.port, population, traffic))


def bench(workload: str, arguments: argparse.Namespace, limit_program: Path) -> list[Result]:
    """Every server's result in one workload, the limits last."""
    chosen = WORKLOADS[workload]
    population = Population(
        torrents=chosen.torrents, peers=chosen.peers, popularity=chosen.popularity, seed=arguments.seed
    )
    traffic = UdpTraffic(numwant=chosen.numwant, timeout=0.25)
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        servers.write_whitelist(folder, population)
        trackers = [
            stack.enter_context(contender(stack.enter_context(server), population, traffic))
            for server in _trackers(arguments, folder)
        ]
        for tracker in trackers:
            tracker.fill()
        sizes = [tracker.take_turn(1).mean_reply_bytes for tracker in trackers]
        limits = []
        for size in distinct(sizes):
            server = stack.enter_context(servers.limit(limit_program, size, arguments.server_cpu))
            limits.append(stack.enter_context(contender(server, population, traffic)))
        turns.take_turns(workload, [*limits, *trackers], arguments.rounds, arguments.seconds)
        return compare([tracker.result for tracker in trackers], [limit.result for limit in limits])


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


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workload", action="append", choices=[*LETTERS, *LETTERS.values()], help="(all three)")
    turns.add_arguments(parser)
    parser.add_argument(
        "--server-command",
        action="append",
        type=shlex.split,
        metavar="COMMAND",
        help="thalweg-udp of another build; repeatable",
    )
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
        limit_program = servers.compile_limit("udp_echo", Path(folder))
        for chosen in arguments.workload or LETTERS:
            workload = LETTERS.get(chosen, chosen)
            found[workload] = bench(workload, arguments, limit_program)
            print("\n".join(table(workload, found[workload])), flush=True)
    turns.warn_when_idle([result for results in found.values() for result in results])
    return found


def main() -> int:
    """The bench; 1 when a server does not start."""
    arguments = _parse()
    if not turns.take_cpus(arguments):
        return 2
    try:
        if arguments.latency:
            results = measure_latency(arguments.server_cpu)
            print("\n".join(latency_table(results)))
            turns.keep(OUTPUT, "latency", results)
        else:
            turns.keep(OUTPUT, "workloads", _run_workloads(arguments))
    except StartError as error:
        print(f"bench-udp: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
