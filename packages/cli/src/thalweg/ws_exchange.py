"""Exchanges with a WebTorrent tracker that notice what a browser would only drop.

A `Socket` is one WebSocket to a `Place` (RFC 6455). wsproto reads the frames; a reply to the upgrade that is none,
frames that break the rules, messages that are not JSON and sockets that close too early are told in words. All has a
deadline, and messages have a largest size. What comes while something else is waited for is counted, and dropped.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Self, TypeAlias

import msgspec
import trio
from wsproto import ConnectionType, WSConnection
from wsproto.connection import ConnectionState
from wsproto.events import (
    BytesMessage,
    CloseConnection,
    Event,
    Ping,
    Pong,
    Request,
    TextMessage,
)
from wsproto.frame_protocol import CloseReason
from wsproto.utilities import LocalProtocolError, RemoteProtocolError

from thalweg.check_report import printable
from thalweg.exchange import Answer, ExchangeError, milliseconds_since
from thalweg.http_exchange import LONGEST_START, USER_AGENT, Place, open_stream
from thalweg.ws_messages import Message
from thalweg.ws_upgrade import wait_for_upgrade

Wanted: TypeAlias = Callable[[Message], bool]

LARGEST_MESSAGE = 1 << 20
"""Bytes."""
MOST_UNASKED = 1000
"""Messages of one socket that nobody waits for; a tracker that sends more is not listened to any longer."""

_REPORT_IT = "Report it to those who make the tracker, or look at the proxy before it."
_NOT_JSON = "See what else answers under this URL."


class Socket:
    """A WebSocket to a tracker. Opened by open(), closed by abandon() or close()."""

    def __init__(self, place: Place, path: str) -> None:
        """Nothing is opened yet. `path`: that of the URL, with its query."""
        self.place = place
        self.sent = 0.0
        """When the last message was sent, by trio's clock."""
        self.closed = ""
        """How the socket came to its end; empty while it is open."""
        self._path = path
        self._stream: trio.abc.Stream | None = None
        self._protocol = WSConnection(ConnectionType.CLIENT)
        self._data = bytearray()
        self._unasked = 0

    async def __aenter__(self) -> Self:
        """Opens it. Raises NoRouteError and ExchangeError."""
        await self.open()
        return self

    async def __aexit__(self, *_: object) -> None:
        """Closes it, without farewell."""
        await self.abandon()

    async def open(self) -> float:
        """Connects and upgrades; milliseconds from request to reply. Raises NoRouteError and ExchangeError."""
        self._stream = await open_stream(self.place)
        try:
            headers = [(b"User-Agent", USER_AGENT.encode())]
            await self._ask(Request(host=self.place.authority, target=self._path, extra_headers=headers))
            with self._deadline("no reply to the upgrade", "See that the tracker is not overloaded or stopped."):
                await wait_for_upgrade(self._protocol, self._read, seconds=self.place.timeout)
        except BaseException:
            await self.abandon()
            raise
        return milliseconds_since(self.sent)

    async def send(self, message: Message, *, binary: bool = False) -> None:
        """Sends a message, as text unless `binary`. Raises ExchangeError."""
        data = msgspec.json.encode(message)
        await self._ask(BytesMessage(data=data) if binary else TextMessage(data=data.decode()))

    async def receive(
        self, wanted: Callable[[Message], bool], what: str, since: float | None = None
    ) -> Answer[Message]:
        """The first message that is `wanted`, and the milliseconds since `since` (None: since the last one was sent).

        `what`: how to call it when it does not come. Raises ExchangeError.
        """
        since = self.sent if since is None else since
        with self._deadline(f"no {what}"):
            while True:
                message = await self._next_message()
                if wanted(message):
                    return Answer(message, milliseconds_since(since))
                self._drop()

    async def listen(self, seconds: float, wanted: Wanted | None = None) -> list[Message]:
        """The messages that come within so many seconds, until one is `wanted` or the socket closes."""
        came: list[Message] = []
        with trio.move_on_after(seconds), suppress(ExchangeError):
            while len(came) < MOST_UNASKED:
                came.append(await self._next_message())
                if wanted is not None and wanted(came[-1]):
                    break
        return came

    async def ping(self) -> float:
        """Milliseconds until a ping is answered, with the same bytes. Raises ExchangeError."""
        payload = secrets.token_bytes(8)
        await self._ask(Ping(payload=payload))
        with self._deadline("no pong"):
            while True:
                event = await self._next_event()
                if isinstance(event, Pong):
                    if event.payload == payload:
                        return milliseconds_since(self.sent)
                    raise ExchangeError("the pong has other bytes than the ping", _REPORT_IT)
                if self._message(event) is not None:
                    self._drop()

    async def close(self) -> Answer[int]:
        """Says goodbye; the code with which the tracker agrees, and after how long. Raises ExchangeError."""
        await self._ask(CloseConnection(code=CloseReason.NORMAL_CLOSURE))
        with self._deadline("no reply to the close"):
            while True:
                event = await self._next_event(closing=True)
                if isinstance(event, CloseConnection):
                    took = milliseconds_since(self.sent)
                    await self.abandon()
                    return Answer(int(event.code), took)

    async def abandon(self) -> None:
        """Closes the connection without a word."""
        self.closed = self.closed or "the socket was closed by this test"
        if self._stream is not None:
            await trio.aclose_forcefully(self._stream)

    # ------------------------------------------------------------ sending

    async def _ask(self, event: Event) -> None:
        """Sends what will be answered."""
        self.sent = trio.current_time()
        await self._write(event)

    async def _write(self, event: Event) -> None:
        """Sends a frame, or the request for the upgrade."""
        assert self._stream is not None
        with self._deadline("what was sent was not taken"):
            try:
                await self._stream.send_all(self._protocol.send(event))
            except LocalProtocolError:
                raise ExchangeError(self.closed or "the socket is closed") from None
            except (trio.BrokenResourceError, trio.ClosedResourceError):
                pass  # what was said before the connection was closed can still be read

    @contextmanager
    def _deadline(self, text: str, advice: str = "") -> Iterator[None]:
        """`text`: what has not happened when the time is over."""
        try:
            with trio.fail_after(self.place.timeout):
                yield
        except trio.TooSlowError:
            raise ExchangeError(f"{text} within {self.place.timeout:g} s", advice) from None

    # ------------------------------------------------------------ receiving

    async def _next_message(self) -> Message:
        while True:
            message = self._message(await self._next_event())
            if message is not None:
                return message

    def _drop(self) -> None:
        """Counts a message that nobody waits for."""
        self._unasked += 1
        if self._unasked > MOST_UNASKED:
            raise ExchangeError(f"more than {MOST_UNASKED} messages came that nobody had asked for", _REPORT_IT)

    def _message(self, event: Event) -> Message | None:
        """The message that an event completes."""
        if not isinstance(event, TextMessage | BytesMessage):
            return None
        self._data += event.data.encode() if isinstance(event, TextMessage) else event.data
        if len(self._data) > LARGEST_MESSAGE:
            raise ExchangeError(f"a message is larger than {LARGEST_MESSAGE >> 20} MiB", _REPORT_IT)
        if not event.message_finished:
            return None
        data, self._data = bytes(self._data), bytearray()
        return _decode(data)

    async def _next_event(self, *, closing: bool = False) -> Event:
        """What comes next. A ping is answered before; a close is an error unless `closing`."""
        while True:
            event = self._read_event()
            if isinstance(event, Ping) and not closing:
                await self._write(event.response())
            elif isinstance(event, CloseConnection) and not closing:
                raise self._ended(event)
            elif event is not None:
                return event
            else:
                self._protocol.receive_data(await self._read() or None)

    def _read_event(self) -> Event | None:
        if self.closed:
            raise ExchangeError(self.closed)
        try:
            return next(self._protocol.events(), None)
        except RemoteProtocolError as error:
            raise self._ended(CloseConnection(code=1002, reason=str(error))) from None

    def _ended(self, event: CloseConnection) -> ExchangeError:
        """What a close means: wsproto tells of a broken rule, and of the end of the connection, in the same way."""
        reason = printable(event.reason or "")
        if self._protocol.state is ConnectionState.REMOTE_CLOSING:
            said = f", saying “{reason}”" if reason else ""
            self.closed = f"the tracker closed the socket with code {int(event.code)}{said}"
        elif event.code == CloseReason.ABNORMAL_CLOSURE:
            self.closed = "the tracker closed the connection without closing the socket"
        else:
            self.closed = f"the frames break RFC 6455: {reason}"
        return ExchangeError(self.closed)

    async def _read(self) -> bytes:
        """Some bytes; none at the end of the connection, whatever ended it."""
        assert self._stream is not None
        try:
            return bytes(await self._stream.receive_some(65536))
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            return b""


def _decode(data: bytes) -> Message:
    """Reads a message."""
    try:
        message = msgspec.json.decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        message = None
    if not isinstance(message, dict):
        beginning = printable(data[:LONGEST_START].decode(errors="replace"))
        raise ExchangeError(f"a message is no JSON object and clients drop it: “{beginning}”", _NOT_JSON)
    return message
