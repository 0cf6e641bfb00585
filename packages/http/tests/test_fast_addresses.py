"""Who is it: C reads PROXY protocol headers, folds addresses and knows networks as the whole path does."""

import socket
from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st
from thalweg_common._core import ffi, lib
from thalweg_common.web.address import Networks, fold
from thalweg_common.web.proxy_protocol import (
    V2_HEADER,
    V2_MAX,
    V2_SIGNATURE,
    BadProxyHeader,
    ProxyHeader,
    parse_proxy_header_untrusted,
)
from thalweg_http.answer import Rules
from thalweg_http.fast_path import c_rules

from tests.model.exploring import examples

TCP4 = V2_SIGNATURE + b"\x21\x11\0\x0c" + bytes([203, 0, 113, 9, 198, 51, 100, 1]) + b"\x10\x00\x01\xbb"
MAPPED = bytes(10) + b"\xff\xff\1\2\3\4"

addresses = st.binary(min_size=4, max_size=4) | st.binary(min_size=16, max_size=16)
near = st.sampled_from([MAPPED, bytes(16), bytes(15) + b"\1", b"\x7f\0\0\1", b"\n\1\2\3", b"\x20\1\r\xb8" + bytes(12)])
lengths = st.sampled_from([0, 1, 11, 12, 13, 35, 36, 37, 216, V2_MAX - 1, V2_MAX, V2_MAX + 1, 65535])


def address_of(c_address: Any) -> bytes:
    """The bytes of a tw_address; what follows them is zero."""
    raw, size = bytes(c_address.bytes), {0: 0, 4: 4, 6: 16}[c_address.ip_version]
    assert raw[size:] == bytes(16 - size)
    return raw[:size]


@st.composite
def version_2_headers(draw: st.DrawFn) -> bytes:
    """Well formed or not: the length is that of what follows, or another."""
    command = draw(st.sampled_from([0x21, 0x21, 0x21, 0x20, 0x22, 0x11, 0x01, 0x31]))
    family = draw(st.sampled_from([0x11, 0x21, 0x12, 0x22, 0x00, 0x31, 0x10, 0x1F, 0x41, 0xF1]))
    length = draw(lengths | st.integers(0, 300))
    some = draw(st.one_of(near, st.binary(max_size=60)))
    there = length + draw(st.sampled_from([0, 0, 0, 0, 1, 100, -1]))
    body = (some * (max(there, 0) // max(len(some), 1) + 1) if some else bytes(there + 1))[: max(there, 0)]
    return V2_SIGNATURE + bytes([command, family]) + length.to_bytes(2, "big") + body


@st.composite
def damaged_headers(draw: st.DrawFn) -> bytes:
    """With bytes changed, and cut anywhere."""
    data = bytearray(draw(version_2_headers() | st.just(TCP4) | st.just(b"PROXY TCP4 1.2.3.4 5.6.7.8 1 2\r\n")))
    for at, value in draw(st.lists(st.tuples(st.integers(0, 20), st.integers(0, 255)), max_size=2)):
        data[at : at + 1] = bytes([value])
    return bytes(data[: draw(st.none() | st.integers(0, 60))])


def whole_path(data: bytes) -> ProxyHeader | str | None:
    """The header, None for too short a beginning, or what is wrong with it."""
    try:
        return parse_proxy_header_untrusted(data)
    except BadProxyHeader as error:
        return str(error)


@examples(600)
@given(damaged_headers() | version_2_headers())
@example(b"")
@example(TCP4)
@example(V2_SIGNATURE + b"\x21\x21\0\x24" + MAPPED + bytes(20))
def test_proxy_headers(data: bytes) -> None:
    """C reads what the whole path reads, waits where it waits, and hands over version 1 and what is wrong."""
    header, referee = lib.tw_proxy_read(data, len(data)), whole_path(data)
    if header.outcome == lib.TW_PROXY_READ:
        assert isinstance(referee, ProxyHeader)
        assert (header.used, address_of(header.source)) == (referee.size, fold(referee.source or b""))
        return
    assert (header.used, address_of(header.source)) == (0, b"")
    if header.outcome == lib.TW_PROXY_SHORT:
        assert referee is None
    else:
        assert isinstance(referee, str) or not data.startswith(V2_SIGNATURE)


@examples(600)
@given(version_2_headers())
def test_beginnings_of_proxy_headers(data: bytes) -> None:
    """Every beginning of a header is too short to tell, or odd like the header itself."""
    whole = lib.tw_proxy_read(data, len(data))
    for size in (*range(min(len(data), 60)), len(data) - 1):
        outcome = lib.tw_proxy_read(data[:size], size).outcome
        if outcome == lib.TW_PROXY_READ:
            assert size >= whole.used > 0
        else:
            assert outcome == lib.TW_PROXY_SHORT or (outcome == whole.outcome and size >= V2_HEADER)


@examples(600)
@given(addresses | near)
def test_folding(address: bytes) -> None:
    """IPv4-mapped addresses are IPv4 on both sides."""
    assert address_of(lib.tw_address_from(4 if len(address) == 4 else 6, address)) == fold(address)


@st.composite
def networks_and_addresses(draw: st.DrawFn) -> tuple[list[str], bytes]:
    """Networks of any size, and an address that lies in one of them, or just outside, or anywhere."""
    texts, chosen = [], [draw(addresses | near)]
    for _ in range(draw(st.integers(0, 4))):
        address = draw(addresses | near)
        bits = draw(st.integers(0, len(address) * 8))
        family = socket.AF_INET if len(address) == 4 else socket.AF_INET6
        texts.append(f"{socket.inet_ntop(family, address)}/{bits}")
        flipped = int.from_bytes(address, "big") ^ 1 << draw(st.integers(0, len(address) * 8 - 1))
        chosen += [address, flipped.to_bytes(len(address), "big")]
    return texts, fold(draw(st.sampled_from(chosen)))


@examples(600)
@given(networks_and_addresses())
def test_networks(drawn: tuple[list[str], bytes]) -> None:
    """An address is trusted by both or by neither."""
    texts, address = drawn
    networks = Networks(texts)
    rules = c_rules(Rules(), "x-forwarded-for", networks)
    c_address = ffi.new("tw_address *", lib.tw_address_from(4 if len(address) == 4 else 6, address))
    assert lib.tw_networks_contain(ffi.addressof(rules, "trusted"), c_address) == (address in networks)
