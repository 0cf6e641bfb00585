"""What hostile clients may do to the real service by their number: others are served, and it recovers."""

import contextlib
import os
import select
import socket
import threading
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from resource import RLIMIT_NOFILE, prlimit

import pytest

from packages.http.tests.attacking import Attack, descriptors_for, holding, holds, many_connections, median, reset
from packages.http.tests.running import PATIENCE, RunningService, announce, get, receive_all, receive_reply

SLOW = 5000
BYTES, BYTE_SECONDS = 5, 0.2
MANY = "network.tcp_backlog = 4096\n"
STORM = 5000
NOBODY_TRUSTED = "network.trusted_proxies = []\n"


@contextlib.contextmanager
def dribbling(connections: list[socket.socket]) -> Iterator[list[int]]:
    """Sends a request that never ends on each of them, byte by byte, during the block; gives how many."""
    request = get(announce(1), "X-Endless: " + "a" * 10_000)
    begun, stop, sent = threading.Event(), threading.Event(), [0]

    def dribble() -> None:
        for at in range(len(request)):
            for connection in connections:
                with contextlib.suppress(OSError):  # told that its time is up
                    connection.send(request[at : at + 1])
            sent[0] += 1
            begun.set()
            if stop.wait(BYTE_SECONDS):
                break

    thread = threading.Thread(target=dribble)
    thread.start()
    try:
        assert begun.wait(PATIENCE)
        yield sent
    finally:
        stop.set()
        thread.join()


def answer_time(service: RunningService) -> float:
    """Seconds that an announce takes, with a connection of its own."""
    began = time.monotonic()
    assert b"8:intervali" in service.ask(announce(2))
    return time.monotonic() - began


def test_slow_loris(attack: Attack) -> None:
    """While 5,000 requests come byte by byte, others are served; when their time is up they are told, every one."""
    config = MANY + "cleaning.max_request_time = 2\n"
    with descriptors_for(SLOW), attack.on(config) as service:
        for _ in attack.waves(service):
            with many_connections(service, SLOW) as connections:
                service.wait_for(partial(holds, service, SLOW))
                with dribbling(connections) as sent:
                    times = []
                    while sent[0] < BYTES:
                        times.append(answer_time(service))
                told = sum(receive_all(connection).startswith(b"HTTP/1.1 408 ") for connection in connections)
            attack.note(f"answer meanwhile, median of {len(times)}, ms", 1000 * median(times))
            attack.note("the slowest, ms", 1000 * max(times))
            assert told == SLOW
            assert times


def test_running_out_of_descriptors(attack: Attack) -> None:
    """Others wait with the kernel, keep nobody busy meanwhile, and are served as soon as descriptors return."""
    with attack.on() as service:
        for _ in attack.waves(service):
            limits = prlimit(service.process.pid, RLIMIT_NOFILE)
            with many_connections(service, 50) as served:
                ask(served)
                replies_left(served, 50)
                most = holding(service).descriptors + 10
                prlimit(service.process.pid, RLIMIT_NOFILE, (most, limits[1]))
                with many_connections(service, 100) as waiting:
                    service.wait_for(partial(holds, service, most))
                    share = cpu_share(service, waiting)
                    attack.note("part of a CPU that it takes meanwhile", share)
                    assert share < 0.5
                    ask(served)
                    replies_left(served, 50)
                    ask(waiting)
                    for connection in served[:20]:
                        connection.close()
                    left = replies_left(waiting, 30)
                    prlimit(service.process.pid, RLIMIT_NOFILE, limits)
                    replies_left(left, len(left))
        assert "no descriptors for new connections" in service.log


def cpu_share(service: RunningService, connections: list[socket.socket]) -> float:
    """How busy it is while for half a second nothing comes for the connections."""
    before = cpu_seconds(service)
    assert not select.select(connections, [], [], 0.5)[0]
    return (cpu_seconds(service) - before) / 0.5


def cpu_seconds(service: RunningService) -> float:
    """What the process has used (proc(5): utime and stime)."""
    numbers = Path(f"/proc/{service.process.pid}/stat").read_text().rpartition(") ")[2].split()
    return (int(numbers[11]) + int(numbers[12])) / os.sysconf("SC_CLK_TCK")


