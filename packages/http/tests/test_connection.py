"""Connections over memory streams: HTTP as clients speak it, well and badly. h11 judges where it can."""

import random
from functools import partial

import h11
import pytest
import trio
import trio.testing
from thalweg_common.web.head import MAX_HEAD
from thalweg_http import pages, requests
from thalweg_http.config import CleaningConfig, LimitsConfig, NetworkConfig
from thalweg_http.service import Service

from packages.http.tests.asking import (
    ANNOUNCE,
    CLIENT,
    LOOPBACK,
    Client,
    ask,
    body_of,
    connected,
    make_service,
    receive_all,
    request,
)

LONELY = b"d8:completei0e10:incompletei1e8:intervali1800e12:min intervali900e5:peers0:6:peers60:e"
REPLY = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n\r\n" % len(LONELY) + LONELY
LAST = REPLY.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")


def asked(data: bytes, service: Service | None = None, peer: bytes = CLIENT) -> bytes:
    """Everything that comes back for these bytes; lingering takes no time, because the client has closed."""
    return trio.run(ask, service or make_service(), data, peer)


def test_announce_on_the_wire() -> None:
    """To the byte: a reply has no header that no client needs."""
    assert asked(request(ANNOUNCE)) == REPLY


@pytest.mark.parametrize(
    "data",
    [
        request(ANNOUNCE, version=b"1.0"),
        request(ANNOUNCE, b"Connection: close"),
        b"GET " + ANNOUNCE + b" HTTP/1.0\r\n\r\n",
        b"GET " + ANNOUNCE + b" HTTP/1.0\n\n",
    ],
)
def test_the_last_reply_says_so(data: bytes) -> None:
    """With HTTP/1.0, and when the client asks for it."""
    assert asked(data) == LAST


@pytest.mark.parametrize(
    "target",
    [
        b"//announce?",
        b"/announce/?",
        b"/announce.php?",
        b"/0123456789abcdef/announce?",
        b"/announce/0123456789abcdef?",
        b"/prefix/x/announce?",
        b"/%61nnounce?",
        b"http://tracker.example/announce?",
        b"HTTPS://[::1]:443//announce?",
        b"announce?",
        b"/announce??",
        b"/announce?&",
    ],
)
def test_ways_to_the_announce(target: bytes) -> None:
    """Prefixes, keys, slashes and absolute forms lead to the same reply."""
    query = ANNOUNCE.partition(b"?")[2]
    assert asked(request(target + query)) == REPLY


@pytest.mark.parametrize(
    "data",
    [
        b"GET " + ANNOUNCE + b" HTTP/1.1\r\n\r\n",
        b"GET " + ANNOUNCE + b" HTTP/1.1\nHost: x\n\n",
        b"\r\n\r\n" + request(ANNOUNCE),
        b"GET " + ANNOUNCE + b"&key=\xff\x80 x HTTP/1.1\r\nHost: x\r\n\r\n",
        request(ANNOUNCE, b"Connection: keep-alive", b"Accept-Encoding: gzip", b"User-Agent: curl/7.81.0"),
        request(ANNOUNCE, b"Connection: Upgrade, HTTP2-Settings", b"Upgrade: h2c", b"HTTP2-Settings: AAMAAABk"),
        request(ANNOUNCE, b"Content-Length: 0"),
    ],
)
def test_odd_but_good(data: bytes) -> None:
    """Clients get away with this everywhere."""
    assert asked(data) == REPLY


def test_every_split_of_a_request() -> None:
    """Two pieces, cut anywhere, and byte by byte."""

    async def main() -> None:
        service, data = make_service(), request(ANNOUNCE)
        for cut in range(1, len(data)):
            async with connected(service) as client:
                await client.send_all(data[:cut])
                await trio.testing.wait_all_tasks_blocked()
                await client.send_all(data[cut:])
                await client.send_eof()
                assert await receive_all(client) == REPLY
        async with connected(service) as client:
            for byte in data:
                await client.send_all(bytes([byte]))
                await trio.testing.wait_all_tasks_blocked()
            await client.send_eof()
            assert await receive_all(client) == REPLY

    trio.run(main)


