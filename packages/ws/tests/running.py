"""The real thalweg-ws as a child process on loopback ports that the system chose, and wsproto as its client."""

from __future__ import annotations

import socket
import ssl
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

import msgspec
from thalweg_common.endpoints import LOOPBACKS
from wsproto import ConnectionType, WSConnection
from wsproto.events import AcceptConnection, CloseConnection, Event, Ping, Request, TextMessage

from tests import running
from tests.running import LISTEN_ANYWHERE, PATIENCE

COMMAND = [sys.executable, "-m", "thalweg_ws.main"]
INFO_HASH = "a" * 20

__all__ = ["COMMAND", "LISTEN_ANYWHERE", "PATIENCE", "RunningService", "run_command"]


def run_command(*arguments: str, command: Sequence[str] = COMMAND, **options: Any) -> subprocess.CompletedProcess[str]:
    """Runs thalweg-ws to its end."""
    return running.run_command(command, *arguments, **options)


def announce(peer_id: str, **more: Any) -> dict[str, Any]:
    """An announce of a leecher."""
    message = {"action": "announce", "info_hash": INFO_HASH, "peer_id": peer_id.ljust(20), "left": 1}
    return {**message, **more}


def offers(*names: str) -> list[dict[str, Any]]:
    """Offers for an announce."""
    return [{"offer_id": name.ljust(20), "offer": {"type": "offer", "sdp": f"sdp of {name}"}} for name in names]


class RunningService(running.RunningService):
    """A thalweg-ws with this configuration (TOML), ready when the block begins and gone when it ends."""

    def __init__(
        self, folder: Path, config: str = LISTEN_ANYWHERE, command: Sequence[str] = COMMAND, **environment: str
    ) -> None:
        """`folder`: where the configuration and the log are written, and the service's working directory."""
        super().__init__(folder, config, command, **environment)

    def connect(self, ip_version: int = 4, port: int | None = None) -> socket.socket:
        """A connection to the service."""
        return socket.create_connection((LOOPBACKS[ip_version], port or self.port(ip_version)), PATIENCE)

    def open(self, ip_version: int = 4, **headers: str) -> Client:
        """A WebSocket to the service."""
        return Client(self.connect(ip_version), **headers)

    def get(self, target: str, ip_version: int = 4) -> bytes:
        """The whole reply to a request that is no upgrade."""
        with self.connect(ip_version) as connection:
            connection.sendall(f"GET {target} HTTP/1.1\r\nHost: tracker.example\r\n\r\n".encode())
            return receive_all(connection)


class Client:
    """A WebSocket that wsproto keeps to the rules."""

    def __init__(self, connection: socket.socket | ssl.SSLSocket, **headers: str) -> None:
        """Opens it; `headers`: with _ for -."""
        self.connection = connection
        self.protocol = WSConnection(ConnectionType.CLIENT)
        more = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
        connection.sendall(self.protocol.send(Request(host="tracker.example", target="/", extra_headers=more)))
        try:
            event = self.next_event()
            assert isinstance(event, AcceptConnection), event
        except BaseException:
            connection.close()
            raise

    def __enter__(self) -> Self:
        """Itself; leaving cuts the connection."""
        return self

    def __exit__(self, *_: object) -> None:
        """Cuts the connection."""
        self.connection.close()

    def send(self, message: object) -> None:
        """Sends a JSON message."""
        self.connection.sendall(self.protocol.send(TextMessage(data=msgspec.json.encode(message).decode())))

    def ask(self, message: object) -> Any:
        """Sends a message; the next one that comes."""
        self.send(message)
        return self.receive()

    def receive(self) -> Any:
        """The next message; pings are answered meanwhile."""
        text = ""
        while True:
            event = self.next_event()
            if isinstance(event, Ping):
                self.connection.sendall(self.protocol.send(event.response()))
                continue
            assert isinstance(event, TextMessage), event
            text += event.data
            if event.message_finished:
                return msgspec.json.decode(text)

    def next_event(self) -> Event:
        """Whatever comes next."""
        while True:
            event = next(self.protocol.events(), None)
            if event is not None:
                return event
            data = self.connection.recv(65536)
            self.protocol.receive_data(data or None)

    def close(self) -> CloseConnection:
        """Closes; what the service says to that."""
        self.connection.sendall(self.protocol.send(CloseConnection(code=1000)))
        event = self.next_event()
        assert isinstance(event, CloseConnection)
        return event


def receive_all(connection: socket.socket | ssl.SSLSocket) -> bytes:
    """Everything until the other side closes."""
    received = b""
    while data := connection.recv(65536):
        received += data
    return received
