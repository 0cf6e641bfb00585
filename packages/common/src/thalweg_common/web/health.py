"""Asking a running service over TCP whether it is well: every address of its configuration, as a client would.

The certificate is not judged: here it is asked for by an address, and its end is in the metrics and the log.
"""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Callable

from thalweg_common.binding import ipv6_available, may_be_missing
from thalweg_common.command import Unhealthy
from thalweg_common.config import ConfigError, reason_of
from thalweg_common.web.config import StreamConfig, plain_endpoints, tls_endpoints

Ask = Callable[[tuple[str, int], bool], None]
"""Asks at an address, with TLS or without; OSError or ValueError when the answer is none."""


def check_addresses(network: StreamConfig, schemes: tuple[str, str], ask: Ask) -> str:
    """One line about a healthy service; Unhealthy with one line otherwise. `schemes`: without TLS and with it."""
    wanted = [(endpoint, False) for endpoint in plain_endpoints(network)]
    wanted += [(endpoint, True) for endpoint in tls_endpoints(network)]
    endpoints = [endpoint for endpoint, _ in wanted]
    if any(endpoint.port == 0 for endpoint in endpoints):
        raise ConfigError("network: expected fixed ports, port 0 can be anywhere")
    healthy = []
    for endpoint, secure in wanted:
        if may_be_missing(endpoint, endpoints) and not ipv6_available():
            continue
        url = f"{schemes[secure]}://{endpoint}"
        try:
            ask(endpoint.reachable_here(), secure)
        except (OSError, ValueError) as error:
            raise Unhealthy(f"{url}: {reason_of(error)}") from error
        healthy.append(url)
    return "healthy: " + ", ".join(healthy)


def connect(address: tuple[str, int], secure: bool, network: StreamConfig, deadline: float) -> socket.socket:
    """A connection on which a request may be sent. `deadline`: of everything, monotonic seconds."""
    connection = socket.create_connection(address, timeout=max(0.01, deadline - time.monotonic()))
    if network.proxy_protocol:
        connection.sendall(b"PROXY UNKNOWN\r\n")
    if not secure:
        return connection
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context.wrap_socket(connection)


def forwarded_header(network: StreamConfig, address: str) -> list[tuple[bytes, bytes]]:
    """What a proxy in front would add to a request of this address."""
    if not network.runs_behind_reverse_proxy:
        return []
    name = network.reverse_proxy_ip_header_name
    value = f'for="[{address}]"' if name.lower() == "forwarded" else address
    return [(name.encode(), value.encode())]
