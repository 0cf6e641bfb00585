"""The probe behind `thalweg check udp://…`: one tracker address, over one family (BEP 15).

It asks what newTrackon asks (connect, then an announce of a random torrent with event started, nothing left, the
info hash as peer id and port 0x76FD), then what real clients depend on beyond it, and says goodbye with `stopped`:

    connect → announce → scrape → second client → extra bytes → stopped
                      ↘ forged id (at the same time)

A failed connect or announce ends the probe; what comes later can be wrong and the tracker still be of use, so it is
reported as a remark.
"""

from __future__ import annotations

import secrets

import trio
from thalweg_common import udp_wire
from thalweg_common.udp_wire import Announce, AnnounceReply, Event, TrackerError

from thalweg.check_probe import PORT, SILENCE, Probe, judge_counts, judge_interval, judge_introduction, not_checked
from thalweg.check_report import AddressReport, Outcome, Step, count
from thalweg.exchange import Answer, ExchangeError, NoRouteError, Patience
from thalweg.udp_exchange import Link

SECOND_PORT = PORT + 1

EXPECTED = {
    "connect": "a connection id",
    "announce": "an interval and peers",
    "forged id": "silence",
    "scrape": "counts with the seeder that has just announced itself",
    "second client": "the first client among the peers",
    "extra bytes": "a reply as to any announce",
    "stopped": "a reply as to any announce",
}
"""What a good tracker does, by name of the step."""


async def check_udp_address(
    address: str, port: int, url_data: bytes, info_hash: bytes | None, patience: Patience
) -> AddressReport:
    """Probes one address; never raises for what a tracker or the network does. `info_hash`: None for a random one."""
    info_hash = info_hash or secrets.token_bytes(20)
    report = AddressReport(ip_version=6 if ":" in address else 4, address=address, port=port)
    try:
        with Link(address, port) as first, Link(address, port) as second:
            await _UdpProbe(report, first, second, url_data, info_hash, patience).run()
    except NoRouteError as error:
        not_checked(report, error)
    return report


