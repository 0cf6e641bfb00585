"""The flow of a WebTorrent message: message → access list → swarm → messages to whom. Pure: no socket, no clock.

What a client gets wrong never closes its socket: other torrents and other pages use it, too. It gets a failure with
the action and the info hash, because clients close on messages without; where no info hash can be read there is
nothing safe to send, and the message is only counted. A reply has an interval even when it is a failure: libtorrent
waits for one.
"""

from __future__ import annotations

import random
from typing import Literal

from msgspec import Struct, field
from thalweg_common._core import lib
from thalweg_common.swarm import AccessList, Counts
from thalweg_common.ws_swarm import MAX_OFFERS, Announced, AnnounceOutcome, AnswerOutcome, WsSwarm

from thalweg_ws.wire import (
    AnnounceReply,
    BadMessage,
    Failure,
    Heading,
    Message,
    Offer,
    RelayedAnswer,
    RelayedOffer,
    ScrapeFile,
    ScrapeFlags,
    ScrapeReply,
    encode,
    id_bytes,
    id_text,
    is_id,
    is_number,
    is_object,
    parse_heading_untrusted,
    parse_message_untrusted,
)

Kind = Literal["announce", "scrape", "failure", "offer", "answer"]
Request = Literal["announce", "answer", "scrape", "unreadable"]
FailureReason = Literal["malformed", "denied", "full_scrape", "owned", "connection_full", "full", "no_offer"]

EVENTS = {
    "started": lib.TW_EVENT_STARTED,
    "completed": lib.TW_EVENT_COMPLETED,
    "stopped": lib.TW_EVENT_STOPPED,
    "paused": lib.TW_EVENT_PAUSED,  # BEP 21
}
MINUTE_MS = 60_000

_REFUSED: dict[AnnounceOutcome, tuple[FailureReason, str]] = {
    AnnounceOutcome.OWNED: ("owned", "peer_id belongs to another connection"),
    AnnounceOutcome.CONNECTION_FULL: ("connection_full", "too many torrents on this connection"),
    AnnounceOutcome.FULL: ("full", "the tracker is full"),
}


class Rules(Struct, frozen=True, kw_only=True):
    """What clients are told, and how much they may do. Times in seconds."""

    interval: int = 120
    interval_jitter: int = 0
    min_interval: int = 60
    max_offers: int = 10
    max_scrape: int = 255
    max_offers_per_minute: int = 0
    """Of one connection; 0: no limit."""


class Tracker(Struct):
    """What answering needs. The access list may be exchanged between two messages."""

    swarm: WsSwarm
    rules: Rules
    access_list: AccessList | None = None
    random: random.Random = field(default_factory=random.Random)

    def allows(self, info_hash: bytes) -> bool:
        """Whether the access list lets this torrent be served."""
        return self.access_list is None or self.access_list.allows(info_hash)


class Sender(Struct):
    """The connection a message comes from, and what it has used up."""

    connection: int
    minute: int = 0
    """Which one `offers` were sent in."""
    offers: int = 0


class Outgoing(Struct, frozen=True):
    """A message for a connection."""

    connection: int
    kind: Kind
    text: bytes
    reason: FailureReason | None = None
    """For failures: what they are counted as."""


class Answer(Struct, frozen=True):
    """What a message was, and what comes of it."""

    request: Request
    messages: list[Outgoing]
    offers_over_limit: int = 0
    """That are not relayed, because the connection has sent too many."""
    unanswered: bool = False
    """A mistake that nobody can be told of, for want of an info hash."""
    target_gone: bool = False
    """An answer whose peer has left: nobody needs to be told."""


class Refused(Exception):  # noqa: N818 - what a client did, not a fault of ours
    """A message that gets a failure."""

    def __init__(self, reason: FailureReason, text: str) -> None:
        """`text`: what the client is told."""
        super().__init__(text)
        self.reason: FailureReason = reason


def answer_untrusted(tracker: Tracker, sender: Sender, data: bytes, now_ms: int) -> Answer:
    """Answers a message, which is UTF-8. `now_ms`: monotonic milliseconds."""
    try:
        message = parse_message_untrusted(data)
    except BadMessage as error:
        refused = Refused("malformed", str(error))
        return _refuse(tracker, sender, "unreadable", parse_heading_untrusted(data), refused)
    request = _request_of(message)
    try:
        match request:
            case "announce":
                return _announce(tracker, sender, message, now_ms)
            case "answer":
                return _answer(tracker, sender, message, now_ms)
            case "scrape":
                return _scrape(tracker, sender, message)
            case _:
                raise Refused("malformed", "action is neither announce nor scrape")
    except BadMessage as error:
        refused = Refused("malformed", str(error))
    except Refused as error:
        refused = error
    return _refuse(tracker, sender, request, message, refused)


def _request_of(message: Message) -> Request:
    if message.action == "announce":
        return "answer" if message.is_answer else "announce"
    return "scrape" if message.action == "scrape" else "unreadable"


def _announce(tracker: Tracker, sender: Sender, message: Message, now_ms: int) -> Answer:
    info_hash = _allowed_info_hash(tracker, message)
    peer_id = id_bytes("peer_id", message.peer_id)
    event = EVENTS.get(message.event, lib.TW_EVENT_NONE) if isinstance(message.event, str) else lib.TW_EVENT_NONE
    offers = _offers_to_relay(tracker.rules, message)
    offer_ids = [id_bytes("offer_id", offer.offer_id) for offer in offers]
    if not all(is_object(offer.offer) for offer in offers):
        raise BadMessage("offer is not an object")
    allowed = _take_offers(tracker.rules, sender, len(offers), now_ms)
    told = tracker.swarm.announce(
        sender.connection,
        info_hash,
        peer_id,
        event=event,
        left_nothing=message.left_nothing,
        offer_ids=offer_ids[:allowed],
        now_ms=now_ms,
    )
    if told.outcome is not AnnounceOutcome.ANNOUNCED:
        raise Refused(*_REFUSED[told.outcome])
    relayed = _relayed_offers(message, offers, told)
    reply = Outgoing(sender.connection, "announce", _announce_reply(tracker, info_hash, told.counts))
    return Answer("announce", [*relayed, reply], len(offers) - allowed)


