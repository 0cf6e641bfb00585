"""One connection, from its first byte to its last: opened as every service does it, then requests and replies.

await serve_connection(service, stream, peer)
"""

from __future__ import annotations

import trio
from thalweg_common.web import connection
from thalweg_common.web.connection import Opened
from thalweg_common.web.tls import TlsFiles

from thalweg_http.requests import Requests
from thalweg_http.service import Service


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
    """Serves a connection and closes it. Raises nothing; arguments as in thalweg_common.web.connection."""

    async def serve(opened: Opened) -> str:
        return await Requests(service, opened).serve()

    await connection.serve_connection(service, serve, stream, peer, initial, source=source, counted=counted, tls=tls)
