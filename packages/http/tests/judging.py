"""The fast path before its referee: the same bytes go to C and to the whole path, and what comes of them is compared.

    judge = Judge(how, path, stored)
    judge.ask(data, peer)           what C answers, the whole path answers equally; what it hands over is answered
    judge.ask_as_shell(data, peer)  a whole connection: C as long as it answers, then Python, against Python alone

Equal are: every byte of a reply but which peers were chosen, their number, the end of the request, whether the
connection stays open, the counters, and the swarm that is left behind.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import trio
from msgspec import Struct, structs
from thalweg_common import bencode
from thalweg_common._core import ffi, lib
from thalweg_common.swarm import AccessList, Swarm
from thalweg_http.config import NetworkConfig, ProtocolConfig
from thalweg_http.fast_path import c_rules
from thalweg_http.service import Service
from thalweg_http.wire import parse_query_untrusted

from packages.http.tests.asking import CLIENT, QUIET, ask, make_service, request

ANSWERED, SHORT, ODD = lib.TW_HTTP_ANSWERED, lib.TW_HTTP_SHORT, lib.TW_HTTP_ODD
PROBE = request(b"/robots.txt")
SEEDER, LEECHER = True, False
PEER_SIZES = {b"peers": 6, b"peers6": 18}
PEER_LISTS = {4: b"peers", 6: b"peers6"}


class Stored(NamedTuple):
    """A peer that is in the swarm before anybody asks."""

    info_hash: bytes
    peer: bytes
    seeder: bool


class How(Struct, frozen=True):
    """The rules that both are told."""

    protocol: ProtocolConfig = QUIET
    network: NetworkConfig = NetworkConfig()
    mode: str = "off"
    """Of the access list."""
    listed: bytes = b""


class Verdict(NamedTuple):
    """What tw_http_answer said."""

    outcome: int
    used: int
    reply: bytes
    close: bool


class FastPath:
    """tw_http_answer, and all that it borrows from a service."""

    def __init__(self, service: Service) -> None:
        """It shares the service's swarm."""
        self.service = service
        self.counters = ffi.new("tw_http_counters *")
        self._rules = c_rules(service.tracker.rules, service.forwarded_name, service.trusted)
        self._sampler = ffi.gc(lib.tw_sampler_new(bytes(32)), lib.tw_sampler_free)
        self._reply = ffi.new("uint8_t[]", lib.TW_HTTP_REPLY_MAX)

    def answer(self, data: bytes, peer: bytes = CLIENT) -> Verdict:
        """What C makes of the first request in these bytes."""
        tracker = self.service.tracker
        context = {
            "swarm": tracker.swarm.cdata,
            "sampler": self._sampler,
            "access_list": tracker.access_list.cdata if tracker.access_list is not None else ffi.NULL,
            "rules": self._rules,
            "counters": self.counters,
            "now_ms": lib.tw_monotonic_ms(),
        }
        sender = ffi.new("tw_http_sender *")
        sender.address = lib.tw_address_from(4 if len(peer) == 4 else 6, peer)
        trusted = lib.tw_networks_contain(ffi.addressof(self._rules, "trusted"), ffi.addressof(sender, "address"))
        sender.names_client = trusted and self.service.reads_forwarded
        last = not self.service.config.network.keep_alive
        found = lib.tw_http_answer(ffi.new("tw_http_context *", context), sender, last, data, len(data), self._reply)
        return Verdict(found.outcome, found.used, bytes(ffi.buffer(self._reply, found.length)), found.close)


class Judge:
    """Two services that begin alike: one has the fast path in front, the other is the referee."""

    def __init__(self, how: How | None = None, stored: list[Stored] | None = None) -> None:
        """`stored`: peers in both swarms."""
        self.how = how or How()
        self.stored = stored or []
        self.fast_service, self.whole = self._make(), self._make()
        self.fast = FastPath(self.fast_service)

    def _make(self) -> Service:
        service = make_service(network=self.how.network, protocol=self.how.protocol)
        if self.how.mode != "off":
            service.tracker.access_list = AccessList(self.how.mode, self.how.listed)
            rules = structs.replace(service.tracker.rules, denied_for_good=self.how.mode == "deny")
            service.tracker.rules = rules
        for info_hash, peer, seeder in self.stored:
            service.tracker.swarm.announce(info_hash, peer, left_nothing=seeder, numwant=0)
        return service

    def ask(self, data: bytes, peer: bytes = CLIENT) -> Verdict:
        """Judges the first request in these bytes. What C did not answer must have left no trace."""
        before = counted(self.fast), effects(self.fast_service.tracker.swarm, data)
        verdict = self.fast.answer(data, peer)
        if verdict.outcome == ANSWERED:
            self._judge_answer(data, peer, verdict)
            self.compare_effects(data)
            return verdict
        assert (verdict.used, verdict.reply, verdict.close) == (0, b"", False)
        assert (counted(self.fast), effects(self.fast_service.tracker.swarm, data)) == before
        reply = trio.run(ask, self.whole, data, peer)
        if verdict.outcome == ODD:
            assert reply.startswith(b"HTTP/1.1 ") or not data.strip(b"\r\n"), "answered by neither"
        else:
            assert not reply.startswith(b"HTTP/1.1 200"), "C still waits for what is complete"
        return verdict

    def _judge_answer(self, data: bytes, peer: bytes, verdict: Verdict) -> None:
        """The referee gets what C took and a probe, whose answer tells where the request ended and who closes."""
        assert 0 < verdict.used <= len(data)
        probed = trio.run(ask, self.whole, data[: verdict.used] + PROBE, peer)
        replies = list(replies_in(probed))
        assert len(replies) == (1 if verdict.close else 2), (verdict, probed)
        compare_replies(verdict.reply, replies[0])
        self._check_choice(data, verdict.reply)

    def _check_choice(self, data: bytes, reply: bytes) -> None:
        """Peers that were chosen were there to be chosen."""
        query = parse_query_untrusted(query_of(data))
        seeder = query.number(b"left") == 0 or query.first.get(b"event") in (b"completed", b"paused")
        for version, key in PEER_LISTS.items():
            if chosen := peers_in(reply, PEER_SIZES[key]):
                everybody = everyone(self.whole.tracker.swarm, version, query.info_hashes[0], seeder)
                assert set(chosen) <= everybody

    def ask_as_shell(self, data: bytes, peer: bytes = CLIENT) -> list[Verdict]:
        """Judges everything in these bytes as one connection; gives what C said to each request it looked at."""
        verdicts, answered, rest = [], b"", data
        while rest:
            verdict = self.fast.answer(rest, peer)
            verdicts.append(verdict)
            answered += verdict.reply
            rest = rest[verdict.used :]
            if verdict.outcome != ANSWERED or verdict.close:
                break
        if rest and not verdicts[-1].close:
            answered += trio.run(ask, self.fast_service, rest, peer)
        expected = trio.run(ask, self.whole, data, peer)
        for one, other in zip(replies_in(answered), replies_in(expected), strict=True):
            compare_replies(one, other)
        self.compare_effects(data)
        return verdicts

    def compare_effects(self, data: bytes) -> None:
        """Counters and swarm are the same on both sides."""
        assert counted(self.fast) == counted_by(self.whole)
        assert effects(self.fast_service.tracker.swarm, data) == effects(self.whole.tracker.swarm, data)


