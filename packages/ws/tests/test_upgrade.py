"""Requests before there is a WebSocket: handshakes well and badly made, Origins, proxies, limits, and pages."""

import h11
import pytest
import trio
import trio.testing
from thalweg_common.web.head import MAX_HEAD
from thalweg_ws.config import CleaningConfig, LimitsConfig, NetworkConfig
from thalweg_ws.service import Service

from packages.ws.tests.asking import (
    ACCEPT,
    CLIENT,
    LOOPBACK,
    UPGRADE,
    connected,
    exchange,
    make_service,
    opened,
)
from packages.ws.tests.frames import TEXT, frame
from packages.ws.tests.running import announce


def asked(data: bytes, service: Service | None = None, peer: bytes = CLIENT) -> bytes:
    """Everything that comes back for these bytes; lingering takes no time, because the client has closed."""
    return trio.run(exchange, service or make_service(), data, peer)


def status(reply: bytes) -> int:
    """The status of a reply, which h11 finds well made to its end."""
    judge = h11.Connection(h11.CLIENT)
    judge.send(h11.Request(method="GET", target="/", headers=[("Host", "x")]))
    judge.send(h11.EndOfMessage())
    judge.receive_data(reply)
    response = judge.next_event()
    assert isinstance(response, h11.Response), reply
    while not isinstance(event := judge.next_event(), h11.EndOfMessage):
        assert isinstance(event, h11.Data), reply
    return response.status_code


def get(target: bytes, *lines: bytes, method: bytes = b"GET") -> bytes:
    """A request that is no upgrade."""
    return b"\r\n".join([method + b" " + target + b" HTTP/1.1", b"Host: tracker.example", *lines, b"", b""])


@pytest.mark.parametrize("target", [b"/", b"/announce", b"/any/path?with=query", b"//", b"http://tracker.example/x"])
def test_an_upgrade_at_any_path(target: bytes) -> None:
    """The handshake of RFC 6455, to the byte of its proof; no extension, no sub-protocol."""
    reply = asked(UPGRADE.replace(b" / ", b" " + target + b" "))
    assert reply.startswith(b"HTTP/1.1 101 ")
    assert b"\r\nSec-WebSocket-Accept: " + ACCEPT + b"\r\n" in reply
    assert b"extensions" not in reply.lower()
    assert b"protocol:" not in reply.lower()


@pytest.mark.parametrize(
    "changed",
    [
        UPGRADE.replace(b"Upgrade: websocket", b"upgrade: WebSocket"),
        UPGRADE.replace(b"Connection: Upgrade", b"connection: keep-alive, Upgrade"),
        UPGRADE.replace(b"\r\n\r\n", b"\r\nSec-WebSocket-Extensions: permessage-deflate\r\n\r\n"),
        UPGRADE.replace(b"Host: tracker.example", b"Host: [2001:db8::1]:8000"),
        UPGRADE.replace(b"Host: tracker.example\r\n", b""),
        UPGRADE.replace(b"\r\n\r\n", b"\r\nOrigin: https://anybody.example\r\n\r\n"),
        UPGRADE.replace(b"\r\n", b"\n"),
    ],
)
def test_handshakes_that_are_well_enough_made(changed: bytes) -> None:
    """Letter case, further tokens, extensions that nobody takes, no Host at all."""
    assert asked(changed).startswith(b"HTTP/1.1 101 ")


