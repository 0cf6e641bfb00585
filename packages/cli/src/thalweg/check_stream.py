"""How the probes of trackers over TCP begin: connect → TLS, certificate. A refused certificate does not end them."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from functools import partial

import trio
from msgspec import structs

from thalweg.check_probe import Probe
from thalweg.check_report import AddressReport, Outcome, Step
from thalweg.check_tls import indifferent_context, judge_certificate, shake_hands
from thalweg.exchange import milliseconds_since
from thalweg.http_exchange import Place, open_socket


class StreamProbe(Probe):
    """A probe of a place that is reached over TCP, and TLS perhaps."""

    def __init__(self, report: AddressReport, expected: Mapping[str, str], place: Place, path: str) -> None:
        """`expected`: what a good tracker does, by name of the step. `path`: that of the announce URL."""
        super().__init__(report, expected)
        self.place = place
        self.path = path

    async def reach(self) -> bool:
        """Takes the first steps; True: the tracker can be asked."""
        if not await self.attempt("connect", Outcome.BAD, self._connect):
            return False
        return self.place.tls is None or await self._check_tls(self.place.tls)

    async def _connect(self, name: str) -> Step:
        began = trio.current_time()
        stream = await open_socket(self.place)
        took = milliseconds_since(began)
        await stream.aclose()
        self.reached = True
        return Step(name=name, outcome=Outcome.GOOD, text="connected", milliseconds=took)

    async def _check_tls(self, context: ssl.SSLContext) -> bool:
        """Without a certificate that clients trust, the rest is probed all the same. False: there is no TLS."""
        if not await self.attempt("tls", Outcome.BAD, lambda name: shake_hands(name, self.place)):
            return False
        look = partial(judge_certificate, place=self.place, context=context)
        if not await self.attempt("certificate", Outcome.BAD, look):
            self.place = structs.replace(self.place, tls=indifferent_context())
        return True
