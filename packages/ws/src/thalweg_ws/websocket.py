"""A WebSocket from its first frame to its last (RFC 6455): frames to messages, messages to frames, pings, closing.

    reader: bytes → wsproto → messages → Service.take_message
    writer: Outbox → bytes, pings while nothing comes, the end

The two never wait for one another: a client that does not read its messages still has its own taken, until the time
for taking a write is over.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Literal

import trio
from thalweg_common.web.streams import GOODBYE_SECONDS, LINGER_SECONDS, RECEIVE_SIZE, send_eof
from wsproto import WSConnection
from wsproto.connection import ConnectionState
from wsproto.events import BytesMessage, CloseConnection, Event, Ping, TextMessage
from wsproto.frame_protocol import CloseReason

from thalweg_ws.outbox import Kind, Outbox, Waiting
from thalweg_ws.service import Service

SEND_TOGETHER = 65_536  # bytes

Reason = Literal["client", "ended", "broken", "protocol", "too_big", "internal", "idle", "write_time", "stopping"]
"""Why it is over, of counters.CLOSE_REASONS."""


class WebSocket:
    """Serves one WebSocket."""

    def __init__(self, service: Service, stream: trio.abc.Stream, protocol: WSConnection, address: bytes) -> None:
        """`protocol`: has accepted. `address`: the client's, 4 or 16 bytes."""
        self._service = service
        self._stream = stream
        self._protocol = protocol
        self._address = address
        self._ip_version = 4 if len(address) == 4 else 6
        self._family = service.counters.of(address)
        self._outbox = Outbox(service.config.limits.max_queued_bytes)
        self._message = bytearray()
        self._frame_size = 0
        self._reason: Reason = "ended"
        self._closing = False
        """No more frames but those that are in the outbox."""
        self._last_sign = trio.current_time()
        self._next_ping = self._last_sign + service.config.cleaning.ping_interval
        self._scope = trio.CancelScope()
        self._sender = service.enter(self)

    async def serve(self, accepted: bytes, rest: bytes) -> str:
        """Until it is over; why it is. `accepted`: the reply to the upgrade; `rest`: what came behind that request."""
        self._family.sockets += 1
        try:
            self._put("control", accepted)
            with self._scope:
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(self._write_all)
                    await self._read_all(rest)
        finally:
            self._family.sockets -= 1
            self._service.queued_bytes -= self._outbox.size
            self._service.leave(self._sender)
        with trio.move_on_after(GOODBYE_SECONDS), suppress(trio.BrokenResourceError):
            await self._stream.aclose()
        return self._reason

    def send_message(self, kind: Kind, text: bytes) -> None:
        """Queues a message for the client, or counts it as dropped."""
        if self._closing:
            reason = "gone" if kind in ("offer", "answer") else "queue"
            self._service.counters.dropped[kind, reason] += 1
            return
        self._put(kind, self._protocol.send(TextMessage(data=text.decode())))

    def close(self, code: int, reason: Reason) -> None:
        """Tells the client that this is the end; it has a moment to agree."""
        if not self._closing:
            self._reason = reason
            self._put("control", self._protocol.send(CloseConnection(code=code)))
            self._end_output()

    def _put(self, kind: Kind, frame: bytes) -> None:
        before = self._outbox.size
        dropped = self._outbox.put(kind, frame)
        self._service.queued_bytes += self._outbox.size - before
        for lost in dropped:
            self._service.counters.dropped[lost, "queue"] += 1

    def _end_output(self) -> None:
        self._closing = True
        self._outbox.close()

    def _end_now(self, reason: Reason) -> None:
        """Without a word: nobody listens."""
        if not self._closing:
            self._reason = reason
        self._closing = True
        self._scope.cancel()

    # ------------------------------------------------------------ reading

    async def _read_all(self, data: bytes) -> None:
        """Until the client has closed, or agreed to our closing. What else comes meanwhile is thrown away."""
        try:
            while True:
                if self._closing and self._is_agreed(data):
                    break
                if data and not self._closing:
                    self._take(data)
                data = bytes(await self._stream.receive_some(RECEIVE_SIZE))
                if not data:
                    break
                self._last_sign = trio.current_time()
                self._service.counters.received_bytes[self._ip_version] += len(data)
        except trio.BrokenResourceError:
            self._end_now("broken")
        if not self._closing:
            self._end_output()

    def _is_agreed(self, data: bytes) -> bool:
        """Whether the client closes as we do. Not looked for where its frames cannot be read any more."""
        if not data or self._reason == "protocol" or self._protocol.state is not ConnectionState.LOCAL_CLOSING:
            return False
        self._protocol.receive_data(data)
        return any(isinstance(event, CloseConnection) for event in self._protocol.events())

    def _take(self, data: bytes) -> None:
        self._protocol.receive_data(data)
        for event in self._protocol.events():
            self._take_event(event)
            if self._closing:
                return

    def _take_event(self, event: Event) -> None:
        if isinstance(event, TextMessage):
            self._take_part(event.data.encode(), event.frame_finished, event.message_finished)
        elif isinstance(event, BytesMessage):
            self._take_part(event.data, event.frame_finished, event.message_finished)
        elif isinstance(event, Ping):
            self._put("control", self._protocol.send(event.response()))
        elif isinstance(event, CloseConnection):
            # wsproto tells of a broken rule as of a close with that code, but does not think itself closed.
            self._reason = "client" if self._protocol.state is ConnectionState.REMOTE_CLOSING else "protocol"
            self._put("control", self._protocol.send(event.response()))
            self._end_output()

    def _take_part(self, data: bytes | bytearray, frame_finished: bool, message_finished: bool) -> None:
        network = self._service.config.network
        self._message += data
        self._frame_size += len(data)
        if self._frame_size > network.websocket_max_frame_size or (
            len(self._message) > network.websocket_max_message_size
        ):
            self.close(CloseReason.MESSAGE_TOO_BIG, "too_big")
            return
        if frame_finished:
            self._frame_size = 0
        if message_finished:
            message, self._message = bytes(self._message), bytearray()
            self._take_message(message)

    def _take_message(self, message: bytes) -> None:
        try:
            self._service.take_message(self._sender, self._address, message)
        except Exception as error:
            self._service.log.error("a message failed", reason=repr(error))
            self.close(CloseReason.INTERNAL_ERROR, "internal")

    # ------------------------------------------------------------ writing

    async def _write_all(self) -> None:
        """Sends what is in the outbox until that is closed and empty; then the client has a moment to close."""
        try:
            while True:
                with trio.move_on_at(self._next_ping) as waiting:
                    taken = await self._outbox.take(SEND_TOGETHER)
                if waiting.cancelled_caught:
                    self._ping()
                elif not taken:
                    break
                elif not await self._send(taken):
                    return
            if self._protocol.state is ConnectionState.CLOSED:
                self._scope.cancel()
            else:
                self._scope.deadline = trio.current_time() + LINGER_SECONDS
                await send_eof(self._stream)
        except trio.BrokenResourceError:
            self._end_now("broken")

    async def _send(self, taken: list[Waiting]) -> bool:
        """False: the client did not take it in time, and the connection is over."""
        data = b"".join([waiting.frame for waiting in taken])
        with trio.move_on_after(self._service.config.cleaning.max_write_time) as sending:
            await self._stream.send_all(data)
        if sending.cancelled_caught:
            self._end_now("write_time")
            return False
        self._service.counters.sent_bytes[self._ip_version] += len(data)
        for waiting in taken:
            self._family.count_sent(waiting.kind)
        before = self._outbox.size
        self._outbox.done()
        self._service.queued_bytes += self._outbox.size - before
        return True

    def _ping(self) -> None:
        """A ping when nothing came for so long; the end when nothing came for much longer."""
        cleaning, now = self._service.config.cleaning, trio.current_time()
        dead_at = self._last_sign + cleaning.max_connection_idle
        if now >= dead_at:
            self._end_now("idle")
            return
        if now >= self._last_sign + cleaning.ping_interval:
            self._put("control", self._protocol.send(Ping()))
            self._next_ping = min(now + cleaning.ping_interval, dead_at)
        else:
            self._next_ping = min(self._last_sign + cleaning.ping_interval, dead_at)
