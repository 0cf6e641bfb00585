"""Clients behind proxies: whose address is stored and told, and what a proxy that says nothing gets."""

from pathlib import Path

import pytest
import trio
import trio.testing
from thalweg_http.config import LimitsConfig, NetworkConfig
from thalweg_http.service import Service

from packages.http.tests.asking import (
    ANNOUNCE,
    CLIENT,
    LOOPBACK,
    ask,
    body_of,
    connected,
    make_service,
    receive_all,
    request,
)
from packages.http.tests.running import LISTEN_ANYWHERE, RunningService, announce

HEADER = NetworkConfig(runs_behind_reverse_proxy=True)
PROXY = NetworkConfig(proxy_protocol=True)
V1 = b"PROXY TCP4 203.0.113.9 192.0.2.1 56324 80\r\n"
V2 = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c" + bytes([203, 0, 113, 9, 192, 0, 2, 1, 0, 1, 0, 80])
V2_LOCAL = b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0"


def asked(service: Service, data: bytes, peer: bytes = LOOPBACK) -> bytes:
    """The body of the reply to these bytes."""
    return body_of(trio.run(ask, service, data, peer))


def stored(service: Service) -> list[bytes]:
    """The peers of the torrent, as somebody else is told."""
    _, peers = service.tracker.swarm.announce(b"a" * 20, bytes([192, 0, 2, 200, 0, 0]), numwant=50)
    return peers


@pytest.mark.parametrize("name", [b"X-Forwarded-For", b"x-forwarded-for", b"X-FORWARDED-FOR"])
def test_the_header_names_the_client(name: bytes) -> None:
    """In any letter case; what the client itself put in front is not believed."""
    service = make_service(network=HEADER)
    asked(service, request(ANNOUNCE, name + b": 1.2.3.4, 203.0.113.9"))
    assert stored(service) == [bytes([203, 0, 113, 9, 0x1A, 0xE1])]


def test_two_headers_are_one() -> None:
    """The last address of the last one."""
    service = make_service(network=HEADER)
    asked(service, request(ANNOUNCE, b"X-Forwarded-For: 1.2.3.4", b"X-Forwarded-For: 203.0.113.9"))
    assert stored(service) == [bytes([203, 0, 113, 9, 0x1A, 0xE1])]


def test_another_header_by_its_name() -> None:
    """Forwarded (RFC 7239) with an IPv6 address, brackets and port; the family is the client's."""
    service = make_service(
        network=NetworkConfig(runs_behind_reverse_proxy=True, reverse_proxy_ip_header_name="Forwarded")
    )
    asked(service, request(ANNOUNCE, b'forwarded: for="[2001:db8::7]:4711";proto=https'))
    assert service.tracker.swarm.totals(6).peers == 1
    assert service.counters.families[6].requests["announce"] == 1


@pytest.mark.parametrize("line", [b"X: y", b"X-Forwarded-For:", b"X-Forwarded-For: unknown", b"X-Forwarded-For: 1.2.3"])
def test_a_proxy_that_does_not_say_is_told(line: bytes) -> None:
    """A failure that is counted; nothing is stored under the proxy's address, and pages are served all the same."""
    service = make_service(network=HEADER)
    assert asked(service, request(ANNOUNCE, line)).startswith(b"d14:failure reason")
    assert service.counters.families[4].failures["proxy"] == 1
    assert stored(service) == []
    assert asked(service, request(b"/health", line)) == b"healthy\n"


def test_nobody_else_is_believed() -> None:
    """Neither header nor PROXY protocol of an untrusted address count."""
    service = make_service(network=HEADER)
    asked(service, request(ANNOUNCE, b"X-Forwarded-For: 203.0.113.9"), CLIENT)
    assert stored(service) == [CLIENT + b"\x1a\xe1"]
    assert b"that can be read" in asked(make_service(network=PROXY), V1 + request(ANNOUNCE), CLIENT)


def test_without_the_option_the_header_is_nothing() -> None:
    """Also from a trusted address."""
    service = make_service()
    asked(service, request(ANNOUNCE, b"X-Forwarded-For: 203.0.113.9"))
    assert stored(service) == [LOOPBACK + b"\x1a\xe1"]


def test_mapped_addresses_are_ipv4() -> None:
    """A dual-stack socket shows them."""
    service = make_service(network=NetworkConfig(runs_behind_reverse_proxy=True, trusted_proxies=["198.51.100.7"]))
    mapped = bytes(10) + b"\xff\xff" + CLIENT
    asked(service, request(ANNOUNCE, b"X-Forwarded-For: 203.0.113.9"), mapped)
    assert stored(service) == [bytes([203, 0, 113, 9, 0x1A, 0xE1])]


