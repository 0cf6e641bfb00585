"""One connection, from its first byte to its last: PROXY protocol, TLS, then requests and replies (requests.py).

    await serve_connection(service, stream, peer)

Everything has a deadline and a counter. Whoever says nothing is forgotten; whoever says it wrongly is told.
"""

from __future__ import annotations

import trio

from thalweg_http import pages
from thalweg_http.address import fold
from thalweg_http.answer import Answer, failure
from thalweg_http.pages import Page
from thalweg_http.proxy_protocol import BadProxyHeader, parse_proxy_header_untrusted
from thalweg_http.requests import Requests, last_words
from thalweg_http.service import Service
from thalweg_http.streams import Rewound
from thalweg_http.tls import TlsFiles, plain_http_in


class Ended(Exception):  # noqa: N818 - how a connection ends is no error
    """The connection is over before its first request."""

    def __init__(self, reason: str, reply: Answer | Page | None = None) -> None:
        """`reason`: one of counters.CLOSE_REASONS. `reply`: what is sent before."""
        super().__init__(reason)
        self.reason = reason
        self.reply = reply


async def serve_connection(
    service: Service,
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
        reason = await _serve(service, Rewound(stream, initial), fold(peer), source, counted, tls)
    except (trio.BrokenResourceError, trio.ClosedResourceError):
        pass
    except Exception as error:
        service.log.error("a connection failed", reason=repr(error))
    finally:
        service.counters.closed[reason] += 1
        await trio.aclose_forcefully(stream)


async def _serve(
    service: Service, stream: Rewound, peer: bytes, source: bytes | None, counted: bool, tls: TlsFiles | None
) -> str:
    trusted = peer in service.trusted
    opened: trio.abc.Stream = stream
    address = source
    with service.ended_when_stopping(service.config.cleaning.max_request_time) as opening:
        try:
            if address is None and trusted and service.config.network.proxy_protocol:
                address = await _read_proxy_header(service, stream)
            if tls is not None:
                opened = await _start_tls(stream, tls)
        except Ended as ended:
            return await _end(service, stream, peer, ended)
    if opening.cancelled_caught:
        return "stopping" if service.stopping else "request_time"
    address = fold(address or peer)
    if counted or address in service.trusted:
        return await Requests(service, opened, address, trusted, tls is not None).serve()
    if not service.connections.enter_address(address):
        service.counters.refused["address_connections"] += 1
        return await _end(service, opened, address, Ended("refused", pages.error("busy")))
    try:
        return await Requests(service, opened, address, trusted, tls is not None).serve()
    finally:
        service.connections.leave_address(address)


async def _read_proxy_header(service: Service, stream: Rewound) -> bytes | None:
    """The client's address; None when the proxy does not name one."""
    data = await stream.peek()
    while True:
        try:
            header = parse_proxy_header_untrusted(data)
        except BadProxyHeader as error:
            text = f"misconfigured proxy: {error}".encode()
            raise Ended("proxy_protocol", failure(service.tracker.rules, "proxy", text)) from error
        if header is not None:
            stream.skip(header.size)
            return header.source
        data = await stream.peek(more=True)
        if not data:
            raise Ended("proxy_protocol" if await stream.peek() else "ended")


async def _start_tls(stream: Rewound, tls: TlsFiles) -> trio.SSLStream[Rewound]:
    first = await stream.peek()
    if plain_http_in(first):
        raise Ended("ended", pages.error("plain_on_tls_port"))
    secure = trio.SSLStream(stream, tls.context, server_side=True, https_compatible=True)
    try:
        await secure.do_handshake()
    except trio.BrokenResourceError as error:
        raise Ended("tls_handshake" if first else "ended") from error
    return secure


async def _end(service: Service, stream: trio.abc.Stream, address: bytes, ended: Ended) -> str:
    if ended.reply is not None:
        service.count_unasked(address, ended.reply)
        await last_words(stream, ended.reply)
    return ended.reason
