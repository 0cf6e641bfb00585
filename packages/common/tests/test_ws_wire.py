"""WebTorrent messages before their referee, which is thalweg_ws.wire: what C takes, msgspec reads as the same there.

The scanner may call anything odd: then the message is for the whole path. So that this is no way out, the messages that
clients are known to send are listed here, and must be taken. What C writes are the bytes of the whole path.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, NamedTuple

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from msgspec import Raw
from thalweg_common._core import ffi, lib
from thalweg_ws import wire
from thalweg_ws.answer import EVENTS

from tests.model.exploring import examples

ANY_NUMWANT = 2**64 - 1
KINDS = {lib.TW_WS_ANNOUNCE: "announce", lib.TW_WS_ANSWER: "answer", lib.TW_WS_SCRAPE: "scrape"}
ALL_BYTES = [bytes(range(start, start + 20)) for start in (*range(0, 236, 20), 236)]


class Meaning(NamedTuple):
    """What a message says, whoever read it."""

    kind: str
    info_hashes: list[bytes]
    peer_id: bytes = b""
    to_peer_id: bytes = b""
    offer_id: bytes = b""
    event: int = lib.TW_EVENT_NONE
    left_nothing: bool = False
    numwant: int = ANY_NUMWANT
    offers: tuple[tuple[bytes, bytes], ...] = ()
    answer: bytes = b""


def scan(text: bytes) -> Meaning | None:
    """What C reads; None: odd."""
    held = ffi.from_buffer("uint8_t[]", text)
    found = ffi.new("tw_ws_message *")
    kind = KINDS.get(lib.tw_ws_scan(held, len(text), found))
    if kind is None:
        return None
    info_hashes = [bytes(found.info_hashes[index]) for index in range(found.info_hash_count)]
    if kind == "scrape":
        return Meaning(kind, info_hashes)
    peer_id = bytes(found.peer_id)
    if kind == "answer":
        ids = bytes(found.to_peer_id), bytes(found.offer_id)
        return Meaning(kind, info_hashes, peer_id, *ids, answer=text_of(found.answer))
    offers = tuple((bytes(found.offer_ids[index]), text_of(found.offers[index])) for index in range(found.offer_count))
    return Meaning(
        kind,
        info_hashes,
        peer_id,
        event=found.event,
        left_nothing=found.left_nothing,
        numwant=found.numwant,
        offers=offers,
    )


def text_of(found: Any) -> bytes:
    """A tw_ws_object's."""
    return bytes(ffi.buffer(found.at, found.size))


def read(text: bytes) -> Meaning:
    """What the whole path reads."""
    found = wire.parse_message_untrusted(text)
    named = found.info_hash if isinstance(found.info_hash, list) else [found.info_hash]
    info_hashes = [wire.id_bytes("info_hash", info_hash) for info_hash in named]
    if found.action == "scrape":
        assert len(set(info_hashes)) == len(info_hashes)
        return Meaning("scrape", info_hashes)
    assert found.action == "announce"
    assert isinstance(found.info_hash, str)
    peer_id = wire.id_bytes("peer_id", found.peer_id)
    if found.is_answer:
        ids = wire.id_bytes("to_peer_id", found.to_peer_id), wire.id_bytes("offer_id", found.offer_id)
        return Meaning("answer", info_hashes, peer_id, *ids, answer=object_of(found.answer))
    assert found.event is None or isinstance(found.event, str)
    return Meaning(
        "announce",
        info_hashes,
        peer_id,
        event=EVENTS.get(found.event or "", lib.TW_EVENT_NONE),
        left_nothing=found.left_nothing,
        numwant=ANY_NUMWANT if found.numwant is None else found.numwant,
        offers=tuple((wire.id_bytes("offer_id", one.offer_id), object_of(one.offer)) for one in found.offers or ()),
    )


def object_of(raw: Raw) -> bytes:
    """The text, if it is an object of JSON in every detail: what is relayed is somebody else's to read."""
    assert wire.is_object(raw)
    json.loads(bytes(raw), parse_constant=pytest.fail)
    return bytes(raw)


def judge(text: bytes) -> Meaning | None:
    """What C reads, compared with what the whole path reads unless it is odd."""
    meaning = scan(text)
    if meaning is not None:
        assert meaning == read(text)
    return meaning


SDP = (
    "v=0\r\no=- 4611731400430051336 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0\r\na=msid-semantic: WMS\r\n"
    "m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\nc=IN IP4 0.0.0.0\r\na=ice-ufrag:EsAw\r\n"
    "a=ice-pwd:bP+XJMM09aR8AiX1jdukzR6Y\r\na=ice-options:trickle\r\na=setup:actpass\r\na=mid:0\r\n"
)
INFO_HASH = ALL_BYTES[11].decode("latin-1")
PEER_ID = "-WW0205-abcdefghijkl"
RANDOM_ID = ALL_BYTES[0].decode("latin-1")


