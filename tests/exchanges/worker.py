"""A running worker of the C core on loopback sockets, and clients that talk to it.

Exchanges are written with documentation addresses; over sockets the same are said from 127.0.0.0/8 and ::1, which the
address filter treats alike. The connection id epoch is three years long here, so that ids can be computed.
"""

import contextlib
import dataclasses
import ipaddress
import re
import socket
import struct
import threading
import time
from collections.abc import Iterator
from types import TracebackType
from typing import Self

from thalweg_common._core import ffi, lib

from .document import Address, Endpoint, Exchange, Peers, Request, Wait
from .pattern import Name, Pattern
from .tracker import Tracker

ADDRESS = re.compile(r"\d+\.\d+\.\d+\.\d+")
EPOCH_SECONDS = 100_000_000
DEADLINE = 10.0  # seconds; reached only when something is wrong
ADDRESSES = {4: "127.0.0.1", 6: "::1"}


class Worker:
    """One service with one worker thread and one socket for each family."""

    def __init__(self, settings: dict[str, str] | None = None, sockets: list[socket.socket] | None = None) -> None:
        """Bind, but serve only inside `with`."""
        self.tracker = Tracker(settings, epoch=int(time.time()) // EPOCH_SECONDS)
        self.sockets = sockets if sockets is not None else [bound(ADDRESSES[4]), bound(ADDRESSES[6])]
        self.service = lib.tw_udp_service_new(self.tracker.swarm, self.tracker.rules, EPOCH_SECONDS)
        lib.tw_udp_service_set_access_list(self.service, self.tracker.access_list)
        descriptors = [one.fileno() for one in self.sockets]
        self.worker = lib.tw_udp_worker_new(self.service, descriptors, len(descriptors), bytes(32))
        assert ffi.NULL not in (self.service, self.worker)
        self.result: int | None = None
        self.thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        self.result = lib.tw_udp_worker_run(self.worker)

    def __enter__(self) -> Self:
        """Start to serve."""
        self.thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop, and free everything in order."""
        lib.tw_udp_worker_stop(self.worker)
        self.thread.join(DEADLINE)
        assert not self.thread.is_alive()
        assert self.result == 0
        lib.tw_udp_worker_free(self.worker)
        lib.tw_udp_service_free(self.service)
        for one in self.sockets:
            one.close()

    def store(self, peers: Peers) -> list[bytes]:
        """Put peers into the swarm, as old as a datagram that comes now."""
        return self.tracker.store(peers, lib.tw_monotonic_ms())

    def dropped(self) -> list[int]:
        """Give the silent datagrams by reason."""
        counters = lib.tw_udp_worker_counters(self.worker)
        return [counters.dropped[0][reason] + counters.dropped[1][reason] for reason in range(lib.TW_DROP_REASONS)]

    @contextlib.contextmanager
    def client(self, source: Endpoint, server: socket.socket | None = None) -> Iterator["Client"]:
        """Give a client on the source's address, with any free port."""
        server = server or self.sockets[source.address.version == 6]
        with bound(str(source.address)) as own:
            own.setblocking(True)
            own.settimeout(DEADLINE)
            own.connect((ADDRESSES[source.address.version], server.getsockname()[1]))
            yield Client(own)


class Client:
    """A socket that talks to one worker."""

    def __init__(self, own: socket.socket) -> None:
        """Borrow a connected socket."""
        self.socket = own
        host, port = own.getsockname()[:2]
        self.endpoint = Endpoint(ipaddress.ip_address(host), port)

    def ask(self, request: bytes) -> bytes:
        """Give the reply, or nothing when a connect sent behind the request was answered instead."""
        mark = struct.pack("!QII", 0x41727101980, 0, 0x5A5A5A5A)
        self.socket.send(request)
        self.socket.send(mark)
        reply = self.socket.recv(2048)
        if reply[4:8] == mark[12:]:
            return b""
        assert self.socket.recv(2048)[4:8] == mark[12:]
        return reply


def bound(address: str, port: int = 0) -> socket.socket:
    """Bind a non-blocking UDP socket to a free port."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    new = socket.socket(family, socket.SOCK_DGRAM)
    new.setblocking(False)
    new.bind((address, port))
    return new


def fits_sockets(exchange: Exchange) -> bool:
    """Tell whether an exchange needs neither a clock nor senders that sockets cannot have."""
    senders = {step.sender for step in exchange.steps if isinstance(step, Request)}
    return (
        not any(isinstance(step, Wait) for step in exchange.steps)
        and all(sender.port and is_documentation(sender) for sender in senders)
        and len({sender.address for sender in senders if sender.address.version == 6}) <= 1
    )


def is_documentation(endpoint: Endpoint) -> bool:
    """Tell whether an address stands for any local one (RFC 5737, RFC 3849)."""
    return endpoint.address.packed[:3] == bytes([198, 51, 100]) or endpoint.address.packed[:4] == b"\x20\x01\x0d\xb8"


def as_loopback(exchange: Exchange) -> Exchange:
    """Let the same requests come from loopback addresses; setup and replies name their senders so."""
    senders = {step.sender.address for step in exchange.steps if isinstance(step, Request)}
    return dataclasses.replace(exchange, steps=[step_as_loopback(step, senders) for step in exchange.steps])


def step_as_loopback(step: Peers | Wait | Request, senders: set[Address]) -> Peers | Wait | Request:
    """Move a request, or a sender that the setup has stored before."""
    if isinstance(step, Request):
        reply = step.reply and renamed(step.reply, senders)
        return dataclasses.replace(
            step, sender=loopback(step.sender), pattern=renamed(step.pattern, senders), reply=reply
        )
    if isinstance(step, Peers) and step.first.address in senders:
        return dataclasses.replace(step, first=loopback(step.first))
    return step


def renamed(pattern: Pattern, senders: set[Address]) -> Pattern:
    """Replace the addresses of senders in names."""

    def move(match: re.Match[str]) -> str:
        address = ipaddress.IPv4Address(match[0])
        return str(loopback(Endpoint(address, 0)).address) if address in senders else match[0]

    return [Name(ADDRESS.sub(move, part.text)) if isinstance(part, Name) else part for part in pattern]


def loopback(endpoint: Endpoint) -> Endpoint:
    """Give 127.51.100.n for 198.51.100.n, ::1 for every IPv6 address."""
    if endpoint.address.version == 6:
        return Endpoint(ipaddress.ip_address("::1"), endpoint.port)
    return Endpoint(ipaddress.ip_address(b"\x7f" + endpoint.address.packed[1:]), endpoint.port)
