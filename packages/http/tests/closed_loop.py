"""Clients in a process of their own that ask again as soon as they have a reply; for tests.

They begin when told to and count the replies of the time they are given, so that several processes compare:

    with ClosedLoop(port, request, connections=8) as clients:
        clients.begin(seconds=0.5)
        replies = clients.replies()
"""

from __future__ import annotations

import select
import socket
import subprocess
import sys
import time
from typing import Self

PATIENCE = 10.0


class ClosedLoop:
    """So many clients, each with one request under way."""

    def __init__(self, port: int, request: bytes, connections: int) -> None:
        """They send the request to 127.0.0.1; where the service ends a connection, they make the next one."""
        self._command = [sys.executable, __file__, str(port), request.hex(), str(connections)]

    def __enter__(self) -> Self:
        """Starts the process."""
        self._process = subprocess.Popen(self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        return self

    def __exit__(self, *_: object) -> None:
        """Ends the process and its connections."""
        self._process.communicate()

    def begin(self, seconds: float) -> None:
        """Asks for so long."""
        assert self._process.stdin
        print(seconds, file=self._process.stdin, flush=True)

    def replies(self) -> int:
        """How many had status 200, once the time is over."""
        assert self._process.stdout
        return int(self._process.stdout.readline())


class _Clients:
    """The connections of one process."""

    def __init__(self, port: int, request: bytes, count: int) -> None:
        self._port = port
        self._request = request
        self._poll = select.epoll()
        self._open: dict[int, socket.socket] = {}
        for _ in range(count):
            self._connect()

    def run(self, seconds: float) -> int:
        """Replies with status 200 in so many seconds; those that are under way then are waited for, uncounted."""
        until = time.monotonic() + seconds
        waiting, replies = set(self._open), 0
        for connection in self._open.values():
            connection.sendall(self._request)
        while waiting:
            for descriptor in self._ready():
                data = _receive(self._open[descriptor])
                late = time.monotonic() > until
                waiting.discard(descriptor)
                replies += data.startswith(b"HTTP/1.1 200 ") and not late
                if not data:
                    descriptor = self._connect_again(descriptor)
                if not late and (not data or b"HTTP/1.0" not in self._request):
                    self._open[descriptor].sendall(self._request)
                    waiting.add(descriptor)
        return replies

    def _ready(self) -> list[int]:
        ready = [descriptor for descriptor, _ in self._poll.poll(PATIENCE)]
        return ready or sys.exit(f"no reply within {PATIENCE} s")

    def _connect(self) -> int:
        connection = socket.create_connection(("127.0.0.1", self._port), PATIENCE)
        self._open[connection.fileno()] = connection
        self._poll.register(connection, select.EPOLLIN)
        return connection.fileno()

    def _connect_again(self, descriptor: int) -> int:
        self._open.pop(descriptor).close()
        return self._connect()


def _receive(connection: socket.socket) -> bytes:
    """Some bytes; none when the connection is over."""
    try:
        return connection.recv(65536)
    except ConnectionResetError:
        return b""


def main(port: str, request: str, count: str) -> None:
    """Runs for each number of seconds on standard input, and prints how many replies came."""
    clients = _Clients(int(port), bytes.fromhex(request), int(count))
    for seconds in sys.stdin:
        print(clients.run(float(seconds)), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
