"""The PROXY protocol: whole, cut short, and broken headers of both versions."""

import random
import socket
from contextlib import suppress

import pytest
from thalweg_common.web.proxy_protocol import V2_SIGNATURE, BadProxyHeader, ProxyHeader, parse_proxy_header_untrusted

V4 = socket.inet_pton(socket.AF_INET, "198.51.100.7")
V6 = socket.inet_pton(socket.AF_INET6, "2001:db8::7")


def v2(command: int, family: int, addresses: bytes, version: int = 2) -> bytes:
    """A header of version 2."""
    head = bytes([version << 4 | command, family << 4 | 1])
    return V2_SIGNATURE + head + len(addresses).to_bytes(2, "big") + addresses


TCP4 = v2(1, 1, V4 + bytes([203, 0, 113, 1]) + b"\x10\x00\x01\xbb")
TCP6 = v2(1, 2, V6 + bytes(16) + b"\x10\x00\x01\xbb")

GOOD = [
    (b"PROXY TCP4 198.51.100.7 203.0.113.1 56324 443\r\n", V4),
    (b"PROXY TCP6 2001:db8::7 ::1 56324 443\r\n", V6),
    (b"PROXY UNKNOWN\r\n", None),
    (b"PROXY UNKNOWN ffff::ffff ffff::ffff 65535 65535\r\n", None),
    (TCP4, V4),
    (TCP6, V6),
    (v2(1, 1, V4 + bytes(8) + b"\x04\x00\x03abc"), V4),
    (v2(0, 0, b""), None),
    (v2(0, 1, b"\1"), None),
    (v2(1, 0, b""), None),
    (v2(1, 3, bytes(216)), None),
]


@pytest.mark.parametrize(("header", "source"), GOOD)
def test_a_header_and_what_follows(header: bytes, source: bytes | None) -> None:
    """The source is read, and the header's end is known whatever comes behind; every part of it is too short."""
    for behind in (b"", b"GET / HTTP/1.1\r\n\r\n", b"\r\n"):
        assert parse_proxy_header_untrusted(header + behind) == ProxyHeader(len(header), source)
    for size in range(len(header)):
        assert parse_proxy_header_untrusted(header[:size]) is None


@pytest.mark.parametrize(
    "data",
    [
        b"GET / HTTP/1.1\r\n",
        b"\x16\x03\x01",
        b"PROXY\tTCP4",
        b"PROXY \r\n",
        b"PROXY TCP4\r\n",
        b"PROXY TCP4 198.51.100.7 203.0.113.1 56324\r\n",
        b"PROXY TCP4 198.51.100.7 203.0.113.1 56324 443 1\r\n",
        b"PROXY TCP4 2001:db8::7 ::1 56324 443\r\n",
        b"PROXY TCP6 198.51.100.7 203.0.113.1 56324 443\r\n",
        b"PROXY TCP4 198.51.100.256 203.0.113.1 56324 443\r\n",
        b"PROXY TCP4 198.51.100.7 nobody 56324 443\r\n",
        b"PROXY TCP4 198.51.100.7 203.0.113.1 65536 443\r\n",
        b"PROXY TCP4 198.51.100.7 203.0.113.1 056 443\r\n",
        b"PROXY TCP4 198.51.100.7 203.0.113.1 -1 443\r\n",
        b"PROXY TCP4 \xff 203.0.113.1 1 443\r\n",
        b"PROXY UDP4 198.51.100.7 203.0.113.1 1 443\r\n",
        b"PROXY TCP4 198.51.100.7 203.0.113.1 56324 443" + b" " * 100,
        v2(1, 1, V4 + bytes(8), version=1),
        v2(2, 1, V4 + bytes(8)),
        v2(1, 1, V4 + bytes(7)),
        v2(1, 2, V6 + bytes(19)),
        v2(1, 1, bytes(5000))[:20],
    ],
)
def test_what_is_no_header(data: bytes) -> None:
    """Is said at once, not waited for."""
    with pytest.raises(BadProxyHeader):
        parse_proxy_header_untrusted(data)


def test_any_bytes_are_harmless() -> None:
    """Mutations of good headers give a header, a wish for more, or BadProxyHeader, and nothing else."""
    seed = random.randrange(1 << 32)
    print("seed", seed)
    chance = random.Random(seed)
    for _ in range(3000):
        data = bytearray(chance.choice(GOOD)[0])
        for _ in range(chance.randint(1, 4)):
            data[chance.randrange(len(data))] = chance.randrange(256)
        with suppress(BadProxyHeader):
            header = parse_proxy_header_untrusted(bytes(data))
            assert header is None or header.source is None or len(header.source) in (4, 16)
