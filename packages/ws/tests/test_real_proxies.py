"""Behind real HAProxy and nginx, plain and with TLS: WebSockets are passed on, and the client's address is kept."""

import contextlib
import socket
import ssl
from pathlib import Path

import pytest

from packages.http.tests.certificates import make_certificate
from packages.http.tests.real_proxies import free_port, haproxy, nginx, running
from packages.ws.tests.running import LISTEN_ANYWHERE, PATIENCE, Client, RunningService, announce, offers, receive_all

HEADER = "network.runs_behind_reverse_proxy = true\n"
PROTOCOL = "network.proxy_protocol = true\n"
# Clients come from loopback, too, so that only the proxy's own address may be trusted; and each may open one WebSocket.
TRUSTED = 'network.trusted_proxies = ["127.0.0.1"]\nlimits.max_connections_per_address = 1\n'


def connect(port: int, source: str, certificate: Path | None) -> socket.socket | ssl.SSLSocket:
    """A connection to the proxy from this address."""
    target = ("::1" if ":" in source else "127.0.0.1", port)
    connection = socket.create_connection(target, PATIENCE, source_address=(source, 0))
    if certificate is None:
        return connection
    return ssl.create_default_context(cafile=str(certificate)).wrap_socket(connection, server_hostname="localhost")


def answers(port: int, certificate: Path | None) -> bool:
    """Whether the service can be reached through the proxy."""
    with contextlib.suppress(OSError), connect(port, "127.0.0.4", certificate) as connection:
        connection.sendall(b"GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        return b"healthy\n" in receive_all(connection)
    return False


def judge(service: RunningService, port: int, certificate: Path | None = None) -> None:
    """Two clients meet, one in each family; a second WebSocket of the same address is refused."""
    with (
        Client(connect(port, "127.0.0.2", certificate), X_Forwarded_For="192.0.2.66") as alice,
        Client(connect(port, "::1", certificate)) as bob,
    ):
        alice.ask(announce("alice"))
        bob.send(announce("bob", offers=offers("x")))
        assert alice.receive()["offer_id"] == "x".ljust(20)
        assert bob.receive()["incomplete"] == 2
        with pytest.raises(AssertionError, match=r"RejectConnection.*status_code=503"):
            Client(connect(port, "127.0.0.2", certificate))
        while (status := service.next_status().ip_version)["6"].requests_total == 0:
            pass
        assert status["6"].requests_total == 2
        alice.close()


@pytest.mark.needs("haproxy")
@pytest.mark.parametrize("secure", [False, True])
@pytest.mark.parametrize(
    ("mode", "forwarded", "send", "options"),
    [
        ("tcp", "", "send-proxy", PROTOCOL),
        ("http", "", "send-proxy-v2", PROTOCOL),
        ("http", "option forwardfor", "", HEADER),
    ],
)
def test_behind_haproxy(tmp_path: Path, mode: str, forwarded: str, send: str, options: str, secure: bool) -> None:
    """With the PROXY protocol and with the header; HAProxy opens TLS, or there is none."""
    port = free_port()
    certificate = tmp_path / "cert.pem" if secure else None
    if secure:
        make_certificate(tmp_path)
        (tmp_path / "both.pem").write_text((tmp_path / "cert.pem").read_text() + (tmp_path / "key.pem").read_text())
    tls = f" ssl crt {tmp_path}/both.pem" if secure else ""
    with RunningService(tmp_path, LISTEN_ANYWHERE + TRUSTED + options) as service:
        binds = [f"127.0.0.1:{port}{tls}", f"::1:{port} v6only{tls}"]
        command = haproxy(tmp_path, binds, f"127.0.0.1:{service.port()}", mode=mode, forwarded=forwarded, send=send)
        with running(command, tmp_path, service, lambda: answers(port, certificate)):
            judge(service, port, certificate)


@pytest.mark.needs("nginx-light")
def test_behind_nginx(tmp_path: Path) -> None:
    """As the how-to says; what the client wrote into the header stands to the left, and is not believed."""
    port = free_port()
    with RunningService(tmp_path, LISTEN_ANYWHERE + TRUSTED + HEADER) as service:
        listens = [f"127.0.0.1:{port}", f"[::1]:{port} ipv6only=on"]
        command = nginx(tmp_path, listens, f"127.0.0.1:{service.port()}", connection='"upgrade"')
        with running(command, tmp_path, service, lambda: answers(port, None)):
            judge(service, port)
