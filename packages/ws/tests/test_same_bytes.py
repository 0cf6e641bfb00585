"""What the C core writes is, to the byte, what the whole path writes: clients cannot tell who answered."""

import os

import pytest
from msgspec import Raw, Struct
from thalweg_common._core import ffi, lib
from thalweg_ws.wire import (
    AnnounceReply,
    Failure,
    RelayedAnswer,
    RelayedOffer,
    ScrapeFile,
    ScrapeFlags,
    ScrapeReply,
    encode,
    id_text,
)

EVERY_BYTE = [bytes(range(256))[start : start + 20] for start in (*range(0, 236, 20), 236)]
OBJECTS = [b"{}", b'{ "sdp":"a\\r\\n\\u00e9\xc3\xa9", "x":[1e3] }', b'{"sdp":"' + b"x" * 70_000 + b'"}']


def text_of(size: int, buffer: object) -> bytes:
    """The text in a frame of the server."""
    assert size > 0
    frame = bytes(ffi.buffer(buffer, size))
    head = {126: 4, 127: 10}.get(frame[1], 2)
    assert frame[0] == 0x81
    return frame[head:]


def counts(seeders: int, leechers: int, downloads: int) -> object:
    """A tw_counts."""
    made = ffi.new("tw_counts *")
    made.seeders, made.leechers, made.downloads = seeders, leechers, downloads
    return made


def same(reply: Struct, size: int, buffer: object) -> None:
    """Both wrote it."""
    assert text_of(size, buffer) == encode(reply)


@pytest.mark.parametrize("info_hash", EVERY_BYTE)
def test_replies_to_announces(info_hash: bytes) -> None:
    """For every byte that an info hash may have."""
    room = ffi.new("uint8_t[]", 1000)
    reply = AnnounceReply(
        info_hash=id_text(info_hash),
        interval=125,
        min_interval_spelt=60,
        min_interval=60,
        complete=7,
        incomplete=1 << 31,
    )
    same(reply, lib.tw_ws_write_announced(info_hash, 125, 60, counts(7, 1 << 31, 0), room, 1000), room)


@pytest.mark.parametrize("info_hash", EVERY_BYTE)
@pytest.mark.parametrize("value", OBJECTS)
def test_relayed_messages(info_hash: bytes, value: bytes) -> None:
    """Offers and answers, whatever is in them."""
    room = ffi.new("uint8_t[]", 80_000)
    data = ffi.from_buffer("uint8_t[]", value)
    made = ffi.new("tw_ws_object *", {"at": data, "size": len(value)})
    peer_id, offer_id = os.urandom(20), os.urandom(20)
    ids = {"info_hash": id_text(info_hash), "peer_id": id_text(peer_id), "offer_id": id_text(offer_id)}
    for answer, reply in (
        (False, RelayedOffer(**ids, offer=Raw(value))),
        (True, RelayedAnswer(**ids, answer=Raw(value))),
    ):
        same(reply, lib.tw_ws_write_relayed(answer, info_hash, peer_id, offer_id, made, room, 80_000), room)


def test_replies_to_scrapes() -> None:
    """Of one torrent, and of several."""
    room = ffi.new("uint8_t[]", 10_000)
    for torrents in (1, len(EVERY_BYTE)):
        table = ffi.new("tw_counts[]", torrents)
        files = {}
        for number, info_hash in enumerate(EVERY_BYTE[:torrents]):
            table[number] = counts(number, min(10**number, 9), 3)[0]  # type: ignore[index]
            files[id_text(info_hash)] = ScrapeFile(complete=number, incomplete=min(10**number, 9), downloaded=3)
        joined = b"".join(EVERY_BYTE[:torrents])
        size = lib.tw_ws_write_scraped(joined, table, torrents, 60, room, 10_000)
        same(ScrapeReply(files=files, flags=ScrapeFlags(60)), size, room)


@pytest.mark.parametrize("info_hash", EVERY_BYTE)
def test_failures(info_hash: bytes) -> None:
    """Of announces."""
    room = ffi.new("uint8_t[]", 1000)
    reason = 'it is "so"'
    size = lib.tw_ws_write_failure(False, info_hash, reason.encode(), 120, room, 1000)
    same(Failure(action="announce", info_hash=id_text(info_hash), reason=reason, interval=120), size, room)