class _UdpProbe(Probe):
    """The steps; each adds itself to the report."""

    def __init__(
        self, report: AddressReport, first: Link, second: Link, url_data: bytes, info_hash: bytes, patience: Patience
    ) -> None:
        super().__init__(report, EXPECTED)
        self.first = first
        self.second = second
        self.url_data = url_data
        self.info_hash = info_hash
        self.patience = patience
        self.connection_id = b""
        self.second_is_listed = False

    async def run(self) -> None:
        connected = await self.attempt("connect", Outcome.BAD, self._connect)
        if not connected or not await self.attempt("announce", Outcome.BAD, self._announce):
            return
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self.attempt, "forged id", Outcome.REMARK, self._forged_id)
            await self.attempt("scrape", Outcome.REMARK, self._scrape)
            await self.attempt("second client", Outcome.REMARK, self._second_client)
            await self.attempt("extra bytes", Outcome.REMARK, self._extra_bytes)
            await self.attempt("stopped", Outcome.REMARK, self._stopped)

    async def _connect(self, name: str) -> Step:
        answer = await self.first.ask(udp_wire.build_connect, udp_wire.parse_connect, self.patience)
        self.connection_id = answer.value
        self.reached = True
        return Step(name=name, outcome=Outcome.GOOD, text="gave a connection id", milliseconds=answer.milliseconds)

    async def _announce(self, name: str) -> Step:
        answer = await self._send_announce(self.first, PORT, Event.STARTED)
        reply = answer.value
        counts = ", ".join(
            [count(reply.seeders, "seeder"), count(reply.leechers, "leecher"), count(len(reply.peers), "peer")]
        )
        return judge_interval(name, reply.interval, counts, answer.milliseconds)

    async def _scrape(self, name: str) -> Step:
        answer = await self.first.ask(
            lambda transaction: udp_wire.build_scrape(self.connection_id, transaction, [self.info_hash]),
            udp_wire.parse_scrape,
            self.patience,
        )
        if len(answer.value) != 1:
            raise ExchangeError(f"one torrent was asked for and {len(answer.value)} rows came")
        row = answer.value[0]
        missing = [] if row.seeders else ["seeder"]
        return judge_counts(name, row, missing, answer.milliseconds)

    async def _second_client(self, name: str) -> Step:
        """A leecher on another source port, with the same connection id: rTorrent and NATs change ports like that."""
        try:
            answer = await self._send_announce(self.second, SECOND_PORT, Event.STARTED, left=1)
        except (ExchangeError, TrackerError) as error:
            text = f"the connection id does not hold for another source port of the same address: {error}"
            raise ExchangeError(text, "Bind ids to the address alone: rTorrent and many NATs change ports.") from None
        self.second_is_listed = True
        ports = [port for _, port in answer.value.peers]
        return judge_introduction(name, ports, "over another source port", answer.milliseconds)

    async def _extra_bytes(self, name: str) -> Step:
        """The options of BEP 41, which libtorrent always sends, and the empty one of qBittorrent 5."""
        try:
            answer = await self._send_announce(self.first, PORT, Event.NONE, url_data=self.url_data or b"/announce")
            empty = await self._send_announce(self.first, PORT, Event.NONE, junk=b"\x02\x00")
        except (ExchangeError, TrackerError) as error:
            text = f"an announce with bytes after the 98th failed: {error}"
            raise ExchangeError(
                text, "BEP 15 gives minimum sizes; libtorrent and qBittorrent append options."
            ) from None
        slower = max(answer.milliseconds, empty.milliseconds)
        return Step(name=name, outcome=Outcome.GOOD, text="options (BEP 41) are accepted", milliseconds=slower)

    async def _stopped(self, name: str) -> Step:
        answer = await self._send_announce(self.first, PORT, Event.STOPPED)
        if self.second_is_listed:
            await self._send_announce(self.second, SECOND_PORT, Event.STOPPED, left=1)
        text = "the test's peers said goodbye"
        return Step(name=name, outcome=Outcome.GOOD, text=text, milliseconds=answer.milliseconds)

    async def _forged_id(self, name: str) -> Step:
        """An announce under an invented connection id, as from a forged sender address: silence is right."""
        transaction = secrets.randbits(32)
        forged = bytes(byte ^ 0xA5 for byte in self.connection_id)
        with Link(*self.first.tracker) as link:
            announce = self._message(PORT, Event.NONE, num_want=0)
            await link.send(udp_wire.build_announce(forged, transaction, announce))
            with trio.move_on_after(min(SILENCE, self.patience.timeout)):
                reply, _ = await link.receive()
                return _judge_reply_to_forgery(name, reply)
        return Step(name=name, outcome=Outcome.GOOD, text="a forged connection id gets silence, as it should")

    async def _send_announce(
        self, link: Link, port: int, event: Event, *, left: int = 0, url_data: bytes = b"", junk: bytes = b""
    ) -> Answer[AnnounceReply]:
        announce = self._message(port, event, left=left, url_data=url_data)
        return await link.ask(
            lambda transaction: udp_wire.build_announce(self.connection_id, transaction, announce) + junk,
            lambda reply, transaction: _parse_announce(reply, transaction, link.ip_version),
            self.patience,
        )

    def _message(
        self, port: int, event: Event, *, left: int = 0, num_want: int = -1, url_data: bytes = b""
    ) -> Announce:
        return Announce(
            info_hash=self.info_hash,
            peer_id=self.info_hash,
            port=port,
            left=left,
            event=event,
            num_want=num_want,
            url_data=url_data,
        )


def _parse_announce(reply: bytes, transaction: int, ip_version: int) -> AnnounceReply:
    """As udp_wire does it; opentracker's refusal, an announce reply that ends after its header, counts as one."""
    try:
        return udp_wire.parse_announce(reply, transaction, ip_version)
    except udp_wire.ReplyError:
        if len(reply) == udp_wire.HEADER_SIZE and udp_wire.transaction_of(reply) == transaction:
            raise TrackerError("") from None
        raise


def _judge_reply_to_forgery(name: str, reply: bytes) -> Step:
    action = int.from_bytes(reply[:4], "big")
    if action == udp_wire.ACTION_ANNOUNCE:
        text = "an announce with a forged connection id is accepted"
        advice = "Anybody can announce other people's addresses and direct replies at them: check connection ids."
    else:
        text = "a forged connection id gets an error packet"
        advice = "Silence is better: it cannot be directed at third parties, and makes clients back off."
    return Step(name=name, outcome=Outcome.REMARK, text=text, advice=advice)
