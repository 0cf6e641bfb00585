"""`thalweg-ws --health`: asks the running service the way a client would.

For every address of the configuration, plain or TLS: a WebSocket is opened, a random info hash scraped, and the
WebSocket closed. No Origin is sent, so that lists of those do not matter. The certificate is not judged: here it is
asked for by an address, and its end is in the metrics and the log.
"""

from __future__ import annotations

import os
import socket
import time

import msgspec
from thalweg_common.web.health import check_addresses, connect, forwarded_header
from wsproto import ConnectionType, WSConnection
from wsproto.events import AcceptConnection, CloseConnection, Event, Request, TextMessage
from wsproto.utilities import ProtocolError

from thalweg_ws.config import NetworkConfig, WsConfig
from thalweg_ws.wire import id_text

TIMEOUT = 2.0  # seconds for everything together


def check_health(config: WsConfig) -> str:
    """One line about a healthy service; Unhealthy with one line otherwise."""
    deadline = time.monotonic() + TIMEOUT

    def ask(address: tuple[str, int], secure: bool) -> None:
        with connect(address, secure, config.network, deadline) as connection:
            _scrape(connection, config.network)

    return check_addresses(config.network, ("ws", "wss"), ask)


def _scrape(connection: socket.socket, network: NetworkConfig) -> None:
    """ValueError when the reply is none."""
    client = WSConnection(ConnectionType.CLIENT)
    headers = forwarded_header(network, connection.getsockname()[0])
    connection.sendall(client.send(Request(host="localhost", target="/", extra_headers=headers)))
    _expect(_next_event(connection, client), AcceptConnection)
    info_hash = id_text(os.urandom(20))
    asked = msgspec.json.encode({"action": "scrape", "info_hash": info_hash})
    connection.sendall(client.send(TextMessage(data=asked.decode())))
    text = ""
    finished = False
    while not finished:
        event = _next_event(connection, client)
        _expect(event, TextMessage)
        assert isinstance(event, TextMessage)
        text, finished = text + event.data, event.message_finished
    if info_hash not in msgspec.json.decode(text).get("files", {}):
        raise ValueError(f"unexpected reply {text[:100]!a}")
    connection.sendall(client.send(CloseConnection(code=1000)))


def _next_event(connection: socket.socket, client: WSConnection) -> Event:
    while True:
        event = next(client.events(), None)
        if event is not None:
            return event
        data = connection.recv(65536)
        if not data:
            raise ValueError("the connection was closed")
        try:
            client.receive_data(data)
        except ProtocolError as error:
            raise ValueError(f"no WebSocket: {error}") from error


def _expect(event: Event, kind: type[Event]) -> None:
    if not isinstance(event, kind):
        raise ValueError(f"unexpected {type(event).__name__}")
