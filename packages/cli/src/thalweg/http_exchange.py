"""Exchanges with an HTTP tracker that notice what an ordinary client would only drop.

A `Place` is one address of a tracker, a `Connection` is one to it. h11 reads the replies; what it cannot read, what
ends too early or never, and what follows a reply is told in words. All has a deadline, and replies have a largest size.
"""

from __future__ import annotations

import socket
import ssl
from typing import Self

import h11
import trio
from msgspec import Struct, structs
from thalweg_common.version import core_version

from thalweg.check_report import printable
from thalweg.exchange import ExchangeError, NoRouteError, milliseconds_since, network_error
from thalweg.tracker_url import DEFAULT_PORTS, TrackerUrl, endpoint

LARGEST_REPLY = 1 << 20
"""Bytes; newTrackon reads no more either."""
LONGEST_START = 60
"""Bytes of a broken reply that are shown."""
USER_AGENT = f"thalweg-check/{core_version()}"

_TLS_RECORDS = (b"\x15\x03", b"\x16\x03")
_NO_TLS = "See that the port speaks TLS 1.2 or 1.3; if it speaks plain HTTP, write http:// or ws://."
_REPORT_IT = "Report it to those who make the tracker, or look at the proxy before it."


class Place(Struct, frozen=True, kw_only=True):
    """One address of a tracker."""

    address: str
    port: int
    host: str
    """As in the URL; certificates are for this name."""
    authority: str
    """Host and port as in the URL, for the Host header."""
    tls: ssl.SSLContext | None
    """How TLS is spoken; None: it is not."""
    timeout: float
    """Seconds to wait for a connection, for the handshake, and for each reply."""

    @classmethod
    def of(cls, url: TrackerUrl, address: str, tls: ssl.SSLContext | None, timeout: float) -> Place:
        """The place of a URL's tracker that has this address."""
        host = url.host if ":" in url.host else url.host.encode("idna").decode("ascii")
        authority = endpoint(host, url.port).removesuffix(f":{DEFAULT_PORTS[url.scheme]}")
        return cls(address=address, port=url.port, host=host, authority=authority, tls=tls, timeout=timeout)


class HttpReply(Struct, frozen=True, kw_only=True):
    """A reply, complete by its own account."""

    status: int
    reason: str
    headers: dict[str, str]
    """By name in lower case."""
    body: bytes
    milliseconds: float
    excess: bytes = b""
    """What came behind the reply."""

    @property
    def status_line(self) -> str:
        """Status and reason, fit to be shown."""
        return printable(f"status {self.status} {self.reason}".strip())


async def open_socket(place: Place) -> trio.SocketStream:
    """A TCP connection to the place. Raises NoRouteError and ExchangeError."""
    family = socket.AF_INET6 if ":" in place.address else socket.AF_INET
    try:
        opened = trio.socket.socket(family, socket.SOCK_STREAM)
    except OSError as error:
        raise NoRouteError(str(error)) from error
    try:
        with trio.fail_after(place.timeout):
            await opened.connect((place.address, place.port))
    except BaseException as error:
        opened.close()
        if isinstance(error, trio.TooSlowError):
            text = f"no connection within {place.timeout:g} s"
            advice = f"See that the tracker runs and that TCP port {place.port} is open."
            raise ExchangeError(text, advice) from None
        if isinstance(error, OSError):
            raise network_error(error, "TCP", place.port) from error
        raise
    return trio.SocketStream(opened)


async def start_tls(
    stream: trio.SocketStream, place: Place, context: ssl.SSLContext
) -> trio.SSLStream[trio.SocketStream]:
    """Shakes hands over an open connection. Raises ssl.SSLCertVerificationError and ExchangeError."""
    secure = trio.SSLStream(stream, context, server_hostname=place.host, https_compatible=True)
    try:
        with trio.fail_after(place.timeout):
            await secure.do_handshake()
    except trio.TooSlowError:
        raise ExchangeError(f"no end of the TLS handshake within {place.timeout:g} s", _NO_TLS) from None
    except trio.BrokenResourceError as error:
        cause = error.__cause__
        if isinstance(cause, ssl.SSLCertVerificationError):
            raise cause from None
        why = cause.reason if isinstance(cause, ssl.SSLError) and cause.reason else "the connection was closed"
        raise ExchangeError(f"the TLS handshake failed: {why.lower().replace('_', ' ')}", _NO_TLS) from None
    return secure


async def open_stream(place: Place) -> trio.abc.Stream:
    """A connection that speaks TLS where the place does. Raises NoRouteError and ExchangeError."""
    opened = await open_socket(place)
    if place.tls is None:
        return opened
    try:
        return await start_tls(opened, place, place.tls)
    except BaseException as error:
        await trio.aclose_forcefully(opened)
        if isinstance(error, ssl.SSLCertVerificationError):
            raise ExchangeError(f"the certificate is refused: {error.verify_message}") from None
        raise


