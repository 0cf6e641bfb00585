"""Floods of what only Python answers, on the real service: TLS, and requests that the fast path leaves to it."""

import contextlib
import select
import socket
import ssl
from collections import Counter
from functools import partial
from pathlib import Path

import pytest

from packages.http.tests.attacking import (
    MEBIBYTE,
    Attack,
    client_hello,
    descriptors_for,
    holds,
    many_connections,
    median,
)
from packages.http.tests.certificates import make_authority, make_signed_certificate
from packages.http.tests.closed_loop import ClosedLoop
from packages.http.tests.running import PATIENCE, RunningService, announce, get, receive_all, receive_reply

ROUNDS, ROUND_SECONDS = 5, 0.3
BURST = 3000
SLOW_HANDSHAKES = 500
TLS_KEEPS = 64 * MEBIBYTE  # half as much for a wave, and garbage of the one before that was not collected yet
TLS = """\
network.tls_addresses = ["[::1]:0"]
network.tls_certificate_path = "tracker.pem"
network.tls_private_key_path = "tracker-key.pem"
cleaning.max_request_time = 1
"""
ODD = {
    "dictionaries": get(announce(3, "&compact=0")),
    "HTTP/1.0": get(announce(3), version="1.0"),
}


@pytest.mark.parametrize("odd", ODD.values(), ids=ODD)
def test_a_flood_of_odd_requests(fast_attack: Attack, odd: bytes) -> None:
    """Which only Python answers, on 64 connections: what C answers keeps more than half of its throughput."""
    with (
        fast_attack.on() as service,
        ClosedLoop(service.port(), get(announce(2)), 8) as common,
        ClosedLoop(service.port(), odd, 64) as flood,
    ):
        shares = []
        for _ in range(ROUNDS):
            common.begin(ROUND_SECONDS)
            alone = common.replies()
            flood.begin(ROUND_SECONDS)
            common.begin(ROUND_SECONDS)
            beside, flooded = common.replies(), flood.replies()
            fast_attack.note("common requests per second alone", alone / ROUND_SECONDS)
            fast_attack.note("common requests per second beside the flood", beside / ROUND_SECONDS)
            fast_attack.note("odd requests per second", flooded / ROUND_SECONDS)
            assert flooded > 0
            shares.append(beside / alone)
        assert median(shares) > 0.5


def test_a_burst_of_odd_requests(fast_attack: Attack) -> None:
    """Thousands at once are more than may wait for Python: each is answered, or told at once to come back later."""
    with descriptors_for(BURST), fast_attack.on("network.tcp_backlog = 4096\n") as service:
        for _ in fast_attack.waves(service):
            with many_connections(service, BURST) as connections:
                for connection in connections:
                    connection.sendall(ODD["HTTP/1.0"])
                told = Counter(receive_all(connection)[:12].decode() for connection in connections)
            for status, count in told.items():
                fast_attack.note(status, count)
            assert set(told) <= {"HTTP/1.1 200", "HTTP/1.1 503"}
            assert told["HTTP/1.1 200"] > 0


def test_odd_clients_have_a_limit_of_their_own(fast_attack: Attack) -> None:
    """Those that stay leave no room for another odd one; it waits for one of them to go. Common ones do not notice."""
    odd = ODD["dictionaries"]
    with fast_attack.on("limits.max_odd_connections = 5\n") as service:
        for _ in fast_attack.waves(service):
            with many_connections(service, 5) as staying, service.connect() as waiting:
                for connection in staying:
                    connection.sendall(odd)
                    assert b"8:intervali" in receive_reply(connection)
                waiting.sendall(odd)
                for _ in range(100):
                    assert b"8:intervali" in service.ask(announce(1))
                assert not select.select([waiting], [], [], 0)[0]
                staying[0].close()
                assert b"8:intervali" in receive_reply(waiting)


@pytest.mark.needs("openssl")
def test_slow_handshakes(fast_attack: Attack, tmp_path: Path) -> None:
    """Hundreds of TLS handshakes that never end keep no other client waiting, and are ended when their time is up."""
    make_authority(tmp_path)
    make_signed_certificate(tmp_path, ["::1"])
    context = ssl.create_default_context(cafile=str(tmp_path / "authority.pem"))
    half = client_hello()[:100]
    with fast_attack.on(TLS) as service:
        for _ in fast_attack.waves(service, TLS_KEEPS, TLS_KEEPS):
            with contextlib.ExitStack() as stack:
                slow = [stack.enter_context(connect_tls_port(service)) for _ in range(SLOW_HANDSHAKES)]
                for connection in slow:
                    connection.sendall(half)
                service.wait_for(partial(holds, service, SLOW_HANDSHAKES))
                with context.wrap_socket(connect_tls_port(service), server_hostname="::1") as secure:
                    secure.sendall(get(announce(1), "Connection: close"))
                    assert b"8:intervali" in receive_all(secure)
                assert not any(receive_all(connection) for connection in slow)


def connect_tls_port(service: RunningService) -> socket.socket:
    """A connection to the port that speaks TLS."""
    (url,) = [url for url in service.ready.addresses if url.startswith("https://")]
    return socket.create_connection(("::1", int(url.removesuffix("/announce").rpartition(":")[2])), PATIENCE)
