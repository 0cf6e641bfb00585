"""A small HTTP tracker for tests, correct but for what a test changes."""

import socket
import socketserver
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from urllib.parse import urlsplit

from msgspec import Struct
from thalweg_common.bencode import Value, encode
from thalweg_http.wire import Query, parse_query_untrusted

PATIENCE = 20.0


class Request(Struct, frozen=True):
    """A request, and the connection that it came on."""

    path: str
    query: Query
    version: str
    connection: socket.socket

    @property
    def is_announce(self) -> bool:
        """Whether it is an announce that can be served."""
        return self.path == "/announce" and [len(value) for value in self.query.info_hashes] == [20]

    @property
    def port(self) -> int:
        """Where the peer listens."""
        return self.query.number(b"port") or 0


Answer = Callable[["StubTracker", Request], bytes]


class StubTracker(socketserver.ThreadingTCPServer):
    """Answers each request on a connection of its own with what `answer` gives, and closes it."""

    request_queue_size = 100  # several steps are taken at once, and who is not let in tries again after a second

    def __init__(self, answer: Answer) -> None:
        """Binds a free port of the loopback address."""
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answer = answer
        self.peers: dict[int, int] = {}
        """What is left to each peer, by port."""
        self.ended = threading.Event()

    @property
    def url(self) -> str:
        """The announce URL."""
        return f"http://127.0.0.1:{self.server_address[1]}/announce"

    def values(self, request: Request) -> dict[bytes, Value]:
        """What a correct tracker says to a request."""
        if len(request.query.info_hashes) != 1 or len(request.query.info_hashes[0]) != 20:
            return {b"failure reason": b"no info hash"}
        if request.path == "/announce":
            return self._announce(request)
        seeders = list(self.peers.values()).count(0)
        row: dict[bytes, Value] = {b"complete": seeders, b"downloaded": 0, b"incomplete": len(self.peers) - seeders}
        return {b"files": {request.query.info_hashes[0]: row}}

    def _announce(self, request: Request) -> dict[bytes, Value]:
        others = [port for port in self.peers if port != request.port]
        numwant = request.query.number(b"numwant")
        wanted = others[: 50 if numwant is None else numwant]
        if request.query.first.get(b"event") == b"stopped":
            self.peers.pop(request.port, None)
        else:
            self.peers[request.port] = request.query.number(b"left") or 0
        return {b"interval": 1800, b"peers": b"".join([b"\x7f\0\0\1" + port.to_bytes(2) for port in wanted])}


class _Handler(socketserver.BaseRequestHandler):
    """One connection."""

    server: StubTracker

    def handle(self) -> None:
        """Reads one request and answers it; whoever leaves before is forgotten."""
        with suppress(OSError):
            self.request.settimeout(PATIENCE)
            head = b""
            while b"\r\n\r\n" not in head:
                data = self.request.recv(65536)
                if not data:
                    return
                head += data
            _, target, version = head.partition(b"\r\n")[0].decode("ascii").split(" ")
            parts = urlsplit(target)
            query = parse_query_untrusted(parts.query.encode())
            request = Request(parts.path, query, version, self.request)
            self.request.sendall(self.server.answer(self.server, request))


def ok(body: bytes, *headers: str, status: str = "200 OK") -> bytes:
    """A reply with its length."""
    return reply(body, f"Content-Length: {len(body)}", *headers, status=status)


def reply(body: bytes, *headers: str, status: str = "200 OK") -> bytes:
    """A reply."""
    return "\r\n".join([f"HTTP/1.1 {status}", "Connection: close", *headers, "", ""]).encode() + body


def correct(stub: StubTracker, request: Request) -> bytes:
    """Answers as a tracker should."""
    return ok(encode(stub.values(request)))


@contextmanager
def running(answer: Answer = correct) -> Iterator[StubTracker]:
    """Runs a stub tracker in a thread."""
    with StubTracker(answer) as stub, serving(stub, stub.ended):
        yield stub


@contextmanager
def serving(server: socketserver.BaseServer, ended: threading.Event) -> Iterator[None]:
    """Serves in a thread until the block ends; `ended` is set first."""
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield
    finally:
        ended.set()
        server.shutdown()
        thread.join()
