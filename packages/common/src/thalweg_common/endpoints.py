"""Addresses to listen on, as written in configuration: `0.0.0.0:3000`, `[::]:3000`."""

from __future__ import annotations

import socket
from typing import NamedTuple

WILDCARDS = {4: "0.0.0.0", 6: "::"}
LOOPBACKS = {4: "127.0.0.1", 6: "::1"}


class Endpoint(NamedTuple):
    """A numeric address and a port; port 0 leaves the choice to the system."""

    host: str
    port: int
    ip_version: int

    def __str__(self) -> str:
        """As configuration and URLs write it, IPv6 in brackets."""
        host = self.host if self.ip_version == 4 else f"[{self.host}]"
        return f"{host}:{self.port}"

    @property
    def is_wildcard(self) -> bool:
        """Whether it stands for every address of its family on this host."""
        return self.host == WILDCARDS[self.ip_version]

    @property
    def family(self) -> socket.AddressFamily:
        """AF_INET or AF_INET6."""
        return socket.AF_INET if self.ip_version == 4 else socket.AF_INET6

    def reachable_here(self) -> tuple[str, int]:
        """Where a program on this host reaches it: loopback stands for a wildcard."""
        return (LOOPBACKS[self.ip_version] if self.is_wildcard else self.host), self.port


def parse_endpoint(text: str) -> Endpoint:
    """An endpoint from its text; ValueError when it is not one. Names are not resolved."""
    host, colon, port = text.rpartition(":")
    bracketed = host.startswith("[") and host.endswith("]")
    if not (colon and port.isascii() and port.isdigit() and int(port) < 65536) or (":" in host and not bracketed):
        raise ValueError(text)
    version = 6 if bracketed else 4
    return Endpoint(_canonical(host[1:-1] if bracketed else host, version), int(port), version)


def _canonical(host: str, version: int) -> str:
    """The address in its shortest spelling, so that equal addresses are equal texts."""
    family = socket.AF_INET if version == 4 else socket.AF_INET6
    try:
        return socket.inet_ntop(family, socket.inet_pton(family, host))
    except OSError as error:
        raise ValueError(host) from error


def is_endpoint(text: str) -> bool:
    """Whether the text is an address and a port."""
    return _endpoint_version(text) is not None


def is_endpoint4(text: str) -> bool:
    """Whether the text is an IPv4 address and a port."""
    return _endpoint_version(text) == 4


def is_endpoint6(text: str) -> bool:
    """Whether the text is an IPv6 address in brackets and a port."""
    return _endpoint_version(text) == 6


def _endpoint_version(text: str) -> int | None:
    try:
        return parse_endpoint(text).ip_version
    except ValueError:
        return None
