"""Requests and replies on one connection, through h11 (HTTP/1.1, RFC 9112).

Pipelined requests are answered in order and their replies are sent together. One deadline moves with what the
connection waits for: a request (idle), the rest of one (request_time), the client taking its reply (write_time).
"""

from __future__ import annotations

import h11
import trio
from thalweg_common.web.connection import Opened
from thalweg_common.web.head import HeadReader, Refused
from thalweg_common.web.pages import Page
from thalweg_common.web.streams import GOODBYE_SECONDS, RECEIVE_SIZE, last_words, linger

from thalweg_http import pages
from thalweg_http.answer import Answer
from thalweg_http.routes import Request, now_ms, respond
from thalweg_http.service import Service

SEND_TOGETHER = 65_536  # bytes of replies to pipelined requests
MAX_BODY = 65_536  # bytes of a body that nobody needs, read and forgotten


class Requests:
    """Serves the requests of one connection, one after the other."""

    def __init__(self, service: Service, opened: Opened) -> None:
        """Nothing is read yet."""
        self._service = service
        self._stream = opened.stream
        self._address = opened.address
        self._from_proxy = opened.from_proxy
        self._secure = opened.secure
        self._ip_version = 4 if len(opened.address) == 4 else 6
        self._times = service.config.cleaning
        self._input = HeadReader()
        self._output = bytearray()
        self._scope = trio.CancelScope()
        self._phase = "idle"
        self._unread = False
        """The client may still send a body that nobody waits for."""

    async def serve(self) -> str:
        """Until the connection is over; why it is (counters.CLOSE_REASONS). BrokenResourceError."""
        with self._scope:
            return await self._serve_all()
        if self._phase == "request_time" and not self._service.stopping:
            await self._refuse("timeout")
        return "stopping" if self._service.stopping else self._phase

    async def _serve_all(self) -> str:
        try:
            while (head := await self._next_head()) is not None:
                if not await self._serve_one(head):
                    break
        except Refused as refused:
            self._enter("write_time", self._times.max_write_time)
            await self._flush()
            await self._refuse(refused.reason)
            return "ended"
        await self._flush()
        await self._close()
        return "ended"

    async def _next_head(self) -> bytes | None:
        """The next request's head; None when no more will come."""
        while True:
            head = self._input.next_head_untrusted()
            if head is not None:
                if len(self._output) > SEND_TOGETHER:
                    await self._flush()
                return head
            if self._output:
                await self._flush()
            if not await self._receive(begun=bool(self._input.buffer)):
                if self._input.buffer:
                    raise Refused("malformed")  # the sending half was closed within a request
                return None

    async def _receive(self, begun: bool) -> bool:
        """More input; False at its end, or when the service stops and no request has `begun`."""
        if begun:
            if self._phase != "request_time":
                self._enter("request_time", self._times.max_request_time)
            data = await self._stream.receive_some(RECEIVE_SIZE)
        else:
            data = await self._receive_idle()
        self._service.counters.received_bytes[self._ip_version] += len(data)
        self._input.feed(data)
        return bool(data)

    async def _receive_idle(self) -> bytes:
        """The first bytes of a request; nothing when the service stops."""
        service = self._service
        if service.stopping:
            return b""
        self._enter("idle", self._times.max_connection_idle)
        service.idle.add(self._scope)
        try:
            return bytes(await self._stream.receive_some(RECEIVE_SIZE))
        finally:
            service.idle.discard(self._scope)

    async def _serve_one(self, head: bytes) -> bool:
        """Answers one request; whether another may follow."""
        http = h11.Connection(h11.SERVER)  # a new one each time: it would keep bytes that are ours to cut
        try:
            http.receive_data(head)
            asked = http.next_event()
            if not isinstance(asked, h11.Request):
                raise Refused("malformed")
            await self._skip_body(http, asked)
        except h11.RemoteProtocolError as error:
            raise Refused("malformed") from error
        self._reply(http, asked)
        return http.our_state is not h11.MUST_CLOSE

    async def _skip_body(self, http: h11.Connection, asked: h11.Request) -> None:
        """Reads to the request's end. Only GET and HEAD may have a body; it is small and nobody looks at it."""
        skipped = 0
        while True:
            event = http.next_event()
            if isinstance(event, h11.Data):
                skipped += len(event.data)
            elif event is h11.NEED_DATA:
                if asked.method not in (b"GET", b"HEAD") or http.they_are_waiting_for_100_continue:
                    return
                if not self._input.buffer and not await self._receive(begun=True):
                    raise Refused("malformed")
                http.receive_data(bytes(self._input.buffer))
                self._input = HeadReader()
            else:
                break
            if skipped > MAX_BODY:
                raise Refused("body_too_large")
        if trailing := http.trailing_data[0]:
            self._input = HeadReader(trailing + self._input.buffer)

    def _reply(self, http: h11.Connection, asked: h11.Request) -> None:
        request = Request(
            method=asked.method,
            target=asked.target,
            headers=asked.headers,
            address=self._address,
            from_proxy=self._from_proxy,
            secure=self._secure,
        )
        service = self._service
        try:
            reply: Answer | Page = respond(service, request, now_ms())
        except Exception as error:
            service.log.error("a request failed", reason=repr(error))
            reply = pages.error("internal")
            service.count_unasked(self._address, reply)
        self._unread = http.their_state is h11.SEND_BODY
        close = self._unread or service.stopping or not service.config.network.keep_alive
        self._output += pages.as_bytes(reply, http, close=close, method=asked.method)

    async def _flush(self) -> None:
        if self._output:
            self._enter("write_time", self._times.max_write_time)
            data = bytes(self._output)
            self._output.clear()
            await self._stream.send_all(data)
            self._service.counters.sent_bytes[self._ip_version] += len(data)

    async def _refuse(self, reason: str) -> None:
        """The last reply: what was wrong."""
        page = pages.error(reason)
        self._service.count_unasked(self._address, page)
        await last_words(self._stream, pages.as_bytes(page))

    async def _close(self) -> None:
        if self._unread or self._input.buffer:
            await linger(self._stream)
        with trio.move_on_after(GOODBYE_SECONDS):
            await self._stream.aclose()

    def _enter(self, phase: str, seconds: float) -> None:
        self._phase = phase
        self._scope.deadline = trio.current_time() + seconds