def test_fifty_pipelined_requests() -> None:
    """Answered in their order, also when a page and a failure are among them."""
    service = make_service()
    targets = [ANNOUNCE.replace(b"6881", b"%d" % (port + 1)) for port in range(50)]
    targets[20], targets[30] = b"/health", b"/announce?"
    replies = asked(b"".join(map(request, targets)), service).split(b"HTTP/1.1 200 OK\r\n")[1:]
    bodies = [body_of(reply) for reply in replies]
    assert len(bodies) == 50
    assert bodies[20] == b"healthy\n"
    assert b"info_hash is missing" in bodies[30]
    assert b"10:incompletei48e" in bodies[49]
    assert service.counters.families[4].requests == {"announce": 49, "scrape": 0, "page": 1}


def test_one_connection_many_requests() -> None:
    """h11 as the client agrees with every reply."""

    async def main() -> None:
        service = make_service()
        async with connected(service) as stream:
            client = Client(stream)
            for target, status, start in (
                (ANNOUNCE, 200, b"d8:complete"),
                (b"/scrape?info_hash=aaaaaaaaaaaaaaaaaaaa", 200, b"d5:files"),
                (b"/", 200, b"<!doctype html>"),
                (b"/stats", 200, b"<!doctype html>"),
                (b"/stats.json", 200, b'{"version":'),
                (b"/stats?mode=everything", 200, b"<?xml"),
                (b"/robots.txt", 200, b"User-agent"),
                (b"/favicon.ico", 404, b"There is nothing"),
                (b"/announce", 200, b"d14:failure reason"),
            ):
                reply = await client.get(target)
                assert (reply.status, reply.body[: len(start)]) == (status, start)

    trio.run(main)


@pytest.mark.parametrize("target", [ANNOUNCE, b"/", b"/nothing"])
def test_head_gives_the_same_head(target: bytes) -> None:
    """Status and headers of a GET, without the body, and the connection goes on."""

    async def main() -> None:
        async with connected(make_service()) as stream:
            client = Client(stream)
            without = await client.get(target, method=b"HEAD")
            whole = await client.get(target)
            assert without.body == b""
            assert (without.status, without.headers) == (whole.status, whole.headers)

    trio.run(main)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"nonsense\r\n\r\n", "malformed"),
        (b"GET /\r\n\r\n", "malformed"),
        (b"\0\xff\xfe\r\n\r\n", "malformed"),
        (b"GET / HTTP/1.1\r\nHost: x\r\nno colon\r\n\r\n", "malformed"),
        (b"GET / HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n", "malformed"),
        (b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: ten\r\n\r\n", "malformed"),
        (b"GET / HTTP/1.1\r\nHost: x\r\n", "malformed"),
        (b"GET", "malformed"),
        (request(b"/" + b"a" * 8192), "target_too_long"),
        (b"GET /" + b"a" * 100_000, "target_too_long"),
        (request(b"/", b"A: " + b"b" * MAX_HEAD), "head_too_large"),
        (request(b"/", b"Content-Length: 65537") + b"x" * 65537, "body_too_large"),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", "tls_on_plain_port"),
    ],
)
def test_what_is_no_http_is_told(data: bytes, reason: str) -> None:
    """Each error has its status, a text that a person understands, a counter, and ends the connection."""
    service = make_service()
    reply = asked(data, service)
    status, text = pages.ERRORS[reason]
    assert reply.startswith(b"HTTP/1.1 %d " % status)
    assert b"\r\nConnection: close\r\n" in reply
    assert body_of(reply) == text.encode() + b"\n"
    assert service.counters.families[4].errors[reason] == 1


@pytest.mark.parametrize("method", [b"POST", b"PUT", b"OPTIONS", b"DELETE", b"BREW"])
def test_other_methods_are_refused(method: bytes) -> None:
    """With what is allowed instead; a body that was announced is not waited for."""
    reply = asked(request(ANNOUNCE, b"Content-Length: 1000000").replace(b"GET", method, 1))
    assert reply.startswith(b"HTTP/1.1 405 ")
    assert b"\r\nAllow: GET, HEAD\r\n" in reply


