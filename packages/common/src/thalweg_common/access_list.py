"""Lists of info hashes that are served alone (allow) or not at all (deny).

The file is text, one info hash a line, in any of these spellings:

    0123456789abcdef0123456789abcdef01234567    40 hexadecimal digits, either case
    AERUKZ4JVPG66AJDIVTYTK6N54ASGRLH            32 characters of base32
    (64 hexadecimal digits)                     a v2 info hash, cut to the 20 bytes that trackers see (BEP 52)

Blank lines are skipped; `#` begins a comment, also behind an info hash. One bad line refuses the whole file and is
named with its number: half a list would serve what must not be served, or refuse what must be.
"""

from __future__ import annotations

import codecs
from pathlib import Path
from typing import Annotated, Literal

from msgspec import Meta, Struct

from thalweg_common.config import ConfigError, reason_of
from thalweg_common.swarm import AccessList

INFO_HASH_SIZE = 20
_HEX_DIGITS = (40, 64)
_BASE32_CHARACTERS = 32


class AccessListConfig(Struct, frozen=True):
    """Which torrents are served. SIGHUP or SIGUSR1 read the file again."""

    mode: Annotated[
        Literal["off", "allow", "deny"],
        Meta(description="off: every torrent; allow: only those in the file; deny: all but those in the file."),
    ] = "off"
    path: Annotated[
        str,
        Meta(
            description="The list: one info hash a line (40 hexadecimal digits, 32 characters of base32, or 64 digits "
            "of a v2 info hash); blank lines and # comments are skipped."
        ),
    ] = "./access-list.txt"


def load_access_list(settings: AccessListConfig) -> AccessList | None:
    """The access list of the configuration, None when it is off; ConfigError for a bad file."""
    if settings.mode == "off":
        return None
    return AccessList(settings.mode, read_access_list(Path(settings.path)))


def read_access_list(path: Path) -> bytes:
    """The info hashes of a file, 20 bytes each, one after the other; ConfigError names the file and the bad line."""
    info_hashes = bytearray()
    try:
        # Line by line and without decoding: a list of millions must not take hundreds of megabytes to read.
        with path.open("rb") as lines:
            for number, line in enumerate(lines, 1):
                info_hashes += _parse_line(line, f"{path}: line {number}")
    except (OSError, ValueError) as error:
        raise ConfigError(f"access_list.path: cannot read {path}: {reason_of(error)}") from error
    return bytes(info_hashes)


def _parse_line(line: bytes, place: str) -> bytes:
    """The info hash in a line, nothing if there is none."""
    word = line.partition(b"#")[0].strip().removeprefix(codecs.BOM_UTF8)
    if not word:
        return b""
    text = word.decode("ascii", "replace")
    try:
        return parse_info_hash(text)
    except ValueError as error:
        expected = "expected an info hash of 40 hexadecimal digits"
        raise ConfigError(f"{place}: {expected}, got {_shown(text)}") from error


def parse_info_hash(text: str) -> bytes:
    """The 20 bytes of an info hash in one of the spellings above; ValueError for anything else."""
    if len(text) == _BASE32_CHARACTERS:
        return _from_base32(text)
    if len(text) not in _HEX_DIGITS or not text.isalnum():
        raise ValueError(text)
    return bytes.fromhex(text)[:INFO_HASH_SIZE]


def _from_base32(text: str) -> bytes:
    import base64  # rare enough to be loaded when met

    return base64.b32decode(text, casefold=True)


def _shown(word: str) -> str:
    word = "".join(character if character.isprintable() else "?" for character in word)
    return f'"{word}"' if len(word) <= 70 else f'"{word[:69]}…"'
