"""The flow of a tracker request: query → access list → swarm → reply. Pure: no socket, no clock, no waiting.

What a client got wrong, and what it may not have, is answered with status 200 and a `failure reason`: libtorrent and
others show the text of no other status. `interval` and `min interval` are in failures too, which clients honour.

A peer is where its request comes from: `ip`, `ipv4` and `ipv6` in the query are ignored, because anybody may write
anything there. IPv4 and IPv6 are separate swarms; the family of the client's address decides (BEP 7).
"""

from __future__ import annotations

import random
from typing import Literal

from msgspec import Struct, field
from thalweg_common._core import lib
from thalweg_common.swarm import AccessList, Counts, Swarm

from thalweg_http.wire import (
    ANY_NUMWANT,
    PEER_ID_SIZE,
    BadRequest,
    Dictionary,
    Query,
    cut_info_hash,
    dictionary,
    integer,
    parse_query_untrusted,
    peer_dictionaries,
    string,
)

Kind = Literal["announce", "scrape", "failure"]
FailureReason = Literal["malformed", "denied", "full_scrape", "proxy"]

EVENTS = {
    b"started": lib.TW_EVENT_STARTED,
    b"completed": lib.TW_EVENT_COMPLETED,
    b"stopped": lib.TW_EVENT_STOPPED,
    b"paused": lib.TW_EVENT_PAUSED,  # BEP 21
}
DENIED = b"info hash is not allowed on this tracker"
FULL_SCRAPE = b"name the info hashes to scrape; the whole list is not given"

# Who asks for the other family's peers: an address as global or as local as the client's, with port 0, so that
# it is answered and not stored. Nobody has them.
_STAND_INS = {
    (4, False): bytes([1, 0, 0, 0]),
    (4, True): bytes([127, 0, 0, 0]),
    (6, False): bytes([0x20, 0]) + bytes(14),
    (6, True): bytes(15) + b"\1",
}


class Rules(Struct, frozen=True, kw_only=True):
    """What clients are told. Times in seconds."""

    interval: int = 1800
    interval_jitter: int = 0
    min_interval: int = 900
    default_peers: int = 50
    max_peers: int = 200
    max_scrape: int = 100
    external_ip: bool = True
    both_families: bool = False
    warning_message: bytes = b""
    denied_for_good: bool = False
    """The access list names what is denied, so that asking again later is vain (BEP 31)."""


class Tracker(Struct):
    """What answering needs. The access list may be exchanged between two requests."""

    swarm: Swarm
    rules: Rules
    access_list: AccessList | None = None
    random: random.Random = field(default_factory=random.Random)


class Answer(Struct, frozen=True):
    """A bencoded reply, and what it is counted as."""

    kind: Kind
    body: bytes
    reason: FailureReason | None = None


def answer_announce_untrusted(tracker: Tracker, query: bytes, address: bytes, now_ms: int) -> Answer:
    """Answers an announce from an address of 4 or 16 bytes. `now_ms`: monotonic milliseconds."""
    parameters = parse_query_untrusted(query)
    try:
        info_hash = _info_hash(parameters)
        _check_peer_id(parameters)
    except BadRequest as error:
        return failure(tracker.rules, "malformed", str(error).encode())
    if tracker.access_list is not None and not tracker.access_list.allows(info_hash):
        return denied(tracker.rules)
    return Answer("announce", _announce(tracker, info_hash, parameters, address, now_ms))


def answer_scrape_untrusted(tracker: Tracker, query: bytes, address: bytes) -> Answer:
    """Answers a scrape (BEP 48): counts of the torrents that are asked for, in the swarm of the client's family.

    Unknown and denied torrents have zeros; values that are no info hash are left out.
    """
    values = parse_query_untrusted(query).info_hashes
    if not values:
        return failure(tracker.rules, "full_scrape", FULL_SCRAPE)
    wanted = [info_hash for info_hash in map(cut_info_hash, values) if info_hash is not None]
    if not wanted:
        return failure(tracker.rules, "malformed", _wrong_size("info_hash", values[0]))
    return Answer("scrape", _scrape(tracker, wanted[: tracker.rules.max_scrape], address))


def failure(rules: Rules, reason: FailureReason, text: bytes, retry_in: bytes = b"") -> Answer:
    """A refusal that clients show. `retry_in`: minutes or "never" (BEP 31), for lasting ones."""
    items = [
        (b"failure reason", string(text)),
        (b"interval", integer(rules.interval)),
        (b"min interval", integer(rules.min_interval)),
    ]
    if retry_in:
        items.append((b"retry in", string(retry_in)))
    return Answer("failure", dictionary(items), reason)


