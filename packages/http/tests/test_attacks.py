"""What a hostile network does to the real service: it answers on, and everything it took comes back."""

import contextlib
import random
import resource
import select
import socket
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from packages.http.tests.running import (
    LISTEN_ANYWHERE,
    RunningService,
    announce,
    get,
    receive_all,
    receive_reply,
)

UNLIMITED = LISTEN_ANYWHERE + "limits.max_connections_per_address = 0\n"


def few_descriptors(most: int) -> list[str]:
    """The service with so many descriptors, and a connection limit that believes in more."""
    program = (
        "import sys, thalweg_http.main as m\n"
        "from resource import RLIMIT_NOFILE, setrlimit\n"
        f"m.connection_limit = lambda configured: setrlimit(RLIMIT_NOFILE, ({most}, {most})) or 10_000\n"
        "sys.exit(m.main())"
    )
    return [sys.executable, "-c", program]


def descriptors(service: RunningService) -> int:
    """How many the process has open."""
    return len(list(Path(f"/proc/{service.process.pid}/fd").iterdir()))


@contextlib.contextmanager
def many_connections(service: RunningService, count: int) -> Iterator[list[socket.socket]]:
    """Connections that say nothing yet."""
    with contextlib.ExitStack() as stack:
        yield [stack.enter_context(service.connect()) for _ in range(count)]


def send_for_ever(connection: socket.socket, data: bytes) -> None:
    """Sends until that fails."""
    while True:
        connection.sendall(data)


def test_running_out_of_descriptors_is_survived(tmp_path: Path) -> None:
    """Connections wait with the kernel; when descriptors return they are served."""
    with RunningService(tmp_path, UNLIMITED, few_descriptors(64)) as service:
        before = descriptors(service)
        with many_connections(service, 100) as connections:
            service.wait_for_log("no descriptors for new connections")
            for connection in connections[:60]:
                connection.close()
            connections[99].sendall(get(announce(1)))
            assert b"8:intervali" in receive_reply(connections[99])
        service.wait_for(lambda: descriptors(service) == before)


def test_connections_have_a_limit(tmp_path: Path) -> None:
    """One more is told to come back; when one goes there is room again."""
    config = LISTEN_ANYWHERE + "limits.max_connections = 3\n"
    with RunningService(tmp_path, config) as service:
        with many_connections(service, 3) as connections:
            for connection in connections:
                connection.sendall(get("/health"))
                receive_reply(connection)
            with service.connect() as refused:
                assert receive_all(refused).startswith(b"HTTP/1.1 503 Service Unavailable\r\n")
        service.wait_for(lambda: b"healthy" in service.ask("/health"))


def test_slow_senders_do_not_keep_others_waiting(tmp_path: Path) -> None:
    """A thousand requests never end; the next client is served at once, and they are told when their time is up."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    count = min(1000, soft - 100)
    with RunningService(tmp_path, UNLIMITED + "cleaning.max_request_time = 2\n") as service:
        before = descriptors(service)
        with many_connections(service, count) as connections:
            for connection in connections:
                connection.sendall(b"GET /announce?info_hash=")
            began = time.monotonic()
            assert b"8:intervali" in service.ask(announce(1))
            print(f"{count} slow senders; a request took {time.monotonic() - began:.3f} s meanwhile")
            assert receive_all(connections[-1]).startswith(b"HTTP/1.1 408 ")
        service.wait_for(lambda: descriptors(service) == before)


def test_a_query_of_100_megabytes(tmp_path: Path) -> None:
    """Is refused after 8 KiB; what still comes is thrown away, and takes no memory."""
    with RunningService(tmp_path) as service, service.connect() as connection:
        memory = service.next_status().memory_bytes
        connection.sendall(b"GET /announce?info_hash=")
        piece, sent = b"a" * 65536, 0
        with contextlib.suppress(OSError):
            while sent < 100_000_000 and not select.select([connection], [], [], 0)[0]:
                sent += connection.send(piece)
        assert connection.recv(65536).startswith(b"HTTP/1.1 414 ")
        assert service.next_status().memory_bytes < memory + 4_000_000


def test_random_bytes_are_harmless(tmp_path: Path) -> None:
    """Each connection of them is answered or closed; afterwards nothing is left of it."""
    seed = random.randrange(1 << 32)
    print("seed", seed)
    chance = random.Random(seed)
    with RunningService(tmp_path, UNLIMITED) as service:
        before = descriptors(service)
        for _ in range(200):
            with service.connect() as connection:
                connection.sendall(chance.randbytes(chance.randint(1, 3000)))
                connection.shutdown(socket.SHUT_WR)
                receive_all(connection)
        assert b"8:intervali" in service.ask(announce(1))
        service.wait_for(lambda: descriptors(service) == before)
        assert "failed" not in service.log


def test_half_closed_sockets_get_their_reply(tmp_path: Path) -> None:
    """Clients that have said everything may close their side first."""
    with RunningService(tmp_path) as service, service.connect() as connection:
        connection.sendall(get(announce(1)))
        connection.shutdown(socket.SHUT_WR)
        assert b"8:intervali" in receive_all(connection)


def test_a_client_that_never_reads_is_cut_off(tmp_path: Path) -> None:
    """Pipelined pages nobody takes fill the socket's buffers, and no more than these."""
    config = LISTEN_ANYWHERE + "cleaning.max_write_time = 1\n"
    with RunningService(tmp_path, config) as service, service.connect() as connection:
        with pytest.raises((ConnectionResetError, BrokenPipeError)):
            send_for_ever(connection, get("/") * 100)
        assert b"healthy" in service.ask("/health")


def test_a_reset_is_no_event(tmp_path: Path) -> None:
    """Connections that vanish in the middle leave nothing in the log."""
    with RunningService(tmp_path, UNLIMITED) as service:
        before = descriptors(service)
        for _ in range(50):
            with service.connect() as connection:
                connection.sendall(get(announce(1))[:40])
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        service.wait_for(lambda: descriptors(service) == before)
        assert "failed" not in service.log
