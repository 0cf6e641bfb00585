"""`thalweg check URL…`: would this tracker be accepted by lists and clients? In plain words, with an exit code."""

from __future__ import annotations

import argparse
import socket
import sys
from collections.abc import Awaitable, Callable
from contextlib import nullcontext
from functools import partial
from typing import TypeAlias

import msgspec
import trio

from thalweg.check_http import check_http_address
from thalweg.check_probe import at_once
from thalweg.check_report import AddressReport, TrackerReport, Verdict, render, summarize
from thalweg.check_tls import ordinary_context
from thalweg.check_udp import check_udp_address
from thalweg.check_ws import check_ws_address
from thalweg.exchange import Patience
from thalweg.http_exchange import Place
from thalweg.tracker_url import TrackerUrl, TrackerUrlError, parse_tracker_url

AddressProbe: TypeAlias = Callable[[str], Awaitable[AddressReport]]

SUMMARY = "probe trackers as clients and newTrackon do, over both address families"
EXAMPLES = """\
examples:
  thalweg check udp://127.0.0.1:6969/announce
      the tracker that `thalweg run` has started here
  thalweg check -6 udp://tracker.example:443
      over IPv6 only; the path is of no importance to UDP trackers
  thalweg check https://tracker.example/announce
      over HTTPS, its certificate included
  thalweg check wss://tracker.example
      a WebTorrent tracker, as browsers would use it
  SSL_CERT_FILE=cert.pem thalweg check https://localhost:3443/announce
      trusts the authorities of that file instead of the system's, such as a certificate that signs itself
  thalweg check --json udp://one.example:6969 http://two.example/announce | jq .
      several at once, for programs

Each address of each URL is probed for itself, with a random torrent that is announced and taken back:
  udp://             connect, announce, scrape, a second client behind another source port, forged connection ids,
                     extra bytes, goodbye
  http://, https://  connect, TLS and certificate, announce, the reply's form and length, a second client, scrape,
                     numwant, dictionaries, bad requests, HTTP/1.0, kept connections, pipelining, goodbye
  ws://, wss://      connect, TLS and certificate, upgrade, announce, a second client, its offer at the first, the
                     answer at the second, a second answer, scrape, a claimed peer id, a bad message, a binary frame,
                     ping, close, goodbye
FAIL: clients get nothing. note: unwise, most clients get along. info: neither good nor bad.

exit codes:
  0  all trackers work, with or without remarks
  1  a tracker does not work over a family, or could not be checked
  2  wrong usage, among it URLs that cannot be checked
"""

URLS_AT_ONCE = 50
"""The others wait their turn: each takes a few sockets."""
MAX_ADDRESSES = 8
"""Addresses of one name that are probed; more are left out."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the options."""
    parser.add_argument(
        "urls",
        nargs="+",
        metavar="URL",
        help="announce URL, udp://HOST:PORT/announce, http[s]://HOST/announce or ws[s]://HOST",
    )
    family = parser.add_mutually_exclusive_group()
    family.add_argument("-4", "--ipv4", dest="family", action="store_const", const=socket.AF_INET, help="IPv4 only")
    family.add_argument("-6", "--ipv6", dest="family", action="store_const", const=socket.AF_INET6, help="IPv6 only")
    parser.add_argument(
        "--timeout", type=_seconds, default=10.0, metavar="SECONDS", help="wait so long for each reply (default 10)"
    )
    parser.add_argument(
        "--tries", type=_tries, default=2, metavar="N", help="send each UDP request up to N times (default 2)"
    )
    parser.add_argument(
        "--info-hash", type=_info_hash, metavar="HEX", help="announce this torrent instead of a random one"
    )
    parser.add_argument("--json", action="store_true", help="print the reports as a JSON array")


def run(arguments: argparse.Namespace) -> int:
    """Checks all URLs at once and prints a report on each; gives the exit code."""
    try:
        urls = [parse_tracker_url(text) for text in arguments.urls]
    except TrackerUrlError as error:
        print(f"thalweg check: {error}", file=sys.stderr)
        return 2
    reports = trio.run(_check_all, urls, arguments)
    if arguments.json:
        print(msgspec.json.format(msgspec.json.encode(reports), indent=2).decode())
    return 0 if all(report.verdict in (Verdict.WORKS, Verdict.REMARKS) for report in reports) else 1


