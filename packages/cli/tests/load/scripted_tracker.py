"""A small UDP tracker on a loopback socket which remembers what it was asked and can be told to misbehave."""

import socket
import struct
from collections.abc import Callable

Reply = Callable[[bytes], list[bytes]]
"""What an announce or scrape gets: any number of datagrams."""


class Tracker:
    """Answers connects with an id per address; refuses other ids with silence; `reply` answers the rest."""

    def __init__(self, host: str) -> None:
        """Binds a free port of the host; `serve` does the work."""
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self.socket = socket.socket(family, socket.SOCK_DGRAM)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        self.socket.bind((host, 0))
        self.host, self.port = self.socket.getsockname()[:2]
        self.peer_size = 18 if family == socket.AF_INET6 else 6
        self.secret = b"ids."
        self.connects = 0
        self.requests: list[tuple[str, bytes]] = []
        self.reply: Reply = self.answer

    def answer(self, request: bytes) -> list[bytes]:
        """A good reply: two peers, or a row for each info hash."""
        action, transaction = struct.unpack_from("!II", request, 8)
        if action == 1:
            return [struct.pack("!IIIII", 1, transaction, 1800, 1, 1) + bytes(2 * self.peer_size)]
        return [struct.pack("!II", 2, transaction) + bytes(12 * ((len(request) - 16) // 20))]

    def serve(self) -> None:
        """Answers until a datagram says so."""
        while True:
            request, sender = self.socket.recvfrom(2048)
            if request == b"end":
                return
            for reply in self._replies(request, sender[0]):
                self.socket.sendto(reply, sender)

    def _replies(self, request: bytes, address: str) -> list[bytes]:
        ticket = self.secret + struct.pack("!I", hash(address) & 0xFFFFFFFF)
        if request[8:12] == bytes(4):
            self.connects += 1
            return [bytes(4) + request[12:16] + ticket]
        if request[:8] != ticket:
            return []
        self.requests.append((address, request))
        return self.reply(request)
