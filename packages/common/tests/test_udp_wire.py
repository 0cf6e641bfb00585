"""udp_wire against the byte layouts of BEP 15, BEP 7 and BEP 41."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st
from thalweg_common import udp_wire
from thalweg_common.udp_wire import Announce, AnnounceReply, Event, ReplyError, ScrapeRow, TrackerError

ID = bytes(range(8))
INFO_HASH = b"H" * 20
PEER_ID = b"-XX0001-abcdefghijkl"


def announce(**fields: object) -> Announce:
    """An announce with unremarkable values where the test names none."""
    return Announce(**{"info_hash": INFO_HASH, "peer_id": PEER_ID, "port": 6881, **fields})  # type: ignore[arg-type]


def test_connect_request_is_the_one_of_the_specification() -> None:
    """Sixteen bytes: the magic number, action 0 and the transaction id."""
    assert udp_wire.build_connect(42).hex() == "0000041727101980000000000000002a"


def test_connect_reply_gives_the_connection_id() -> None:
    """Eight bytes behind the header are the id, whatever follows them."""
    assert udp_wire.parse_connect(struct.pack("!II8s", 0, 42, ID), 42) == ID
    assert udp_wire.parse_connect(struct.pack("!II8s", 0, 42, ID) + b"more", 42) == ID


def test_announce_request_has_every_field_at_its_offset() -> None:
    """Offsets are those of BEP 15's table; the IP field is left zero."""
    packet = udp_wire.build_announce(
        ID, 7, announce(downloaded=1, left=2, uploaded=3, event=Event.STARTED, key=0xABCD, num_want=-1)
    )
    assert len(packet) == 98
    assert (packet[:8], packet[16:36], packet[36:56]) == (ID, INFO_HASH, PEER_ID)
    assert struct.unpack_from("!II", packet, 8) == (1, 7)
    assert struct.unpack_from("!QQQIIIiH", packet, 56) == (1, 2, 3, 2, 0, 0xABCD, -1, 6881)


def test_long_url_data_is_split_into_options() -> None:
    """BEP 41 pieces hold 255 bytes at most, each behind type 2 and its length."""
    options = udp_wire.build_announce(ID, 7, announce(url_data=b"/" + b"k" * 255))[98:]
    assert options == b"\x02\xff/" + b"k" * 254 + b"\x02\x01k"


@pytest.mark.parametrize(
    ("ip_version", "peer", "text"),
    [(4, "7f0000011ae1", "127.0.0.1"), (6, "000000000000000000000000000000011ae1", "::1")],
)
def test_announce_reply_of_both_families(ip_version: int, peer: str, text: str) -> None:
    """Leechers come before seeders, then peers of 6 or 18 bytes."""
    reply = struct.pack("!IIIII", 1, 7, 1800, 3, 4) + bytes.fromhex(peer)
    assert udp_wire.parse_announce(reply, 7, ip_version) == AnnounceReply(1800, 3, 4, [(text, 6881)])


def test_scrape_reply_rows_are_seeders_completed_leechers() -> None:
    """Rows keep the order of the request."""
    reply = struct.pack("!II6I", 2, 7, 1, 2, 3, 0, 0, 0)
    assert udp_wire.parse_scrape(reply, 7) == [ScrapeRow(1, 2, 3), ScrapeRow(0, 0, 0)]
    assert udp_wire.build_scrape(ID, 7, [INFO_HASH])[16:] == INFO_HASH


def test_error_packet_raises_with_the_trackers_text() -> None:
    """Action 3 answers any request."""
    with pytest.raises(TrackerError, match="go away"):
        udp_wire.parse_announce(struct.pack("!II", 3, 7) + b"go away", 7, 4)


@pytest.mark.parametrize(
    "reply",
    [b"", bytes(7), struct.pack("!II", 1, 8), struct.pack("!II", 2, 7), struct.pack("!IIII", 1, 7, 0, 0),
     struct.pack("!IIIII", 1, 7, 0, 0, 0) + bytes(5)],
)  # fmt: skip
def test_a_reply_to_something_else_is_a_bad_reply(reply: bytes) -> None:
    """Short, foreign, of another action or with half a peer: refused, never misread."""
    with pytest.raises(ReplyError):
        udp_wire.parse_announce(reply, 7, 4)


def test_wrong_sizes_are_refused_before_sending() -> None:
    """An info hash of 19 bytes would shift every later field."""
    with pytest.raises(ValueError, match="info hash of 19 bytes, expected 20"):
        udp_wire.build_announce(ID, 7, announce(info_hash=b"H" * 19))


@given(reply=st.binary(max_size=64), ip_version=st.sampled_from([4, 6]))
def test_random_replies_never_surprise(reply: bytes, ip_version: int) -> None:
    """Whatever arrives is parsed or refused with one of the two documented errors."""
    try:
        udp_wire.parse_announce(reply, 7, ip_version)
        udp_wire.parse_scrape(reply, 7)
        udp_wire.parse_connect(reply, 7)
    except (ReplyError, TrackerError):
        pass