def denied(rules: Rules) -> Answer:
    """A refusal by the access list, the same for every info hash."""
    later = b"%d" % max(1, rules.interval // 60)
    return failure(rules, "denied", DENIED, b"never" if rules.denied_for_good else later)


def _info_hash(parameters: Query) -> bytes:
    if not parameters.info_hashes:
        raise BadRequest("info_hash is missing")
    info_hash = cut_info_hash(parameters.info_hashes[0])
    if info_hash is None:
        raise BadRequest(_wrong_size("info_hash", parameters.info_hashes[0]).decode())
    return info_hash


def _check_peer_id(parameters: Query) -> None:
    peer_id = parameters.first.get(b"peer_id")
    if peer_id is None:
        raise BadRequest("peer_id is missing")
    if len(peer_id) != PEER_ID_SIZE:
        raise BadRequest(_wrong_size("peer_id", peer_id).decode())


def _wrong_size(name: str, value: bytes) -> bytes:
    return f"{name} has {len(value)} bytes, expected 20, percent-encoded".encode()


def _announce(tracker: Tracker, info_hash: bytes, parameters: Query, address: bytes, now_ms: int) -> bytes:
    rules = tracker.rules
    event = EVENTS.get(parameters.first.get(b"event", b""), lib.TW_EVENT_NONE)
    left_nothing = parameters.number(b"left") == 0
    numwant = _numwant(parameters, rules)
    peer = address + _port(parameters)
    counts, own = tracker.swarm.announce(
        info_hash, peer, event=event, left_nothing=left_nothing, numwant=numwant, now_ms=now_ms
    )
    others: list[bytes] = []
    if rules.both_families and event != lib.TW_EVENT_STOPPED and len(own) < numwant:
        left_nothing = left_nothing or event == lib.TW_EVENT_COMPLETED  # whatever it says is left
        event = event if event == lib.TW_EVENT_PAUSED else lib.TW_EVENT_NONE
        _, others = tracker.swarm.announce(
            info_hash,
            _stand_in(address),
            event=event,
            left_nothing=left_nothing,
            numwant=numwant - len(own),
            now_ms=now_ms,
        )
    interval = rules.interval + tracker.random.randint(0, rules.interval_jitter)
    lists = _peer_lists(address, own, others, parameters.first.get(b"compact") == b"0")
    return _announce_reply(rules, counts, interval, address, lists)


def _announce_reply(rules: Rules, counts: Counts, interval: int, address: bytes, lists: Dictionary) -> bytes:
    items = [(b"complete", integer(counts.seeders))]
    if rules.external_ip:
        items.append((b"external ip", string(address)))
    items += [
        (b"incomplete", integer(counts.leechers)),
        (b"interval", integer(interval)),
        (b"min interval", integer(rules.min_interval)),
        *lists,
    ]
    if rules.warning_message:
        items.append((b"warning message", string(rules.warning_message)))
    return dictionary(items)


def _numwant(parameters: Query, rules: Rules) -> int:
    wanted = parameters.number(b"numwant")
    if wanted is None or wanted < 0 or wanted == ANY_NUMWANT:
        wanted = rules.default_peers
    return min(wanted, rules.max_peers)


def _port(parameters: Query) -> bytes:
    """Two bytes; 0 for whoever does not tell, or tells nonsense: it gets peers and is not listed."""
    port = parameters.number(b"port")
    return port.to_bytes(2, "big") if port is not None and 0 < port < 65536 else b"\0\0"


def _stand_in(address: bytes) -> bytes:
    version, other = (4, 6) if len(address) == 4 else (6, 4)
    return _STAND_INS[other, lib.tw_address_is_local(version, address)] + b"\0\0"


def _peer_lists(address: bytes, own: list[bytes], others: list[bytes], as_dictionaries: bool) -> Dictionary:
    """Both keys always, because some clients miss either; dictionaries of both families are in `peers` (BEP 7)."""
    if as_dictionaries:
        return [(b"peers", peer_dictionaries(own + others)), (b"peers6", string(b""))]
    ipv4, ipv6 = (own, others) if len(address) == 4 else (others, own)
    return [(b"peers", string(b"".join(ipv4))), (b"peers6", string(b"".join(ipv6)))]


def _scrape(tracker: Tracker, info_hashes: list[bytes], address: bytes) -> bytes:
    files = [(info_hash, _torrent(tracker, info_hash, address)) for info_hash in sorted(set(info_hashes))]
    flags = [(b"min_request_interval", integer(tracker.rules.min_interval))]
    return dictionary([(b"files", dictionary(files)), (b"flags", dictionary(flags))])


def _torrent(tracker: Tracker, info_hash: bytes, address: bytes) -> bytes:
    seeders = leechers = partial_seeds = downloads = 0
    if tracker.access_list is None or tracker.access_list.allows(info_hash):
        version = 4 if len(address) == 4 else 6
        seeders, leechers, partial_seeds, downloads = tracker.swarm.scrape(version, info_hash)
    items = [
        (b"complete", integer(seeders)),
        (b"downloaded", integer(downloads)),
        (b"downloaders", integer(leechers - partial_seeds)),
        (b"incomplete", integer(leechers)),
    ]
    return dictionary(items)