def offer_of(number: int) -> dict[str, Any]:
    """As the JavaScript library writes it."""
    return {"offer": {"type": "offer", "sdp": SDP}, "offer_id": f"{number:020}"}


ANNOUNCE = {
    "numwant": 5,
    "uploaded": 0,
    "downloaded": 0,
    "left": None,
    "event": "started",
    "action": "announce",
    "info_hash": INFO_HASH,
    "peer_id": PEER_ID,
    "offers": [offer_of(number) for number in range(5)],
}
ANSWER = {
    "action": "announce",
    "info_hash": INFO_HASH,
    "peer_id": PEER_ID,
    "to_peer_id": RANDOM_ID,
    "answer": {"type": "answer", "sdp": SDP},
    "offer_id": RANDOM_ID,
}
DESCRIBED: dict[str, dict[str, Any]] = {
    "bittorrent-tracker announces": ANNOUNCE,
    "bittorrent-tracker announces again": ANNOUNCE | {"event": "update", "trackerid": "x", "left": 1 << 40},
    "bittorrent-tracker completes": {
        key: value for key, value in ANNOUNCE.items() if key != "offers"
    } | {"event": "completed", "left": 0},
    "bittorrent-tracker stops": {key: value for key, value in ANNOUNCE.items() if key not in ("offers", "numwant")}
    | {"event": "stopped", "left": 7},
    "bittorrent-tracker answers": ANSWER | {"trackerid": None},
    "bittorrent-tracker scrapes one": {"action": "scrape", "info_hash": INFO_HASH},
    "bittorrent-tracker scrapes many": {"action": "scrape", "info_hash": [INFO_HASH, RANDOM_ID]},
    "libtorrent announces": {
        "action": "announce",
        "info_hash": INFO_HASH,
        "uploaded": 0,
        "downloaded": 0,
        "left": 1048576,
        "corrupt": 0,
        "numwant": 10,
        "key": "0A1B2C3D",
        "peer_id": "-LT20A0-\x00\x7f\x80\xffhijklmno",
        "event": "started",
        "offers": [offer_of(number) for number in range(10)],
    },
    "libtorrent stops": {
        "action": "announce", "info_hash": INFO_HASH, "uploaded": 1, "downloaded": 2, "left": 0, "corrupt": 0,
        "numwant": 0, "key": "0A1B2C3D", "peer_id": PEER_ID, "event": "stopped", "offers": [],
    },
    "libtorrent answers": ANSWER,
    "aquatic's load generator announces": ANNOUNCE
    | {"answer": None, "to_peer_id": None, "offer_id": None, "numwant": 5, "left": 0},
    "aquatic's load generator answers": ANSWER | {"left": None, "offers": None, "numwant": None, "event": "update"},
    "aquatic's load generator scrapes": {"action": "scrape", "info_hash": [INFO_HASH]},
}  # fmt: skip


def spellings(message: Any) -> Iterator[bytes]:
    """The ways in which JSON libraries write a message."""
    yield msgspec.json.encode(message)
    yield json.dumps(message, ensure_ascii=False, separators=(",", ":")).encode()
    yield json.dumps(message).encode()  # every byte of 128 or more is \u00XX
    yield json.dumps(message, ensure_ascii=False, indent="\t").encode() + b"\r\n"


@pytest.mark.parametrize("message", DESCRIBED.values(), ids=DESCRIBED)
def test_messages_of_known_clients_are_taken(message: dict[str, Any]) -> None:
    """In any spelling, with the meaning that msgspec reads."""
    meanings = [judge(text) for text in spellings(message)]
    assert None not in meanings
    assert all(
        meaning is not None and meaning.info_hashes == meanings[0].info_hashes for meaning in meanings if meanings[0]
    )


@pytest.mark.parametrize("message", DESCRIBED.values(), ids=DESCRIBED)
def test_every_truncation_is_odd(message: dict[str, Any]) -> None:
    """No beginning of a message is taken for one."""
    text = msgspec.json.encode(message)
    assert not [size for size in range(len(text)) if scan(text[:size]) is not None]


def test_every_byte_changed() -> None:
    """A message with a changed byte is odd, or means what msgspec reads."""
    for message in (
        {**ANNOUNCE, "offers": [offer_of(1)]},
        ANSWER,
        {"action": "scrape", "info_hash": [INFO_HASH, PEER_ID]},
    ):
        text = msgspec.json.encode(message)
        taken = 0
        for at in range(len(text)):
            for byte in (*b'"\\{}[],:0-.eu \n\0a', 0x7F, 0x80, 0xC3, 0xED, 0xFF, text[at] ^ 1):
                taken += judge(text[:at] + bytes([byte]) + text[at + 1 :]) is not None
        assert taken > len(text)


