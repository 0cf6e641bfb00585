"""Exchanges with a UDP tracker that notice what an ordinary client would only drop.

A `Link` is one socket and the endpoint that is asked. The socket is not connected on purpose: a reply from another
address or port, which the kernel would hide behind a connected one, is seen and named.
"""

from __future__ import annotations

import secrets
import socket
import sys
from collections.abc import Callable
from typing import Self, TypeVar

import trio
from thalweg_common import udp_wire

from thalweg.exchange import Answer, ExchangeError, NoRouteError, Patience, milliseconds_since, network_error
from thalweg.tracker_url import endpoint

T = TypeVar("T")

LARGEST_DATAGRAM = 65535
AFTER_A_WRONG_REPLY = 0.5
"""Seconds in which the right reply may still come behind a wrong one."""

# Linux: report "port unreachable" although the socket is not connected. (level, option) by family.
_REPORT_ERRORS = {socket.AF_INET: (socket.IPPROTO_IP, 11), socket.AF_INET6: (socket.IPPROTO_IPV6, 25)}


class Link:
    """One local port that talks to one tracker address. A context manager."""

    def __init__(self, address: str, port: int) -> None:
        """Opens the socket; sends nothing. NoRouteError when the family is unknown here."""
        self.ip_version = 6 if ":" in address else 4
        self.tracker = (address, port)
        family = socket.AF_INET if self.ip_version == 4 else socket.AF_INET6
        try:
            self._socket = trio.socket.socket(family, socket.SOCK_DGRAM)
        except OSError as error:
            raise NoRouteError(str(error)) from error
        if sys.platform == "linux":
            self._socket.setsockopt(*_REPORT_ERRORS[family], 1)

    def __enter__(self) -> Self:
        """The link itself; leaving closes it."""
        return self

    def __exit__(self, *_: object) -> None:
        """Closes the socket."""
        self._socket.close()

    async def ask(
        self, build: Callable[[int], bytes], parse: Callable[[bytes, int], T], patience: Patience
    ) -> Answer[T]:
        """Sends the request under a fresh transaction id, again after each timeout, until a reply is good.

        Raises ExchangeError when that does not come in time, and udp_wire.TrackerError for an error packet.
        """
        transaction = secrets.randbits(32)
        request = build(transaction)
        fault: ExchangeError | None = None
        for _ in range(patience.tries):
            await self.send(request)
            sent = trio.current_time()
            with trio.move_on_after(patience.timeout) as waiting:
                while True:
                    reply, source = await self.receive()
                    took = milliseconds_since(sent)
                    try:
                        return Answer(self._examine(reply, source, transaction, parse), took)
                    except ExchangeError as error:
                        fault = error
                        waiting.deadline = min(waiting.deadline, trio.current_time() + AFTER_A_WRONG_REPLY)
            if fault is not None:
                raise fault
        raise self._silence(patience)

    async def send(self, request: bytes) -> None:
        """Sends one datagram to the tracker."""
        try:
            await self._socket.sendto(request, self.tracker)
        except OSError as error:
            raise network_error(error, "UDP", self.tracker[1]) from error

    async def receive(self) -> tuple[bytes, tuple[str, int]]:
        """The next datagram that arrives on this port, from wherever it comes, and its source."""
        try:
            reply, source = await self._socket.recvfrom(LARGEST_DATAGRAM)
        except OSError as error:
            raise network_error(error, "UDP", self.tracker[1]) from error
        return reply, (source[0], source[1])

    def _examine(self, reply: bytes, source: tuple[str, int], transaction: int, parse: Callable[[bytes, int], T]) -> T:
        if source != self.tracker:
            raise ExchangeError(
                f"the reply came from {endpoint(*source)}, not from {endpoint(*self.tracker)}; clients drop it",
                "Bind the tracker to the address that clients ask, or let it reply from there, and look for NAT.",
            )
        try:
            return parse(reply, transaction)
        except udp_wire.ReplyError as error:
            raise ExchangeError(f"the reply is wrong and clients drop it: {error}", _WRONG_REPLY) from None

    def _silence(self, patience: Patience) -> ExchangeError:
        return ExchangeError(
            f"no reply to {patience.tries} tries of {patience.timeout:g} s",
            f"See that the tracker runs and that UDP port {self.tracker[1]} is open both ways.",
        )


_WRONG_REPLY = "The tracker breaks BEP 15: report it to those who make it, or put another one there."
