"""Addresses to listen on, from their texts."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from thalweg_common.endpoints import Endpoint, is_endpoint, parse_endpoint


@pytest.mark.parametrize(
    ("text", "endpoint"),
    [
        ("0.0.0.0:3000", Endpoint("0.0.0.0", 3000, 4)),
        ("127.0.0.1:0", Endpoint("127.0.0.1", 0, 4)),
        ("[::]:3000", Endpoint("::", 3000, 6)),
        ("[2001:DB8:0::1]:65535", Endpoint("2001:db8::1", 65535, 6)),
    ],
)
def test_good_ones(text: str, endpoint: Endpoint) -> None:
    """Both families; addresses come out in their shortest spelling."""
    assert parse_endpoint(text) == endpoint


@pytest.mark.parametrize(
    "text",
    ["", ":", "127.0.0.1", "127.0.0.1:", "127.0.0.1:65536", "127.0.0.1:-1", "127.0.0.1:٣", "::1:3000", "[::1]",
     "[::1:3000", "[127.0.0.1]:1", "localhost:1", "127.1:80", "[fe80::1%eth0]:1", "[::1]:1\n", "\0:1"],
)  # fmt: skip
def test_bad_ones(text: str) -> None:
    """Names, zones, short forms and bare IPv6 addresses are refused."""
    assert not is_endpoint(text)


def test_a_wildcard_is_reached_over_loopback() -> None:
    """Other addresses are reached as they are."""
    assert parse_endpoint("0.0.0.0:1").reachable_here() == ("127.0.0.1", 1)
    assert parse_endpoint("[::]:1").reachable_here() == ("::1", 1)
    assert parse_endpoint("127.0.0.2:1").reachable_here() == ("127.0.0.2", 1)


@given(st.ip_addresses(), st.integers(0, 65535))
def test_every_address_survives_the_way_through_text(address: object, port: int) -> None:
    """Written and read again it is the same."""
    version = 6 if ":" in str(address) else 4
    endpoint = parse_endpoint(str(Endpoint(str(address), port, version)))
    assert (endpoint.port, endpoint.ip_version) == (port, version)
    assert parse_endpoint(str(endpoint)) == endpoint


@given(st.text(max_size=40))
def test_any_text_is_an_endpoint_or_a_value_error(text: str) -> None:
    """Nothing else can happen."""
    with contextlib.suppress(ValueError):
        parse_endpoint(text)