@pytest.mark.parametrize("header", [V1, V2])
def test_the_proxy_protocol_names_the_client(header: bytes) -> None:
    """Once for all requests of the connection, cut anywhere; the forwarded header is not looked at."""

    async def main() -> None:
        data = header + request(ANNOUNCE, b"X-Forwarded-For: 1.2.3.4")
        for cut in range(1, len(header) + 3):
            service = make_service(network=PROXY)
            async with connected(service, LOOPBACK) as client:
                await client.send_all(data[:cut])
                await trio.testing.wait_all_tasks_blocked()
                await client.send_all(data[cut:] + request(ANNOUNCE.replace(b"6881", b"6882")))
                await client.send_eof()
                await receive_all(client)
            assert {peer[:4] for peer in stored(service)} == {bytes([203, 0, 113, 9])}

    trio.run(main)


@pytest.mark.parametrize("header", [V2_LOCAL, b"PROXY UNKNOWN\r\n"])
def test_a_proxy_that_speaks_for_itself(header: bytes) -> None:
    """As its health checks do: it is the client."""
    service = make_service(network=PROXY)
    assert asked(service, header + request(b"/health")) == b"healthy\n"
    assert asked(service, header + request(ANNOUNCE)).startswith(b"d8:complete")


@pytest.mark.parametrize(
    "data", [request(ANNOUNCE), V2[:12] + b"\x31" + V2[13:], b"PROXY nonsense\r\n", b"\x16\x03\x01"]
)
def test_a_missing_or_broken_proxy_header_is_told(data: bytes) -> None:
    """A failure reply that is counted, and the end of the connection."""
    service = make_service(network=PROXY)
    assert asked(service, data).startswith(b"d14:failure reason")
    assert service.counters.families[4].failures["proxy"] == 1
    assert service.counters.closed["proxy_protocol"] == 1


@pytest.mark.parametrize("data", [V1[:20], V2[:20]])
def test_a_proxy_header_that_never_ends(data: bytes) -> None:
    """Ends the connection, silently, when the proxy closes it."""
    service = make_service(network=PROXY)
    assert trio.run(ask, service, data, LOOPBACK) == b""
    assert service.counters.closed["proxy_protocol"] == 1


def test_who_hands_a_connection_over_may_have_read_the_header() -> None:
    """Then the address and the bytes behind it are given."""
    service = make_service(network=PROXY)
    data = request(ANNOUNCE)

    async def main() -> None:
        async with connected(service, LOOPBACK, initial=data[:30], source=bytes([203, 0, 113, 9])) as client:
            await client.send_all(data[30:])
            await client.send_eof()
            assert body_of(await receive_all(client)).startswith(b"d8:complete")

    trio.run(main)
    assert stored(service) == [bytes([203, 0, 113, 9, 0x1A, 0xE1])]


def test_connections_of_one_client_behind_a_proxy_are_limited() -> None:
    """By the client's address, not by the proxy's."""
    service = make_service(network=PROXY, limits=LimitsConfig(max_memory_mib=64, max_connections_per_address=1))

    async def main() -> tuple[bytes, bytes]:
        async with connected(service, LOOPBACK) as client:
            await client.send_all(V1)
            await trio.testing.wait_all_tasks_blocked()
            same = await ask(service, V1 + request(ANNOUNCE), LOOPBACK)
            other = await ask(service, V1.replace(b"113.9", b"113.8") + request(ANNOUNCE), LOOPBACK)
        return same[:12], other[:12]

    assert trio.run(main) == (b"HTTP/1.1 503", b"HTTP/1.1 200")


@pytest.mark.parametrize("fast_path", ["true", "false"])
def test_a_proxy_that_is_not_trusted_is_told_of(tmp_path: Path, fast_path: str) -> None:
    """Its clients' addresses are not believed; the log says what to do if they should be."""
    config = (
        LISTEN_ANYWHERE
        + f"network.fast_path = {fast_path}\n"
        + 'network.runs_behind_reverse_proxy = true\nnetwork.trusted_proxies = ["192.0.2.1"]\n'
    )
    with RunningService(tmp_path, config) as service:
        assert b"11:external ip4:\x7f\0\0\1" in service.ask(announce(1), "X-Forwarded-For: 203.0.113.9")
        service.wait_for_log("x-forwarded-for ignored requests=1 remedy=")
        service.ask(announce(1))
        assert service.log.count("ignored") == 1