async def _check_all(urls: list[TrackerUrl], arguments: argparse.Namespace) -> list[TrackerReport]:
    """Prints each report as soon as it is complete, unless JSON is asked for; gives them in the order of the URLs."""
    limit = trio.CapacityLimiter(URLS_AT_ONCE)

    async def check_one(url: TrackerUrl) -> TrackerReport:
        async with limit:
            report = await check_tracker(url, arguments)
        if not arguments.json:
            print(render(report), flush=True)
        return report

    if sys.stderr.isatty() and not arguments.json:
        longest = arguments.timeout * max(arguments.tries, 2)  # HTTP: the announce and the goodbye
        print(f"checking {len(urls)} tracker(s); a silent one takes {longest:g} s …", file=sys.stderr)
    return await at_once(check_one, urls)


async def check_tracker(url: TrackerUrl, arguments: argparse.Namespace) -> TrackerReport:
    """Probes every address of one URL at once."""
    try:
        addresses = await _resolve(url, arguments.family or socket.AF_UNSPEC)
    except (socket.gaierror, UnicodeError) as error:  # the latter for what cannot be a name
        reason = error.strerror if isinstance(error, OSError) else "not a host name"
        return TrackerReport(url=url.text, verdict=Verdict.BROKEN, problem=f"{url.host}: {reason}")
    patience = Patience(arguments.timeout, arguments.tries)
    probe = _PROBES[url.scheme](url, arguments.info_hash, patience)
    return summarize(url.text, await at_once(probe, addresses))


def _udp_probe(url: TrackerUrl, info_hash: bytes | None, patience: Patience) -> AddressProbe:
    return partial(check_udp_address, port=url.port, url_data=url.path.encode(), info_hash=info_hash, patience=patience)


def _http_probe(url: TrackerUrl, info_hash: bytes | None, patience: Patience) -> AddressProbe:
    context = ordinary_context() if url.scheme == "https" else None

    async def probe(address: str) -> AddressReport:
        return await check_http_address(Place.of(url, address, context, patience.timeout), url.path, info_hash)

    return probe


def _ws_probe(url: TrackerUrl, info_hash: bytes | None, patience: Patience) -> AddressProbe:
    context = ordinary_context() if url.scheme == "wss" else None
    turns = trio.Lock() if info_hash else nullcontext()  # WebTorrent has one swarm for both families

    async def probe(address: str) -> AddressReport:
        async with turns:
            return await check_ws_address(Place.of(url, address, context, patience.timeout), url.path, info_hash)

    return probe


_PROBES: dict[str, Callable[[TrackerUrl, bytes | None, Patience], AddressProbe]] = {
    "udp": _udp_probe,
    "http": _http_probe,
    "https": _http_probe,
    "ws": _ws_probe,
    "wss": _ws_probe,
}


async def _resolve(url: TrackerUrl, family: int) -> list[str]:
    """The different addresses of the host, IPv4 before IPv6."""
    found = await trio.socket.getaddrinfo(url.host, url.port, family=family, type=socket.SOCK_DGRAM)
    addresses = dict.fromkeys(str(entry[4][0]) for entry in sorted(found, key=lambda entry: entry[0]))
    return list(addresses)[:MAX_ADDRESSES]


def _seconds(text: str) -> float:
    seconds = float(text)
    if not 0 < seconds <= 3600:
        raise argparse.ArgumentTypeError(f"{text}: expected seconds between 0 and 3600")
    return seconds


def _tries(text: str) -> int:
    tries = int(text)
    if not 1 <= tries <= 100:
        raise argparse.ArgumentTypeError(f"{text}: expected 1 to 100")
    return tries


def _info_hash(text: str) -> bytes:
    try:
        info_hash = bytes.fromhex(text)
    except ValueError:
        info_hash = b""
    if len(info_hash) != 20:
        raise argparse.ArgumentTypeError(f"{text}: expected 40 hex digits")
    return info_hash
