"""The probe behind `thalweg check http://…` and `https://…`: one tracker address, over one family (BEP 3, 7, 23, 48).

It asks what newTrackon asks (an announce, which wants status 200 without a redirect, and bencoding with an interval and
peers), then what clients depend on beyond it, and says goodbye with `stopped`:

    connect → TLS, certificate → announce → second client → scrape → what is odd, all at once → stopped

Three peers take part, behind ports of their own: a seeder and two leechers. A failed connect or announce ends the
probe, a refused certificate does not; what comes later can be wrong and the tracker be of use, so it is a remark.
"""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable
from contextlib import suppress

from msgspec import Struct, structs
from thalweg_common import http_wire
from thalweg_common.http_wire import AnnounceReply
from thalweg_common.udp_wire import Announce, Event, ScrapeRow

from thalweg import check_http_reply as judge
from thalweg.check_probe import (
    PORT,
    SILENCE,
    at_once,
    judge_counts,
    judge_interval,
    judge_introduction,
    not_checked,
)
from thalweg.check_report import AddressReport, Outcome, Step
from thalweg.check_stream import StreamProbe
from thalweg.exchange import Answer, ExchangeError, NoRouteError
from thalweg.http_exchange import Connection, HttpReply, Place, ask


class Peer(Struct, frozen=True):
    """One of the test's peers."""

    port: int
    left: int
    peer_id: bytes


async def check_http_address(place: Place, path: str, info_hash: bytes | None) -> AddressReport:
    """Probes one address; never raises for what a tracker or the network does.

    `path`: that of the announce URL. `info_hash`: None for a random one.
    """
    report = AddressReport(ip_version=6 if ":" in place.address else 4, address=place.address, port=place.port)
    try:
        await _HttpProbe(report, place, path, info_hash).run()
    except NoRouteError as error:
        not_checked(report, error)
    return report


