"""The HTTP tracker protocol seen from the client: request targets out, bodies of replies in (BEP 3, 7, 23, 24, 48).

Pure functions, siblings of those in udp_wire, with the same requests, rows and errors:

    announce    announce_target  →  /announce?info_hash=…  →  parse_announce  interval, counts, peers
    scrape      scrape_target    →  /scrape?info_hash=…    →  parse_scrape    one row for each info hash

Every parser raises TrackerError when the tracker answered with a `failure reason`, and ReplyError when the body is no
reply to such a request. What most clients read all the same is kept as `faults`.
"""

from __future__ import annotations

import socket
from collections.abc import Sequence
from typing import TypeAlias
from urllib.parse import quote_from_bytes

from msgspec import Struct

from thalweg_common import bencode
from thalweg_common.bencode import BencodeError, Value
from thalweg_common.udp_wire import INFO_HASH_SIZE, Announce, Event, ReplyError, ScrapeRow, TrackerError

Parameters: TypeAlias = Sequence[tuple[str, bytes | str | int]]

_ADDRESS_SIZES = {b"peers": 4, b"peers6": 16}
_V4_MAPPED = bytes(10) + b"\xff\xff"


class AnnounceReply(Struct, frozen=True, kw_only=True):
    """What an announce reply says; None for what it does not say."""

    interval: int
    """Seconds until the next announce."""
    min_interval: int | None
    seeders: int | None
    leechers: int | None
    peers: list[tuple[str, int]]
    """Of both families, as (address text, port)."""
    compact: bool
    """Whether the peers were byte strings rather than dictionaries (BEP 23)."""
    external_ip: bytes | None
    warning: str
    faults: list[str]
    """Rules that the reply breaks, in words."""


def with_query(path: str, parameters: Parameters) -> str:
    """A request target: the path of the tracker's URL, which may have a query of its own, with more parameters."""
    pairs = [f"{name}={quote_from_bytes(_bytes(value), safe='')}" for name, value in parameters]
    return f"{path}{'&' if '?' in path else '?'}{'&'.join(pairs)}"


def announce_target(path: str, announce: Announce, *, compact: bool = True) -> str:
    """What is asked of a tracker whose announce URL has this path; num_want -1 and Event.NONE are left out."""
    parameters: list[tuple[str, bytes | str | int]] = [
        ("info_hash", announce.info_hash),
        ("peer_id", announce.peer_id),
        ("port", announce.port),
        ("uploaded", announce.uploaded),
        ("downloaded", announce.downloaded),
        ("left", announce.left),
        ("compact", int(compact)),
        ("key", f"{announce.key:08X}"),
    ]
    if announce.event:
        parameters.append(("event", Event(announce.event).name.lower()))
    if announce.num_want >= 0:
        parameters.append(("numwant", announce.num_want))
    return with_query(path, parameters)


def scrape_path(path: str) -> str | None:
    """The path for scrapes (BEP 48): `announce` at the start of the last part becomes `scrape`; None without that."""
    path, mark, query = path.partition("?")
    folder, slash, last = path.rpartition("/")
    if not last.startswith("announce"):
        return None
    return f"{folder}{slash}scrape{last.removeprefix('announce')}{mark}{query}"


def scrape_target(path: str, info_hashes: Sequence[bytes]) -> str:
    """What is asked under a path that scrape_path() gave."""
    return with_query(path, [("info_hash", info_hash) for info_hash in info_hashes])


def parse_announce(body: bytes) -> AnnounceReply:
    """Reads the reply to an announce. Raises TrackerError and ReplyError."""
    values, faults = _read_untrusted(body)
    peers, compact = _read_peers(values, faults)
    interval = values.get(b"interval")
    if not isinstance(interval, int) or interval < 0:
        raise ReplyError("`interval` is missing" if interval is None else f"`interval` is {interval!r}, not a time")
    external_ip = _text(values, b"external ip", faults)
    if external_ip is not None and len(external_ip) not in (4, 16):
        faults.append(f"`external ip` has {len(external_ip)} bytes; an address has 4 or 16 (BEP 24)")
    return AnnounceReply(
        interval=interval,
        min_interval=_number(values, b"min interval", faults),
        seeders=_number(values, b"complete", faults),
        leechers=_number(values, b"incomplete", faults),
        peers=peers,
        compact=compact,
        external_ip=external_ip,
        warning=(_text(values, b"warning message", faults) or b"").decode(errors="replace"),
        faults=faults,
    )


