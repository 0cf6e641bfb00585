"""The PROXY protocol, versions 1 and 2: a proxy tells whose connection it passes on, before anything else.

    v1: PROXY TCP4 198.51.100.7 203.0.113.1 56324 443\\r\\n
    v2: 12 bytes of signature, version and command, family, length, then addresses and options

Pure: bytes in; complete, incomplete or broken out. Only called for connections of trusted proxies, and still nothing
in these bytes may do harm. https://www.haproxy.org/download/2.9/doc/proxy-protocol.txt
"""

from __future__ import annotations

import re
import socket

from msgspec import Struct

V1_MAX = 107  # bytes, the line end included
V2_SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
V2_HEADER = 16
V2_MAX = 4096  # bytes of addresses and options we are ready to read; the specification's own examples have < 1000

_LOCAL, _PROXY = 0, 1
_ADDRESS_SIZES = {1: (4, 12), 2: (16, 36)}  # family: bytes of one address, of both with their ports
_V1_FAMILIES = {b"TCP4": socket.AF_INET, b"TCP6": socket.AF_INET6}
_V1_PORT = re.compile(rb"0|[1-9][0-9]{0,4}")


class BadProxyHeader(Exception):  # noqa: N818 - what a proxy sent, not a fault of ours
    """Bytes that are no PROXY protocol header; the text says why."""


class ProxyHeader(Struct, frozen=True):
    """A complete header."""

    size: int
    """Bytes it took."""
    source: bytes | None
    """The client's address, 4 or 16 bytes. None: the proxy speaks for itself (LOCAL), or does not know."""


def parse_proxy_header_untrusted(data: bytes) -> ProxyHeader | None:
    """The header at the beginning; None when more bytes are needed; BadProxyHeader when it is none."""
    if data.startswith(V2_SIGNATURE[: len(data)]):
        return _parse_v2(data) if len(data) >= V2_HEADER else None
    if data.startswith(b"PROXY "[: len(data)]):
        return _parse_v1(data)
    raise BadProxyHeader("neither version of the PROXY protocol")


def _parse_v1(data: bytes) -> ProxyHeader | None:
    line, newline, _ = data[:V1_MAX].partition(b"\r\n")
    if not newline:
        if len(data) >= V1_MAX:
            raise BadProxyHeader("the line never ends")
        return None
    words = line.split(b" ")
    size = len(line) + 2
    if words[1:2] == [b"UNKNOWN"]:
        return ProxyHeader(size, None)
    if len(words) != 6 or words[1] not in _V1_FAMILIES:
        raise BadProxyHeader("not six words")
    source, _ = (_v1_address(word, _V1_FAMILIES[words[1]]) for word in words[2:4])
    if not all(_V1_PORT.fullmatch(word) and int(word) < 65536 for word in words[4:]):
        raise BadProxyHeader("not a port")
    return ProxyHeader(size, source)


def _v1_address(word: bytes, family: socket.AddressFamily) -> bytes:
    try:
        return socket.inet_pton(family, word.decode("ascii"))
    except (OSError, ValueError) as error:
        raise BadProxyHeader("not an address") from error


def _parse_v2(data: bytes) -> ProxyHeader | None:
    version, command = data[12] >> 4, data[12] & 15
    family, length = data[13] >> 4, int.from_bytes(data[14:16], "big")
    if version != 2 or command not in (_LOCAL, _PROXY):
        raise BadProxyHeader("another version or command")
    if length > V2_MAX:
        raise BadProxyHeader("too long")
    size = V2_HEADER + length
    if len(data) < size:
        return None
    if command == _LOCAL or family not in _ADDRESS_SIZES:  # UNSPEC and unix sockets: nobody to name
        return ProxyHeader(size, None)
    address_size, needed = _ADDRESS_SIZES[family]
    if length < needed:
        raise BadProxyHeader("too short for its addresses")
    return ProxyHeader(size, data[V2_HEADER : V2_HEADER + address_size])
