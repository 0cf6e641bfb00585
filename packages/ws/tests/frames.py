"""Frames of a client, well and badly made (RFC 6455, 5.2)."""

from __future__ import annotations

import struct

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10
MASK = b"\x0f\xf0\x55\xaa"


def frame(
    opcode: int,
    payload: bytes = b"",
    *,
    final: bool = True,
    reserved: int = 0,
    mask: bytes | None = MASK,
    length: int | None = None,
    width: int = 0,
) -> bytes:
    """One frame. `length`: what it says; `width`: bytes of an extended length, though a shorter one would do."""
    length = len(payload) if length is None else length
    width = width or (0 if length < 126 else 2 if length < 65536 else 8)
    head = bytes([final << 7 | reserved << 4 | opcode, (mask is not None) << 7 | {0: length, 2: 126, 8: 127}[width]])
    head += {0: b"", 2: struct.pack(">H", length & 0xFFFF), 8: struct.pack(">Q", length)}[width]
    if mask is None:
        return head + payload
    return head + mask + bytes(byte ^ mask[place % 4] for place, byte in enumerate(payload))


def close(code: int | None = None, reason: bytes = b"") -> bytes:
    """A close frame."""
    return frame(CLOSE, b"" if code is None else struct.pack(">H", code) + reason)
