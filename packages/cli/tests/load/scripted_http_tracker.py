"""A small HTTP tracker on a loopback socket which remembers what it was asked and can be told to misbehave."""

import contextlib
import socket
import socketserver
from collections.abc import Callable
from urllib.parse import unquote_to_bytes

import msgspec


class Request(msgspec.Struct):
    """One request: who sent it, its path, its parameters as bytes, its header lines, and how long it was."""

    address: str
    path: str
    parameters: list[tuple[str, bytes]]
    headers: list[str]
    size: int

    def __getitem__(self, name: str) -> bytes:
        """The first parameter of that name."""
        return next(value for key, value in self.parameters if key == name)


def read_request(address: str, head: bytes) -> Request:
    """A request out of its head, line ends included."""
    first, *headers = head.decode("latin-1").rstrip("\r\n").split("\r\n")
    path, _, query = first.split(" ")[1].partition("?")
    pairs = [part.partition("=") for part in query.split("&")]
    return Request(
        address=address,
        path=path,
        parameters=[(name, unquote_to_bytes(value)) for name, _, value in pairs],
        headers=headers,
        size=len(head),
    )


def respond(body: bytes, status: str = "200 OK", *headers: str) -> bytes:
    """A whole HTTP/1.1 reply."""
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


ANNOUNCE_REPLY = respond(b"d8:intervali1800e5:peers12:" + bytes(12) + b"6:peers618:" + bytes(18) + b"e")
SCRAPE_REPLY = respond(b"d5:filesd20:aaaaaaaaaaaaaaaaaaaad8:completei1eeee")


class HttpTracker(socketserver.ThreadingTCPServer):
    """Answers announces with three peers and scrapes with a file; `reply` can be replaced, None is silence."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, host: str) -> None:
        """Listens on a free port of the host; `serve_forever` does the work."""
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        super().__init__((host, 0), _Handler)
        self.host: str = self.socket.getsockname()[0]
        self.port: int = self.socket.getsockname()[1]
        self.requests: list[Request] = []
        self.reply: Callable[[Request], bytes | None] = self.answer
        self.ends_after_reply = False
        self.piece = 1 << 16
        """Replies are sent in pieces of so many bytes."""
        self._connections: set[socket.socket] = set()

    @staticmethod
    def answer(request: Request) -> bytes:
        """A good reply."""
        return SCRAPE_REPLY if request.path.endswith("/scrape") else ANNOUNCE_REPLY

    def end_connections(self) -> None:
        """Ends all that are open."""
        for connection in list(self._connections):
            with contextlib.suppress(OSError):  # the client was first
                connection.shutdown(socket.SHUT_RDWR)

    def stop(self) -> None:
        """Ends everything."""
        self.shutdown()
        self.end_connections()
        self.server_close()


class _Handler(socketserver.BaseRequestHandler):
    server: HttpTracker

    def handle(self) -> None:
        """Answers the requests of one connection."""
        self.server._connections.add(self.request)
        with contextlib.suppress(OSError):  # the client has reset it
            self.request.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._serve()
        self.server._connections.discard(self.request)

    def _serve(self) -> None:
        received = b""
        while True:
            head, end, received = received.partition(b"\r\n\r\n")
            if not end:
                if not (more := self.request.recv(65536)):
                    return
                received = head + more
                continue
            request = read_request(self.client_address[0], head + end)
            self.server.requests.append(request)
            reply = self.server.reply(request)
            for start in range(0, len(reply or b""), self.server.piece):
                self.request.sendall((reply or b"")[start : start + self.server.piece])
            if self.server.ends_after_reply or "Connection: close" in request.headers:
                return