@pytest.mark.parametrize(
    ("line", "body"),
    [(b"Content-Length: 5", b"hello"), (b"Transfer-Encoding: chunked", b"3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n")],
)
def test_the_body_of_a_get_is_ignored(line: bytes, body: bytes) -> None:
    """It is no part of the next request, however it arrives."""
    data = request(ANNOUNCE, line) + body + request(ANNOUNCE)

    async def main() -> None:
        for cut in range(len(data) - 1, 0, -7):
            async with connected(make_service()) as client:
                await client.send_all(data[:cut])
                await trio.testing.wait_all_tasks_blocked()
                await client.send_all(data[cut:])
                await client.send_eof()
                assert await receive_all(client) == REPLY * 2

    trio.run(main)


def test_who_waits_for_100_continue_gets_the_answer() -> None:
    """Nobody wants the body; the connection ends, because it may come all the same."""
    assert asked(request(ANNOUNCE, b"Content-Length: 5", b"Expect: 100-continue")) == LAST


def test_without_keep_alive_each_reply_is_the_last() -> None:
    """As aquatic's option has it."""
    assert asked(request(ANNOUNCE) * 2, make_service(network=NetworkConfig(keep_alive=False))) == LAST


def test_what_comes_after_the_last_request_is_not_answered() -> None:
    """Connection: close means it."""
    assert asked(request(ANNOUNCE, b"Connection: close") + request(ANNOUNCE)) == LAST


def deadline(data: bytes, cleaning: CleaningConfig) -> tuple[Service, bytes, float]:
    """What comes back when these bytes are all that is sent, and after how long the connection ends."""
    service = make_service(cleaning=cleaning)

    async def main() -> tuple[bytes, float]:
        async with connected(service) as client:
            await client.send_all(data)
            received = bytes(await client.receive_some())
            took = trio.current_time()
            while more := await client.receive_some():
                received += more
            return received, took

    received, took = trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0))
    return service, received, took


def test_an_idle_connection_is_closed() -> None:
    """Silently, after its time."""
    service, received, _ = deadline(b"", CleaningConfig(max_connection_idle=7))
    assert received == b""
    assert service.counters.closed["idle"] == 1


def test_after_a_reply_a_connection_is_idle() -> None:
    """And closed after its time."""
    service, received, _ = deadline(request(ANNOUNCE), CleaningConfig(max_connection_idle=7))
    assert received == REPLY
    assert service.counters.closed["idle"] == 1


def test_a_request_has_a_time() -> None:
    """Then 408, however long the client goes on."""
    service, received, took = deadline(request(ANNOUNCE)[:-1], CleaningConfig(max_request_time=5))
    assert received.startswith(b"HTTP/1.1 408 ")
    assert took == 5
    assert service.counters.closed["request_time"] == 1


def test_a_slow_sender_has_no_more_time() -> None:
    """A byte now and then does not prolong it."""

    async def main() -> float:
        async with connected(make_service(cleaning=CleaningConfig(max_request_time=5))) as client:
            received: list[bytes] = []

            async def receive() -> None:
                received.append(bytes(await client.receive_some()))

            async with trio.open_nursery() as nursery:
                nursery.start_soon(receive)
                for byte in request(ANNOUNCE):
                    if received:
                        break
                    await client.send_all(bytes([byte]))
                    await trio.sleep(1)
            assert received[0].startswith(b"HTTP/1.1 408 ")
            return trio.current_time()

    assert trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0)) == pytest.approx(6, abs=1)


def test_a_client_that_does_not_read_is_cut_off() -> None:
    """After its time for taking a reply; replies do not pile up."""
    service = make_service(cleaning=CleaningConfig(max_write_time=5))

    async def main() -> None:
        client, server = trio.testing.lockstep_stream_pair()
        with trio.fail_after(60):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(partial(requests_of, service, server))
                await client.send_all(request(ANNOUNCE))

    trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0))
    assert service.counters.closed["write_time"] == 1


async def requests_of(service: Service, server: trio.abc.Stream) -> None:
    """Serves one connection."""
    from thalweg_http.connection import serve_connection

    await serve_connection(service, server, CLIENT)