def _allowed_info_hash(tracker: Tracker, message: Message) -> bytes:
    if isinstance(message.info_hash, list):
        raise BadMessage("info_hash is a list, expected one")
    info_hash = id_bytes("info_hash", message.info_hash)
    if not tracker.allows(info_hash):
        raise Refused("denied", "info hash is not allowed on this tracker")
    return info_hash


def _offers_to_relay(rules: Rules, message: Message) -> list[Offer]:
    """As many as the client wants peers and the tracker relays; the others are not looked at."""
    if message.event == "stopped" or message.offers is None:
        return []
    wanted = len(message.offers)
    if is_number(message.numwant) and message.numwant >= 0:
        wanted = int(min(message.numwant, wanted))
    return message.offers[: min(wanted, rules.max_offers, MAX_OFFERS)]


def _take_offers(rules: Rules, sender: Sender, wanted: int, now_ms: int) -> int:
    """How many of the offers the connection may still make in this minute."""
    if not rules.max_offers_per_minute:
        return wanted
    minute = now_ms // MINUTE_MS
    if sender.minute != minute:
        sender.minute, sender.offers = minute, 0
    allowed = min(wanted, rules.max_offers_per_minute - sender.offers)
    sender.offers += allowed
    return allowed


def _relayed_offers(message: Message, offers: list[Offer], told: Announced) -> list[Outgoing]:
    found = []
    for target in told.targets:
        offer = offers[target.offer]
        relayed = RelayedOffer(
            info_hash=str(message.info_hash),
            peer_id=message.peer_id or "",
            offer_id=offer.offer_id,
            offer=offer.offer,
        )
        found.append(Outgoing(target.connection, "offer", encode(relayed)))
    return found


def _announce_reply(tracker: Tracker, info_hash: bytes, counts: Counts) -> bytes:
    rules = tracker.rules
    reply = AnnounceReply(
        info_hash=id_text(info_hash),
        interval=rules.interval + tracker.random.randint(0, rules.interval_jitter),
        min_interval_spelt=rules.min_interval,
        min_interval=rules.min_interval,
        complete=counts.seeders,
        incomplete=counts.leechers,
    )
    return encode(reply)


def _answer(tracker: Tracker, sender: Sender, message: Message, now_ms: int) -> Answer:
    """Relays an answer, once, to the peer whose offer was relayed to its sender. It gets no reply."""
    info_hash = _allowed_info_hash(tracker, message)
    peer_id = id_bytes("peer_id", message.peer_id)
    to_peer_id = id_bytes("to_peer_id", message.to_peer_id)
    offer_id = id_bytes("offer_id", message.offer_id)
    if not is_object(message.answer):
        raise BadMessage("answer is not an object")
    answered = tracker.swarm.answer(sender.connection, info_hash, peer_id, to_peer_id, offer_id, now_ms)
    if answered.outcome is AnswerOutcome.TARGET_GONE:
        return Answer("answer", [], target_gone=True)
    if answered.outcome is AnswerOutcome.NO_OFFER:
        raise Refused("no_offer", "no such offer was made to this peer, or it is answered, or too old")
    relayed = RelayedAnswer(
        info_hash=id_text(info_hash), peer_id=id_text(peer_id), offer_id=id_text(offer_id), answer=message.answer
    )
    return Answer("answer", [Outgoing(answered.connection, "answer", encode(relayed))])


def _scrape(tracker: Tracker, sender: Sender, message: Message) -> Answer:
    """Counts of the torrents asked for; zeros for unknown and denied ones. What is no info hash is left out."""
    wanted = [message.info_hash] if isinstance(message.info_hash, str) else message.info_hash
    if not wanted:
        raise Refused("full_scrape", "name the info hashes to scrape; the whole list is not given")
    info_hashes = [text for text in wanted if is_id(text)]
    if not info_hashes:
        id_bytes("info_hash", wanted[0])
    files = {text: _file(tracker, text.encode("latin-1")) for text in info_hashes[: tracker.rules.max_scrape]}
    reply = ScrapeReply(files=files, flags=ScrapeFlags(tracker.rules.min_interval))
    return Answer("scrape", [Outgoing(sender.connection, "scrape", encode(reply))])


def _file(tracker: Tracker, info_hash: bytes) -> ScrapeFile:
    counts = tracker.swarm.scrape(info_hash) if tracker.allows(info_hash) else Counts(0, 0, 0, 0)
    return ScrapeFile(complete=counts.seeders, incomplete=counts.leechers, downloaded=counts.downloads)


def _refuse(tracker: Tracker, sender: Sender, request: Request, told: Message | Heading, refused: Refused) -> Answer:
    """A failure; nothing at all where the client could not tell what it is about."""
    is_scrape = told.action == "scrape"
    info_hash = told.info_hash if isinstance(told.info_hash, str) and is_id(told.info_hash) else None
    if not is_scrape and info_hash is None:
        return Answer(request, [], unanswered=True)
    failure = Failure(
        action="scrape" if is_scrape else "announce",
        info_hash=info_hash,
        reason=str(refused),
        interval=tracker.rules.interval,
    )
    return Answer(request, [Outgoing(sender.connection, "failure", encode(failure), refused.reason)])
