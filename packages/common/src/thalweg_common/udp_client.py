"""A small blocking UDP tracker client (BEP 15) for health checks, `thalweg check` and tests.

    with UdpTrackerClient(("tracker.example", 443), timeout=2.0) as client:
        reply = client.announce(Announce(info_hash=info_hash, peer_id=peer_id, port=6881))
        rows = client.scrape([info_hash])

The connect exchange happens by itself before the first request and again when the connection id is a minute old.
The socket is connected: replies from any other address than the one asked do not arrive, as in real clients, and
a closed port shows at once as ConnectionRefusedError.
"""

from __future__ import annotations

import secrets
import socket
import time
from collections.abc import Callable
from typing import Any, Self, TypeVar

from thalweg_common import udp_wire
from thalweg_common.udp_wire import Announce, AnnounceReply, ScrapeRow

CONNECTION_ID_LIFE = 60.0  # seconds a client may use one (BEP 15)
MAX_DATAGRAM = 65535

T = TypeVar("T")


class NoReplyError(TimeoutError):
    """The tracker said nothing in time."""


class UdpTrackerClient:
    """One tracker, asked over one socket. Not for use by several threads at once.

    `address`: host (name or number) and port; `family`: AF_INET or AF_INET6 to insist on one.
    `timeout`: seconds to wait for each reply; `tries`: how often a request is sent before NoReplyError is raised.
    Requests raise NoReplyError, udp_wire.ReplyError, udp_wire.TrackerError (an error packet) or OSError (network).
    """

    def __init__(
        self,
        address: tuple[str, int],
        timeout: float = 10.0,
        *,
        tries: int = 1,
        family: int = socket.AF_UNSPEC,
    ) -> None:
        """Resolves the name and opens the socket; sends nothing."""
        found = socket.getaddrinfo(*address, family=family, type=socket.SOCK_DGRAM)
        self.family: socket.AddressFamily = found[0][0]
        self.address: tuple[Any, ...] = found[0][4]
        self.timeout = timeout
        self.tries = tries
        self.round_trip = 0.0
        """Seconds between the last request and its reply."""
        self._connection_id = b""
        self._connected_at = 0.0
        self._socket = socket.socket(self.family, socket.SOCK_DGRAM)
        try:
            self._socket.connect(self.address)
        except OSError:
            self._socket.close()
            raise

    def __enter__(self) -> Self:
        """The client itself; leaving closes it."""
        return self

    def __exit__(self, *_: object) -> None:
        """Closes the socket."""
        self.close()

    @property
    def ip_version(self) -> int:
        """4 or 6: the family the packets travel over."""
        return 4 if self.family == socket.AF_INET else 6

    def close(self) -> None:
        """Closes the socket."""
        self._socket.close()

    def connect(self) -> bytes:
        """Asks for a connection id, keeps it for later requests, and gives it."""
        self._connection_id = self._ask(udp_wire.build_connect, udp_wire.parse_connect)
        self._connected_at = time.monotonic()
        return self._connection_id

    def announce(self, announce: Announce) -> AnnounceReply:
        """Announces and gives the tracker's reply."""
        connection_id = self._good_connection_id()
        return self._ask(
            lambda transaction: udp_wire.build_announce(connection_id, transaction, announce),
            lambda reply, transaction: udp_wire.parse_announce(reply, transaction, self.ip_version),
        )

    def scrape(self, info_hashes: list[bytes]) -> list[ScrapeRow]:
        """Scrapes: one row for each info hash, in their order, up to the tracker's limit."""
        connection_id = self._good_connection_id()
        return self._ask(
            lambda transaction: udp_wire.build_scrape(connection_id, transaction, info_hashes),
            udp_wire.parse_scrape,
        )

    def _good_connection_id(self) -> bytes:
        if not self._connection_id or time.monotonic() - self._connected_at >= CONNECTION_ID_LIFE:
            self.connect()
        return self._connection_id

    def _ask(self, build: Callable[[int], bytes], parse: Callable[[bytes, int], T]) -> T:
        """Sends a request under a fresh transaction id and parses the first reply that carries it."""
        transaction = secrets.randbits(32)
        request = build(transaction)
        for _ in range(self.tries):
            sent = time.monotonic()
            self._socket.send(request)
            reply = self._reply_to(transaction, sent + self.timeout)
            if reply is not None:
                self.round_trip = time.monotonic() - sent
                return parse(reply, transaction)
        raise NoReplyError(f"no reply within {self.timeout * self.tries:.3g} s")

    def _reply_to(self, transaction: int, deadline: float) -> bytes | None:
        """The next datagram with this transaction id; others (late replies) are passed over."""
        while (left := deadline - time.monotonic()) > 0:
            self._socket.settimeout(left)
            try:
                reply = self._socket.recv(MAX_DATAGRAM)
            except TimeoutError:
                return None
            if udp_wire.transaction_of(reply) == transaction:
                return reply
        return None
