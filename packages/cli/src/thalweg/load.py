"""`thalweg load`: how many requests a tracker answers, over UDP or HTTP, how fast, and at what cost."""

from __future__ import annotations

import argparse
import contextlib
import ipaddress
import socket
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec

from thalweg import load_process
from thalweg.load_arguments import EXAMPLES, SUMMARY, add_arguments, make_population, make_traffic
from thalweg.load_generator import Counts, Generator, Phase, Traffic
from thalweg.load_http import HttpGenerator, HttpTraffic
from thalweg.load_population import Population
from thalweg.load_process import ProcessGoneError
from thalweg.load_progress import Progress
from thalweg.load_report import LoadReport, ServerCost, describe, make_report
from thalweg.load_udp import UdpGenerator, UdpTraffic
from thalweg.tracker_url import TrackerUrl, TrackerUrlError, parse_tracker_url

__all__ = ["EXAMPLES", "SUMMARY", "add_arguments", "resolve", "run"]

SCHEMES = ("udp", "http")
SLICE_SECONDS = 0.25
SILENCE_SECONDS = 5.0
"""A tracker that answers nothing for so long is taken for dead."""


class LoadError(Exception):
    """Why the run cannot go on, for a person to read, and the exit status to end with."""

    def __init__(self, message: str, status: int = 1) -> None:
        """`status` 2 is for wrong usage."""
        super().__init__(message)
        self.status = status


def resolve(text: str, allow_public: bool) -> tuple[TrackerUrl, str]:
    """A tracker's URL in its parts, and an address of it. LoadError when it is none, or a stranger's."""
    try:
        url = parse_tracker_url(text, SCHEMES)
        found = socket.getaddrinfo(url.host, url.port, type=socket.SOCK_DGRAM)
    except TrackerUrlError as error:
        raise LoadError(str(error), status=2) from None
    except OSError as error:
        raise LoadError(f"{text}: {error.strerror}") from None
    address = str(found[0][4][0])
    ip = ipaddress.ip_address(address.partition("%")[0])
    if not (allow_public or ip.is_loopback or ip.is_private or ip.is_link_local):
        raise LoadError(
            f"{address} is a public address: a load test there is an attack unless the tracker is yours\n"
            "if it is, say so with --i-own-this-tracker",
            status=2,
        )
    return url, address


class _Silence:
    """Notices a tracker that does not answer any more."""

    def __init__(self, traffic: Traffic) -> None:
        # Lost requests make the generator connect again, so connect replies alone are no sign of life.
        self._connects_only = traffic.announces + traffic.scrapes == 0
        self._answered = time.monotonic()
        self._replies = 0

    def check(self, counts: Counts) -> None:
        """LoadError after SILENCE_SECONDS without a new reply."""
        replies = sum(count for kind, count in counts.replies.items() if kind != "connect" or self._connects_only)
        now = time.monotonic()
        if replies != self._replies:
            self._answered, self._replies = now, replies
        elif now - self._answered > SILENCE_SECONDS:
            raise LoadError(f"no reply for {SILENCE_SECONDS:g} seconds: does the tracker run, and serve any torrent?")


def make_generator(url: TrackerUrl, address: str, population: Population, traffic: Traffic) -> Generator:
    """The generator for the traffic's transport. ValueError, OSError: it cannot be made."""
    if isinstance(traffic, HttpTraffic):
        return HttpGenerator(address, url.port, population, traffic, url)
    assert isinstance(traffic, UdpTraffic)
    return UdpGenerator(address, url.port, population, traffic)


@contextlib.contextmanager
def idle_connections(
    url: TrackerUrl, address: str, population: Population, traffic: Traffic
) -> Iterator[HttpGenerator | None]:
    """Opens the traffic's idle connections, and holds them as long as the block lasts. LoadError when they do not."""
    wanted = traffic.idle_connections if isinstance(traffic, HttpTraffic) else 0
    if not wanted:
        yield None
        return
    asked_once = HttpTraffic(in_flight=wanted, sources=traffic.sources, scrapes=0, timeout=traffic.timeout)
    with HttpGenerator(address, url.port, population, asked_once, url) as holder:
        progress = Progress("idle")
        silence = _Silence(asked_once)
        while not holder.run(Phase.OPEN, SLICE_SECONDS):
            counts = holder.counts()
            progress.update(counts.replies["announce"] / wanted, counts.replies["announce"], counts.lost)
            silence.check(counts)
            if counts.broken > wanted:
                raise LoadError("the tracker closes idle connections; measure without --idle-connections")
        progress.finish(holder.counts().replies["announce"], holder.counts().lost)
        yield holder