def test_every_byte_of_an_id() -> None:
    """All 256 bytes come through, raw or escaped; writing them gives what msgspec writes."""
    for value in ALL_BYTES:
        message = {"action": "scrape", "info_hash": value.decode("latin-1")}
        for text in spellings(message):
            assert judge(text) == Meaning("scrape", [value])


Json = st.SearchStrategy[Any]
plain_text = st.text(st.characters(max_codepoint=0x2FFF), max_size=40)


def mostly(usual: Json, odd: Json) -> Json:
    """Nine of ten times the usual."""
    return st.sampled_from(range(10)).flatmap(lambda number: usual if number else odd)


ids = st.sampled_from(ALL_BYTES).map(lambda value: value.decode("latin-1")) | st.text(
    st.characters(max_codepoint=255), min_size=20, max_size=20
)
odd_ids: Json = st.text(max_size=22) | st.sampled_from(
    [None, [], 1, "", "x" * 19, "x" * 21, "x" * 19 + "\u0100", "x" * 18 + "\U0001f40c"]
)
any_ids = mostly(ids, odd_ids)
usual_numbers = st.none() | st.integers(0, 10**6) | st.sampled_from([0, 10**17, 10**18 - 1])
odd_numbers = st.sampled_from([-1, -0.0, 0.5, 1e3, 10**18, 2**63, 2**64, 10**30, True, "0", []])
numbers = mostly(usual_numbers, odd_numbers)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | plain_text,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
objects = st.fixed_dictionaries(
    {"type": st.sampled_from(["offer", "answer"]), "sdp": mostly(st.just(SDP) | plain_text, st.text())},
    optional={"x": values},
)
any_objects = mostly(objects, values)
offers = mostly(st.fixed_dictionaries({"offer_id": any_ids, "offer": any_objects}, optional={"y": values}), values)
members = {
    "left": numbers,
    "numwant": numbers,
    "event": mostly(st.sampled_from([*EVENTS, "update", "", "Started", None]), values),
    "offers": mostly(st.lists(offers, max_size=3) | st.none(), values),
    "uploaded": numbers,
    "key": values,
    "to_peer_id": mostly(ids | st.none(), odd_ids),
    "offer_id": mostly(ids | st.none(), odd_ids),
}
announces = st.fixed_dictionaries(
    {"action": st.just("announce"), "info_hash": any_ids, "peer_id": any_ids}, optional=members
)
answers = st.fixed_dictionaries(
    {
        "action": st.just("announce"),
        "info_hash": any_ids,
        "peer_id": ids,
        "to_peer_id": any_ids,
        "offer_id": ids,
        "answer": any_objects,
    },
    optional={"left": numbers, "offers": st.none()},
)
actions = mostly(st.just("scrape"), st.sampled_from(["announce", "stop", 1, None]))
scrapes = st.fixed_dictionaries(
    {"action": actions, "info_hash": any_ids | st.lists(ids, max_size=4)}, optional={"peer_id": any_ids}
)
blanks = mostly(st.sampled_from(["", " ", "\t", "\r\n"]), st.just("\x0b"))


@st.composite
def texts(draw: st.DrawFn) -> bytes:
    """A message with its members in any order, sometimes one of them twice, in any spelling."""
    message = draw(announces | answers | scrapes)
    pairs = draw(st.permutations(list(message.items())))
    pairs += draw(st.lists(st.sampled_from(pairs), max_size=1)) if draw(st.integers(0, 9)) == 0 else []
    ascii_only, blank = draw(st.booleans()), draw(blanks)
    written = [
        f"{json.dumps(name)}{blank}:{blank}{json.dumps(value, ensure_ascii=ascii_only)}" for name, value in pairs
    ]
    text: str = "{" + f"{blank},{blank}".join(written) + "}" + blank
    return text.encode()


pieces = st.sampled_from(
    [b"", b'"', b"\\", b"{", b"}", b"[", b"]", b",", b":", b"0", b"-", b".", b"e", b"null", b"\\u00e9", b"\\ud800",
     b"\\n", b"\xff", b"\xc3", b"\xa4", b"\xc3\xa4", b"\0", b" ", b"\n", b'"x":', b"[[", b'"left":0,',
     b'"\\u006ceft":1,']
)  # fmt: skip


