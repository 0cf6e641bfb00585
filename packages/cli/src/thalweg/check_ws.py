"""The probe behind `thalweg check ws://…` and `wss://…`: one WebTorrent tracker address, over one family.

A WebTorrent tracker is of use when it introduces browsers to each other, so that is what is asked of it first:

    connect → TLS, certificate → upgrade → announce → second client, with an offer → offer, at the first → answer, at
    the second → second answer → scrape → claimed peer id → what needs no order, all at once → stopped

Two peers take part, on sockets of their own: a seeder and a leecher that makes the offers. What fails before the answer
has come leaves clients without each other, and is a fault; the rest is a remark. Other sockets try what is odd.
"""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable
from contextlib import suppress

import trio
from msgspec import Struct
from thalweg_common.udp_wire import ScrapeRow

from thalweg import check_ws_reply as judge
from thalweg import ws_messages
from thalweg.check_probe import SILENCE, at_once, judge_counts, not_checked
from thalweg.check_report import AddressReport, Outcome, Step, count
from thalweg.check_stream import StreamProbe
from thalweg.exchange import Answer, ExchangeError, NoRouteError
from thalweg.http_exchange import Place
from thalweg.ws_exchange import Socket
from thalweg.ws_messages import Description, Message, Offer, is_answer, is_offer, is_reply

PEER_ID_PREFIX = "-WW0000-"


class Peer(Struct, frozen=True):
    """One of the test's peers."""

    socket: Socket
    peer_id: str
    left: int


async def check_ws_address(place: Place, path: str, info_hash: bytes | None) -> AddressReport:
    """Probes one address; never raises for what a tracker or the network does.

    `path`: that of the announce URL. `info_hash`: None for a random one.
    """
    report = AddressReport(ip_version=6 if ":" in place.address else 4, address=place.address, port=place.port)
    probe = _WsProbe(report, place, path, info_hash)
    try:
        await probe.run()
    except NoRouteError as error:
        not_checked(report, error)
    finally:
        await probe.abandon()
    return report


