"""One connection once it is open: a request, and then a page or a WebSocket (websocket.py).

await serve_connection(service, stream, peer)
"""

from __future__ import annotations

import h11
import trio
from thalweg_common.web import connection
from thalweg_common.web.connection import Opened
from thalweg_common.web.head import HeadReader, Refused
from thalweg_common.web.pages import Page, as_bytes
from thalweg_common.web.streams import RECEIVE_SIZE, last_words
from thalweg_common.web.tls import TlsFiles

from thalweg_ws import pages
from thalweg_ws.routes import Request, Upgraded, respond
from thalweg_ws.service import Service
from thalweg_ws.websocket import WebSocket


async def serve_connection(
    service: Service, stream: trio.abc.Stream, peer: bytes, initial: bytes = b"", *, tls: TlsFiles | None = None
) -> None:
    """Serves a connection and closes it. Raises nothing; arguments as in thalweg_common.web.connection."""

    async def serve(opened: Opened) -> str:
        return await _serve(service, opened)

    await connection.serve_connection(service, serve, stream, peer, initial, tls=tls)


async def _serve(service: Service, opened: Opened) -> str:
    """One request; why the connection is over afterwards."""
    reader = HeadReader()
    http = h11.Connection(h11.SERVER)
    request: Request | None = None
    refused = ""
    with service.ended_when_stopping(service.max_request_time) as reading:
        try:
            request = await _read_request(service, opened, reader, http)
        except Refused as error:
            refused = error.reason
    if reading.cancelled_caught:
        if service.stopping or not reader.buffer:
            return "stopping" if service.stopping else "request_time"
        refused = "timeout"
    if refused:
        return await _refuse(service, opened.stream, opened.address, refused)
    if request is None:
        return "ended"
    reply = respond(service, request)
    if isinstance(reply, Page):
        await last_words(opened.stream, as_bytes(reply, http, method=request.method))
        return "ended"
    return await _serve_websocket(service, opened, reply, bytes(reader.buffer))


async def _read_request(service: Service, opened: Opened, reader: HeadReader, http: h11.Connection) -> Request | None:
    """None: nothing was asked. Refused: no HTTP, or too large."""
    while (head := reader.next_head_untrusted()) is None:
        data = await opened.stream.receive_some(RECEIVE_SIZE)
        if not data:
            if reader.buffer:
                raise Refused("malformed")
            return None
        service.counters.received_bytes[_family(opened.address)] += len(data)
        reader.feed(data)
    try:
        http.receive_data(head)
        asked = http.next_event()
    except h11.RemoteProtocolError as error:
        raise Refused("malformed") from error
    if not isinstance(asked, h11.Request):
        raise Refused("malformed")
    return Request(
        method=asked.method,
        target=asked.target,
        version=asked.http_version,
        headers=asked.headers,
        head=head,
        address=opened.address,
        from_proxy=opened.from_proxy,
        secure=opened.secure,
    )


async def _serve_websocket(service: Service, opened: Opened, upgraded: Upgraded, rest: bytes) -> str:
    """`rest`: what came behind the request. A client that a proxy named in a header is counted from here on."""
    address = upgraded.address
    named = address != opened.address and address not in service.trusted
    if named and not service.connections.enter_address(address):
        service.counters.refused["address_connections"] += 1
        return await _refuse(service, opened.stream, address, "busy")
    try:
        return await WebSocket(service, opened.stream, upgraded.protocol, address).serve(upgraded.accepted, rest)
    finally:
        if named:
            service.connections.leave_address(address)


async def _refuse(service: Service, stream: trio.abc.Stream, address: bytes, reason: str) -> str:
    service.counters.of(address).count_error(reason)
    await last_words(stream, as_bytes(pages.error(reason)))
    return "request_time" if reason == "timeout" else "refused" if reason == "busy" else "ended"


def _family(address: bytes) -> int:
    return 4 if len(address) == 4 else 6