def fill(generator: Generator, progress: Progress) -> float:
    """Announces every peer once; seconds it took. LoadError when the tracker stops answering."""
    start = time.monotonic()
    silence = _Silence(Traffic())
    while not generator.run(Phase.FILL, SLICE_SECONDS):
        counts = generator.counts()
        announced = counts.replies["announce"]
        progress.update(announced / generator.population.peers, announced, counts.lost)
        silence.check(counts)
    counts = generator.counts()
    progress.finish(counts.replies["announce"], counts.lost)
    return time.monotonic() - start


def measure(generator: Generator, seconds: float, progress: Progress) -> float:
    """Plays for a time; the seconds it really took. Ctrl-C ends it early, with KeyboardInterrupt."""
    start = time.monotonic()
    silence = _Silence(generator.traffic)
    while (left := start + seconds - time.monotonic()) > 0:
        generator.run(Phase.STEADY, max(0.001, min(left, SLICE_SECONDS)))
        counts = generator.counts()
        progress.update((time.monotonic() - start) / seconds, sum(counts.replies.values()), counts.lost)
        silence.check(counts)
    return time.monotonic() - start


def _play(generator: Generator, arguments: argparse.Namespace, address: str) -> tuple[LoadReport, bool]:
    """Fills and measures; the report, and whether Ctrl-C cut it short."""
    fill_seconds = 0.0 if arguments.no_fill else fill(generator, Progress("fill"))
    generator.run(Phase.DRAIN, generator.traffic.timeout * 2)
    generator.reset_counts()
    before = load_process.cpu_seconds(arguments.pid) if arguments.pid else 0.0
    progress = Progress("measure")
    start = time.monotonic()
    interrupted = False
    try:
        measure(generator, arguments.seconds, progress)
    except KeyboardInterrupt:
        interrupted = True
    seconds = time.monotonic() - start
    counts = generator.counts()
    server = _server_cost(arguments.pid, before, sum(counts.replies.values())) if arguments.pid else None
    progress.finish(sum(counts.replies.values()), counts.lost, complete=not interrupted)
    report = make_report(
        counts,
        seconds,
        server,
        target=arguments.url,
        address=address,
        workload=arguments.workload,
        population=generator.population,
        traffic=generator.traffic,
        fill_seconds=fill_seconds,
    )
    return report, interrupted


def _server_cost(pid: int, before: float, replies: int) -> ServerCost:
    spent = load_process.cpu_seconds(pid) - before
    return ServerCost(
        pid=pid,
        cpu_seconds=round(spent, 6),
        replies_per_cpu_second=round(replies / spent, 1) if spent > 0 else 0.0,
        memory=load_process.memory(pid),
    )


def _write_json(report: LoadReport, path: Path) -> None:
    text = msgspec.json.format(msgspec.json.encode(report), indent=2) + b"\n"
    if str(path) == "-":
        sys.stdout.buffer.write(text)
        return
    try:
        path.write_bytes(text)
    except OSError as error:
        raise LoadError(f"{path}: {error.strerror}") from None


def _run(arguments: argparse.Namespace) -> int:
    url, address = resolve(arguments.url, arguments.i_own_this_tracker)
    population, traffic = make_population(arguments), make_traffic(arguments, url.scheme)
    with (
        make_generator(url, address, population, traffic) as generator,
        idle_connections(url, address, population, traffic) as idle,
    ):
        print(
            f"{arguments.workload}: {population.peers:,} peers of {population.torrents:,} torrents from "
            f"{generator.sources} addresses, seed {population.seed}",
            file=sys.stderr,
        )
        report, interrupted = _play(generator, arguments, address)
        if idle:
            idle.run(Phase.DRAIN, 1)  # takes notice of what the tracker closed meanwhile
            report = msgspec.structs.replace(report, idle_broken=idle.counts().broken)
    if str(arguments.json) != "-":
        print("\n".join(describe(report)))
    if arguments.json:
        _write_json(report, arguments.json)
    return 130 if interrupted else 0


def run(arguments: argparse.Namespace) -> int:
    """Does what the arguments say; gives the exit status."""
    try:
        return _run(arguments)
    except LoadError as error:
        print(f"thalweg load: {error}", file=sys.stderr)
        return error.status
    except ValueError as error:
        print(f"thalweg load: {error}", file=sys.stderr)
        return 2
    except (ProcessGoneError, OSError) as error:
        print(f"thalweg load: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nthalweg load: interrupted before anything was measured", file=sys.stderr)
        return 130
