"""Whose address it is: networks, and what proxies write into headers."""

import pytest
from thalweg_common.web.address import (
    BadForwarded,
    Networks,
    fold,
    forwarded_address_untrusted,
    is_network,
    parse_address,
)

TRUSTED = Networks(["127.0.0.0/8", "10.0.0.1", "2001:db8:1::/48", "::1"])


@pytest.mark.parametrize(
    ("text", "inside"),
    [
        ("127.1.2.3", True),
        ("128.0.0.1", False),
        ("10.0.0.1", True),
        ("10.0.0.2", False),
        ("2001:db8:1:ffff::1", True),
        ("2001:db8:2::1", False),
        ("::1", True),
        ("::ffff:127.0.0.1", True),
    ],
)
def test_networks(text: str, inside: bool) -> None:
    """Addresses of both families; IPv4-mapped ones are IPv4."""
    assert (parse_address(text) in TRUSTED) is inside


@pytest.mark.parametrize("text", ["0.0.0.0/0", "::/0", "192.0.2.0/24", "192.0.2.1", "2001:db8::/32"])
def test_what_is_a_network(text: str) -> None:
    """With a length or without."""
    assert is_network(text)


@pytest.mark.parametrize(
    "text", ["", "/", "/8", "10.0.0.0/33", "10.0.0/8", "::/129", "::/x", "10.0.0.0/-1", "a", "fe80::1%lo"]
)
def test_what_is_no_network(text: str) -> None:
    """Is refused where it is configured."""
    assert not is_network(text)


@pytest.mark.parametrize(
    ("name", "values", "address"),
    [
        ("x-forwarded-for", [b"198.51.100.7"], "198.51.100.7"),
        ("x-forwarded-for", [b"1.2.3.4, 198.51.100.7"], "198.51.100.7"),
        ("x-forwarded-for", [b"198.51.100.7, 127.0.0.1,10.0.0.1"], "198.51.100.7"),
        ("x-forwarded-for", [b"forged, 198.51.100.7"], "198.51.100.7"),
        ("x-forwarded-for", [b"1.2.3.4", b"198.51.100.7"], "198.51.100.7"),
        ("x-forwarded-for", [b"198.51.100.7", b"", b"127.0.0.1"], "198.51.100.7"),
        ("x-forwarded-for", [b"127.0.0.1"], "127.0.0.1"),
        ("x-forwarded-for", [b"198.51.100.7:4711"], "198.51.100.7"),
        ("x-forwarded-for", [b"2001:db8::7"], "2001:db8::7"),
        ("x-forwarded-for", [b"[2001:db8::7]"], "2001:db8::7"),
        ("x-forwarded-for", [b"[2001:db8::7]:4711"], "2001:db8::7"),
        ("x-forwarded-for", [b"[fe80::7%eth0]:4711"], "fe80::7"),
        ("x-forwarded-for", [b"::ffff:198.51.100.7"], "198.51.100.7"),
        ("x-forwarded-for", [b"\t198.51.100.7 ,"], "198.51.100.7"),
        ("x-real-ip", [b"198.51.100.7"], "198.51.100.7"),
        ("forwarded", [b"for=198.51.100.7"], "198.51.100.7"),
        ("forwarded", [b'for=1.2.3.4, For="[2001:db8::7]:4711";proto=https'], "2001:db8::7"),
        ("forwarded", [b"by=203.0.113.1; for=198.51.100.7 ;host=x", b"for=127.0.0.1"], "198.51.100.7"),
    ],
)
def test_the_last_untrusted_address_counts(name: str, values: list[bytes], address: str) -> None:
    """What stands left of it may be forged; ports, brackets and zones do not matter."""
    assert forwarded_address_untrusted(name, values, TRUSTED) == parse_address(address)


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("x-forwarded-for", []),
        ("x-forwarded-for", [b""]),
        ("x-forwarded-for", [b" , "]),
        ("x-forwarded-for", [b"unknown"]),
        ("x-forwarded-for", [b"198.51.100.7, unknown"]),
        ("x-forwarded-for", [b"198.51.100"]),
        ("x-forwarded-for", [b"[2001:db8::7"[:4]]),
        ("x-forwarded-for", [b"\xff\0"]),
        ("forwarded", [b"198.51.100.7"]),
        ("forwarded", [b"for=_hidden"]),
        ("forwarded", [b"proto=https"]),
        ("forwarded", [b"for="]),
    ],
)
def test_a_proxy_that_does_not_say_is_told(name: str, values: list[bytes]) -> None:
    """Missing and malformed alike."""
    with pytest.raises(BadForwarded, match=name):
        forwarded_address_untrusted(name, values, TRUSTED)


def test_folding() -> None:
    """Only IPv4-mapped addresses are folded."""
    assert fold(bytes(10) + b"\xff\xff\1\2\3\4") == bytes([1, 2, 3, 4])
    assert fold(bytes(16)) == bytes(16)
    assert fold(bytes(4)) == bytes(4)
