"""Frames of WebSocket before their referee: the same bytes go to C and to wsproto, and both must hear the same.

Two differences are allowed. What can only be a mistake is refused by C as soon as it is seen, by wsproto sometimes
with the next bytes: it is then given some, and must refuse. And wsproto has no limits of size: they are tested alone.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from thalweg_common._core import ffi, lib
from wsproto import ConnectionType
from wsproto.connection import Connection, ConnectionState
from wsproto.events import BytesMessage, CloseConnection, Event, Ping, Pong, TextMessage
from wsproto.frame_protocol import CloseReason

from tests.model.exploring import examples

TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10
FINAL = 0x80
KINDS = {
    lib.TW_WS_TEXT_MESSAGE: "text",
    lib.TW_WS_BINARY_MESSAGE: "binary",
    lib.TW_WS_PINGED: "ping",
    lib.TW_WS_PONGED: "pong",
    lib.TW_WS_CLOSED: "closed",
    lib.TW_WS_REFUSED: "refused",
}


class Heard(NamedTuple):
    """An event as both sides tell it."""

    kind: str
    payload: bytes = b""
    code: int = 0


TOO_BIG = Heard("refused", code=lib.TW_WS_TOO_BIG)


class FastFrames:
    """tw_ws_next over a buffer that grows."""

    def __init__(self, max_frame: int = 1 << 20, max_message: int = 1 << 20) -> None:
        """Nothing is kept at first."""
        self.frames = ffi.new("tw_ws_frames *")
        self.kept = b""
        self._limits = ffi.new("tw_ws_limits *", (max_frame, max_message))

    def hear(self, data: bytes) -> list[Heard]:
        """Every event that these bytes complete."""
        size = len(self.kept) + len(data)
        buffer = ffi.new("uint8_t[]", self.kept + data)
        event_input = ffi.new("tw_ws_input *", (buffer, buffer + self.frames.message_size, buffer + size))
        heard = []
        while (event := lib.tw_ws_next(self.frames, self._limits, event_input)).kind != lib.TW_WS_MORE:
            payload = bytes(ffi.buffer(event.payload, event.size)) if event.size else b""
            heard.append(Heard(KINDS[event.kind], payload, event.code))
        self.kept = bytes(ffi.buffer(event_input.start, event_input.end - event_input.start))
        return heard


class Referee:
    """wsproto's server, with messages put together."""

    def __init__(self) -> None:
        """The handshake is over."""
        self._connection = Connection(ConnectionType.SERVER)
        self._message = b""

    def hear(self, data: bytes) -> list[Heard]:
        """Every event that these bytes complete."""
        if self._connection.state is not ConnectionState.OPEN:
            return []
        self._connection.receive_data(data)
        return [heard for event in self._connection.events() if (heard := self._heard(event)) is not None]

    def _heard(self, event: Event) -> Heard | None:
        match event:
            case TextMessage() | BytesMessage():
                self._message += event.data.encode() if isinstance(event, TextMessage) else bytes(event.data)
                if not event.message_finished:
                    return None
                message, self._message = self._message, b""
                return Heard("text" if isinstance(event, TextMessage) else "binary", message)
            case Ping() | Pong():
                return Heard("ping" if isinstance(event, Ping) else "pong", bytes(event.payload))
            case CloseConnection() if self._connection.state is ConnectionState.REMOTE_CLOSING:
                return Heard("closed", (event.reason or "").encode(), int(event.code))
            case CloseConnection():
                return Heard("refused", code=int(event.code))
        raise AssertionError(event)


def frame(first: int, payload: bytes = b"", mask: bytes = b"\x5a\0\xff\x11", form: int = 0) -> bytes:
    """A client's frame. `form`: bytes that the size takes, if more than needed."""
    size = len(payload)
    form = max(form, 0 if size < 126 else 2 if size < 65536 else 8)
    short = size if form == 0 else 126 if form == 2 else 127
    masked = bytes(byte ^ mask[index % 4] for index, byte in enumerate(payload))
    return bytes([first, 0x80 | short]) + size.to_bytes(8, "big")[8 - form :] + mask + masked


def judged(heard: list[Heard], expected: list[Heard]) -> list[Heard]:
    """Both, if they are the same."""
    assert heard == expected
    return heard


def judge(pieces: Iterable[bytes]) -> list[Heard]:
    """Gives these bytes to both, and what C heard."""
    fast, whole = FastFrames(), Referee()
    heard: list[Heard] = []
    expected: list[Heard] = []
    for piece in pieces:
        heard += fast.hear(piece)
        expected += whole.hear(piece)
        if heard != expected and heard[-1:] == [TOO_BIG]:
            return judged(heard, [*expected[: len(heard) - 1], TOO_BIG])
        if heard != expected and heard and heard[-1].kind == "refused":
            return judged(heard, expected + whole.hear(bytes(16)))  # the refusal came early
        judged(heard, expected)
    return heard


