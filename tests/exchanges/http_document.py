"""Reads the HTTP exchange documents: Markdown in which each second-level heading is a rule with its requests.

docs/reference/exchanges/README.md describes the format to its readers; what is not described there is an error here.
"""

import re
from dataclasses import dataclass, field
from pathlib import Path

from .document import DEFAULT_SENDER, Block, DocumentError, Endpoint, Peers, Wait, sections, setup
from .pattern import Name, Pattern

SETTINGS = {
    "allow",
    "both_families",
    "default_peers",
    "deny",
    "external_ip",
    "filter_addresses",
    "forwarded_header",
    "max_peers",
    "max_scrape",
    "proxy_protocol",
    "trusted_proxies",
    "warning_message",
}
DEFAULT_TORRENT = "61"  # the info hash is twenty times the letter a
NAME = re.compile(r"\{([^{}]+)\}")
ESCAPE = re.compile(rb"\\(x[0-9a-f]{2}|r|n)")
LINE_ENDS = {b"r": b"\r", b"n": b"\n"}
STATUS = re.compile(r"^(?P<status>[1-5][0-9]{2}) [A-Za-z ]+$")


@dataclass(frozen=True)
class HttpRequest:
    """Bytes on a connection of their own, and the reply to them."""

    sender: Endpoint
    data: bytes
    status: int
    headers: dict[str, str]
    body: Pattern | None
    line: int


@dataclass
class HttpExchange:
    """One heading with everything under it."""

    name: str
    settings: dict[str, str] = field(default_factory=dict)
    steps: list[Peers | Wait | HttpRequest] = field(default_factory=list)


def http_exchanges(path: Path) -> list[HttpExchange]:
    """Read one document; an exchange is named file: heading."""
    found = []
    for heading, blocks in sections(path):
        exchange = HttpExchange(f"{path.stem}: {heading}")
        try:
            fill(exchange, blocks)
        except ValueError as error:
            raise DocumentError(f"{path.name}, under {heading!r}: {error}") from error
        found.append(exchange)
    return found


def fill(exchange: HttpExchange, blocks: list[Block]) -> None:
    """Turn blocks into settings and steps."""
    asked: Block | None = None
    for block in blocks:
        if (asked is not None) != (block.kind == "reply"):
            raise ValueError(f"line {block.line}: a request is followed by a reply, and nothing else is")
        if block.kind == "request":
            asked = block
        elif asked is not None:
            exchange.steps.append(request(asked, block))
            asked = None
        elif block.kind == "settings":
            exchange.settings |= dict(setting(line) for line in block.lines)
        elif block.kind == "setup":
            exchange.steps += [setup(named_torrent(line)) for line in block.lines]
        else:
            raise ValueError(f"line {block.line}: a block of kind {block.kind!r} has no meaning here")
    if asked is not None or not any(isinstance(step, HttpRequest) for step in exchange.steps):
        raise ValueError("no request with its reply")


def named_torrent(line: str) -> str:
    """A line of setup that names its torrent."""
    return line if " in " in line else f"{line} in {DEFAULT_TORRENT}"


def request(asked: Block, answered: Block) -> HttpRequest:
    """Read a request block with the reply after it."""
    sender = asked.rest.removeprefix("from ")
    data = b"\r\n".join(text(line) for line in [*asked.lines, "", ""])
    match = STATUS.match(answered.lines[0])
    if match is None:
        raise ValueError(f"line {answered.line}: a reply begins with its status")
    split = answered.lines.index("") if "" in answered.lines else len(answered.lines)
    headers = dict(line.split(": ", 1) for line in answered.lines[1:split])
    body = pattern("".join(answered.lines[split:])) if split < len(answered.lines) else None
    endpoint = Endpoint.parse(f"{sender}:0") if sender else Endpoint.parse(DEFAULT_SENDER)
    return HttpRequest(endpoint, data, int(match["status"]), headers, body, asked.line)


def text(line: str) -> bytes:
    """The bytes of a line: `\\xff`, `\\r` and `\\n` are single bytes."""
    return ESCAPE.sub(lambda match: LINE_ENDS.get(match[1]) or bytes.fromhex(match[1][1:].decode()), line.encode())


def pattern(body: str) -> Pattern:
    """A body: text with names in braces."""
    parts = NAME.split(body)
    return [Name(part) if place % 2 else text(part) for place, part in enumerate(parts) if part]


def setting(line: str) -> tuple[str, str]:
    """Read `name = value`."""
    name, _, value = (part.strip() for part in line.partition("="))
    if name not in SETTINGS or not value:
        raise ValueError(f"no such setting: {line!r}")
    return name, value
