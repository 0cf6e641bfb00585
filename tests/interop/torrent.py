"""Make a .torrent file (BEP 3) with one tracker and one file."""

import hashlib
from pathlib import Path

PIECE_LENGTH = 32 * 1024

type_error = "only integers, bytes, text and dictionaries are used in a .torrent file"


def bencode(value: int | bytes | str | dict[str, object]) -> bytes:
    """Encode as BEP 3 says; dictionaries with their keys in order."""
    match value:
        case int():
            return b"i%de" % value
        case bytes():
            return b"%d:%b" % (len(value), value)
        case str():
            return bencode(value.encode())
        case dict():
            pairs = (bencode(key) + bencode(value[key]) for key in sorted(value))  # type: ignore[arg-type]
            return b"d" + b"".join(pairs) + b"e"
    raise TypeError(type_error)


def make_torrent(content: Path, announce: str, torrent: Path) -> bytes:
    """Write a private-free single-file torrent for `content`; give its info hash (20 bytes)."""
    data = content.read_bytes()
    pieces = [hashlib.sha1(data[at : at + PIECE_LENGTH]).digest() for at in range(0, len(data), PIECE_LENGTH)]
    info: dict[str, object] = {
        "length": len(data),
        "name": content.name,
        "piece length": PIECE_LENGTH,
        "pieces": b"".join(pieces),
    }
    torrent.write_bytes(bencode({"announce": announce, "info": info}))
    return hashlib.sha1(bencode(info)).digest()
