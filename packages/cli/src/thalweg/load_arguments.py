"""The options of `thalweg load`, and what they mean to the generator."""

from __future__ import annotations

import argparse
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

from thalweg.load_generator import Traffic
from thalweg.load_http import HttpTraffic
from thalweg.load_population import WORKLOADS, Popularity, Population
from thalweg.load_udp import UdpTraffic

SUMMARY = "ask a tracker as much as it can answer, and count what comes back"
EXAMPLES = """\
examples:
  thalweg load udp://127.0.0.1:3000                      ten seconds of what a public tracker sees
  thalweg load udp://127.0.0.1:3000 --workload full      large swarms, replies of 50 peers
  thalweg load udp://127.0.0.1:3000 --pid $(pidof -s thalweg-udp) --json report.json
                                                         what the server's process spent, too
  thalweg load udp://[::1]:3000 --rate 20000 --no-fill   latency at a moderate, fixed rate
  thalweg load http://127.0.0.1:3000/announce            the same over HTTP, on 256 connections that are kept
  thalweg load http://127.0.0.1:3000/announce --connection-per-request
                                                         as most clients ask: one connection for each announce

First every peer announces itself once, so that the tracker holds the swarms (fill); then peers picked at random
announce and scrape, and only that is measured. Requests wait for replies: the tracker is never flooded, it is asked
again as soon as it has answered. The same --seed plays the same peers.

exit codes:
  0  measured
  1  the tracker did not answer, or the run failed
  2  wrong usage
  130  interrupted; what was measured by then is reported
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the options of `thalweg load`."""
    parser.add_argument("url", metavar="URL", help="the tracker: udp://HOST:PORT or http://HOST:PORT/announce")
    parser.add_argument("--seconds", type=_seconds, default=10.0, help="length of the measured part (10)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the whole report there; - is standard output")
    parser.add_argument("--pid", type=_whole(1, 2**22), help="the tracker's process: adds its CPU seconds and memory")
    parser.add_argument(
        "--i-own-this-tracker", action="store_true", help="needed for public addresses: load hurts others"
    )
    _add_population(parser.add_argument_group("whom to play"))
    _add_traffic(parser.add_argument_group("what to send"))
    _add_http(parser.add_argument_group("over HTTP"))


def _add_population(group: argparse._ArgumentGroup) -> None:
    presets = "; ".join(f"{name}: {workload.summary}" for name, workload in WORKLOADS.items())
    group.add_argument("--workload", choices=WORKLOADS, default="skewed", help=f"{presets} (skewed)")
    group.add_argument("--torrents", type=_whole(1, 2**24), help="instead of the workload's number")
    group.add_argument("--peers", type=_whole(1, 2**30), help="instead of the workload's number")
    group.add_argument("--popularity", type=Popularity, choices=list(Popularity), help="instead of the workload's")
    group.add_argument("--seeders", type=_share, default=0.75, metavar="SHARE", help="of the peers, 0 to 1 (0.75)")
    group.add_argument("--seed", type=_whole(0, 2**64 - 1), help="plays a former run's peers again (random)")
    group.add_argument("--no-fill", action="store_true", help="do not announce every peer before measuring")


def _add_traffic(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--rate", type=_whole(0, 10_000_000), default=0, help="requests a second (0: as many as are answered)"
    )
    group.add_argument(
        "--in-flight",
        type=_whole(1, 32_768),
        default=256,
        help="requests without a reply, at most; over HTTP as many connections (256)",
    )
    group.add_argument(
        "--mix", type=_mix, default=(100, 1, 0), metavar="A:S:C", help="shares of announce:scrape:connect (100:1:0)"
    )
    group.add_argument(
        "--numwant", type=_whole(-1, 2**31 - 1), help="peers asked for; -1 leaves it to the tracker (50)"
    )
    group.add_argument("--scrape-hashes", type=_whole(1, 70), default=5, help="info hashes in a scrape (5)")
    group.add_argument("--timeout", type=_seconds, help="seconds until a request is lost (1; over HTTP 5)")
    group.add_argument("--sources", type=_whole(1, 30_000), default=64, help="addresses 127.1.x.y to send from (64)")
    group.add_argument(
        "--no-segmentation", action="store_true", help="hand the kernel every request by itself (UDP only)"
    )