class _WsProbe(StreamProbe):
    """The steps; each adds itself to the report."""

    def __init__(self, report: AddressReport, place: Place, path: str, info_hash: bytes | None) -> None:
        super().__init__(report, judge.EXPECTED, place, path)
        self.info_hash = ws_messages.id_text(info_hash or secrets.token_bytes(20))
        self.is_ours = info_hash is None
        self.silence = min(SILENCE, place.timeout)
        self.peers: list[Peer] = []
        self.offer = Offer.random()
        self.answer = Description.random("answer")
        self.others = 0
        """Peers in the torrent that are not the test's; offers may go to them."""
        self.counted = False
        """Whether a scrape has shown the test's peers, in a torrent that nobody else has."""
        self._odd_steps: dict[str, Callable[[str], Awaitable[Step]]] = {
            "bad message": self._bad_message,
            "binary frame": self._binary_frame,
            "ping": self._ping,
            "close": self._close,
        }

    async def run(self) -> None:
        if not await self.reach() or not await self.attempt("upgrade", Outcome.BAD, self._upgrade):
            return
        if not await self.attempt("announce", Outcome.BAD, self._announce):
            await self._say_goodbye()
            return
        introduced = await self._introduce()
        await self.attempt("scrape", Outcome.REMARK, self._scrape)
        if introduced and not self.others:
            await self.attempt("claimed peer id", Outcome.REMARK, self._claim)
        for step in await at_once(self._odd_step, list(self._odd_steps)):
            self.add(step)
        await self.attempt("stopped", Outcome.REMARK, self._stopped)

    async def abandon(self) -> None:
        """Closes whatever is open."""
        for peer in self.peers:
            await peer.socket.abandon()

    async def _join(self, left: int) -> float:
        """Opens the socket of another peer; gives the milliseconds of the upgrade."""
        socket = Socket(self.place, self.path)
        self.peers.append(Peer(socket, ws_messages.random_id(PEER_ID_PREFIX), left))
        return await socket.open()

    async def _upgrade(self, name: str) -> Step:
        took = await self._join(left=0)
        return Step(name=name, outcome=Outcome.GOOD, text="a WebSocket is open", milliseconds=took)

    async def _announce(self, name: str) -> Step:
        (seeder,) = self.peers
        await seeder.socket.send(self._message(seeder, "started"))
        reply = await seeder.socket.receive(is_reply, "reply")
        return judge.judge_announce(name, reply, self.info_hash)

    # ------------------------------------------------------------ introductions

    async def _introduce(self) -> bool:
        """Whether the leecher's offer has come to the seeder."""
        if not await self.attempt("second client", Outcome.BAD, self._second_client):
            return False
        otherwise = Outcome.REMARK if self.others else Outcome.BAD
        if not await self.attempt("offer", otherwise, self._take_offer):
            return False
        if await self.attempt("answer", Outcome.BAD, self._take_answer):
            await self.attempt("second answer", Outcome.REMARK, self._second_answer)
        return True

    async def _second_client(self, name: str) -> Step:
        await self._join(left=1)
        leecher = self.peers[1]
        await leecher.socket.send(self._message(leecher, "started", self.offer))
        reply = await leecher.socket.receive(is_reply, "reply")
        judge.check_reply(reply.value, "announce", self.info_hash)
        self.others = 0 if self.is_ours else judge.others(reply.value, ours=len(self.peers))
        text = "has announced itself with an offer, over another socket"
        if self.others:
            text += f"; {count(self.others, 'peer')} more in the torrent"
        return Step(name=name, outcome=Outcome.GOOD, text=text, milliseconds=reply.milliseconds)

    async def _take_offer(self, name: str) -> Step:
        seeder, leecher = self.peers

        def wanted(said: Message) -> bool:
            return is_offer(said) and (self.is_ours or said.get("offer_id") == self.offer.offer_id)

        try:
            came = await seeder.socket.receive(wanted, "offer", since=leecher.socket.sent)
        except ExchangeError as error:
            advice = judge.OFFER_ELSEWHERE if self.others else judge.NEVER_MEET
            raise ExchangeError(f"{error} at the first client", advice) from None
        self._check_relayed(came.value, self.offer.description, sender=leecher)
        text = "the first client got it, as it was sent"
        return Step(name=name, outcome=Outcome.GOOD, text=text, milliseconds=came.milliseconds)

    async def _take_answer(self, name: str) -> Step:
        seeder, leecher = self.peers
        await seeder.socket.send(self._answer_message(self.answer))
        try:
            came = await leecher.socket.receive(is_answer, "answer", since=seeder.socket.sent)
        except ExchangeError as error:
            raise ExchangeError(f"{error} at the second client", judge.NEVER_MEET) from None
        self._check_relayed(came.value, self.answer, sender=seeder)
        text = "the second client got it, as it was sent"
        return Step(name=name, outcome=Outcome.GOOD, text=text, milliseconds=came.milliseconds)

    async def _second_answer(self, name: str) -> Step:
        seeder, leecher = self.peers
        await seeder.socket.send(self._answer_message(Description.random("answer")))
        sockets = [seeder.socket, leecher.socket]
        told, heard = await at_once(lambda socket: socket.listen(self.silence), sockets)
        return judge.judge_second_answer(name, heard, judge.refusal(told), self.answer)

    def _check_relayed(self, said: Message, description: Description, sender: Peer) -> None:
        judge.check_relayed(
            said, description, info_hash=self.info_hash, peer_id=sender.peer_id, offer_id=self.offer.offer_id
        )

    async def _claim(self, name: str) -> Step:
        """Announces the seeder's peer id over another socket; then the seeder should still get offers."""
        seeder, _ = self.peers
        async with Socket(self.place, self.path) as other:
            await other.send(self._message(seeder, "started"))
            refused = judge.refusal(await other.listen(self.silence, is_reply))
            kept = await self._seeder_gets_offer()
            with suppress(ExchangeError):
                await other.close()
        await trio.sleep(self.silence / 2)  # a tracker may notice the end of one socket after a message of another
        kept_later = kept and await self._seeder_gets_offer()
        return judge.judge_claim(name, refused, kept, kept_later, seeder.socket.closed)

    async def _seeder_gets_offer(self) -> bool:
        seeder, leecher = self.peers
        offer = Offer.random()
        await leecher.socket.send(self._message(leecher, "", offer))
        await leecher.socket.receive(is_reply, "reply")

        def wanted(said: Message) -> bool:
            return is_offer(said) and said.get("offer_id") == offer.offer_id

        return any(map(wanted, await seeder.socket.listen(self.silence, wanted)))

    # ------------------------------------------------------------ counts

    async def _scrape(self, name: str) -> Step:
        answer = await self._ask_for_counts()
        row = answer.value
        self.counted = self.is_ours and row.seeders + row.leechers > 0
        present = {"seeder": row.seeders, "leecher": row.leechers}
        missing = [noun for noun, _ in zip(present, self.peers, strict=False) if not present[noun]]
        return judge_counts(name, row, missing, answer.milliseconds)

    async def _ask_for_counts(self) -> Answer[ScrapeRow]:
        """Over a socket of its own: the peers' may be gone."""
        async with Socket(self.place, self.path) as socket:
            await socket.send(ws_messages.scrape(self.info_hash))
            reply = await socket.receive(is_reply, "reply")
        return Answer(judge.read_counts(reply.value, self.info_hash), reply.milliseconds)

    async def _stopped(self, name: str) -> Step:
        await self._say_goodbye()
        text = "the test's peers said goodbye"
        if self.counted:
            row = (await self._ask_for_counts()).value
            if row.seeders or row.leechers:
                advice = "Who has left is still counted, and perhaps sent offers: see that `stopped` is heeded."
                text = f"{text}, and {row.seeders + row.leechers} are still counted"
                return Step(name=name, outcome=Outcome.REMARK, text=text, advice=advice)
            text += ", and are no longer counted"
        return Step(name=name, outcome=Outcome.GOOD, text=text)

    async def _say_goodbye(self) -> None:
        await at_once(self._goodbye, self.peers)

    async def _goodbye(self, peer: Peer) -> None:
        """Clients do not wait for a reply; this one does, so that the counts are asked for later."""
        with suppress(ExchangeError):
            await peer.socket.send(self._message(peer, "stopped"))
            await peer.socket.listen(self.silence, is_reply)

    # ------------------------------------------------------------ what is odd, over sockets of its own

    async def _odd_step(self, name: str) -> Step:
        return await self.outcome(name, Outcome.REMARK, self._odd_steps[name])

    async def _bad_message(self, name: str) -> Step:
        async with Socket(self.place, self.path) as socket:
            peer_id = ws_messages.random_id(PEER_ID_PREFIX)
            await socket.send(ws_messages.announce(self.info_hash[:-1], peer_id, left=1, event="started"))
            heard = await socket.listen(self.silence)
            return judge.judge_bad_message(name, heard, socket.closed)

    async def _binary_frame(self, name: str) -> Step:
        async with Socket(self.place, self.path) as socket:
            await socket.send(ws_messages.scrape(self.info_hash), binary=True)
            heard = await socket.listen(self.silence, is_reply)
            return judge.tell_binary(name, heard, socket.closed)

    async def _ping(self, name: str) -> Step:
        async with Socket(self.place, self.path) as socket:
            took = await socket.ping()
        return Step(name=name, outcome=Outcome.GOOD, text="answered", milliseconds=took)

    async def _close(self, name: str) -> Step:
        async with Socket(self.place, self.path) as socket:
            return judge.judge_close(name, await socket.close())

    # ------------------------------------------------------------ messages

    def _message(self, peer: Peer, event: str, *offers: Offer) -> Message:
        return ws_messages.announce(self.info_hash, peer.peer_id, peer.left, event, offers)

    def _answer_message(self, description: Description) -> Message:
        seeder, leecher = self.peers
        return ws_messages.answer(self.info_hash, seeder.peer_id, leecher.peer_id, self.offer.offer_id, description)
