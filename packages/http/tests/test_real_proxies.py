"""Behind real HAProxy and nginx: the client's address is kept, in both families, as the how-to says."""

import contextlib
import socket
from pathlib import Path

import pytest
from thalweg_common.swarm import compact_peer

from packages.http.tests.real_proxies import free_port, haproxy, nginx, running
from packages.http.tests.running import LISTEN_ANYWHERE, PATIENCE, RunningService, announce, get, receive_reply

HEADER = "network.runs_behind_reverse_proxy = true\n"
PROTOCOL = "network.proxy_protocol = true\n"
# Clients come from loopback, too, so that only the proxy's own address may be trusted.
TRUSTED = 'network.trusted_proxies = ["127.0.0.1"]\n'
CLIENTS = {4: "127.0.0.2", 6: "::1"}
OTHERS = {4: "127.0.0.3", 6: "::1"}


def through(port: int, source: str, request: bytes) -> bytes:
    """The reply that a client with this address gets."""
    target = ("::1" if ":" in source else "127.0.0.1", port)
    with socket.create_connection(target, PATIENCE, source_address=(source, 0)) as connection:
        connection.sendall(request)
        return receive_reply(connection)


def answers(port: int) -> bool:
    """Whether the tracker can be reached through the proxy."""
    with contextlib.suppress(OSError, AssertionError):
        return through(port, "127.0.0.2", get("/health")) == b"healthy\n"
    return False


def judge(port: int) -> None:
    """Two clients in each family announce; the second is told of the first by its own address."""
    for version, client in CLIENTS.items():
        forged = "X-Forwarded-For: 192.0.2.66"
        through(port, client, get(announce(1001), forged))
        reply = through(port, OTHERS[version], get(announce(1002), forged))
        assert compact_peer(client, 1001) in reply
        assert compact_peer(OTHERS[version], 0)[:-2] in reply  # external ip


@pytest.mark.needs("haproxy")
@pytest.mark.parametrize(
    ("mode", "forwarded", "send", "options"),
    [
        ("tcp", "", "send-proxy", PROTOCOL),
        ("tcp", "", "send-proxy-v2", PROTOCOL),
        ("http", "", "send-proxy-v2", PROTOCOL),
        ("http", "option forwardfor", "", HEADER),
    ],
)
def test_behind_haproxy(tmp_path: Path, mode: str, forwarded: str, send: str, options: str) -> None:
    """With both versions of the PROXY protocol, and with the header that it adds in lower case."""
    port = free_port()
    with RunningService(tmp_path, LISTEN_ANYWHERE + TRUSTED + options) as service:
        binds = [f"127.0.0.1:{port}", f"::1:{port} v6only"]
        command = haproxy(tmp_path, binds, f"127.0.0.1:{service.port()}", mode=mode, forwarded=forwarded, send=send)
        with running(command, tmp_path, service, lambda: answers(port)):
            judge(port)


@pytest.mark.needs("nginx-light")
def test_behind_nginx(tmp_path: Path) -> None:
    """With the header, which nginx makes longer: what the client wrote stands to the left."""
    port = free_port()
    with RunningService(tmp_path, LISTEN_ANYWHERE + TRUSTED + HEADER) as service:
        listens = [f"127.0.0.1:{port}", f"[::1]:{port} ipv6only=on"]
        command = nginx(tmp_path, listens, f"127.0.0.1:{service.port()}")
        with running(command, tmp_path, service, lambda: answers(port)):
            judge(port)
