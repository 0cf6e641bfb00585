"""BEP 15 packets built and read a second time, straight from its tables, so that the core is not judged by itself."""

import struct
from dataclasses import dataclass

CONNECT, ANNOUNCE, SCRAPE, ERROR = range(4)
PROTOCOL_ID = 0x41727101980
ANNOUNCE_SIZE = 98


def connect_request(transaction_id: int = 1) -> bytes:
    """Build a connect."""
    return struct.pack("!QII", PROTOCOL_ID, CONNECT, transaction_id)


def announce_request(
    connection_id: bytes,
    transaction_id: int = 1,
    *,
    info_hash: bytes = b"\xaa" * 20,
    left: int = 1,
    event: int = 2,
    numwant: int = -1,
    port: int = 6881,
) -> bytes:
    """Build an announce."""
    head = connection_id + struct.pack("!II", ANNOUNCE, transaction_id)
    return head + struct.pack("!20s20sQQQIIIiH", info_hash, b"-" * 20, 0, left, 0, event, 0, 1, numwant, port)


def scrape_request(connection_id: bytes, info_hashes: list[bytes], transaction_id: int = 1) -> bytes:
    """Build a scrape."""
    return connection_id + struct.pack("!II", SCRAPE, transaction_id) + b"".join(info_hashes)


@dataclass(frozen=True)
class AnnounceReply:
    """What an announce reply says."""

    interval: int
    leechers: int
    seeders: int
    peers: list[bytes]


def read_announce_reply(reply: bytes, transaction_id: int, stride: int) -> AnnounceReply:
    """Read an announce reply; raise AssertionError if it is not one of this family."""
    action, echoed, interval, leechers, seeders = struct.unpack_from("!IIIII", reply)
    assert (action, echoed) == (ANNOUNCE, transaction_id)
    assert (len(reply) - 20) % stride == 0
    return AnnounceReply(interval, leechers, seeders, [reply[at : at + stride] for at in range(20, len(reply), stride)])


def check_reply(request: bytes, reply: bytes, stride: int) -> None:
    """Check that a reply fits its request in kind, transaction and size (raise AssertionError if it does not)."""
    action, transaction_id = struct.unpack_from("!II", request, 8)
    answered, echoed = struct.unpack_from("!II", reply)
    assert echoed == transaction_id
    assert len(reply) <= 1232
    if answered == ERROR:
        assert action in (ANNOUNCE, SCRAPE)
        assert len(reply) <= len(request)
        reply[8:].decode("ascii")
        return
    assert answered == action
    if action == CONNECT:
        assert len(reply) == 16
    elif action == ANNOUNCE:
        assert len(read_announce_reply(reply, transaction_id, stride).peers) <= (67 if stride == 18 else 202)
    else:
        assert len(reply) - 8 == 12 * min((len(request) - 16) // 20, 102)
