"""`thalweg-http --health`: asks the running service the way a client would.

For every address of the configuration, plain or TLS: announce, scrape, and a stopped announce that takes the trace
away again. A service whose access list denies the random info hash says so, and is just as
healthy. The certificate is not judged: here it is asked for by an address, and its end is in the metrics and the log.
"""

from __future__ import annotations

import os
import socket
import time
from urllib.parse import quote_from_bytes

from thalweg_common.web.health import check_addresses, connect, forwarded_header

from thalweg_http.config import HttpConfig, NetworkConfig

TIMEOUT = 2.0  # seconds for everything together
PEER_ID = "-TW0000-health-check"
DISCARD_PORT = 9  # a port where no peer is


def check_health(config: HttpConfig) -> str:
    """One line about a healthy service; Unhealthy with one line otherwise."""
    deadline = time.monotonic() + TIMEOUT

    def ask(address: tuple[str, int], secure: bool) -> None:
        _ask(config, address, secure, deadline)

    return check_addresses(config.network, ("http", "https"), ask)


def _ask(config: HttpConfig, address: tuple[str, int], secure: bool, deadline: float) -> None:
    info_hash = quote_from_bytes(os.urandom(20), safe="")
    announce = f"/announce?info_hash={info_hash}&peer_id={PEER_ID}&port={DISCARD_PORT}&left=1&numwant=0"
    for target, expected in (
        (f"{announce}&event=started", b"8:intervali"),
        (f"/scrape?info_hash={info_hash}", b"5:files"),
        (f"{announce}&event=stopped", b"8:intervali"),
    ):
        with connect(address, secure, config.network, deadline) as connection:
            body = _get(connection, target, config.network)
        failed = body.startswith(b"d14:failure reason")
        if failed and config.access_list.mode != "off":
            return
        if failed or expected not in body:
            raise ValueError(f"unexpected reply {body[:100].decode('latin-1')!a}")


def _get(connection: socket.socket, target: str, network: NetworkConfig) -> bytes:
    """The body of a reply with status 200; ValueError for another."""
    lines = [f"GET {target} HTTP/1.1", "Host: localhost", "Connection: close"]
    for name, value in forwarded_header(network, connection.getsockname()[0]):
        lines.append(f"{name.decode()}: {value.decode()}")
    connection.sendall("\r\n".join([*lines, "", ""]).encode())
    reply = b""
    while data := connection.recv(65536):
        reply += data
    head, _, body = reply.partition(b"\r\n\r\n")
    if not head.startswith(b"HTTP/1.1 200 "):
        raise ValueError(f"unexpected reply {head[:100].decode('latin-1')!a}")
    return body
