"""`thalweg-http --health`: asks the running service the way a client would.

For every address of the configuration, plain or TLS: announce, scrape, and a stopped announce that takes the trace
away again. A service whose access list denies the random info hash says so, and is just as
healthy. The certificate is not judged: here it is asked for by an address, and its end is in the metrics and the log.
"""

from __future__ import annotations

import os
import socket
import ssl
import time
from urllib.parse import quote_from_bytes

from thalweg_common.binding import ipv6_available, may_be_missing
from thalweg_common.config import ConfigError, reason_of
from thalweg_common.endpoints import Endpoint
from thalweg_common.web.config import plain_endpoints, tls_endpoints

from thalweg_http.config import HttpConfig, NetworkConfig

TIMEOUT = 2.0  # seconds for everything together
PEER_ID = "-TW0000-health-check"
DISCARD_PORT = 9  # a port where no peer is


class Unhealthy(Exception):  # noqa: N818 - a finding, not an error
    """The service does not answer as it should; the text says how."""


def check_health(config: HttpConfig) -> str:
    """One line about a healthy service; Unhealthy with one line otherwise."""
    deadline = time.monotonic() + TIMEOUT
    wanted = [(endpoint, "http") for endpoint in plain_endpoints(config.network)]
    wanted += [(endpoint, "https") for endpoint in tls_endpoints(config.network)]
    endpoints = [endpoint for endpoint, _ in wanted]
    if any(endpoint.port == 0 for endpoint in endpoints):
        raise ConfigError("network: expected fixed ports, port 0 can be anywhere")
    healthy = []
    for endpoint, scheme in wanted:
        if may_be_missing(endpoint, endpoints) and not ipv6_available():
            continue
        url = f"{scheme}://{endpoint}"
        try:
            _ask(config, endpoint, scheme == "https", deadline)
        except (OSError, ValueError) as error:
            raise Unhealthy(f"{url}: {reason_of(error)}") from error
        healthy.append(url)
    return "healthy: " + ", ".join(healthy)


def _ask(config: HttpConfig, endpoint: Endpoint, secure: bool, deadline: float) -> None:
    info_hash = quote_from_bytes(os.urandom(20), safe="")
    announce = f"/announce?info_hash={info_hash}&peer_id={PEER_ID}&port={DISCARD_PORT}&left=1&numwant=0"
    for target, expected in (
        (f"{announce}&event=started", b"8:intervali"),
        (f"/scrape?info_hash={info_hash}", b"5:files"),
        (f"{announce}&event=stopped", b"8:intervali"),
    ):
        with _connect(config.network, endpoint, secure, deadline) as connection:
            body = _get(connection, target, config.network)
        failed = body.startswith(b"d14:failure reason")
        if failed and config.access_list.mode != "off":
            return
        if failed or expected not in body:
            raise ValueError(f"unexpected reply {body[:100].decode('latin-1')!a}")


def _connect(network: NetworkConfig, endpoint: Endpoint, secure: bool, deadline: float) -> socket.socket:
    connection = socket.create_connection(endpoint.reachable_here(), timeout=max(0.01, deadline - time.monotonic()))
    if network.proxy_protocol:
        connection.sendall(b"PROXY UNKNOWN\r\n")
    if not secure:
        return connection
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context.wrap_socket(connection)


def _get(connection: socket.socket, target: str, network: NetworkConfig) -> bytes:
    """The body of a reply with status 200; ValueError for another."""
    lines = [f"GET {target} HTTP/1.1", "Host: localhost", "Connection: close"]
    if network.runs_behind_reverse_proxy:
        name = network.reverse_proxy_ip_header_name
        value = connection.getsockname()[0]
        lines.append(f'{name}: for="[{value}]"' if name.lower() == "forwarded" else f"{name}: {value}")
    connection.sendall("\r\n".join([*lines, "", ""]).encode())
    reply = b""
    while data := connection.recv(65536):
        reply += data
    head, _, body = reply.partition(b"\r\n\r\n")
    if not head.startswith(b"HTTP/1.1 200 "):
        raise ValueError(f"unexpected reply {head[:100].decode('latin-1')!a}")
    return body
