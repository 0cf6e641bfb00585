"""The real thalweg-http as a child process on loopback ports that the system chose, and ways to ask it."""

from __future__ import annotations

import socket
import ssl
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from thalweg_common.endpoints import LOOPBACKS

from tests import running
from tests.running import LISTEN_ANYWHERE, PATIENCE

COMMAND = [sys.executable, "-m", "thalweg_http.main"]
INFO_HASH = "aaaaaaaaaaaaaaaaaaaa"
PEER_ID = "-qB4390-abcdefghijkl"

__all__ = ["COMMAND", "LISTEN_ANYWHERE", "PATIENCE", "RunningService", "run_command"]


def run_command(*arguments: str, command: Sequence[str] = COMMAND, **options: Any) -> subprocess.CompletedProcess[str]:
    """Runs thalweg-http to its end."""
    return running.run_command(command, *arguments, **options)


def announce(port: int, more: str = "") -> str:
    """The target of an announce of a peer on this port."""
    return f"/announce?info_hash={INFO_HASH}&peer_id={PEER_ID}&port={port}&left=1{more}"


def get(target: str, *headers: str, version: str = "1.1") -> bytes:
    """A request."""
    return "\r\n".join([f"GET {target} HTTP/{version}", "Host: tracker.example", *headers, "", ""]).encode("latin-1")


class RunningService(running.RunningService):
    """A thalweg-http with this configuration (TOML), ready when the block begins and gone when it ends."""

    def __init__(
        self, folder: Path, config: str = LISTEN_ANYWHERE, command: Sequence[str] = COMMAND, **environment: str
    ) -> None:
        """`folder`: where the configuration and the log are written, and the service's working directory."""
        super().__init__(folder, config, command, **environment)

    def connect(self, ip_version: int = 4, port: int | None = None) -> socket.socket:
        """A connection to the service."""
        return socket.create_connection((LOOPBACKS[ip_version], port or self.port(ip_version)), PATIENCE)

    def ask(self, target: str, *headers: str, ip_version: int = 4) -> bytes:
        """The whole reply to a request on a connection of its own."""
        with self.connect(ip_version) as connection:
            connection.sendall(get(target, "Connection: close", *headers))
            return receive_all(connection)


def receive_all(connection: socket.socket | ssl.SSLSocket) -> bytes:
    """Everything until the other side closes."""
    received = b""
    while data := connection.recv(65536):
        received += data
    return received


def receive_reply(connection: socket.socket | ssl.SSLSocket) -> bytes:
    """One reply's body."""
    received = b""
    while b"\r\n\r\n" not in received:
        received += _more(connection)
    head, _, body = received.partition(b"\r\n\r\n")
    length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
    while len(body) < length:
        body += _more(connection)
    assert len(body) == length
    return body


def _more(connection: socket.socket | ssl.SSLSocket) -> bytes:
    data = connection.recv(65536)
    assert data, "the connection was closed within a reply"
    return data