def parse_scrape(body: bytes) -> dict[bytes, ScrapeRow]:
    """Reads the reply to a scrape: a row for each info hash. Raises TrackerError and ReplyError."""
    values, _ = _read_untrusted(body)
    files = values.get(b"files")
    if not isinstance(files, dict):
        raise ReplyError("`files` is missing" if files is None else "`files` is no dictionary")
    return {info_hash: _read_row(info_hash, row) for info_hash, row in files.items()}


def _bytes(value: bytes | str | int) -> bytes:
    return value if isinstance(value, bytes) else str(value).encode()


def _read_untrusted(body: bytes) -> tuple[dict[bytes, Value], list[str]]:
    """The dictionary that a reply is, and the rules of bencoding that it breaks."""
    try:
        reading = bencode.read(body)
    except BencodeError as error:
        raise ReplyError(f"not bencoded: {error}") from None
    values, faults = reading.value, list(reading.faults)
    if not isinstance(values, dict):
        raise ReplyError("not a bencoded dictionary")
    if b"failure reason" in values:
        raise TrackerError((_text(values, b"failure reason", faults) or b"").decode(errors="replace"))
    if reading.size < len(body):
        behind = body[reading.size :]
        faults.append(f"{len(behind)} bytes follow the final `e`: {repr(behind[:20])[1:]}")
    return values, faults


def _number(values: dict[bytes, Value], key: bytes, faults: list[str]) -> int | None:
    value = values.get(key)
    if isinstance(value, int) and value >= 0:
        return value
    if value is not None:
        faults.append(f"`{key.decode()}` is not a number of at least 0")
    return None


def _text(values: dict[bytes, Value], key: bytes, faults: list[str]) -> bytes | None:
    value = values.get(key)
    if isinstance(value, bytes):
        return value
    if value is not None:
        faults.append(f"`{key.decode()}` is not a string")
    return None


def _read_peers(values: dict[bytes, Value], faults: list[str]) -> tuple[list[tuple[str, int]], bool]:
    """The peers under both keys, and whether they were compact."""
    if not values.keys() & _ADDRESS_SIZES.keys():
        raise ReplyError("neither `peers` nor `peers6` is there")
    peers: list[tuple[str, int]] = []
    for key, size in _ADDRESS_SIZES.items():
        value = values.get(key, b"")
        if isinstance(value, list):
            peers += [_read_peer(key, item) for item in value]
        elif isinstance(value, bytes):
            peers += _unpack(key, value, size, faults)
        else:
            raise ReplyError(f"`{key.decode()}` is neither a string nor a list")
    if any(not 0 < port < 65536 for _, port in peers):
        faults.append("a peer has a port that nobody can connect to")
    return peers, not isinstance(values.get(b"peers"), list)


def _unpack(key: bytes, packed: bytes, size: int, faults: list[str]) -> list[tuple[str, int]]:
    """Peers of `size` bytes of address and two of port each."""
    stride = size + 2
    if len(packed) % stride:
        raise ReplyError(f"{len(packed)} bytes of `{key.decode()}`, expected a multiple of {stride}")
    if size == 16 and any(packed.startswith(_V4_MAPPED, at) for at in range(0, len(packed), stride)):
        faults.append("`peers6` has IPv4 addresses, written as IPv6 (::ffff:0:0/96)")
    family = socket.AF_INET if size == 4 else socket.AF_INET6
    starts = range(0, len(packed), stride)
    return [
        (socket.inet_ntop(family, packed[at : at + size]), int.from_bytes(packed[at + size : at + stride]))
        for at in starts
    ]


def _read_peer(key: bytes, peer: Value) -> tuple[str, int]:
    """A peer in the dictionary form, whose address may be a name as well (BEP 3)."""
    if isinstance(peer, dict):
        address, port = peer.get(b"ip"), peer.get(b"port")
        if isinstance(address, bytes) and isinstance(port, int):
            return address.decode(errors="replace"), port
    raise ReplyError(f"`{key.decode()}` has an entry that is no dictionary with `ip` and `port`")


def _read_row(info_hash: bytes, row: Value) -> ScrapeRow:
    if len(info_hash) != INFO_HASH_SIZE:
        raise ReplyError(f"`files` has a key of {len(info_hash)} bytes, expected {INFO_HASH_SIZE}")
    if not isinstance(row, dict):
        raise ReplyError("`files` has a value that is no dictionary")
    counts = [row.get(key) for key in (b"complete", b"downloaded", b"incomplete")]
    numbers = [count for count in counts if isinstance(count, int)]
    if len(numbers) < len(counts):
        raise ReplyError("`complete`, `downloaded` or `incomplete` is missing, or no number")
    seeders, completed, leechers = numbers
    return ScrapeRow(seeders=seeders, completed=completed, leechers=leechers)
