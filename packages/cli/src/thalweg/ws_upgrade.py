"""The reply to the request that makes a connection a WebSocket (RFC 6455, section 4), and in words what else comes."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import suppress
from http import HTTPStatus

import trio
from wsproto import WSConnection
from wsproto.events import AcceptConnection, RejectConnection, RejectData
from wsproto.utilities import RemoteProtocolError

from thalweg.check_report import LONGEST_QUOTE, printable
from thalweg.exchange import ExchangeError
from thalweg.http_exchange import LONGEST_START

_REPORT_IT = "Report it to those who make the tracker, or look at the proxy before it."
_WRONG_PLACE = "See that the URL is the tracker's, and that a proxy before it passes upgrades to WebSocket on."
_TLS_RECORDS = (b"\x15\x03", b"\x16\x03")


async def wait_for_upgrade(protocol: WSConnection, read: Callable[[], Awaitable[bytes]], *, seconds: float) -> None:
    """Reads until the upgrade is accepted; raises ExchangeError when it is not.

    `read`: gives some bytes, none at the end of the connection. `seconds`: for the reply, which the caller watches;
    the page of a rejection gets half of them.
    """
    await _Reply(protocol, read, seconds).wait()


class _Reply:
    """A reply, as far as it came."""

    def __init__(self, protocol: WSConnection, read: Callable[[], Awaitable[bytes]], seconds: float) -> None:
        self._protocol = protocol
        self._receive = read
        self._seconds = seconds
        self._start = b""

    async def wait(self) -> None:
        while True:
            try:
                event = next(self._protocol.events(), None)
                if event is None:
                    self._protocol.receive_data(await self._read())
            except (RemoteProtocolError, ValueError) as error:  # the latter for headers with strange bytes
                raise self._wrong(error) from None
            if isinstance(event, AcceptConnection):
                return
            if isinstance(event, RejectConnection):
                raise _rejected(event, await self._first_line(event))

    async def _read(self) -> bytes:
        data = await self._receive()
        if not data:
            within = f" within the reply to the upgrade: {self._beginning()}" if self._start else " without a reply"
            raise ExchangeError(f"the connection was closed{within}", _REPORT_IT)
        self._start = (self._start + data)[:LONGEST_START]
        return data

    async def _first_line(self, event: RejectConnection) -> str:
        """What the page of a rejection in plain text begins with, as far as it comes."""
        page = bytearray()
        more = event.has_body and dict(event.headers).get(b"content-type", b"").startswith(b"text/plain")
        with suppress(ExchangeError, RemoteProtocolError, ValueError), trio.move_on_after(self._seconds / 2):
            while more and len(page) < LONGEST_QUOTE:
                part = next(self._protocol.events(), None)
                if part is None:
                    self._protocol.receive_data(await self._read())
                elif isinstance(part, RejectData):
                    page += part.data
                    more = not part.body_finished
        return page.decode(errors="replace").strip().partition("\n")[0]

    def _wrong(self, error: Exception) -> ExchangeError:
        if self._start.startswith(_TLS_RECORDS):
            return ExchangeError("the reply is TLS, not HTTP", "Write wss:// instead of ws://.")
        if self._start.startswith(b"HTTP/1.1 101"):
            return ExchangeError(f"the upgrade is wrong and clients close: {printable(str(error))}", _REPORT_IT)
        return ExchangeError(f"the reply is not HTTP ({printable(str(error))}): {self._beginning()}", _REPORT_IT)

    def _beginning(self) -> str:
        """The first bytes of the reply in quotes."""
        return f"“{printable(self._start.decode('latin-1'))}”"


def _rejected(event: RejectConnection, first_line: str) -> ExchangeError:
    """What a reply means that is HTTP and no upgrade; `first_line`: of its page."""
    status = event.status_code
    phrase = f" {HTTPStatus(status).phrase}" if status in set(HTTPStatus) else ""
    location = dict(event.headers).get(b"location", b"").decode("latin-1")
    if 300 <= status < 400 and location:
        advice = "Browsers do not follow redirects of WebSockets: publish that URL, and check it."
        return ExchangeError(f"status {status}{phrase}: redirected to {printable(location)}", advice)
    said = f", saying “{printable(first_line)}”" if first_line else ""
    return ExchangeError(f"status {status}{phrase} instead of an upgrade{said}", _WRONG_PLACE)
