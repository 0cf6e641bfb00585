"""Where to listen on this machine, and under which addresses others reach it."""

from __future__ import annotations

import errno
import fcntl
import socket
import struct
import sys
from collections.abc import Collection, Sequence
from contextlib import ExitStack, suppress
from itertools import count
from pathlib import Path
from typing import Literal

FIRST_PORT = 6969
"""What trackers use by tradition; the search for a free port begins there."""
PORTS_TRIED = 100
LAST_PORT = 65535

Transport = Literal["UDP", "TCP"]
_SOCKET_KINDS = {"UDP": socket.SOCK_DGRAM, "TCP": socket.SOCK_STREAM}

WILDCARDS = ("0.0.0.0", "::")

_SIOCGIFADDR = 0x8915  # Linux: the IPv4 address of an interface
_GLOBAL_SCOPE = "00"  # of /proc/net/if_inet6; link-local addresses have 20


class PortError(Exception):
    """No port to listen on; the text is one line that says what to do."""


def usable(address: str) -> bool:
    """Whether this machine can listen on `address` at all."""
    try:
        _bind(address, 0, "UDP").close()
    except OSError:
        return False
    return True


def choose_port(
    addresses: Sequence[str], wanted: int | None, transport: Transport = "UDP", given: Collection[int] = ()
) -> int:
    """A port that is free on all addresses: the wanted one (0: any), or the first one from FIRST_PORT on.

    `given`: to others, who do not listen yet. Where the wanted one is among them, it is the next one.
    """
    if wanted:
        port = next(port for port in count(wanted) if port not in given)
        if port > LAST_PORT:
            raise PortError(f"no {transport} port behind {wanted} for another service; choose a lower --port")
        return _claim(addresses, port, transport)
    for address in addresses:
        _claim([address], 0, transport)  # what is wrong with an address is wrong with every port
    candidates = range(FIRST_PORT, FIRST_PORT + PORTS_TRIED) if wanted is None else [0] * PORTS_TRIED
    for candidate in candidates:
        with suppress(PortError):
            port = _claim(addresses, candidate, transport) if candidate not in given else candidate
            if port not in given:
                return port
    raise PortError(
        f"no free {transport} port from {FIRST_PORT} to {FIRST_PORT + PORTS_TRIED - 1}; name one with --port"
    )


def _claim(addresses: Sequence[str], port: int, transport: Transport) -> int:
    """Binds the port on all addresses and lets it go; the first address decides what becomes of port 0."""
    with ExitStack() as sockets:
        for address in addresses:
            try:
                bound = sockets.enter_context(_bind(address, port, transport))
            except OSError as error:
                raise PortError(f"cannot listen on {address}, {transport} port {port}: {_reason(error)}") from None
            port = bound.getsockname()[1]
    return port


def _reason(error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return "it is taken; choose another one with --port"
    if error.errno == errno.EACCES:
        return "ports below 1024 need privileges; choose another one with --port"
    return f"{error.strerror}; choose another address with --bind"


def _bind(address: str, port: int, transport: Transport) -> socket.socket:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    bound = socket.socket(family, _SOCKET_KINDS[transport])
    try:
        if transport == "TCP":  # as services do: connections of a former one do not hold the port
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            bound.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        bound.bind((address, port))
        if transport == "TCP":
            bound.listen(1)
    except OSError:
        bound.close()
        raise
    return bound


def machine_addresses() -> list[str]:
    """The machine's own addresses but loopback and link-local ones: IPv4 first. Empty where they cannot be read."""
    return [*_ipv4_addresses(), *_ipv6_addresses()] if sys.platform == "linux" else []


def _ipv4_addresses() -> list[str]:
    found = []
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asked:
        for _, interface in socket.if_nameindex():
            try:
                record = fcntl.ioctl(asked, _SIOCGIFADDR, struct.pack("256s", interface.encode()))
            except OSError:
                continue  # an interface without an IPv4 address
            found.append(socket.inet_ntoa(record[20:24]))
    return [address for address in found if not address.startswith(("127.", "169.254."))]


def _ipv6_addresses() -> list[str]:
    table = Path("/proc/net/if_inet6")
    rows = [line.split() for line in table.read_text().splitlines()] if table.exists() else []
    return [socket.inet_ntop(socket.AF_INET6, bytes.fromhex(row[0])) for row in rows if row[3] == _GLOBAL_SCOPE]


def reachable_as(address: str) -> list[str]:
    """The addresses to tell people for a listening address: a wildcard stands for loopback and all of the machine."""
    if address not in WILDCARDS:
        return [address]
    ipv6 = address == "::"
    return ["::1" if ipv6 else "127.0.0.1", *(own for own in machine_addresses() if (":" in own) == ipv6)]