def counted(fast: FastPath) -> dict[str, int]:
    """What C and the whole path behind it counted together."""
    sums = counted_by(fast.service)
    for index, version in enumerate((4, 6)):
        for name in ("announces", "scrapes", "denied"):
            sums[f"{name} {version}"] += getattr(fast.counters, name)[index]
    return sums


def counted_by(service: Service) -> dict[str, int]:
    """What the whole path counted, of what C counts as well."""
    sums = {}
    for version, family in service.counters.families.items():
        sums[f"announces {version}"] = family.requests["announce"]
        sums[f"scrapes {version}"] = family.requests["scrape"]
        sums[f"denied {version}"] = family.failures["denied"]
    return sums


def effects(swarm: Swarm, data: bytes) -> list[object]:
    """All that can be told about the torrents that are named in these bytes, and the sums over the others."""
    found: list[object] = [swarm.totals(version) for version in (4, 6)]
    for info_hash in sorted(set(info_hashes_in(data))):
        for version in (4, 6):
            counts = swarm.scrape(version, info_hash)
            found.append(counts)
            if sum(counts):
                found += [everyone(swarm, version, info_hash, seeder) for seeder in (SEEDER, LEECHER)]
    return found


def info_hashes_in(data: bytes) -> Iterator[bytes]:
    """The info hashes of every request line in these bytes."""
    for line in data.split(b"\n"):
        if line.startswith(b"GET "):
            yield from (value[:20] for value in parse_query_untrusted(query_of(line)).info_hashes if len(value) >= 20)


def query_of(data: bytes) -> bytes:
    """The query of a plain request."""
    return (data.split(b" ")[1:2] or [b""])[0].partition(b"?")[2]


def everyone(swarm: Swarm, version: int, info_hash: bytes, seeder: bool) -> set[bytes]:
    """All peers that a seeder, or a leecher, may be given: the local ones and the others."""
    strangers = {4: (b"\1\0\0\0", b"\x7f\0\0\0"), 6: (b"\x20" + bytes(15), bytes(15) + b"\1")}[version]
    found: set[bytes] = set()
    for stranger in strangers:
        peer = stranger + b"\0\0"
        found |= set(swarm.announce(info_hash, peer, left_nothing=seeder, numwant=lib.TW_NUMWANT_MAX)[1])
    return found


def replies_in(data: bytes) -> Iterator[bytes]:
    """The replies one after the other; each says how long it is."""
    while data:
        head, end, rest = data.partition(b"\r\n\r\n")
        assert end
        assert head.startswith(b"HTTP/1.1 ")
        length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
        yield head + end + rest[:length]
        data = rest[length:]


def compare_replies(one: bytes, other: bytes) -> None:
    """The bytes are the same, apart from which peers were chosen; nobody is named twice."""
    assert without_peers(one) == without_peers(other)
    for size in PEER_SIZES.values():
        chosen = peers_in(one, size)
        assert len(set(chosen)) == len(chosen)


def without_peers(reply: bytes) -> tuple[bytes, bencode.Value]:
    """Head and body of a reply, with the number of peers for peers; a body that is not bencoded stays as it is."""
    head, _, body = reply.partition(b"\r\n\r\n")
    if b"text/plain\r" not in head + b"\r" or not body.startswith(b"d"):
        return head, body
    decoded = bencode.decode(body)
    assert isinstance(decoded, dict)
    assert list(decoded) == sorted(decoded)
    numbers = {key: len(value) for key in PEER_SIZES if isinstance(value := decoded.get(key), (bytes, list))}
    return head, decoded | numbers


def peers_in(reply: bytes, size: int) -> list[bytes]:
    """The compact peers of one family in a reply."""
    body = reply.partition(b"\r\n\r\n")[2]
    decoded = bencode.decode(body) if body.startswith(b"d") else {}
    value = decoded.get(b"peers" if size == 6 else b"peers6") if isinstance(decoded, dict) else None
    if not isinstance(value, bytes):
        return []
    assert len(value) % size == 0
    return [value[at : at + size] for at in range(0, len(value), size)]
