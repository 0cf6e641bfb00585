"""The whole path without sockets: a service in this process, and connections of trio's memory streams."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import h11
import msgspec
import trio
import trio.testing
from thalweg_common.log import Log
from thalweg_http.config import CleaningConfig, HttpConfig, LimitsConfig, NetworkConfig, ProtocolConfig
from thalweg_http.connection import serve_connection
from thalweg_http.service import Service

CLIENT = bytes([198, 51, 100, 7])
LOOPBACK = bytes([127, 0, 0, 1])
HASH = b"a" * 20
ANNOUNCE = b"/announce?info_hash=aaaaaaaaaaaaaaaaaaaa&peer_id=-qB4390-abcdefghijkl&port=6881"

QUIET = ProtocolConfig(interval_jitter=0, external_ip=False)
SMALL = LimitsConfig(max_memory_mib=64)
NOWHERE = os.open(os.devnull, os.O_WRONLY)  # one for all of the thousands of services that tests make


def make_service(
    *,
    network: NetworkConfig | None = None,
    protocol: ProtocolConfig = QUIET,
    cleaning: CleaningConfig | None = None,
    limits: LimitsConfig = SMALL,
    max_connections: int = 1000,
) -> Service:
    """A service that logs nothing."""
    config = HttpConfig(
        network=network or NetworkConfig(), protocol=protocol, cleaning=cleaning or CleaningConfig(), limits=limits
    )
    return Service(config, Log("http", "off", descriptor=NOWHERE), max_connections)


@asynccontextmanager
async def connected(service: Service, peer: bytes = CLIENT, **how: Any) -> AsyncIterator[trio.StapledStream[Any, Any]]:
    """The client's side of a connection that is served; afterwards serving it has ended."""
    client, server = trio.testing.memory_stream_pair()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(lambda: serve_connection(service, server, peer, **how))
        yield client
        await client.aclose()


async def receive_all(client: trio.abc.ReceiveStream) -> bytes:
    """Everything until the other side closes."""
    return b"".join([bytes(data) async for data in client])


class Reply(msgspec.Struct):
    """A reply as h11 understands it."""

    status: int
    headers: dict[bytes, bytes]
    body: bytes


class Client:
    """Judges replies: h11 as a client on a stream."""

    def __init__(self, stream: trio.abc.Stream) -> None:
        """Nothing is sent yet."""
        self.stream = stream
        self.http = h11.Connection(h11.CLIENT)

    async def get(self, target: bytes, *headers: tuple[bytes, bytes], method: bytes = b"GET") -> Reply:
        """A whole exchange."""
        request = h11.Request(method=method, target=target, headers=[(b"Host", b"tracker.example"), *headers])
        await self.stream.send_all(self.http.send(request) + self.http.send(h11.EndOfMessage()))
        return await self.receive()

    async def receive(self) -> Reply:
        """The next reply; the next request may follow."""
        reply = Reply(0, {}, b"")
        while True:
            event = self.http.next_event()
            if event is h11.NEED_DATA:
                self.http.receive_data(bytes(await self.stream.receive_some(65536)))
            elif isinstance(event, h11.Response):
                reply.status, reply.headers = event.status_code, dict(event.headers)
            elif isinstance(event, h11.Data):
                reply.body += event.data
            else:
                assert isinstance(event, h11.EndOfMessage)
                break
        if self.http.our_state is h11.DONE and self.http.their_state is h11.DONE:
            self.http.start_next_cycle()
        return reply


async def ask(service: Service, request: bytes, peer: bytes = CLIENT, **how: Any) -> bytes:
    """Everything that comes back for these bytes, after which the client's sending side is closed."""
    async with connected(service, peer, **how) as client:
        await client.send_all(request)
        await client.send_eof()
        return await receive_all(client)


def request(target: bytes, *lines: bytes, version: bytes = b"1.1") -> bytes:
    """A GET on the wire."""
    return b"\r\n".join([b"GET " + target + b" HTTP/" + version, b"Host: tracker.example", *lines, b"", b""])


def body_of(reply: bytes) -> bytes:
    """The body of a single reply."""
    return reply.partition(b"\r\n\r\n")[2]
