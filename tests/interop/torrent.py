"""Make a .torrent file (BEP 3) with one tracker and one file."""

import hashlib
from pathlib import Path

from thalweg_common.bencode import Value, encode

PIECE_LENGTH = 32 * 1024


def make_torrent(content: Path, announce: str, torrent: Path) -> bytes:
    """Write a private-free single-file torrent for `content`; give its info hash (20 bytes)."""
    data = content.read_bytes()
    pieces = [hashlib.sha1(data[at : at + PIECE_LENGTH]).digest() for at in range(0, len(data), PIECE_LENGTH)]
    info: dict[bytes, Value] = {
        b"length": len(data),
        b"name": content.name.encode(),
        b"piece length": PIECE_LENGTH,
        b"pieces": b"".join(pieces),
    }
    torrent.write_bytes(encode({b"announce": announce.encode(), b"info": info}))
    return hashlib.sha1(encode(info)).digest()
