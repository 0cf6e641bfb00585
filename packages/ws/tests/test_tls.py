"""wss:// of the real service: beside ws://, behind the PROXY protocol, with a certificate that is read again."""

import signal
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from packages.http.tests.certificates import make_certificate
from packages.ws.tests.running import PATIENCE, Client, RunningService, announce, offers, receive_all

pytestmark = pytest.mark.needs("openssl")

BOTH = """\
[network]
addresses = ["127.0.0.1:0"]
tls_addresses = ["127.0.0.1:0"]
tls_certificate_path = "cert.pem"
tls_private_key_path = "key.pem"
"""


def tls_port(service: RunningService) -> int:
    """Where it speaks TLS."""
    (url,) = [url for url in service.ready.addresses if url.startswith("wss://")]
    return int(url.removesuffix("/announce").rpartition(":")[2])


def plain_port(service: RunningService) -> int:
    """Where it does not."""
    (url,) = [url for url in service.ready.addresses if url.startswith("ws://")]
    return int(url.removesuffix("/announce").rpartition(":")[2])


@contextmanager
def opened(service: RunningService, before: bytes = b"") -> Iterator[Client]:
    """A WebSocket over TLS whose certificate is checked. `before`: what is sent before TLS."""
    context = ssl.create_default_context(cafile=str(service.folder / "cert.pem"))
    with socket.create_connection(("127.0.0.1", tls_port(service)), PATIENCE) as connection:
        connection.sendall(before)
        with context.wrap_socket(connection, server_hostname="localhost") as secure, Client(secure) as client:
            yield client


def test_secure_and_plain_clients_meet(tmp_path: Path) -> None:
    """They are in one swarm; offers cross from one to the other."""
    make_certificate(tmp_path)
    with RunningService(tmp_path, BOTH) as service, opened(service) as secure:
        assert secure.ask(announce("secure"))["incomplete"] == 1
        with Client(service.connect(port=plain_port(service))) as plain:
            plain.send(announce("plain", offers=offers("x")))
            assert secure.receive()["offer_id"] == "x".ljust(20)
            assert plain.receive()["incomplete"] == 2
        assert secure.close().code == 1000
        assert service.stop() == 0


def test_the_proxy_protocol_goes_before_tls(tmp_path: Path) -> None:
    """The family is that of the client it names."""
    make_certificate(tmp_path)
    config = BOTH + "proxy_protocol = true\n"
    with RunningService(tmp_path, config) as service:
        with opened(service, b"PROXY TCP6 2001:db8::7 2001:db8::1 1 443\r\n") as client:
            client.ask(announce("x"))
            client.close()
        while service.next_status().ip_version["6"].requests_total < 2:
            pass


def test_a_new_certificate_serves_new_connections(tmp_path: Path) -> None:
    """Those that are open go on."""
    make_certificate(tmp_path)
    with RunningService(tmp_path, BOTH) as service, opened(service) as old:
        make_certificate(tmp_path)
        service.send(signal.SIGHUP)
        service.wait_for_log("TLS files reloaded")
        with opened(service) as new:
            new.ask(announce("new"))
            assert old.ask(announce("old"))["incomplete"] == 2


def test_plain_http_on_the_tls_port_is_told(tmp_path: Path) -> None:
    """In plain HTTP, because that is understood."""
    make_certificate(tmp_path)
    with RunningService(tmp_path, BOTH) as service, service.connect(port=tls_port(service)) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        assert b"Use https:// or wss://" in receive_all(connection)
