"""The format of WebTorrent messages: JSON in, JSON out. Text only.

Info hashes, peer ids and offer ids are texts of 20 characters U+0000 to U+00FF, one for each byte: they are counted in
characters, whatever UTF-8 or escapes make of them on the wire. What has another length, or another character, is none.

    {"action": "announce", "info_hash": …, "peer_id": …, "numwant": 5, "uploaded": 0, "downloaded": 0, "left": 1000,
     "event": "started", "offers": [{"offer_id": …, "offer": {"type": "offer", "sdp": "v=0…"}}]}
    {"action": "announce", "info_hash": …, "peer_id": …, "to_peer_id": …, "offer_id": …,
     "answer": {"type": "answer", "sdp": "v=0…"}}
    {"action": "scrape", "info_hash": …, or a list of them}

`offer` and `answer` objects are never looked into: they go on as the bytes in which they came.
"""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import Raw, Struct, field

ID_SIZE = 20
NOTHING = Raw(b"null")


class BadMessage(Exception):  # noqa: N818 - what a client did, not a fault of ours
    """A message that cannot be served; the text tells the client why."""


class Offer(Struct, frozen=True):
    """An offer to one peer, whoever that will be."""

    offer_id: str
    offer: Raw


class Message(Struct, frozen=True):
    """Whatever clients send. Members that only matter by their value may be of any type."""

    action: Any = None
    info_hash: str | list[str] | None = None
    peer_id: str | None = None
    event: Any = None
    left: Any = None
    numwant: Any = None
    offers: list[Offer] | None = None
    to_peer_id: str | None = None
    offer_id: str | None = None
    answer: Raw = NOTHING

    @property
    def is_answer(self) -> bool:
        """Whether it carries an answer, which is then all that matters."""
        return bytes(self.answer) != b"null"

    @property
    def left_nothing(self) -> bool:
        """Whether its sender has everything. JavaScript's Infinity arrives as null: that is not nothing."""
        return is_number(self.left) and self.left == 0


class Heading(Struct, frozen=True):
    """What a failure repeats of a message that is wrong elsewhere."""

    action: Any = None
    info_hash: Any = None


class AnnounceReply(Struct, frozen=True, kw_only=True):
    """The reply to an announce. Some clients read `min interval`, others `min_interval`."""

    action: str = "announce"
    info_hash: str
    interval: int
    min_interval_spelt: int = field(name="min interval")
    min_interval: int
    complete: int
    incomplete: int


class RelayedOffer(Struct, frozen=True, kw_only=True):
    """Somebody's offer, for the peer that was chosen."""

    action: str = "announce"
    info_hash: str
    peer_id: str
    offer_id: str
    offer: Raw


class RelayedAnswer(Struct, frozen=True, kw_only=True):
    """The answer to an offer, for the peer that made that."""

    action: str = "announce"
    info_hash: str
    peer_id: str
    offer_id: str
    answer: Raw


class ScrapeFile(Struct, frozen=True, kw_only=True):
    """One torrent in a scrape reply."""

    complete: int
    incomplete: int
    downloaded: int


class ScrapeFlags(Struct, frozen=True):
    """What goes for the whole scrape."""

    min_request_interval: int


class ScrapeReply(Struct, frozen=True, kw_only=True):
    """The reply to a scrape."""

    action: str = "scrape"
    files: dict[str, ScrapeFile]
    flags: ScrapeFlags


class Failure(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What went wrong. libtorrent waits for a message with `interval`, and closes on one without `info_hash`."""

    action: str
    info_hash: str | None = None
    reason: str = field(name="failure reason")
    interval: int


_message = msgspec.json.Decoder(Message)
_heading = msgspec.json.Decoder(Heading)
encode = msgspec.json.Encoder().encode


def parse_message_untrusted(data: bytes) -> Message:
    """Reads a message; BadMessage says what is wrong with it."""
    try:
        data.decode()  # what is not looked into is relayed, and must be UTF-8 as well
        return _message.decode(data)
    except UnicodeDecodeError as error:
        raise BadMessage(f"not UTF-8: byte {error.start}") from None
    except RecursionError:
        raise BadMessage("nested too deeply") from None
    except msgspec.MsgspecError as error:
        raise BadMessage(str(error)) from None


def parse_heading_untrusted(data: bytes) -> Heading:
    """What can be told of a message that parse_message_untrusted refuses; an empty heading where nothing can."""
    try:
        return _heading.decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return Heading()


def id_bytes(name: str, text: str | None) -> bytes:
    """The 20 bytes of an id; BadMessage with the name of the member."""
    if text is None:
        raise BadMessage(f"{name} is missing")
    if len(text) != ID_SIZE:
        raise BadMessage(f"{name} has {len(text)} characters, expected {ID_SIZE}")
    try:
        return text.encode("latin-1")
    except UnicodeEncodeError:
        raise BadMessage(f"{name} has a character above U+00FF, expected one for each byte") from None


def id_text(value: bytes) -> str:
    """An id as messages carry it."""
    return value.decode("latin-1")


def is_id(value: object) -> bool:
    """Whether it is an id as messages carry it."""
    return isinstance(value, str) and len(value) == ID_SIZE and max(value) <= "\xff"


def is_number(value: object) -> bool:
    """Whether it is a number of JSON."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def is_object(raw: Raw) -> bool:
    """Whether a value that was not looked into is an object."""
    return bytes(raw)[:1] == b"{"
