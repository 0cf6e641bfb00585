"""Exchanges with a UDP tracker that notice what an ordinary client would only drop.

A `Link` is one socket and the endpoint that is asked. The socket is not connected on purpose: a reply from another
address or port, which the kernel would hide behind a connected one, is seen and named.
"""

from __future__ import annotations

import errno
import secrets
import socket
import sys
from collections.abc import Callable
from typing import Generic, Self, TypeVar

import msgspec
import trio
from thalweg_common import udp_wire

from thalweg.tracker_url import endpoint

T = TypeVar("T")

LARGEST_DATAGRAM = 65535
AFTER_A_WRONG_REPLY = 0.5
"""Seconds in which the right reply may still come behind a wrong one."""

# Linux: report "port unreachable" although the socket is not connected. (level, option) by family.
_REPORT_ERRORS = {socket.AF_INET: (socket.IPPROTO_IP, 11), socket.AF_INET6: (socket.IPPROTO_IPV6, 25)}

_NO_ROUTE = (errno.ENETUNREACH, errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT)


class Patience(msgspec.Struct, frozen=True):
    """How long to wait: `tries` times `timeout` seconds."""

    timeout: float
    tries: int


class Answer(msgspec.Struct, Generic[T], frozen=True):
    """What the tracker said, and how long after it was asked."""

    value: T
    milliseconds: float


class ExchangeError(Exception):
    """A request came to nothing; the text says what happened, `advice` what to do."""

    def __init__(self, text: str, advice: str = "") -> None:
        """Takes two lines for the operator."""
        super().__init__(text)
        self.advice = advice


class NoRouteError(Exception):
    """This machine cannot send to that address at all; it says nothing about the tracker."""


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
                    took = round((trio.current_time() - sent) * 1000, 3)
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
            raise self._network_error(error) from error

    async def receive(self) -> tuple[bytes, tuple[str, int]]:
        """The next datagram that arrives on this port, from wherever it comes, and its source."""
        try:
            reply, source = await self._socket.recvfrom(LARGEST_DATAGRAM)
        except OSError as error:
            raise self._network_error(error) from error
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

    def _network_error(self, error: OSError) -> Exception:
        if error.errno == errno.ECONNREFUSED:
            text = f"nothing listens on UDP port {self.tracker[1]} there"
            return ExchangeError(text, "Start the tracker, or correct the port in the URL.")
        if error.errno in _NO_ROUTE:
            return NoRouteError(error.strerror)
        return ExchangeError(f"the network refused: {error.strerror}", "Look at routes and firewalls on the way.")

    def _silence(self, patience: Patience) -> ExchangeError:
        return ExchangeError(
            f"no reply to {patience.tries} tries of {patience.timeout:g} s",
            f"See that the tracker runs and that UDP port {self.tracker[1]} is open both ways.",
        )


_WRONG_REPLY = "The tracker breaks BEP 15: report it to those who make it, or put another one there."