def _add_http(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--connection-per-request", action="store_true", help="close every connection after its reply; else it is kept"
    )
    group.add_argument(
        "--idle-connections",
        type=_whole(0, 65_536),
        default=0,
        metavar="N",
        help="keep N more connections open that asked once and are silent (0)",
    )
    group.add_argument(
        "--pipeline", type=_whole(1, 16), default=1, metavar="N", help="requests sent together on a connection (1)"
    )


def _whole(low: int, high: int) -> Callable[[str], int]:
    """An argparse type: a whole number from low to high."""

    def convert(text: str) -> int:
        try:
            value = int(text)
        except ValueError:
            value = low - 1
        if not low <= value <= high:
            raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from {low} to {high}")
        return value

    return convert


def _seconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0.001 <= value <= 86_400:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds between 0.001 and 86400")
    return value


def _share(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 0 to 1")
    return value


def _mix(text: str) -> tuple[int, int, int]:
    parts = text.split(":")
    if len(parts) != 3 or not all(part.isdecimal() for part in parts) or not any(int(part) for part in parts):
        raise argparse.ArgumentTypeError(f"{text!r} is not three numbers like 100:1:0, one above 0")
    announces, scrapes, connects = (int(part) for part in parts)
    return announces, scrapes, connects


def make_population(arguments: argparse.Namespace) -> Population:
    """The workload's population with what the arguments change."""
    workload = WORKLOADS[arguments.workload]
    return Population(
        torrents=arguments.torrents or workload.torrents,
        peers=arguments.peers or workload.peers,
        popularity=arguments.popularity or workload.popularity,
        seeder_share=arguments.seeders,
        seed=random.getrandbits(32) if arguments.seed is None else arguments.seed,
    )


def make_traffic(arguments: argparse.Namespace, scheme: str) -> Traffic:
    """The traffic that the arguments ask for, over udp or http. ValueError: an option is for the other."""
    announces, scrapes, connects = arguments.mix
    workload = WORKLOADS[arguments.workload]
    common = {
        "in_flight": arguments.in_flight,
        "rate": arguments.rate,
        "announces": announces,
        "scrapes": scrapes,
        "connects": connects,
        "scrape_hashes": arguments.scrape_hashes,
        "numwant": workload.numwant if arguments.numwant is None else arguments.numwant,
        "sources": arguments.sources,
    }
    if arguments.timeout is not None:
        common["timeout"] = arguments.timeout
    return _udp_traffic(arguments, common) if scheme == "udp" else _http_traffic(arguments, common)


def _udp_traffic(arguments: argparse.Namespace, common: dict[str, Any]) -> UdpTraffic:
    _refuse(arguments.connection_per_request, "--connection-per-request is for http:// trackers")
    _refuse(arguments.idle_connections, "--idle-connections is for http:// trackers")
    _refuse(arguments.pipeline > 1, "--pipeline is for http:// trackers")
    return UdpTraffic(**common, segmentation=not arguments.no_segmentation)


def _http_traffic(arguments: argparse.Namespace, common: dict[str, Any]) -> HttpTraffic:
    _refuse(arguments.no_segmentation, "--no-segmentation is for udp:// trackers")
    _refuse(common["connects"], "--mix: HTTP has no connects, write A:S:0")
    _refuse(
        arguments.connection_per_request and arguments.pipeline > 1,
        "--pipeline needs connections that are kept, leave out --connection-per-request",
    )
    return HttpTraffic(
        **common,
        connection_per_request=arguments.connection_per_request,
        pipeline=arguments.pipeline,
        idle_connections=arguments.idle_connections,
    )


def _refuse(wrong: object, why: str) -> None:
    if wrong:
        raise ValueError(why)
