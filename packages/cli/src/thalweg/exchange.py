"""What exchanges with trackers share, whatever the protocol: patience, answers, and how they come to nothing."""

from __future__ import annotations

import errno
from typing import Generic, TypeVar

import msgspec
import trio

T = TypeVar("T")

_NO_ROUTE = (errno.ENETUNREACH, errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT)


class Patience(msgspec.Struct, frozen=True):
    """How long to wait: `tries` times `timeout` seconds, where asking again makes sense; once where it does not."""

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


def network_error(error: OSError, protocol: str, port: int) -> ExchangeError | NoRouteError:
    """What an error of the network means, when a port of that protocol ("UDP", "TCP") was asked."""
    if error.errno == errno.ECONNREFUSED:
        text = f"nothing listens on {protocol} port {port} there"
        return ExchangeError(text, "Start the tracker, or correct the port in the URL.")
    if error.errno in _NO_ROUTE:
        return NoRouteError(error.strerror)
    return ExchangeError(f"the network refused: {error.strerror}", "Look at routes and firewalls on the way.")


def milliseconds_since(moment: float) -> float:
    """Milliseconds from a moment of trio's clock until now."""
    return round((trio.current_time() - moment) * 1000, 3)