def ask(connections: list[socket.socket]) -> None:
    """Announces on each."""
    for connection in connections:
        connection.sendall(get(announce(1)))


def replies_left(connections: list[socket.socket], count: int) -> list[socket.socket]:
    """Waits for so many replies; gives the connections that still have none."""
    left = list(connections)
    while len(connections) - len(left) < count:
        readable, _, _ = select.select(left, [], [], PATIENCE)
        assert readable, f"{len(connections) - len(left)} of {count} replies"
        for connection in readable:
            assert b"8:intervali" in receive_reply(connection)
            left.remove(connection)
    return left


def test_a_storm_of_resets(attack: Attack) -> None:
    """Thousands of connections that vanish, before, within and after a request, leave nothing, not even in the log."""
    parts = [b"", get(announce(1))[:40], get(announce(1)), get(announce(1, "&compact=0"))]
    with attack.on(MANY) as service:
        lines = service.log.count("\n")
        for _ in attack.waves(service):
            began = time.monotonic()
            for number in range(STORM):
                connection = service.connect()
                connection.sendall(parts[number % len(parts)])
                reset(connection)
            assert b"8:intervali" in service.ask(announce(1))
            attack.note(f"seconds for {STORM} resets and an announce", time.monotonic() - began)
        assert service.log.count("\n") == lines


def test_stopping_among_slow_clients(attack: Attack) -> None:
    """A thousand connections that say nothing, half a request, or all but its body, end by the deadline."""
    said = [b"", get(announce(1))[:40], get(announce(1), "Content-Length: 9")]
    with attack.start("stop_timeout = 1\n") as service, many_connections(service, 1000) as connections:
        for number, connection in enumerate(connections):
            connection.sendall(said[number % len(said)])
        service.wait_for(partial(holds, service, 1000))
        began = time.monotonic()
        assert service.stop() == 0
        attack.note("seconds until it had stopped", time.monotonic() - began)
        assert "Traceback" not in service.log


@pytest.mark.parametrize("asked", [b"", get(announce(1))], ids=["silent", "asking"])
def test_connections_have_a_limit(attack: Attack, asked: bytes) -> None:
    """One more is told so and when to come back; when one goes there is room again."""
    with attack.on("limits.max_connections = 3\n") as service:
        for _ in attack.waves(service):
            with contextlib.ExitStack() as clients:
                for _ in range(3):
                    service.wait_for(partial(client_fits, service, "127.0.0.1", clients))
                with service.connect() as refused:
                    refused.sendall(asked)
                    assert_busy(receive_all(refused))
            service.wait_for(lambda: b"8:intervali" in service.ask(announce(1)))


def test_an_address_has_a_limit(attack: Attack) -> None:
    """One more connection of the same address is told so; others are served."""
    with attack.on(NOBODY_TRUSTED + "limits.max_connections_per_address = 3\n") as service:
        for _ in attack.waves(service):
            with contextlib.ExitStack() as clients:
                for _ in range(3):
                    service.wait_for(partial(client_fits, service, "127.0.0.2", clients))
                with connect_from("127.0.0.2", service) as refused:
                    assert_busy(receive_all(refused))
                assert b"8:intervali" in service.ask(announce(1))


def client_fits(service: RunningService, address: str, clients: contextlib.ExitStack) -> bool:
    """Whether one more client is served, which then stays. It may have to wait until an earlier one has gone."""
    connection = clients.enter_context(connect_from(address, service))
    connection.sendall(get(announce(1)))
    if b"8:intervali" in receive_reply(connection):
        return True
    connection.close()
    return False


def connect_from(address: str, service: RunningService) -> socket.socket:
    """A connection of this client."""
    return socket.create_connection(("127.0.0.1", service.port()), PATIENCE, source_address=(address, 0))


def assert_busy(reply: bytes) -> None:
    """A 503 that a person understands."""
    head, _, body = reply.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 503 Service Unavailable\r\n")
    assert b"Retry-After: " in head
    assert b"Too many connections" in body
