"""What hostile clients may say to the real service: it answers on, and everything it took comes back."""

import contextlib
import random
import select
import socket

import pytest

from packages.http.tests.attacking import MEBIBYTE, Attack, client_hello, holding
from packages.http.tests.running import announce, get, receive_all

OFTEN = 200
LONG_HEADERS = [f"X-Long-{number}: {'a' * 1000}" for number in range(40)]
HUGE = 100_000_000
# Version 2, for a client at 203.0.113.9.
PROXY_HEADER = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c" + bytes([203, 0, 113, 9, 192, 0, 2, 1, 0, 1, 0, 80])


@pytest.mark.parametrize(
    ("said", "answer"),
    [
        pytest.param(get(announce(1, "&a=" + "a" * 8192)), b"414 ", id="target"),
        pytest.param(get(announce(1, "&a=" + "a" * 100_000)), b"414 ", id="huge target"),
        pytest.param(get(announce(1), *LONG_HEADERS), b"431 ", id="headers"),
        pytest.param(get(announce(1), "X: " + "a" * 100_000), b"431 ", id="header"),
        pytest.param(client_hello(), b"400 ", id="TLS"),
        pytest.param(b"\0" * 40_000, b"400 ", id="zeros"),
        pytest.param(b"a" * 40_000, b"400 ", id="no blanks"),
    ],
)
def test_what_is_no_request_gets_a_reply(attack: Attack, said: bytes, answer: bytes) -> None:
    """Every time, with a body that says what is wrong, whether it comes at once or in two parts."""
    with attack.on() as service:
        for _ in attack.waves(service):
            for number in range(OFTEN):
                with service.connect() as connection:
                    half = len(said) * (number % 2) // 2
                    connection.sendall(said[:half])
                    connection.sendall(said[half:])
                    head, _, body = receive_all(connection).partition(b"\r\n\r\n")
                    assert head.startswith(b"HTTP/1.1 " + answer)
                    assert len(body) > 20


def test_a_query_of_100_megabytes(attack: Attack) -> None:
    """Is refused after 8 KiB; what still comes is thrown away or cut off, and takes no memory."""
    with attack.on() as service:
        for _ in attack.waves(service):
            before, peak, sent, replied = holding(service).memory, 0, 0, 0
            with service.connect() as connection, contextlib.suppress(ConnectionResetError, BrokenPipeError):
                connection.sendall(b"GET /announce?info_hash=")
                while sent < HUGE:
                    sent += connection.send(b"a" * 65536)
                    peak = max(peak, holding(service).memory)
                    if not replied and select.select([connection], [], [], 0)[0]:
                        assert connection.recv(65536).startswith(b"HTTP/1.1 414 ")
                        replied = sent
            attack.note("bytes sent until the refusal was there", replied)
            attack.note("bytes sent in all", sent)
            attack.note("memory meanwhile, MiB", (peak - before) / MEBIBYTE)
            assert replied
            assert peak - before < 4 * MEBIBYTE


def test_random_bytes_are_harmless(attack: Attack) -> None:
    """Each connection of them is answered or closed."""
    seed = random.randrange(1 << 32)
    print("seed", seed)
    chance = random.Random(seed)
    with attack.on() as service:
        for _ in attack.waves(service):
            replies = 0
            for _ in range(OFTEN):
                with service.connect() as connection:
                    connection.sendall(chance.randbytes(chance.randint(1, 3000)) + b"\r\n\r\n" * chance.randint(0, 1))
                    connection.shutdown(socket.SHUT_WR)
                    replies += receive_all(connection).startswith(b"HTTP/1.1 400 ")
            attack.note(f"replies to {OFTEN} pieces of noise", replies)


def test_damaged_requests_are_harmless(attack: Attack) -> None:
    """Requests with a few bytes changed, taken out or put in get a whole reply each."""
    seed = random.randrange(1 << 32)
    print("seed", seed)
    chance = random.Random(seed)
    with attack.on() as service:
        for _ in attack.waves(service):
            for _ in range(OFTEN):
                with service.connect() as connection:
                    connection.sendall(damaged(get(announce(1), "Connection: close"), chance))
                    connection.shutdown(socket.SHUT_WR)
                    assert receive_all(connection).startswith(b"HTTP/1.1 ")


def damaged(data: bytes, chance: random.Random) -> bytes:
    """The bytes with one to four faults."""
    broken = bytearray(data)
    for _ in range(chance.randint(1, 4)):
        at = chance.randrange(len(broken))
        broken[at : at + chance.randint(0, 2)] = chance.randbytes(chance.randint(0, 2))
    return bytes(broken)


def test_damaged_proxy_headers_are_harmless(attack: Attack) -> None:
    """Connections of a trusted proxy that begin with a few wrong bytes are answered or closed."""
    seed = random.randrange(1 << 32)
    print("seed", seed)
    chance = random.Random(seed)
    with attack.on("network.proxy_protocol = true\n") as service:
        for _ in attack.waves(service):
            replies = 0
            for _ in range(OFTEN):
                with service.connect() as connection:
                    connection.sendall(damaged(PROXY_HEADER, chance) + get(announce(1), "Connection: close"))
                    connection.shutdown(socket.SHUT_WR)
                    replies += receive_all(connection).startswith(b"HTTP/1.1 ")
            attack.note(f"replies to {OFTEN} damaged headers", replies)


@pytest.mark.parametrize("size", [0, 1, 20, -1, None])
def test_half_closed_sockets_get_their_reply(attack: Attack, size: int | None) -> None:
    """Clients may close their side first: a whole request is answered, a part of one refused, nothing ignored."""
    expected = {0: b"", None: b"HTTP/1.1 200 OK\r\n"}.get(size, b"HTTP/1.1 400 Bad Request\r\n")
    with attack.on() as service:
        for _ in attack.waves(service):
            for _ in range(OFTEN):
                with service.connect() as connection:
                    connection.sendall(get(announce(1))[:size])
                    connection.shutdown(socket.SHUT_WR)
                    reply = receive_all(connection)
                    assert reply.startswith(expected)
                    assert bool(reply) == bool(expected)


def test_pipelined_requests_of_half_closed_sockets(attack: Attack) -> None:
    """Every one of fifty is answered, in order, common and odd ones in turn."""
    asked = [get(announce(1)), get(announce(1, "&compact=0")), get("/health"), get("/none")] * 12
    with attack.on() as service:
        for _ in attack.waves(service):
            with service.connect() as connection:
                connection.sendall(b"".join(asked))
                connection.shutdown(socket.SHUT_WR)
                replies = receive_all(connection).split(b"HTTP/1.1 ")[1:]
                assert [reply[:3] for reply in replies] == [b"200", b"200", b"200", b"404"] * 12


def send_for_ever(connection: socket.socket, data: bytes) -> None:
    """Until that fails."""
    while True:
        connection.sendall(data)


def test_a_client_that_never_reads_is_cut_off(attack: Attack) -> None:
    """Replies to pipelined requests that nobody takes fill the socket's buffers, and no more than these."""
    with attack.on("cleaning.max_write_time = 1\n") as service:
        for _, asked in zip(attack.waves(service), (get("/"), get(announce(1))), strict=True):
            with service.connect() as connection, pytest.raises((ConnectionResetError, BrokenPipeError)):
                send_for_ever(connection, asked * 100)
            assert service.ask("/health").endswith(b"healthy\n")