class _HttpProbe(StreamProbe):
    """The steps; each adds itself to the report."""

    def __init__(self, report: AddressReport, place: Place, path: str, info_hash: bytes | None) -> None:
        super().__init__(report, judge.EXPECTED, place, path)
        self.info_hash = info_hash or secrets.token_bytes(20)
        self.is_ours = info_hash is None
        self.seeder, self.leecher, self.third = (
            Peer(PORT + number, left, b"-TW0000-%012d" % secrets.randbelow(10**12))
            for number, left in enumerate((0, 1, 1))
        )
        self.announced: list[Peer] = []
        self.told_of_itself: bool | None = None
        self.counted = False
        """Whether a scrape has shown the test's peers, in a torrent that nobody else has."""
        self._odd_steps: dict[str, Callable[[str], Awaitable[Step]]] = {
            "numwant": self._numwant,
            "compact=0": self._dictionaries,
            "no info hash": self._no_info_hash,
            "short info hash": self._short_info_hash,
            "http/1.0": self._http_1_0,
            "keep-alive": self._keep_alive,
            "pipelining": self._pipelining,
        }

    async def run(self) -> None:
        if not await self.reach():
            return
        if not await self.attempt("announce", Outcome.BAD, self._announce):
            await self.outcome("stopped", Outcome.REMARK, self._stopped)
            return
        self._judge_announce()
        await self.attempt("second client", Outcome.REMARK, self._second_client)
        if self.told_of_itself is not None:
            self.add(judge.judge_own_address("own address", self.told_of_itself))
        await self.attempt("scrape", Outcome.REMARK, self._scrape)
        for step in await at_once(self._odd_step, list(self._odd_steps)):
            self.add(step)
        await self.attempt("stopped", Outcome.REMARK, self._stopped)

    async def _announce(self, name: str) -> Step:
        reply = await self._request(self.seeder, Event.STARTED, excess_seconds=min(SILENCE, self.place.timeout))
        said = judge.read(reply, http_wire.parse_announce, judge.WRONG_PLACE)
        self.first = reply, said
        return judge_interval(name, said.interval, judge.announced_counts(said), reply.milliseconds)

    def _judge_announce(self) -> None:
        """What else the reply to the first announce shows."""
        reply, said = self.first
        self.add(judge.judge_bencoding("bencoding", said))
        self.add(judge.judge_length("content-length", reply))
        self.add(judge.tell_external_ip("external ip", said))
        if said.warning:
            self.add(judge.tell_warning("warning", said))

    async def _second_client(self, name: str) -> Step:
        answer = await self._send_announce(self.leecher, Event.STARTED)
        # Only the same family: the other one is probed at the same time, with the same ports.
        family = ":" in self.place.address
        ports = [port for address, port in answer.value.peers if (":" in address) == family]
        self.told_of_itself = self.leecher.port in ports
        return judge_introduction(name, ports, "over another connection", answer.milliseconds)

    async def _scrape(self, name: str) -> Step:
        if http_wire.scrape_path(self.path) is None:
            text = "the last part of the path does not begin with “announce”: clients cannot scrape (BEP 48)"
            return Step(name=name, outcome=Outcome.INFORMATION, text=text)
        answer = await self._ask_for_counts()
        row = answer.value
        self.counted = self.is_ours and row.seeders + row.leechers > 0
        missing = [noun for noun, number in (("seeder", row.seeders), ("leecher", row.leechers)) if not number]
        return judge_counts(name, row, missing, answer.milliseconds)

    async def _odd_step(self, name: str) -> Step:
        """One of those steps that need no order."""
        return await self.outcome(name, Outcome.REMARK, self._odd_steps[name])

    async def _numwant(self, name: str) -> Step:
        one = await self._send_announce(self.third, Event.STARTED, num_want=1)
        none = await self._send_announce(self.third, num_want=0)
        slower = max(one.milliseconds, none.milliseconds)
        return judge.judge_numwant(name, len(one.value.peers), len(none.value.peers), slower)

    async def _dictionaries(self, name: str) -> Step:
        reply = await self._request(self.leecher, compact=False)
        if reply.status != 200 or judge.failure_reason(reply) is not None:
            text = "dictionaries are refused, as BEP 23 allows"
            return Step(name=name, outcome=Outcome.INFORMATION, text=text, milliseconds=reply.milliseconds)
        said = judge.read(reply, http_wire.parse_announce)
        return judge.tell_form(name, said, reply.milliseconds)

    async def _no_info_hash(self, name: str) -> Step:
        target = http_wire.with_query(
            self.path, [("peer_id", self.third.peer_id), ("port", self.third.port), ("left", 1)]
        )
        return judge.judge_refusal(name, await ask(self.place, target))

    async def _short_info_hash(self, name: str) -> Step:
        announce = structs.replace(self._message(self.third), info_hash=self.info_hash[:-1])
        return judge.judge_refusal(name, await ask(self.place, http_wire.announce_target(self.path, announce)))

    async def _http_1_0(self, name: str) -> Step:
        reply = await self._request(self.seeder, version="1.0")
        judge.read(reply, http_wire.parse_announce)
        if "transfer-encoding" in reply.headers:
            raise ExchangeError("the reply comes in chunks, which HTTP/1.0 does not have")
        return Step(name=name, outcome=Outcome.GOOD, text="answered", milliseconds=reply.milliseconds)

    async def _keep_alive(self, name: str) -> Step:
        target = http_wire.announce_target(self.path, self._message(self.seeder))
        async with Connection(self.place) as connection:
            reply = await connection.ask(target, close=False)
            text = "the connection is closed after each reply"
            if connection.kept:
                try:
                    reply = await connection.ask(target, close=False)
                    text = "the connection is kept for a second request"
                except ExchangeError:
                    text = "the connection is closed after a reply that did not say so"
        return Step(name=name, outcome=Outcome.INFORMATION, text=text, milliseconds=reply.milliseconds)

    async def _pipelining(self, name: str) -> Step:
        """Two requests at once; the second may be ignored, as its client would send it again."""
        target = http_wire.announce_target(self.path, self._message(self.seeder))
        async with Connection(self.place) as connection:
            request = connection.prepare(target, close=False)
            await connection.send(request + request)
            reply = await connection.receive()
            text = "the second of two requests sent at once is not answered"
            if connection.kept:
                connection.prepare(target, close=False)
                with suppress(ExchangeError):
                    reply = await connection.receive()
                    text = "two requests sent at once are answered"
        return Step(name=name, outcome=Outcome.INFORMATION, text=text, milliseconds=reply.milliseconds)

    async def _stopped(self, name: str) -> Step:
        goodbyes = await at_once(self._goodbye, self.announced)
        for step in goodbyes:
            if step.outcome is not Outcome.GOOD:
                return step
        took = max(step.milliseconds or 0 for step in goodbyes)
        text = "the test's peers said goodbye"
        if self.counted:
            row = (await self._ask_for_counts()).value
            if row.seeders or row.leechers:
                advice = "Who has left is still counted, and perhaps handed out: see that `stopped` is heeded."
                text = f"{text}, and {row.seeders + row.leechers} are still counted"
                return Step(name=name, outcome=Outcome.REMARK, text=text, advice=advice, milliseconds=took)
            text += ", and are no longer counted"
        return Step(name=name, outcome=Outcome.GOOD, text=text, milliseconds=took)

    async def _goodbye(self, peer: Peer) -> Step:
        async def leave(name: str) -> Step:
            answer = await self._send_announce(peer, Event.STOPPED)
            return Step(name=name, outcome=Outcome.GOOD, text="said goodbye", milliseconds=answer.milliseconds)

        return await self.outcome("stopped", Outcome.REMARK, leave)

    async def _ask_for_counts(self) -> Answer[ScrapeRow]:
        path = http_wire.scrape_path(self.path) or ""
        reply = await ask(self.place, http_wire.scrape_target(path, [self.info_hash]))
        rows = judge.read(reply, http_wire.parse_scrape)
        if self.info_hash not in rows:
            raise ExchangeError("the torrent that was asked for is not in the reply")
        return Answer(rows[self.info_hash], reply.milliseconds)

    async def _send_announce(
        self, peer: Peer, event: Event = Event.NONE, *, num_want: int = -1
    ) -> Answer[AnnounceReply]:
        reply = await self._request(peer, event, num_want=num_want)
        return Answer(judge.read(reply, http_wire.parse_announce), reply.milliseconds)

    async def _request(
        self,
        peer: Peer,
        event: Event = Event.NONE,
        *,
        num_want: int = -1,
        compact: bool = True,
        version: str = "1.1",
        excess_seconds: float = 0,
    ) -> HttpReply:
        """The reply to an announce on a connection of its own, whatever it is."""
        if event == Event.STARTED:
            self.announced.append(peer)
        message = self._message(peer, event, num_want=num_want)
        target = http_wire.announce_target(self.path, message, compact=compact)
        return await ask(self.place, target, version=version, excess_seconds=excess_seconds)

    def _message(self, peer: Peer, event: Event = Event.NONE, *, num_want: int = -1) -> Announce:
        return Announce(
            info_hash=self.info_hash,
            peer_id=peer.peer_id,
            port=peer.port,
            left=peer.left,
            event=event,
            num_want=num_want,
        )