def in_pieces(data: bytes, size: int) -> list[bytes]:
    """Cut into pieces of one size."""
    return [data[at : at + size] for at in range(0, len(data), size)]


def judge_everywhere(data: bytes) -> list[Heard]:
    """In one piece, byte by byte, and in two pieces cut at every place."""
    heard = judge([data])
    assert judge(in_pieces(data, 1)) == heard
    for cut in range(len(data)):
        assert judge([data[:cut], data[cut:]]) == heard
    return heard


texts = st.text(max_size=40).map(str.encode)
spoilt = st.sampled_from(
    [b"\x80", b"\xc0\x80", b"\xe0\x9f\xbf", b"\xed\xa0\x80", b"\xf0\x8f\x80\x80", b"\xf4\x90", b"\xff"]
)
short_payloads = texts | texts | st.binary(max_size=40) | st.builds(bytes.__add__, texts, spoilt)
long_payloads = st.builds(
    bytes.__mul__, st.sampled_from([b"a", b"\xc3\xa4"]), st.sampled_from([63, 125, 126, 16384, 65535, 65536])
)
payloads = short_payloads | short_payloads | long_payloads
masks = st.binary(min_size=4, max_size=4)
codes = st.sampled_from([0, 999, *range(1000, 1016), 1016, 2999, 3000, 3999, 4000, 4999, 5000, 65535])
closes = st.builds(lambda code, reason: code.to_bytes(2, "big") + reason, codes, texts | st.binary(max_size=10))
control_frames = st.builds(frame, st.sampled_from([FINAL | PING, FINAL | PONG]), st.binary(max_size=125), masks)
odd_frames = (
    st.builds(frame, st.integers(0, 255), payloads, masks)
    | st.builds(frame, st.sampled_from([FINAL | TEXT, FINAL | PING]), payloads, masks, st.sampled_from([0, 2, 8]))
    | st.builds(frame, st.integers(0, 255), short_payloads, masks)
    | st.builds(frame, st.just(FINAL | CLOSE), closes | st.binary(max_size=3), masks)
    | st.binary(max_size=20)
)


@st.composite
def messages(draw: st.DrawFn, payloads: st.SearchStrategy[bytes] = payloads) -> bytes:
    """A message in any number of frames, with control frames between them."""
    payload, opcode, sent = draw(payloads), draw(st.sampled_from([TEXT, TEXT, BINARY])), b""
    cuts = sorted(draw(st.lists(st.integers(0, len(payload)), max_size=4)))
    for start, end in zip([0, *cuts], [*cuts, len(payload)], strict=True):
        final = FINAL if end == len(payload) and start == ([0, *cuts])[-1] else 0
        sent += frame(final | opcode, payload[start:end], draw(masks))
        opcode = 0
        if final:
            break
        sent += draw(st.just(b"") | control_frames)
    return sent


@st.composite
def streams(draw: st.DrawFn) -> bytes:
    """What a client sends, with or without something wrong in it."""
    sent = b"".join(draw(st.lists(messages() | messages() | control_frames | odd_frames, min_size=1, max_size=6)))
    for _ in range(draw(st.sampled_from([0, 0, 1, 2]))):
        at = draw(st.integers(0, len(sent)))
        cut = draw(st.integers(0, 3))
        sent = sent[:at] + draw(st.binary(max_size=2)) + sent[at + cut :]
    return sent


@examples(400)
@given(streams(), st.data())
def test_streams_in_any_pieces(sent: bytes, data: st.DataObject) -> None:
    """Good, strange and damaged frames, cut anywhere."""
    cuts = sorted(data.draw(st.lists(st.integers(0, len(sent)), max_size=6)))
    pieces = [sent[start:end] for start, end in zip([0, *cuts], [*cuts, len(sent)], strict=True)]
    assert judge(pieces) == judge([sent])


short_streams = st.builds(bytes.__add__, messages(short_payloads), odd_frames | messages(short_payloads))


@examples(40)
@given(short_streams.filter(lambda sent: len(sent) < 400))
@example(
    frame(TEXT, b"\xc3") + frame(FINAL | PING, b"p") + frame(FINAL, b"\xa4") + frame(FINAL | CLOSE, b"\x03\xe8bye")
)
@example(b"\x81\xff\x7f" + b"\xff" * 7 + b"mask")
@example(b"\x81\xff\x80" + bytes(7) + b"mask")
def test_every_cut(sent: bytes) -> None:
    """It does not matter where the bytes of a frame are torn apart."""
    judge_everywhere(sent)


