"""One connection, from its first byte to its last: PROXY protocol, TLS, then what the service does with it.

    await serve_connection(service, serve, stream, peer)

Everything has a deadline and a counter. Whoever says nothing is forgotten; whoever says it wrongly is told.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import trio
from msgspec import Struct

from thalweg_common.web.address import fold
from thalweg_common.web.proxy_protocol import BadProxyHeader, parse_proxy_header_untrusted
from thalweg_common.web.service import Refusal, StreamService
from thalweg_common.web.streams import Rewound, last_words
from thalweg_common.web.tls import TlsFiles, plain_http_in


class Opened(Struct, frozen=True):
    """A connection on which requests may come."""

    stream: trio.abc.Stream
    address: bytes
    """The client's, 4 or 16 bytes, or that of a trusted proxy which has not told it yet."""
    from_proxy: bool
    """The socket belongs to a trusted proxy that names the client in a header of each request."""
    secure: bool
    """It came over TLS."""


Serve = Callable[[Opened], Awaitable[str]]
"""Serves until the connection is over; why it is, one of the service's reasons. BrokenResourceError."""


class Ended(Exception):  # noqa: N818 - how a connection ends is no error
    """The connection is over before its first request."""

    def __init__(self, reason: str, refusal: Refusal | None = None, text: str = "") -> None:
        """`reason`: one of OPENING_REASONS. `refusal`, `text`: what the client is told."""
        super().__init__(reason)
        self.reason = reason
        self.refusal: Refusal | None = refusal
        self.text = text


async def serve_connection(
    service: StreamService,
    serve: Serve,
    stream: trio.abc.Stream,
    peer: bytes,
    initial: bytes = b"",
    *,
    source: bytes | None = None,
    counted: bool = False,
    tls: TlsFiles | None = None,
) -> None:
    """Serves a connection and closes it. Raises nothing, and counts how it ended.

    `peer`: the socket's address, 4 or 16 bytes. `initial`: bytes that were read from it already. `source`: the
    client's address, when a PROXY protocol header has been read already. `counted`: among the connections of its
    address, by the caller. `tls`: the stream speaks TLS.
    """
    reason = "broken"
    try:
        reason = await _serve(service, serve, Rewound(stream, initial), fold(peer), source, counted, tls)
    except (trio.BrokenResourceError, trio.ClosedResourceError):
        pass
    except Exception as error:
        service.log.error("a connection failed", reason=repr(error))
    finally:
        service.counters.closed[reason] += 1
        await trio.aclose_forcefully(stream)


async def _serve(
    service: StreamService,
    serve: Serve,
    stream: Rewound,
    peer: bytes,
    source: bytes | None,
    counted: bool,
    tls: TlsFiles | None,
) -> str:
    trusted = peer in service.trusted
    secured: trio.abc.Stream = stream
    address = source
    with service.ended_when_stopping(service.max_request_time) as opening:
        try:
            if address is None and trusted and service.proxy_protocol:
                address = await _read_proxy_header(stream)
            if tls is not None:
                secured = await _start_tls(stream, tls)
        except Ended as ended:
            return await _end(service, stream, peer, ended)
    if opening.cancelled_caught:
        return "stopping" if service.stopping else "request_time"
    address = fold(address or peer)
    opened = Opened(secured, address, trusted and service.reads_forwarded, tls is not None)
    if counted or address in service.trusted:
        return await serve(opened)
    if not service.connections.enter_address(address):
        service.counters.refused["address_connections"] += 1
        return await _end(service, secured, address, Ended("refused", "busy"))
    try:
        return await serve(opened)
    finally:
        service.connections.leave_address(address)


async def _read_proxy_header(stream: Rewound) -> bytes | None:
    """The client's address; None when the proxy does not name one."""
    data = await stream.peek()
    while True:
        try:
            header = parse_proxy_header_untrusted(data)
        except BadProxyHeader as error:
            raise Ended("proxy_protocol", "proxy", str(error)) from error
        if header is not None:
            stream.skip(header.size)
            return header.source
        data = await stream.peek(more=True)
        if not data:
            raise Ended("proxy_protocol" if await stream.peek() else "ended")


async def _start_tls(stream: Rewound, tls: TlsFiles) -> trio.SSLStream[Rewound]:
    first = await stream.peek()
    if plain_http_in(first):
        raise Ended("ended", "plain_on_tls_port")
    secure = trio.SSLStream(stream, tls.context, server_side=True, https_compatible=True)
    try:
        await secure.do_handshake()
    except trio.BrokenResourceError as error:
        raise Ended("tls_handshake" if first else "ended") from error
    return secure


async def _end(service: StreamService, stream: trio.abc.Stream, address: bytes, ended: Ended) -> str:
    if ended.refusal is not None:
        await last_words(stream, service.refusal(address, ended.refusal, ended.text))
    return ended.reason