@examples(600)
@given(texts(), st.lists(st.tuples(st.integers(0, 4000), st.integers(0, 3), pieces), max_size=2))
@example(b'{"action":"scrape","info_hash":["aaaaaaaaaaaaaaaaaaaa","aaaaaaaaaaaaaaaaaaaa"]}', [])
@example(b'{"action":"announce","action":"scrape","info_hash":"aaaaaaaaaaaaaaaaaaaa"}', [])
def test_any_message(text: bytes, changes: list[tuple[int, int, bytes]]) -> None:
    """Good, strange and damaged ones: what C takes means the same to msgspec."""
    judge(text)
    for at, cut, piece in changes:
        start = at % (len(text) + 1)
        text = text[:start] + piece + text[start + cut :]
        judge(text)


def test_enough_is_taken() -> None:
    """The drawn messages are worth something only if C takes many of them. Which are drawn depends on the whole run."""
    taken = {"announce": 0, "answer": 0, "scrape": 0, "odd": 0}

    @examples(600)
    @given(texts())
    def look(text: bytes) -> None:
        meaning = scan(text)
        taken[meaning.kind if meaning else "odd"] += 1

    look()
    assert min(taken.values()) > 5, taken


def written(name: str, *arguments: Any) -> bytes:
    """The text in the frame that a tw_ws_write_… writes."""
    to = ffi.new("uint8_t[]", 1 << 16)
    size = getattr(lib, f"tw_ws_write_{name}")(*arguments, to, 1 << 16)
    frame = bytes(ffi.buffer(to, size))
    text = frame[2:] if frame[1] < 126 else frame[4:]
    assert frame[: size - len(text)] == bytes([0x81]) + (
        bytes([len(text)]) if len(text) < 126 else b"\x7e" + len(text).to_bytes(2, "big")
    )
    return text


raw_ids = st.sampled_from(ALL_BYTES) | st.binary(min_size=20, max_size=20)
counts = st.integers(0, 2**32 - 1)


@examples(100)
@given(raw_ids, counts, counts, counts, counts)
def test_announce_replies(info_hash: bytes, interval: int, min_interval: int, seeders: int, leechers: int) -> None:
    """The bytes of the whole path."""
    reply = wire.AnnounceReply(
        info_hash=wire.id_text(info_hash),
        interval=interval,
        min_interval_spelt=min_interval,
        min_interval=min_interval,
        complete=seeders,
        incomplete=leechers,
    )
    told = ffi.new("tw_counts *", {"seeders": seeders, "leechers": leechers, "downloads": 9})
    assert written("announced", info_hash, interval, min_interval, told) == wire.encode(reply)


@examples(100)
@given(raw_ids, raw_ids, raw_ids, objects)
def test_relayed_objects(info_hash: bytes, peer_id: bytes, offer_id: bytes, sdp: dict[str, Any]) -> None:
    """The bytes of the whole path, with the object as it came, blanks and all."""
    raw = Raw(json.dumps(sdp, indent=1).encode())
    ids = {
        "info_hash": wire.id_text(info_hash),
        "peer_id": wire.id_text(peer_id),
        "offer_id": wire.id_text(offer_id),
    }
    held = ffi.from_buffer("uint8_t[]", bytes(raw))
    found = ffi.new("tw_ws_object *", (held, len(held)))
    offer = wire.encode(wire.RelayedOffer(**ids, offer=raw))
    answer = wire.encode(wire.RelayedAnswer(**ids, answer=raw))
    assert written("relayed", False, info_hash, peer_id, offer_id, found) == offer
    assert written("relayed", True, info_hash, peer_id, offer_id, found) == answer


rows = st.lists(st.tuples(raw_ids, counts, counts, counts), max_size=5, unique_by=lambda row: row[0])


@examples(100)
@given(rows, counts)
def test_scrape_replies(rows: list[tuple[bytes, int, int, int]], min_interval: int) -> None:
    """The bytes of the whole path; a file for each info hash, in the order of the request."""
    files = {
        wire.id_text(info_hash): wire.ScrapeFile(complete=seeders, incomplete=leechers, downloaded=downloads)
        for info_hash, seeders, leechers, downloads in rows
    }
    reply = wire.ScrapeReply(files=files, flags=wire.ScrapeFlags(min_request_interval=min_interval))
    info_hashes = b"".join(row[0] for row in rows)
    told = ffi.new("tw_counts[]", [{"seeders": row[1], "leechers": row[2], "downloads": row[3]} for row in rows])
    assert written("scraped", info_hashes, told, len(rows), min_interval) == wire.encode(reply)


@examples(100)
@given(st.booleans(), raw_ids, st.text(st.characters(min_codepoint=1, max_codepoint=127), max_size=90), counts)
def test_failures(scrape: bool, info_hash: bytes, reason: str, interval: int) -> None:
    """The bytes of the whole path: action and info hash are always there."""
    failure = wire.Failure(
        action="scrape" if scrape else "announce",
        info_hash=wire.id_text(info_hash),
        reason=reason,
        interval=interval,
    )
    assert written("failure", scrape, info_hash, reason.encode(), interval) == wire.encode(failure)
