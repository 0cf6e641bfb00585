"""Whose address is it: the socket's, or what a trusted proxy says.

An address is 4 or 16 bytes here; an IPv4-mapped IPv6 address is IPv4. A header from anybody but a trusted proxy is
ignored. From a trusted one it is read from the right, and the first address that is not itself a trusted proxy is
the client: what stands left of it may have been written by the client.

    X-Forwarded-For: 198.51.100.7, 203.0.113.9      addresses, with ports or in brackets where one likes
    Forwarded: for=198.51.100.7;proto=https, for="[2001:db8::1]:4711"      RFC 7239
"""

from __future__ import annotations

import socket
from collections.abc import Iterable, Sequence

MAPPED = bytes(10) + b"\xff\xff"  # ::ffff:0:0/96
MAX_ENTRIES = 32  # proxies in a row that are looked at


class BadForwarded(Exception):  # noqa: N818 - what a proxy sent, not a fault of ours
    """A trusted proxy did not say whose request it passes on; the text says how."""


class Networks:
    """A set of networks in CIDR notation."""

    def __init__(self, texts: Iterable[str]) -> None:
        """ValueError for a text that is no network."""
        self._networks = [_parse_network(text) for text in texts]

    def prefixes(self) -> list[tuple[bytes, int]]:
        """Each network as the bytes of its first address, and how many bits of them count."""
        return [
            ((prefix << shift).to_bytes(width, "big"), width * 8 - shift) for width, prefix, shift in self._networks
        ]

    def __contains__(self, address: bytes) -> bool:
        """Whether an address of 4 or 16 bytes lies in one of them."""
        number = int.from_bytes(address, "big")
        size = len(address)
        return any(size == width and number >> shift == prefix for width, prefix, shift in self._networks)


def is_network(text: str) -> bool:
    """Whether the text is an address, or a network such as 10.0.0.0/8."""
    try:
        _parse_network(text)
    except ValueError:
        return False
    return True


def parse_address(text: str) -> bytes:
    """The 4 or 16 bytes of a numeric address, a zone ignored, IPv4-mapped addresses folded; ValueError for others."""
    text = text.partition("%")[0]
    try:
        return fold(socket.inet_pton(socket.AF_INET6 if ":" in text else socket.AF_INET, text))
    except OSError as error:
        raise ValueError(text) from error


def fold(address: bytes) -> bytes:
    """IPv4-mapped IPv6 addresses as IPv4."""
    return address[12:] if address.startswith(MAPPED) and len(address) == 16 else address


def forwarded_address_untrusted(name: str, values: Sequence[bytes], trusted: Networks) -> bytes:
    """The client's address from the values of the forwarded header, in their order; BadForwarded.

    `name`: of the header, in lower case. An address that is trusted all the way is the client's: a proxy asks itself.
    """
    entries = [entry.strip() for value in values for entry in value.split(b",")]
    entries = [entry for entry in entries if entry][-MAX_ENTRIES:]
    if not entries:
        raise BadForwarded(f"{name} is missing")
    read = _read_forwarded_entry if name == "forwarded" else _read_entry
    address = b""
    for entry in reversed(entries):
        address = _address_of(name, entry, read(entry))
        if address not in trusted:
            break
    return address


def _address_of(name: str, entry: bytes, text: str | None) -> bytes:
    try:
        return parse_address(text or "")
    except ValueError as error:
        raise BadForwarded(f"{name} has no address in {entry[:60].decode('latin-1')!a}") from error


def _read_entry(entry: bytes) -> str:
    """`198.51.100.7`, `198.51.100.7:80`, `2001:db8::1`, `[2001:db8::1]`, `[2001:db8::1]:80`."""
    text = entry.decode("latin-1")
    if text.startswith("["):
        return text[1:].partition("]")[0]
    return text.partition(":")[0] if text.count(":") == 1 else text


def _read_forwarded_entry(entry: bytes) -> str | None:
    """The node of the `for` parameter; None without one."""
    for parameter in entry.split(b";"):
        name, _, value = parameter.partition(b"=")
        if name.strip().lower() == b"for":
            return _read_entry(value.strip().strip(b'"'))
    return None


def _parse_network(text: str) -> tuple[int, int, int]:
    """Bytes of an address, the prefix as a number, and how far an address is shifted to be compared with it."""
    host, slash, length = text.partition("/")
    address = socket.inet_pton(socket.AF_INET6 if ":" in host else socket.AF_INET, host) if _plain(host) else b""
    bits = len(address) * 8
    if not address or (slash and not (length.isascii() and length.isdigit() and int(length) <= bits)):
        raise ValueError(text)
    shift = bits - (int(length) if slash else bits)
    return len(address), int.from_bytes(address, "big") >> shift, shift


def _plain(host: str) -> bool:
    try:
        parse_address(host)
    except ValueError:
        return False
    return "%" not in host
