"""Listening on addresses, for every kind of socket: what may be missing, and what is said when it cannot be had."""

from __future__ import annotations

import errno
import socket

from thalweg_common.endpoints import Endpoint
from thalweg_common.log import Log

_REASONS = {
    errno.EADDRINUSE: "the port is in use; stop the other program or choose another port",
    errno.EADDRNOTAVAIL: "no interface of this host has the address",
    errno.EACCES: "not permitted; ports below 1024 need root or the capability NET_BIND_SERVICE",
    errno.EAFNOSUPPORT: "this host has no IPv6; set network.use_ipv6 = false",
}


class BindError(Exception):
    """An address that cannot be listened on; the text is one line for the operator."""


def cannot_listen(endpoint: Endpoint, error: OSError) -> BindError:
    """What the kernel refused, with what to do about it."""
    return BindError(f"cannot listen on {endpoint}: {_REASONS.get(error.errno or 0, error.strerror)}")


def listenable(endpoints: list[Endpoint], log: Log) -> list[Endpoint]:
    """The endpoints without an IPv6 wildcard that this host cannot have; it is missed with a warning."""
    missing = [endpoint for endpoint in endpoints if may_be_missing(endpoint, endpoints) and not ipv6_available()]
    for endpoint in missing:
        log.warn("no IPv6 on this host, serving IPv4 alone", address=str(endpoint))
    return [endpoint for endpoint in endpoints if endpoint not in missing]


def ipv6_available() -> bool:
    """Whether this host can bind IPv6 addresses at all."""
    try:
        with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as probe:
            probe.bind(("::", 0))
    except OSError:
        return False
    return True


def may_be_missing(endpoint: Endpoint, endpoints: list[Endpoint]) -> bool:
    """Whether a service without this one of its endpoints still serves: the IPv6 wildcard beside IPv4."""
    has_ipv4 = any(other.ip_version == 4 for other in endpoints)
    return endpoint.ip_version == 6 and endpoint.is_wildcard and has_ipv4


def keeps_to_ipv6(endpoint: Endpoint, endpoints: list[Endpoint], only_ipv6: bool) -> bool:
    """IPv4 of a port belongs to the IPv4 socket where there is one, whatever the option says."""
    return only_ipv6 or any(other.ip_version == 4 and other.port == endpoint.port for other in endpoints)


def set_only_ipv6(sock: socket.socket, only_ipv6: bool) -> None:
    """Whether an IPv6 socket leaves IPv4 alone; nothing for others. Before it is bound."""
    if sock.family == socket.AF_INET6:
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, only_ipv6)