@pytest.mark.parametrize(
    ("changed", "code", "reason"),
    [
        (UPGRADE.replace(b"Sec-WebSocket-Version: 13", b"Sec-WebSocket-Version: 8"), 426, "version"),
        (UPGRADE.replace(b"Sec-WebSocket-Version: 13\r\n", b""), 400, "handshake"),
        (UPGRADE.replace(b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n", b""), 400, "handshake"),
        (UPGRADE.replace(b"Connection: Upgrade\r\n", b""), 400, "handshake"),
        (UPGRADE.replace(b"GET", b"POST"), 400, "handshake"),
        (UPGRADE.replace(b"HTTP/1.1", b"HTTP/1.0"), 400, "handshake"),
        (UPGRADE.replace(b"tracker.example", b"\xff\xfe"), 400, "handshake"),
        (b"nonsense\r\n\r\n", 400, "malformed"),
        (b"GET / HTTP/1.1\r\nHost: x\r\nbroken line\r\n\r\n", 400, "malformed"),
        (b"\x16\x03\x01\x02\x00\x01", 400, "tls_on_plain_port"),
        (UPGRADE.replace(b"GET /", b"GET /" + b"a" * 9000), 414, "target_too_long"),
        (UPGRADE.replace(b"\r\n\r\n", b"\r\nX: " + b"a" * MAX_HEAD + b"\r\n\r\n"), 431, "head_too_large"),
        (UPGRADE[:50], 400, "malformed"),
    ],
)
def test_handshakes_that_are_none(changed: bytes, code: int, reason: str) -> None:
    """Get a page with a status, and are counted under a reason."""
    service = make_service()
    assert status(asked(changed, service)) == code
    assert service.counters.families[4].errors[reason] == 1


def test_an_old_version_is_told_the_right_one() -> None:
    """As RFC 6455, 4.2.2 wants it."""
    reply = asked(UPGRADE.replace(b"Version: 13", b"Version: 7"))
    assert b"\r\nSec-WebSocket-Version: 13\r\n" in reply


def test_a_message_right_behind_the_handshake() -> None:
    """It is read: some clients do not wait."""
    service = make_service()
    reply = asked(UPGRADE + frame(TEXT, b'{"action":"scrape","info_hash":"aaaaaaaaaaaaaaaaaaaa"}'), service)
    assert b'"files"' in reply
    assert service.counters.families[4].requests["scrape"] == 1


@pytest.mark.parametrize("step", [1, 10, 100])
def test_a_handshake_in_pieces(step: int) -> None:
    """However small."""

    async def main() -> bytes:
        async with connected(make_service()) as client:
            for at in range(0, len(UPGRADE), step):
                await client.send_all(UPGRADE[at : at + step])
                await trio.testing.wait_all_tasks_blocked()
            return bytes(await client.receive_some())

    assert trio.run(main).startswith(b"HTTP/1.1 101 ")


@pytest.mark.parametrize(
    ("allowed", "denied", "origin", "admitted"),
    [
        ([], [], b"https://a.example", True),
        (["https://a.example"], [], b"https://a.example", True),
        (["https://A.example/"], [], b"https://a.EXAMPLE", True),
        (["https://a.example"], [], b"http://a.example", False),
        (["https://a.example"], [], b"https://b.example", False),
        (["https://a.example"], [], b"null", False),
        (["https://a.example"], [], None, True),
        ([], ["https://a.example"], b"https://a.example", False),
        ([], ["https://a.example"], b"https://b.example", True),
        (["https://a.example"], ["https://a.example"], b"https://a.example", False),
    ],
)
def test_origins(allowed: list[str], denied: list[str], origin: bytes | None, admitted: bool) -> None:
    """Pages that are not listed, or are denied, get a 403; programs have no Origin."""
    service = make_service(network=NetworkConfig(allowed_origins=allowed, denied_origins=denied))
    header = b"" if origin is None else b"Origin: " + origin + b"\r\n"
    reply = asked(UPGRADE.replace(b"Host", header + b"Host"), service)
    assert reply.startswith(b"HTTP/1.1 101 " if admitted else b"HTTP/1.1 403 ")
    assert service.counters.families[4].errors["origin"] == (not admitted)


@pytest.mark.parametrize("target", [b"/", b"/announce", b"/some/announce", b"/?x=1"])
def test_people_see_a_page(target: bytes) -> None:
    """With the announce URL under the name they asked for; no script, nothing from elsewhere."""
    reply = asked(get(target))
    assert status(reply) == 200
    assert b"ws://tracker.example/announce" in reply
    assert b"\r\nContent-Security-Policy: default-src 'none';" in reply


def test_the_page_shows_what_the_operator_says() -> None:
    """Where a proxy opens TLS the tracker cannot know its URL; nothing of a visitor's gets in unescaped."""
    service = make_service(network=NetworkConfig(announce_urls=["wss://a.example/<&>"]))
    assert b"<code>wss://a.example/&lt;&amp;&gt;</code>" in asked(get(b"/"), service)
    assert b"<script>" not in asked(get(b"/").replace(b"tracker.example", b"<script>"))


@pytest.mark.parametrize(
    ("target", "code", "text"),
    [
        (b"/health", 200, b"healthy\n"),
        (b"/robots.txt", 200, b"Disallow: /\n"),
        (b"/nothing", 404, b"explains itself at /"),
    ],
)
def test_other_pages(target: bytes, code: int, text: bytes) -> None:
    """Texts for programs; each is the last reply on its connection."""
    reply = asked(get(target))
    assert status(reply) == code
    assert text in reply
    assert b"\r\nConnection: close\r\n" in reply


def test_only_get_and_head() -> None:
    """HEAD has the headers alone; others are refused."""
    assert asked(get(b"/health", method=b"HEAD")).endswith(b"\r\n\r\n")
    assert status(asked(get(b"/health", method=b"POST"))) == 405


def test_a_service_that_stops_says_so() -> None:
    """A proxy that asks for its health sends nobody else; nobody new is upgraded."""
    service = make_service()

    async def main() -> list[bytes]:
        replies = []
        for data in (get(b"/health"), UPGRADE):
            service.stopping = False
            async with connected(service) as client:
                await client.send_all(data[:10])
                await trio.testing.wait_all_tasks_blocked()
                service.stopping = True
                await client.send_all(data[10:])
                replies.append(bytes(await client.receive_some()))
        return replies

    assert [status(reply) for reply in trio.run(main)] == [503, 503]


def test_a_slow_request_is_told() -> None:
    """408 once max_request_time is over; a connection that says nothing is just closed."""
    service = make_service(cleaning=CleaningConfig(max_request_time=5))

    async def main() -> tuple[bytes, bytes]:
        async with connected(service) as slow, connected(service) as silent:
            await slow.send_all(UPGRADE[:20])
            return bytes(await slow.receive_some()), bytes(await silent.receive_some())

    late, nothing = trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0))
    assert late.startswith(b"HTTP/1.1 408 ")
    assert nothing == b""
    assert service.counters.closed["request_time"] == 2