class Connection:
    """A connection on which a tracker is asked. An asynchronous context manager."""

    def __init__(self, place: Place) -> None:
        """Nothing is opened yet."""
        self.place = place
        self._http = h11.Connection(h11.CLIENT)
        # Of the present reply: its first bytes, how many there are, its head, and its body, as far as they came.
        self._start, self._size = b"", 0
        self._response: h11.Response | None = None
        self._body = bytearray()

    async def __aenter__(self) -> Self:
        """Opens it. Raises NoRouteError and ExchangeError."""
        self._stream = await open_stream(self.place)
        return self

    async def __aexit__(self, *_: object) -> None:
        """Closes it, without farewell."""
        await trio.aclose_forcefully(self._stream)

    @property
    def kept(self) -> bool:
        """Whether another request may follow the reply that was read."""
        return self._http.our_state is h11.DONE and self._http.their_state is h11.DONE

    async def ask(self, target: str, *, version: str = "1.1", close: bool = True) -> HttpReply:
        """Sends a request and gives the reply; `close`: no other one follows. Raises ExchangeError."""
        await self.send(self.prepare(target, version=version, close=close))
        return await self.receive()

    def prepare(self, target: str, *, version: str = "1.1", close: bool = True) -> bytes:
        """The bytes of the next request, whose reply receive() will read."""
        headers = [("Host", self.place.authority), ("User-Agent", USER_AGENT), ("Accept", "*/*")]
        if close:
            headers.append(("Connection", "close"))
        if self.kept:
            self._http.start_next_cycle()
        request = h11.Request(method="GET", target=target, headers=headers)
        data = (self._http.send(request) or b"") + (self._http.send(h11.EndOfMessage()) or b"")
        return data.replace(b" HTTP/1.1\r\n", f" HTTP/{version}\r\n".encode(), 1)

    async def send(self, data: bytes) -> None:
        """Sends requests."""
        self._sent = trio.current_time()
        try:
            with trio.fail_after(self.place.timeout):
                await self._stream.send_all(data)
        except trio.TooSlowError:
            raise ExchangeError(f"the request was not taken within {self.place.timeout:g} s") from None
        except trio.BrokenResourceError:
            pass  # what was said before the connection was closed can still be read

    async def receive(self) -> HttpReply:
        """The next reply. Raises ExchangeError."""
        self._start, self._size, self._response = b"", 0, None
        self._body.clear()
        with trio.move_on_after(self.place.timeout):
            return await self._receive()
        seconds = f"{self.place.timeout:g} s"
        if not self._size:
            raise ExchangeError(f"no reply within {seconds}", "See that the tracker is not overloaded or stopped.")
        raise ExchangeError(f"the reply did not end within {seconds}; {self._size} bytes of it came", _REPORT_IT)

    async def excess(self, seconds: float) -> bytes:
        """What comes within so many seconds behind a reply, until the connection is closed."""
        excess = bytes(self._http.trailing_data[0])
        with trio.move_on_after(seconds):
            while len(excess) < LARGEST_REPLY and (more := await self._read()):
                excess += more
        return excess

    async def _receive(self) -> HttpReply:
        event = await self._event()
        while isinstance(event, h11.InformationalResponse):
            event = await self._event()
        assert isinstance(event, h11.Response)
        self._response = response = event
        while isinstance(event := await self._event(), h11.Data):
            self._body += event.data
        return HttpReply(
            status=response.status_code,
            reason=response.reason.decode("latin-1"),
            headers=_headers(response),
            body=bytes(self._body),
            milliseconds=milliseconds_since(self._sent),
        )

    async def _event(self) -> h11.Event:
        """The next part of the reply."""
        while True:
            try:
                event = self._http.next_event()
            except h11.RemoteProtocolError as error:
                raise self._broken(error) from None
            if isinstance(event, h11.Event):
                return event
            data = await self._read()
            if not data and self._response is None:
                raise self._closed()
            self._start = (self._start + data)[:LONGEST_START]
            self._size += len(data)
            if self._size > LARGEST_REPLY:
                raise ExchangeError(f"the reply is larger than {LARGEST_REPLY >> 20} MiB", _REPORT_IT)
            self._http.receive_data(data)

    async def _read(self) -> bytes:
        """Some bytes; none at the end of the connection, whatever ended it."""
        try:
            return bytes(await self._stream.receive_some(65536))
        except trio.BrokenResourceError:
            return b""

    def _closed(self) -> ExchangeError:
        text = "the connection was closed without a reply"
        if self._size:
            text = f"the connection was closed within the head of the reply: {self._beginning()}"
        return ExchangeError(text, _REPORT_IT)

    def _broken(self, error: h11.RemoteProtocolError) -> ExchangeError:
        if self._response is not None:
            length = _headers(self._response).get("content-length")
            text = f"the connection was closed after {len(self._body)} of {length} bytes"
            return ExchangeError(text if length else f"the body is broken: {error}", _REPORT_IT)
        if self._start.startswith(_TLS_RECORDS):
            return ExchangeError("the reply is TLS, not HTTP", "Write https:// instead of http://.")
        return ExchangeError(f"the reply is not HTTP ({printable(str(error))}): {self._beginning()}", _REPORT_IT)

    def _beginning(self) -> str:
        """The first bytes of the reply in quotes."""
        return f"“{printable(self._start.decode('latin-1'))}”"


def _headers(response: h11.Response) -> dict[str, str]:
    return {name.decode("latin-1"): value.decode("latin-1") for name, value in response.headers}


async def ask(place: Place, target: str, *, version: str = "1.1", excess_seconds: float = 0) -> HttpReply:
    """Asks on a connection of its own, and waits so long for bytes behind the reply. Raises ExchangeError."""
    async with Connection(place) as connection:
        reply = await connection.ask(target, version=version)
        if excess_seconds:
            reply = structs.replace(reply, excess=await connection.excess(excess_seconds))
        return reply
