"""The messages of WebTorrent clients, and what kind a tracker's message is. Pure: objects of JSON in and out.

Info hashes, peer ids and offer ids are texts of 20 characters U+0000 to U+00FF, one for each byte.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from typing import Any, TypeAlias

from msgspec import Struct

Message: TypeAlias = dict[str, Any]

_SDP = (
    "v=0\r\no=- {session} 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0\r\na=msid-semantic: WMS\r\n"
    "m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\nc=IN IP4 0.0.0.0\r\na=ice-ufrag:{user}\r\n"
    "a=ice-pwd:{password}\r\na=fingerprint:sha-256 {fingerprint}\r\na=setup:{setup}\r\na=mid:0\r\na=sctp-port:5000\r\n"
)
_SETUP = {"offer": "actpass", "answer": "active"}


class Description(Struct, frozen=True):
    """An offer or an answer of WebRTC, as a browser would describe it; it leads nowhere."""

    kind: str
    """"offer" or "answer"."""
    sdp: str

    @classmethod
    def random(cls, kind: str) -> Description:
        """One that differs from all others."""
        sdp = _SDP.format(
            session=secrets.randbelow(1 << 62),
            user=secrets.token_hex(2),
            password=secrets.token_hex(12),
            fingerprint=secrets.token_bytes(32).hex(":").upper(),
            setup=_SETUP[kind],
        )
        return cls(kind, sdp)

    @property
    def value(self) -> Message:
        """As messages carry it."""
        return {"type": self.kind, "sdp": self.sdp}


class Offer(Struct, frozen=True):
    """An offer with its id."""

    offer_id: str
    description: Description

    @classmethod
    def random(cls) -> Offer:
        """One that differs from all others."""
        return cls(random_id(), Description.random("offer"))


def id_text(value: bytes) -> str:
    """An id as messages carry it."""
    return value.decode("latin-1")


def random_id(prefix: str = "") -> str:
    """An id that begins with `prefix`, all bytes being possible behind it."""
    return prefix + id_text(secrets.token_bytes(20 - len(prefix)))


def announce(info_hash: str, peer_id: str, left: int, event: str = "", offers: Sequence[Offer] = ()) -> Message:
    """An announce with offers for as many peers."""
    message: Message = {
        "action": "announce",
        "info_hash": info_hash,
        "peer_id": peer_id,
        "numwant": len(offers),
        "uploaded": 0,
        "downloaded": 0,
        "left": left,
        "offers": [{"offer_id": offer.offer_id, "offer": offer.description.value} for offer in offers],
    }
    return message | {"event": event} if event else message


def answer(info_hash: str, peer_id: str, to_peer_id: str, offer_id: str, description: Description) -> Message:
    """The answer of `peer_id` to the offer that `to_peer_id` has made."""
    return {
        "action": "announce",
        "info_hash": info_hash,
        "peer_id": peer_id,
        "to_peer_id": to_peer_id,
        "offer_id": offer_id,
        "answer": description.value,
    }


def scrape(info_hash: str) -> Message:
    """Asks for the counts of a torrent."""
    return {"action": "scrape", "info_hash": info_hash}


def is_offer(message: Message) -> bool:
    """Whether it is somebody's offer."""
    return "offer" in message


def is_answer(message: Message) -> bool:
    """Whether it is somebody's answer."""
    return "answer" in message


def is_reply(message: Message) -> bool:
    """Whether it is what the tracker itself says, right or wrong."""
    return not is_offer(message) and not is_answer(message)
