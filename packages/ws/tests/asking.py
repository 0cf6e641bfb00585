"""The service without sockets: in this process, with connections of trio's memory streams and wsproto as client."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import msgspec
import trio
import trio.testing
from thalweg_common.log import Log
from thalweg_ws.config import CleaningConfig, LimitsConfig, NetworkConfig, ProtocolConfig, WsConfig
from thalweg_ws.connection import serve_connection
from thalweg_ws.service import Service
from wsproto import ConnectionType, WSConnection
from wsproto.events import AcceptConnection, CloseConnection, Event, Request, TextMessage

CLIENT = bytes([198, 51, 100, 7])
LOOPBACK = bytes([127, 0, 0, 1])
HASH = b"a" * 20

QUIET = ProtocolConfig(interval_jitter=0)
SMALL = LimitsConfig(max_memory_mib=64)
NOWHERE = os.open(os.devnull, os.O_WRONLY)  # one for all of the many services that tests make

UPGRADE = (
    b"GET / HTTP/1.1\r\nHost: tracker.example\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)
"""The request of RFC 6455, 1.3."""
ACCEPT = b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
"""What proves that it was understood."""


def make_service(
    *,
    network: NetworkConfig | None = None,
    protocol: ProtocolConfig = QUIET,
    cleaning: CleaningConfig | None = None,
    limits: LimitsConfig = SMALL,
) -> Service:
    """A service that logs nothing, with room for 1000 connections."""
    config = WsConfig(
        network=network or NetworkConfig(), protocol=protocol, cleaning=cleaning or CleaningConfig(), limits=limits
    )
    return Service(config, Log("ws", "off", descriptor=NOWHERE), 1000)


@asynccontextmanager
async def connected(service: Service, peer: bytes = CLIENT) -> AsyncIterator[trio.StapledStream[Any, Any]]:
    """The client's side of a connection that is served; afterwards serving it has ended."""
    client, server = trio.testing.memory_stream_pair()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(serve_connection, service, server, peer)
        yield client
        await client.aclose()


async def exchange(service: Service, data: bytes, peer: bytes = CLIENT) -> bytes:
    """Everything that comes back for these bytes, after which the client's sending side is closed."""
    async with connected(service, peer) as client:
        await client.send_all(data)
        await client.send_eof()
        return b"".join([bytes(part) async for part in client])


class Client:
    """A WebSocket that wsproto keeps to the rules."""

    def __init__(self, stream: trio.abc.Stream) -> None:
        """Nothing is sent yet."""
        self.stream = stream
        self.protocol = WSConnection(ConnectionType.CLIENT)

    async def upgrade(self, *headers: tuple[bytes, bytes]) -> None:
        """Opens it."""
        request = Request(host="tracker.example", target="/", extra_headers=list(headers))
        await self.stream.send_all(self.protocol.send(request))
        event = await self.next_event()
        assert isinstance(event, AcceptConnection), event

    async def send(self, message: object) -> None:
        """Sends a JSON message."""
        await self.send_event(TextMessage(data=msgspec.json.encode(message).decode()))

    async def send_event(self, event: Event) -> None:
        """Sends anything."""
        await self.stream.send_all(self.protocol.send(event))

    async def ask(self, message: object) -> Any:
        """Sends a message; the next one that comes."""
        await self.send(message)
        return await self.receive()

    async def receive(self) -> Any:
        """The next message."""
        return msgspec.json.decode(await self.receive_text())

    async def receive_text(self) -> str:
        """The next message, as it came."""
        text = ""
        while True:
            event = await self.next_event()
            assert isinstance(event, TextMessage), event
            text += event.data
            if event.message_finished:
                return text

    async def next_event(self) -> Event:
        """Whatever comes next."""
        while True:
            event = next(self.protocol.events(), None)
            if event is not None:
                return event
            data = bytes(await self.stream.receive_some(65536))
            self.protocol.receive_data(data or None)

    async def closed_with(self) -> int:
        """The code with which the service closes, and nothing else comes before; afterwards the stream ends."""
        event = await self.next_event()
        assert isinstance(event, CloseConnection), event
        code = event.code
        with suppress(trio.BrokenResourceError):  # the service knows already when the close was sent as raw bytes
            await self.send_event(event.response())
        assert await self.stream.receive_some() == b""
        return code


@asynccontextmanager
async def opened(
    service: Service, peer: bytes = CLIENT, headers: tuple[tuple[bytes, bytes], ...] = ()
) -> AsyncIterator[Client]:
    """A WebSocket."""
    async with connected(service, peer) as stream:
        client = Client(stream)
        await client.upgrade(*headers)
        yield client
