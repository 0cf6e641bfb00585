"""Annotated hex: the notation of requests and replies in the exchange documents, as bytes and back.

A line holds hex digits in any grouping, `61*20` (a byte twenty times), `"text"` and `{name}`; `#` begins a comment.
Names stand for bytes that a document cannot know, such as a connection id; `Names` says what they mean.
"""

import re
from dataclasses import dataclass
from typing import Protocol

TOKEN = re.compile(
    r'(?P<name>\{[^{}]+\})|(?P<text>"[^"]*")|(?P<hex>(?:[0-9a-f]{2})+)(?:\*(?P<times>\d+))?|(?P<space>\s+)'
)


class PatternError(Exception):
    """A block that is not annotated hex."""


@dataclass(frozen=True)
class Name:
    """`{text}` in a block."""

    text: str


Pattern = list[bytes | Name]


class Names(Protocol):
    """What the names in one exchange mean."""

    def value(self, name: str) -> bytes:
        """Give the bytes that a name stands for; raise KeyError if it is not one of fixed value."""

    def take(self, name: str, rest: bytes) -> int:
        """Give how many bytes of a reply a name takes; raise AssertionError, with the reason, if it does not fit."""


def parse(lines: list[str]) -> Pattern:
    """Read a block; neighbouring bytes are joined."""
    pattern: Pattern = []
    for token in (token for line in lines for token in tokens(line.split("#", 1)[0])):
        if isinstance(token, bytes) and pattern and isinstance(pattern[-1], bytes):
            pattern[-1] += token
        else:
            pattern.append(token)
    return pattern


def tokens(line: str) -> Pattern:
    """Read one line without its comment."""
    found: Pattern = []
    at = 0
    while at < len(line):
        match = TOKEN.match(line, at)
        if match is None:
            raise PatternError(f"cannot read {line[at:]!r}")
        at = match.end()
        if match["name"]:
            found.append(Name(match["name"][1:-1]))
        elif match["text"]:
            found.append(match["text"][1:-1].encode())
        elif match["hex"]:
            found.append(repeated(match["hex"], match["times"]))
    return found


def repeated(digits: str, times: str | None) -> bytes:
    """Give the bytes of `digits`, or of `digits*times`."""
    return bytes.fromhex(digits) * (int(times) if times else 1)


def build(pattern: Pattern, names: Names) -> bytes:
    """Give the bytes of a request."""
    return b"".join(part if isinstance(part, bytes) else names.value(part.text) for part in pattern)


def check(pattern: Pattern, names: Names, reply: bytes) -> None:
    """Compare a reply with its pattern; raise AssertionError with the place and what was expected there."""
    at = 0
    for part in pattern:
        if isinstance(part, Name):
            at += names.take(part.text, reply[at:])
            continue
        found = reply[at : at + len(part)]
        assert found == part, f"at byte {at}: expected {part.hex()}, found {found.hex()} in reply {reply.hex()}"
        at += len(part)
    assert at == len(reply), f"{len(reply) - at} bytes more than expected: {reply[at:].hex()}"