SLOW = b"a" * 70
GOOD = (
    frame(TEXT, "κόσμε".encode()) + frame(FINAL | PING, b"p") + frame(FINAL, SLOW) + frame(FINAL | CLOSE, b"\x0f\xa0x")
)


def test_every_byte_changed() -> None:
    """Each byte of a conversation takes some other values: heads, masks, sizes, text, code."""
    kinds = set()
    for at in range(len(GOOD)):
        for flip in (0x01, 0x03, 0x08, 0x10, 0x40, 0x7F, 0x80, 0xFF):
            changed = GOOD[:at] + bytes([GOOD[at] ^ flip]) + GOOD[at + 1 :]
            kinds |= {heard.kind for heard in judge(in_pieces(changed, 9))}
    assert kinds == set(KINDS.values())


@pytest.mark.parametrize("second", [0x00, 0x05, 0x7E, 0x80, 0x81, 0xFD, 0xFE, 0xFF])
def test_every_head(second: int) -> None:
    """Each first byte, before and within a message, with sizes of each form and without a mask."""
    for first in range(256):
        for size in (b"", b"\0\x7d", b"\0\x7e", bytes(8), bytes(5) + b"\1\0\0", b"\x80" + bytes(7)):
            head = bytes([first, second]) + size + b"mask"
            judge([head + b"payload"])
            judge([frame(TEXT, b"begun") + head + b"payload"])


def test_every_code() -> None:
    """A close may have the codes that wsproto lets through, with any reason that is text."""
    for code in range(65536):
        [heard] = judge([frame(FINAL | CLOSE, code.to_bytes(2, "big") + b"reason")])
        assert heard.kind == ("refused" if code < 1000 or heard.code == lib.TW_WS_PROTOCOL_ERROR != code else "closed")


@examples(200)
@given(st.lists(messages(short_payloads), min_size=1, max_size=5), st.integers(1, 60), st.integers(1, 80))
def test_limits_of_size(sent: list[bytes], max_frame: int, max_message: int) -> None:
    """All is heard up to the first message that is too long, or has too long a frame; it is refused with 1009."""
    expected = judge([b"".join(sent)])
    for piece in (1 << 20, 7):
        heard: list[Heard] = []
        fast = FastFrames(max_frame, max_message)
        for data in in_pieces(b"".join(sent), piece):
            heard += fast.hear(data)
            assert len(fast.kept) <= max_message + lib.TW_WS_KEPT_MAX
        if TOO_BIG in heard:
            assert heard[:-1] == expected[: len(heard) - 1]
            assert any(len(message) > min(max_frame, max_message) for message in sent)
        else:
            assert heard == expected
            sizes = [len(heard.payload) for heard in heard if heard.kind in ("text", "binary")]
            assert max(sizes, default=0) <= max_message


def test_an_idle_connection_keeps_nothing() -> None:
    """Between messages there are no bytes to keep and nothing to remember."""
    fast = FastFrames()
    fast.hear(frame(TEXT, b"in ") + frame(FINAL | PING) + frame(FINAL, b"parts"))
    assert fast.kept == b""
    assert bytes(ffi.buffer(fast.frames)) == bytes(ffi.sizeof("tw_ws_frames"))
    assert ffi.sizeof("tw_ws_frames") <= 16


@examples(100)
@given(st.sampled_from([TEXT, BINARY, PING, PONG, CLOSE]), st.binary(max_size=125) | st.sampled_from([b"a" * 126]))
def test_frames_of_the_server(opcode: int, payload: bytes) -> None:
    """The same bytes as wsproto's."""
    connection = Connection(ConnectionType.SERVER)
    event: Event
    if opcode == CLOSE:
        payload = (1001).to_bytes(2, "big") + b"x" * (len(payload) % 124)
        event = CloseConnection(code=CloseReason.GOING_AWAY, reason=payload[2:].decode())
    elif opcode in (PING, PONG):
        payload = payload[:125]
        event = (Ping if opcode == PING else Pong)(payload=payload)
    elif opcode == TEXT:
        payload = payload.decode("latin-1").encode()
        event = TextMessage(data=payload.decode())
    else:
        event = BytesMessage(data=payload)
    room = ffi.new("uint8_t[]", len(payload) + 10)
    size = lib.tw_ws_write_frame(opcode, payload, len(payload), room, len(payload) + 10)
    assert bytes(ffi.buffer(room, size)) == connection.send(event)
    assert lib.tw_ws_write_frame(opcode, payload, len(payload), room, size - 1) == 0
