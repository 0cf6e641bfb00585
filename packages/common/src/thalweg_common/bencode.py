"""Bencoding (BEP 3): integers, byte strings, lists and dictionaries. Pure; reading is meant for untrusted bytes.

    encode({b"interval": 1800})      →  b"d8:intervali1800ee"
    decode(b"d8:intervali1800ee")    →  {b"interval": 1800}; BencodeError for anything that is not exactly right
    read(b"d1:bi1e1:ai02ee\\r\\n")    →  the value, where it ended, and each rule that was broken on the way

Many programs read what breaks the rules, as long as its meaning is clear: keys out of order, integers with zeros in
front, bytes behind the end. `read` is for those who want to know. What has no clear meaning is an error for both.
"""

from __future__ import annotations

import re
from typing import TypeAlias

from msgspec import Struct

Value: TypeAlias = "int | bytes | list[Value] | dict[bytes, Value]"

DEEPEST = 20
"""Lists and dictionaries within each other; tracker replies need 4."""
LONGEST_INTEGER = 40
"""Characters; 64 bits need 20."""

_INTEGER = re.compile(rb"i(-?[0-9]{1,%d})e" % LONGEST_INTEGER)
_LENGTH = re.compile(rb"([0-9]{1,%d}):" % LONGEST_INTEGER)
_IN_SHORTEST_FORM = re.compile(rb"0|-?[1-9][0-9]*")


class BencodeError(ValueError):
    """Bytes that are not bencoded; the text says what is wrong, and where."""


class Reading(Struct, frozen=True):
    """What was read."""

    value: Value
    size: int
    """Bytes that the value took; those behind it belong to nothing."""
    faults: list[str]
    """Rules that were broken without making the value unclear, in the order of the bytes."""


def encode(value: Value) -> bytes:
    """The bytes of a value; dictionaries have their keys in the order of their bytes."""
    match value:
        case int():
            return b"i%de" % value
        case bytes():
            return b"%d:%b" % (len(value), value)
        case list():
            return b"l%be" % b"".join([encode(item) for item in value])
    return b"d%be" % b"".join([encode(key) + encode(value[key]) for key in sorted(value)])


def decode(data: bytes) -> Value:
    """The value of bytes that follow every rule; BencodeError for others."""
    reading = read(data)
    if reading.faults:
        raise BencodeError(reading.faults[0])
    if reading.size < len(data):
        raise BencodeError(f"{len(data) - reading.size} bytes behind the end")
    return reading.value


def read(data: bytes) -> Reading:
    """The value at the beginning of the bytes, and what is wrong with them; BencodeError when that is too much."""
    reader = _Reader(data)
    value = reader.value(DEEPEST)
    return Reading(value, reader.at, reader.faults)


class _Reader:
    """Walks through the bytes; `at` is the place of the next one."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.at = 0
        self.faults: list[str] = []

    def value(self, deepest: int) -> Value:
        """The value that begins here, with `deepest` levels of lists and dictionaries at most."""
        kind = self._peek()
        if kind == b"i":
            return self._integer()
        if kind.isdigit():
            return self._string()
        if kind not in (b"l", b"d"):
            raise BencodeError(f"{_shown(kind)} at byte {self.at}, where a value begins")
        if not deepest:
            raise BencodeError(f"more than {DEEPEST} lists and dictionaries within each other")
        self.at += 1
        return self._list(deepest - 1) if kind == b"l" else self._dictionary(deepest - 1)

    def _peek(self) -> bytes:
        if self.at >= len(self.data):
            raise BencodeError(f"cut short: the end is missing after {len(self.data)} bytes")
        return self.data[self.at : self.at + 1]

    def _integer(self) -> int:
        match = _INTEGER.match(self.data, self.at)
        if match is None:
            raise self._broken("integer")
        self._note_form(match[1])
        self.at = match.end()
        return int(match[1])

    def _string(self) -> bytes:
        match = _LENGTH.match(self.data, self.at)
        if match is None:
            raise self._broken("length of a string")
        self._note_form(match[1])
        start, end = match.end(), match.end() + int(match[1])
        if end > len(self.data):
            raise BencodeError(f"cut short: the string at byte {self.at} ends {end - len(self.data)} bytes later")
        self.at = end
        return self.data[start:end]

    def _note_form(self, digits: bytes) -> None:
        if not _IN_SHORTEST_FORM.fullmatch(digits):
            self.faults.append(f"the number {digits.decode()} at byte {self.at} has zeros in front")

    def _broken(self, what: str) -> BencodeError:
        rest = len(self.data) - self.at
        if rest <= LONGEST_INTEGER and re.fullmatch(rb"i?-?[0-9]*", self.data[self.at :]):
            return BencodeError(f"cut short: the end is missing after {len(self.data)} bytes")
        return BencodeError(f"not the {what} at byte {self.at}: {_shown(self.data[self.at : self.at + 8])}")

    def _list(self, deepest: int) -> list[Value]:
        values = []
        while self._peek() != b"e":
            values.append(self.value(deepest))
        self.at += 1
        return values

    def _dictionary(self, deepest: int) -> dict[bytes, Value]:
        values: dict[bytes, Value] = {}
        last = None
        while self._peek() != b"e":
            place = self.at
            key = self._key()
            if key in values:
                raise BencodeError(f"the key {_shown(key)} at byte {place} is there twice")
            if last is not None and key < last:
                self.faults.append(f"the key {_shown(key)} at byte {place} comes after {_shown(last)}: not sorted")
            last = key
            values[key] = self.value(deepest)
        self.at += 1
        return values

    def _key(self) -> bytes:
        if not self._peek().isdigit():
            raise BencodeError(f"{_shown(self._peek())} at byte {self.at}, where a key begins")
        return self._string()


def _shown(data: bytes) -> str:
    """Bytes in quotes, for a message."""
    return repr(data)[1:]
