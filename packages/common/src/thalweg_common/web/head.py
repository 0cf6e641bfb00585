"""The head of a request, before h11 reads it: where it ends, how large it may be, and what is mended in it.

h11 follows the letter of HTTP. Clients of trackers do not, and some mistakes are too common to refuse:

* raw bytes, and blanks, in the request target: info hashes that somebody forgot to escape. They are escaped here.
* no Host with HTTP/1.1. One is put in; no answer depends on it.
* empty lines in front, lines that end in LF alone (h11 takes those itself).

Everything else is h11's to judge. Pure: bytes in, bytes out.
"""

from __future__ import annotations

import re

MAX_TARGET = 8192  # bytes; sixty escaped info hashes of Transmission's scrapes take 4.3 KB
MAX_HEAD = 32_768  # bytes, request line included

_END = re.compile(rb"\n\r?\n")
_FORBIDDEN_IN_TARGET = re.compile(rb"[^\x21-\x7e]")
_HOST = re.compile(rb"\nhost[ \t]*:", re.IGNORECASE)
_TLS_HANDSHAKE = b"\x16\x03"
_ROOM = 64  # for method and version in the request line


class Refused(Exception):  # noqa: N818 - what a client did, not a fault of ours
    """A request that HTTP itself does not allow, or that is too large."""

    def __init__(self, reason: str) -> None:
        """`reason`: a key of pages.ERRORS."""
        super().__init__(reason)
        self.reason = reason


class HeadReader:
    """Cuts the bytes of a connection into heads."""

    def __init__(self, initial: bytes = b"") -> None:
        """`initial`: bytes that have arrived already."""
        self.buffer = bytearray(initial)
        """What has not been taken; a body may be taken from it as well."""
        self._searched = 0

    def feed(self, data: bytes | bytearray) -> None:
        """More bytes."""
        self.buffer += data

    def next_head_untrusted(self) -> bytes | None:
        """The next head, mended; None when more bytes are needed. Refused: no HTTP, or too large already."""
        buffer = self.buffer
        if buffer.startswith((b"\r", b"\n")):
            buffer[:] = buffer.lstrip(b"\r\n")
            self._searched = 0
        if buffer.startswith(_TLS_HANDSHAKE):
            raise Refused("tls_on_plain_port")
        end = _END.search(buffer, self._searched)
        size = end.end() if end else len(buffer)
        if size > MAX_TARGET:
            _check_size(bytes(buffer[: MAX_TARGET + _ROOM]), size)
        if end is None:
            self._searched = max(0, len(buffer) - 2)
            return None
        head = bytes(buffer[:size])
        del buffer[:size]
        self._searched = 0
        return mend(head)


def mend(head: bytes) -> bytes:
    """The head as h11 wants it."""
    line, newline, rest = head.partition(b"\n")
    method, _, others = line.partition(b" ")
    target, _, version = others.rstrip().rpartition(b" ")
    if not target or not version.startswith(b"HTTP/"):
        return head
    if _FORBIDDEN_IN_TARGET.search(target):
        target = _FORBIDDEN_IN_TARGET.sub(_escape, target)
    if version != b"HTTP/1.0" and not _HOST.search(newline + rest):
        rest = b"Host:\r\n" + rest
    return b"%b %b %b\r\n%b" % (method, target, version, rest)


def _check_size(start: bytes, size: int) -> None:
    """`start`: of a head of so many bytes. The request line has a limit of its own: a client learns which it broke."""
    line, newline, _ = start.partition(b"\n")
    method, _, target = line.rpartition(b" HTTP/")[0].partition(b" ") if newline else line.partition(b" ")
    if len(method) > _ROOM:
        raise Refused("malformed")
    if len(target) > MAX_TARGET or (not newline and len(start) >= MAX_TARGET + _ROOM):
        raise Refused("target_too_long")
    if size > MAX_HEAD:
        raise Refused("head_too_large")


def _escape(match: re.Match[bytes]) -> bytes:
    return b"%%%02X" % match[0][0]