HEADER = NetworkConfig(runs_behind_reverse_proxy=True)
PROXY = NetworkConfig(proxy_protocol=True)
NAMED = bytes([203, 0, 113, 9])
V2 = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c" + NAMED + bytes([192, 0, 2, 1, 0, 1, 0, 80])
V6 = b"PROXY TCP6 2001:db8::7 2001:db8::1 1 80\r\n"


@pytest.mark.parametrize(
    ("network", "data", "family"),
    [
        (HEADER, UPGRADE.replace(b"Host", b"X-Forwarded-For: 1.2.3.4, 203.0.113.9\r\nHost"), 4),
        (HEADER, UPGRADE.replace(b"Host", b"x-forwarded-for: 2001:db8::7\r\nHost"), 6),
        (PROXY, b"PROXY TCP4 203.0.113.9 192.0.2.1 1 80\r\n" + UPGRADE, 4),
        (PROXY, V2 + UPGRADE, 4),
        (PROXY, V6 + UPGRADE, 6),
    ],
)
def test_a_trusted_proxy_names_the_client(network: NetworkConfig, data: bytes, family: int) -> None:
    """In a header of the upgrade, or before it; the family is the client's from then on."""
    service = make_service(network=network)
    data += frame(TEXT, b'{"action":"scrape","info_hash":"aaaaaaaaaaaaaaaaaaaa"}')
    assert asked(data, service, LOOPBACK).startswith(b"HTTP/1.1 101 ")
    assert service.counters.families[family].requests["scrape"] == 1


@pytest.mark.parametrize(
    ("network", "data", "reason"),
    [
        (HEADER, UPGRADE, "proxy"),
        (HEADER, UPGRADE.replace(b"Host", b"X-Forwarded-For: nonsense\r\nHost"), "proxy"),
        (PROXY, b"PROXY nonsense\r\n" + UPGRADE, "proxy"),
        (PROXY, UPGRADE, "proxy"),
    ],
)
def test_a_proxy_that_names_nobody(network: NetworkConfig, data: bytes, reason: str) -> None:
    """Is told so: everybody behind it would be one client."""
    service = make_service(network=network)
    reply = asked(data, service, LOOPBACK)
    assert status(reply) == 400
    assert b"does not say whose request it passes on" in reply
    assert service.counters.families[4].errors[reason] == 1


def test_health_needs_no_name() -> None:
    """A proxy asks for itself."""
    assert status(asked(get(b"/health"), make_service(network=HEADER), LOOPBACK)) == 200


def test_nobody_else_is_believed() -> None:
    """The header of a stranger changes nothing, and is counted; a PROXY header of one is no request."""
    service = make_service(network=HEADER)
    upgrade = UPGRADE.replace(b"Host", b"X-Forwarded-For: 2001:db8::7\r\nHost")
    assert asked(upgrade, service).startswith(b"HTTP/1.1 101 ")
    assert service.counters.ignored_forwarded == 1
    assert service.counters.families[6].replies["upgrade"] == 0
    assert status(asked(V6 + UPGRADE, make_service(network=PROXY))) == 400


@pytest.mark.parametrize("network", [NetworkConfig(), HEADER])
def test_an_address_has_so_many_connections(network: NetworkConfig) -> None:
    """One more gets a 503, a place that gets free is used; it is the client's address that counts."""
    service = make_service(network=network, limits=LimitsConfig(max_memory_mib=64, max_connections_per_address=2))
    behind = network is HEADER
    peer = LOOPBACK if behind else CLIENT
    header = ((b"X-Forwarded-For", b"203.0.113.9"),) if behind else ()
    upgrade = UPGRADE.replace(b"Host", b"X-Forwarded-For: 203.0.113.9\r\nHost") if behind else UPGRADE

    async def main() -> None:
        async with opened(service, peer, header), opened(service, peer, header):
            assert status(await exchange(service, upgrade, peer)) == 503
            other = upgrade.replace(b"113.9", b"113.8")
            assert (await exchange(service, other, peer if behind else LOOPBACK)).startswith(b"HTTP/1.1 101 ")
        assert (await exchange(service, upgrade, peer)).startswith(b"HTTP/1.1 101 ")

    trio.run(main)
    assert service.counters.refused["address_connections"] == 1


def test_proxies_themselves_have_no_limit() -> None:
    """Everybody comes through them."""
    service = make_service(limits=LimitsConfig(max_memory_mib=64, max_connections_per_address=1))

    async def main() -> None:
        async with opened(service, LOOPBACK) as one, opened(service, LOOPBACK) as other:
            await one.ask(announce("one"))
            assert (await other.ask(announce("other")))["incomplete"] == 2

    trio.run(main)
