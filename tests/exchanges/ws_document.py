"""Reads the WebTorrent exchange documents: Markdown in which each second-level heading is a rule with its messages.

docs/reference/exchanges/README.md describes the format to its readers; what is not described there is an error here.
"""

import re
from dataclasses import dataclass, field
from pathlib import Path

from .document import Block, DocumentError, Wait, sections

SETTINGS = {"allow", "deny", "max_offers", "max_offers_per_minute", "max_scrape", "max_torrents_per_connection"}
NAME = re.compile(r"^[a-z]+$")
SETUP = re.compile(r"^(?:wait (?P<seconds>\d+) seconds|(?P<leaving>[a-z]+) leaves)$")


@dataclass(frozen=True)
class Leave:
    """Setup: a client closes its connection."""

    client: str


@dataclass
class Sent:
    """A message of a client, and everything that anybody is sent for it, in that order."""

    client: str
    text: str
    line: int
    replies: list[tuple[str, str]] = field(default_factory=list)


@dataclass
class WsExchange:
    """One heading with everything under it."""

    name: str
    settings: dict[str, str] = field(default_factory=dict)
    steps: list[Sent | Leave | Wait] = field(default_factory=list)

    @property
    def clients(self) -> list[str]:
        """Everybody who sends or receives, in the order of their first mention."""
        named = [name for step in self.steps if isinstance(step, Sent) for name in [step.client, *dict(step.replies)]]
        return list(dict.fromkeys(named))


def ws_exchanges(path: Path) -> list[WsExchange]:
    """Read one document; an exchange is named file: heading."""
    found = []
    for heading, blocks in sections(path):
        exchange = WsExchange(f"{path.stem}: {heading}")
        try:
            fill(exchange, blocks)
        except ValueError as error:
            raise DocumentError(f"{path.name}, under {heading!r}: {error}") from error
        found.append(exchange)
    return found


def fill(exchange: WsExchange, blocks: list[Block]) -> None:
    """Turn blocks into settings and steps."""
    for block in blocks:
        if block.kind == "from":
            exchange.steps.append(Sent(named(block), text(block), block.line))
        elif block.kind == "to":
            if not exchange.steps or not isinstance(sent := exchange.steps[-1], Sent):
                raise ValueError(f"line {block.line}: a message to somebody follows one from somebody")
            sent.replies.append((named(block), text(block)))
        elif block.kind == "settings":
            exchange.settings |= dict(setting(line) for line in block.lines)
        elif block.kind == "setup":
            exchange.steps += [setup(line) for line in block.lines]
        else:
            raise ValueError(f"line {block.line}: a block of kind {block.kind!r} has no meaning here")
    if not any(isinstance(step, Sent) for step in exchange.steps):
        raise ValueError("no message")


def named(block: Block) -> str:
    """The client of a block."""
    if not NAME.match(block.rest):
        raise ValueError(f"line {block.line}: expected a client's name, in small letters")
    return block.rest


def text(block: Block) -> str:
    """The message: its lines, without what they are indented by and without their ends."""
    return "".join(line.strip() for line in block.lines)


def setting(line: str) -> tuple[str, str]:
    """Read `name = value`."""
    name, _, value = (part.strip() for part in line.partition("="))
    if name not in SETTINGS or not value:
        raise ValueError(f"no such setting: {line!r}")
    return name, value


def setup(line: str) -> Leave | Wait:
    """Read a line of setup."""
    match = SETUP.match(line)
    if match is None:
        raise ValueError(f"no such setup: {line!r}")
    return Wait(int(match["seconds"])) if match["seconds"] else Leave(match["leaving"])
