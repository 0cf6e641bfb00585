"""The UDP tracker protocol seen from the client: requests to bytes, bytes to replies (BEP 15, BEP 7, BEP 41).

Pure functions: no socket, no clock, no randomness. The caller chooses transaction ids and keeps connection ids.
The server's side of the same protocol is in the C core (csrc/udp_answer.c).

    connect    build_connect   →  16 bytes   →  parse_connect   a connection id
    announce   build_announce  →  98 bytes…  →  parse_announce  interval, counts, peers
    scrape     build_scrape    →  16 + 20·n  →  parse_scrape    one row for each info hash

Every parser raises TrackerError when the tracker answered with an error packet, and ReplyError when the datagram is
not the reply to this request. Bytes that follow a complete connect reply are allowed, as BEP 15 demands.
"""

from __future__ import annotations

import enum
import struct
from ipaddress import IPv4Address, IPv6Address

import msgspec

PROTOCOL_ID = 0x41727101980
INFO_HASH_SIZE = 20
PEER_ID_SIZE = 20
HEADER_SIZE = 8

ACTION_CONNECT = 0
ACTION_ANNOUNCE = 1
ACTION_SCRAPE = 2
ACTION_ERROR = 3

_ANNOUNCE = struct.Struct("!8sII20s20sQQQI4xIiH")
_OPTION_URL_DATA = 2
_MAX_OPTION = 255


class Event(enum.IntEnum):
    """Why a client announces: BEP 15's numbers, and libtorrent's PAUSED for a partial seed (BEP 21)."""

    NONE = 0
    COMPLETED = 1
    STARTED = 2
    STOPPED = 3
    PAUSED = 4


class Announce(msgspec.Struct, frozen=True, kw_only=True):
    """What an announce request says. Counters are bytes; `num_want` -1 leaves the number of peers to the tracker."""

    info_hash: bytes
    peer_id: bytes
    port: int
    left: int = 0
    downloaded: int = 0
    uploaded: int = 0
    event: int = Event.NONE
    key: int = 0
    num_want: int = -1
    url_data: bytes = b""
    """Path and query of the tracker's URL, sent as BEP 41 options; empty: no options."""


class AnnounceReply(msgspec.Struct, frozen=True):
    """Seconds until the next announce, the swarm's counts, and peers as (address text, port)."""

    interval: int
    leechers: int
    seeders: int
    peers: list[tuple[str, int]]


class ScrapeRow(msgspec.Struct, frozen=True):
    """Counts of one info hash; `completed` is the number of finished downloads the tracker has seen."""

    seeders: int
    completed: int
    leechers: int


class ReplyError(ValueError):
    """The datagram is not a valid reply to the request it was compared with."""


class TrackerError(Exception):
    """The tracker answered with an error packet; the text is the tracker's own."""


def build_connect(transaction_id: int) -> bytes:
    """A connect request of 16 bytes."""
    return struct.pack("!QII", PROTOCOL_ID, ACTION_CONNECT, transaction_id)


def parse_connect(reply: bytes, transaction_id: int) -> bytes:
    """The connection id (8 bytes, opaque) from a connect reply: good for a minute at least."""
    body = _body(reply, ACTION_CONNECT, transaction_id)
    if len(body) < 8:
        raise ReplyError(f"connect reply of {len(reply)} bytes, expected 16")
    return body[:8]


def build_announce(connection_id: bytes, transaction_id: int, announce: Announce) -> bytes:
    """An announce request: 98 bytes, and BEP 41 options when there is URL data."""
    fixed = _ANNOUNCE.pack(
        connection_id,
        ACTION_ANNOUNCE,
        transaction_id,
        _exactly(announce.info_hash, INFO_HASH_SIZE, "info hash"),
        _exactly(announce.peer_id, PEER_ID_SIZE, "peer id"),
        announce.downloaded,
        announce.left,
        announce.uploaded,
        announce.event,
        announce.key,
        announce.num_want,
        announce.port,
    )
    return fixed + _url_data_options(announce.url_data)


def parse_announce(reply: bytes, transaction_id: int, ip_version: int) -> AnnounceReply:
    """The announce reply; `ip_version` (4 or 6) is the family it travelled over and decides the size of a peer."""
    body = _body(reply, ACTION_ANNOUNCE, transaction_id)
    if len(body) < 12:
        raise ReplyError(f"announce reply of {len(reply)} bytes, expected at least 20")
    interval, leechers, seeders = struct.unpack_from("!III", body)
    return AnnounceReply(interval, leechers, seeders, parse_peers(body[12:], ip_version))


def parse_peers(data: bytes, ip_version: int) -> list[tuple[str, int]]:
    """Compact peers, 6 bytes each for IPv4 (BEP 23) or 18 for IPv6 (BEP 7), as (address text, port)."""
    as_address, width = (IPv4Address, 4) if ip_version == 4 else (IPv6Address, 16)
    if len(data) % (width + 2):
        raise ReplyError(f"{len(data)} bytes of peers, expected a multiple of {width + 2}")
    return [(str(as_address(address)), port) for address, port in struct.iter_unpack(f"!{width}sH", data)]


def build_scrape(connection_id: bytes, transaction_id: int, info_hashes: list[bytes]) -> bytes:
    """A scrape request: 16 bytes and 20 for each info hash. BEP 15 speaks of 74 at most."""
    header = struct.pack("!8sII", connection_id, ACTION_SCRAPE, transaction_id)
    return header + b"".join(_exactly(info_hash, INFO_HASH_SIZE, "info hash") for info_hash in info_hashes)


def parse_scrape(reply: bytes, transaction_id: int) -> list[ScrapeRow]:
    """The rows of a scrape reply, in the order asked; fewer than asked when the tracker has a lower limit."""
    body = _body(reply, ACTION_SCRAPE, transaction_id)
    if len(body) % 12:
        raise ReplyError(f"scrape reply of {len(reply)} bytes, expected 8 and a multiple of 12")
    return [ScrapeRow(*row) for row in struct.iter_unpack("!III", body)]


def transaction_of(reply: bytes) -> int | None:
    """The transaction id a datagram answers, None when it is too short to be a reply."""
    if len(reply) < HEADER_SIZE:
        return None
    return int.from_bytes(reply[4:8], "big")


def _body(reply: bytes, action: int, transaction_id: int) -> bytes:
    """What follows the header, once action and transaction id are those that were asked for."""
    if len(reply) < HEADER_SIZE:
        raise ReplyError(f"reply of {len(reply)} bytes, expected at least {HEADER_SIZE}")
    got_action, got_transaction = struct.unpack_from("!II", reply)
    if got_transaction != transaction_id:
        raise ReplyError(f"transaction id {got_transaction:#010x}, expected {transaction_id:#010x}")
    if got_action == ACTION_ERROR:
        raise TrackerError(reply[HEADER_SIZE:].decode("utf-8", "replace"))
    if got_action != action:
        raise ReplyError(f"action {got_action}, expected {action}")
    return reply[HEADER_SIZE:]


def _url_data_options(url_data: bytes) -> bytes:
    """BEP 41: pieces of at most 255 bytes, each behind its type and length."""
    pieces = (url_data[start : start + _MAX_OPTION] for start in range(0, len(url_data), _MAX_OPTION))
    return b"".join(bytes([_OPTION_URL_DATA, len(piece)]) + piece for piece in pieces)


def _exactly(value: bytes, size: int, what: str) -> bytes:
    if len(value) != size:
        raise ValueError(f"{what} of {len(value)} bytes, expected {size}")
    return value
