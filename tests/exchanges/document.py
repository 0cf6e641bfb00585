"""Reads the exchange documents: Markdown in which each second-level heading is a rule with its bytes.

docs/reference/exchanges/README.md describes the format to its readers; what is not described there is an error here,
with file and line, so that no block is passed over.
"""

import ipaddress
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from .pattern import Pattern, PatternError, parse

FOLDER = Path(__file__).parents[2] / "docs" / "reference" / "exchanges"
DEFAULT_SENDER = "198.51.100.7:4000"
DROPS = ["short", "source port", "action", "protocol id", "id expired", "id unknown"]  # in the order of TW_DROP_…
SETTINGS = {"default_peers", "max_peers", "max_scrape", "epochs_accepted", "filter_addresses", "allow", "deny"}
STATES = ["leecher", "seeder", "partial seed", "download"]

FENCE = re.compile(r"^```(?P<kind>\w+)(?: (?P<rest>.+))?$")
PEERS = re.compile(
    rf"^(?P<count>\d+) (?P<state>{'|'.join(STATES)})s? from (?P<first>\S+)(?: in (?P<torrent>[0-9a-f]{{2}}))?$"
)
WAIT = re.compile(r"^wait (?P<seconds>\d+) seconds$")


Address = ipaddress.IPv4Address | ipaddress.IPv6Address


class DocumentError(Exception):
    """A document that does not follow the format."""


@dataclass(frozen=True)
class Endpoint:
    """An address and a port."""

    address: Address
    port: int

    @classmethod
    def parse(cls, text: str) -> "Endpoint":
        """Read 198.51.100.7:4000 or [2001:db8::7]:4000."""
        host, _, port = text.rpartition(":")
        return cls(ipaddress.ip_address(host.strip("[]")), int(port))

    @property
    def compact(self) -> bytes:
        """The 6 or 18 bytes of a peer list."""
        return self.address.packed + self.port.to_bytes(2, "big")

    def after(self, steps: int) -> "Endpoint":
        """Give the endpoint that many addresses further."""
        return Endpoint(self.address + steps, self.port)


@dataclass(frozen=True)
class Peers:
    """Setup: `count` peers at consecutive addresses are in the swarm."""

    count: int
    state: str
    first: Endpoint
    torrent: bytes


@dataclass(frozen=True)
class Wait:
    """Setup: time passes."""

    seconds: int


@dataclass(frozen=True)
class Request:
    """A datagram and what answers it: a reply, or silence for a counted reason."""

    sender: Endpoint
    pattern: Pattern
    reply: Pattern | None
    reason: str | None
    line: int


@dataclass
class Exchange:
    """One heading with everything under it."""

    name: str
    settings: dict[str, str] = field(default_factory=dict)
    steps: list[Peers | Wait | Request] = field(default_factory=list)


@dataclass(frozen=True)
class Block:
    """A fenced block."""

    kind: str
    rest: str
    lines: list[str]
    line: int


def exchanges(path: Path) -> list[Exchange]:
    """Read one document; an exchange is named file: heading."""
    found = []
    for heading, blocks in sections(path):
        exchange = Exchange(f"{path.stem}: {heading}")
        try:
            fill(exchange, blocks)
        except (ValueError, PatternError) as error:
            raise DocumentError(f"{path.name}, under {heading!r}: {error}") from error
        found.append(exchange)
    return found


def sections(path: Path) -> Iterator[tuple[str, list[Block]]]:
    """Split a document at its second-level headings, and each part into its blocks."""
    heading, blocks, block = "", [], None
    for number, line in enumerate(path.read_text().splitlines(), start=1):
        if block is not None:
            if line == "```":
                block = None
            else:
                block.lines.append(line)
        elif match := FENCE.match(line):
            block = Block(match["kind"], match["rest"] or "", [], number)
            blocks.append(block)
        elif line.startswith("## "):
            if heading:
                yield heading, blocks
            heading, blocks = line[3:], []
    if block is not None:
        raise DocumentError(f"{path.name}, line {block.line}: the block never ends")
    if heading:
        yield heading, blocks


def fill(exchange: Exchange, blocks: list[Block]) -> None:
    """Turn blocks into settings and steps."""
    waiting: Block | None = None
    for block in blocks:
        if (waiting is not None) != (block.kind in ("reply", "silence")):
            raise ValueError(f"line {block.line}: a request is followed by a reply or silence, and nothing else is")
        if block.kind == "request":
            waiting = block
        elif waiting is not None:
            exchange.steps.append(request(waiting, block))
            waiting = None
        elif block.kind == "settings":
            exchange.settings |= dict(setting(line) for line in block.lines)
        elif block.kind == "setup":
            exchange.steps += [setup(line) for line in block.lines]
        else:
            raise ValueError(f"line {block.line}: a block of kind {block.kind!r} has no meaning here")
    if waiting is not None or not any(isinstance(step, Request) for step in exchange.steps):
        raise ValueError("no request with its reply or silence")


def request(asked: Block, answered: Block) -> Request:
    """Read a request block with the reply or silence after it."""
    sender = Endpoint.parse(asked.rest.removeprefix("from ") or DEFAULT_SENDER)
    if answered.kind == "reply":
        return Request(sender, parse(asked.lines), parse(answered.lines), None, asked.line)
    if answered.rest not in DROPS:
        raise ValueError(f"line {answered.line}: silence needs one of these reasons: {', '.join(DROPS)}")
    return Request(sender, parse(asked.lines), None, answered.rest, asked.line)


def setting(line: str) -> tuple[str, str]:
    """Read `name = value`."""
    name, _, value = (part.strip() for part in line.partition("="))
    if name not in SETTINGS or not value:
        raise ValueError(f"no such setting: {line!r}")
    return name, value


def setup(line: str) -> Peers | Wait:
    """Read one line of setup."""
    if match := PEERS.match(line):
        torrent = bytes.fromhex(match["torrent"] or "aa") * 20
        return Peers(int(match["count"]), match["state"], Endpoint.parse(match["first"]), torrent)
    if match := WAIT.match(line):
        return Wait(int(match["seconds"]))
    raise ValueError(f"no such setup: {line!r}")