def test_short_writes_are_continued() -> None:
    """A stream that takes a byte at a time delivers the whole."""
    service = make_service()

    async def main() -> bytes:
        client, server = trio.testing.lockstep_stream_pair()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(requests_of, service, server)
            await client.send_all(request(ANNOUNCE, b"Connection: close"))
            received = b""
            while data := await client.receive_some(1):
                received += data
            await client.aclose()
        return received

    assert trio.run(main) == LAST


def test_a_connection_that_breaks_is_counted() -> None:
    """And nothing is raised."""
    service = make_service()

    async def main() -> None:
        client, server = trio.testing.memory_stream_pair()

        async def broken(_: object) -> None:
            raise trio.BrokenResourceError

        server.send_stream.send_all = broken  # type: ignore[assignment]
        async with trio.open_nursery() as nursery:
            nursery.start_soon(requests_of, service, server)
            await client.send_all(request(ANNOUNCE))

    trio.run(main)
    assert service.counters.closed["broken"] == 1


def test_a_mistake_of_ours_is_a_500(monkeypatch: pytest.MonkeyPatch) -> None:
    """And the service runs on; nobody else could cause it."""

    def fails(*_: object) -> None:
        raise RuntimeError("a bug")

    monkeypatch.setattr(requests, "respond", fails)
    service = make_service()
    assert asked(request(ANNOUNCE), service).startswith(b"HTTP/1.1 500 ")
    assert service.counters.families[4].errors["internal"] == 1


def test_an_address_has_so_many_connections() -> None:
    """One more is told to come back; a place that gets free is used; trusted proxies have no limit."""
    service = make_service(limits=LimitsConfig(max_memory_mib=64, max_connections_per_address=2))

    async def main() -> None:
        async with connected(service), connected(service):
            await trio.testing.wait_all_tasks_blocked()
            refused = await ask(service, b"")
            assert refused.startswith(b"HTTP/1.1 503 ")
            assert b"\r\nRetry-After: 300\r\n" in refused
            assert await ask(service, request(ANNOUNCE), bytes([198, 51, 100, 8])) != b""
            async with connected(service, LOOPBACK), connected(service, LOOPBACK):
                assert await ask(service, request(ANNOUNCE), LOOPBACK) != b""
        assert (await ask(service, request(ANNOUNCE))).startswith(b"HTTP/1.1 200 ")

    trio.run(main)
    assert service.counters.refused["address_connections"] == 1


def test_ipv6_clients_are_limited_by_their_64() -> None:
    """Addresses that share the first eight bytes share the limit."""
    service = make_service(limits=LimitsConfig(max_memory_mib=64, max_connections_per_address=1))

    async def main() -> tuple[bytes, bytes]:
        net = bytes([0x20, 1, 0xD, 0xB8, 0, 0, 0, 1])
        async with connected(service, net + bytes(8)):
            await trio.testing.wait_all_tasks_blocked()
            same = await ask(service, request(ANNOUNCE), net + bytes(7) + b"\1")
            other = await ask(service, request(ANNOUNCE), net[:7] + b"\2" + bytes(8))
        return same[:12], other[:12]

    assert trio.run(main) == (b"HTTP/1.1 503", b"HTTP/1.1 200")


def test_random_bytes_are_always_answered() -> None:
    """Mutated requests give a reply that h11 can read, never silence and never an exception."""
    seed = random.randrange(1 << 32)
    print("seed", seed)
    chance = random.Random(seed)

    async def main() -> None:
        service = make_service()
        for _ in range(300):
            data = bytearray(request(ANNOUNCE, b"Accept: */*"))
            for _ in range(chance.randint(1, 6)):
                data[chance.randrange(len(data))] = chance.randrange(256)
            reply = await ask(service, bytes(data))
            judge = h11.Connection(h11.CLIENT)
            judge.send(h11.Request(method="GET", target="/", headers=[("Host", "x")]))
            judge.send(h11.EndOfMessage())
            judge.receive_data(reply)
            assert isinstance(judge.next_event(), h11.Response), bytes(data)
        assert sum(service.counters.closed.values()) == service.counters.closed["ended"]

    trio.run(main)
