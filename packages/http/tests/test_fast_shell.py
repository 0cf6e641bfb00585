"""The fast path's worker on real sockets: however the bytes come, the answers are the same, and nothing is lost."""

from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import Iterator
from ipaddress import ip_address
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from thalweg_common.log import Log
from thalweg_common.web.listeners import listen
from thalweg_http.config import LimitsConfig, NetworkConfig, ProtocolConfig
from thalweg_http.workers import HANDOVERS_WAITING, Handover, Workers

from packages.http.tests.asking import make_service
from packages.http.tests.judging import compare_replies, replies_in
from packages.http.tests.requests_of_clients import CAPTURED
from tests.running import PATIENCE

KEPT = [name for name, data in CAPTURED.items() if b"close" not in data]
ANNOUNCE = CAPTURED["Transmission starts"]
ODD = b"GET /announce?compact=0 HTTP/1.1\r\n\r\n"
SMALL = LimitsConfig(max_memory_mib=64)


class RunningWorker:
    """One worker and the address it listens on; what it hands over waits to be taken."""

    def __init__(self, network: NetworkConfig, limits: LimitsConfig, max_connections: int) -> None:
        """Serves already."""
        self.service = make_service(
            network=network, protocol=ProtocolConfig(interval_jitter=0), limits=limits, max_connections=max_connections
        )
        self._listeners = listen(network, Log("http", "off"), ("http", "https"), 1)
        self.workers = Workers(self.service, self._listeners, 1)
        self.service.workers = self.workers
        self.workers.start(on_end=lambda: None)
        listening = self._listeners[0].sockets[0]
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 32768)  # inherited: the kernel takes little for us
        self.address = listening.getsockname()

    def close(self) -> None:
        """Ends it, whatever it does."""
        self.workers.stop()
        self.workers.close()
        for listener in self._listeners:
            listener.close()

    def connect(self) -> socket.socket:
        """A connection that sends every piece by itself."""
        connection = socket.create_connection(self.address, PATIENCE)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return connection

    def received(self) -> int:
        """Bytes that the worker has read since it started."""
        return self.service.totals().received_bytes[4]

    def send(self, connection: socket.socket, pieces: list[bytes]) -> None:
        """Each piece when the one before was read."""
        for piece in pieces:
            before = self.received()
            connection.sendall(piece)
            self.wait_for_bytes(before + len(piece))

    def wait_for_bytes(self, number: int) -> None:
        """Returns when the worker has read so many in all."""
        deadline = time.monotonic() + PATIENCE
        while self.received() < number:
            assert time.monotonic() < deadline

    def next_handover(self) -> Handover:
        """The next connection that the worker leaves to Python."""
        deadline = time.monotonic() + PATIENCE
        while (handover := self.workers.take()) is None:
            assert time.monotonic() < deadline
        return handover


@contextlib.contextmanager
def running(
    network: NetworkConfig | None = None, limits: LimitsConfig = SMALL, max_connections: int = 2000
) -> Iterator[RunningWorker]:
    """A worker on a free port of loopback."""
    worker = RunningWorker(network or NetworkConfig(addresses=["127.0.0.1:0"]), limits, max_connections)
    try:
        yield worker
    finally:
        worker.close()


@pytest.fixture(scope="module")
def worker() -> Iterator[RunningWorker]:
    """One that all tests share which leave nothing behind."""
    with running() as found:
        yield found


def receive(connection: socket.socket, count: int) -> list[bytes]:
    """So many replies."""
    data = b""
    found: list[bytes] = []
    while len(found) < count:
        more = connection.recv(1 << 20)
        assert more, f"closed after {len(found)} of {count} replies"
        data += more
        with contextlib.suppress(AssertionError):  # the last one is not complete yet
            found = list(replies_in(data))
            found = found if sum(map(len, found)) == len(data) and complete(found[-1]) else []
    return found


def complete(reply: bytes) -> bool:
    """Whether the body is as long as the head says."""
    head, _, body = reply.partition(b"\r\n\r\n")
    return len(body) == int(head.rpartition(b"Content-Length: ")[2].partition(b"\r\n")[0])


def handed_over(handover: Handover) -> socket.socket:
    """The socket of a connection that Python got."""
    return socket.socket(fileno=handover.socket)


@pytest.mark.parametrize("name", CAPTURED)
def test_every_split_gets_the_same_answer(worker: RunningWorker, name: str) -> None:
    """Whichever part of a request comes first, and whenever the rest follows."""
    data = CAPTURED[name]
    with worker.connect() as connection:
        connection.sendall(data)
        (whole,) = receive(connection, 1)
    for at in range(1, len(data)):
        with worker.connect() as connection:
            worker.send(connection, [data[:at]])
            connection.sendall(data[at:])
            compare_replies(receive(connection, 1)[0], whole)


@pytest.mark.parametrize("name", KEPT)
def test_bytes_may_come_one_by_one(worker: RunningWorker, name: str) -> None:
    """Two requests on one connection, each byte when the one before was read."""
    data = CAPTURED[name]
    with worker.connect() as connection:
        for _ in range(2):
            worker.send(connection, [bytes([byte]) for byte in data])
            receive(connection, 1)


@settings(max_examples=40, deadline=None)
@given(cuts=st.lists(st.integers(1, 50 * len(ANNOUNCE) - 1), max_size=12, unique=True))
def test_fifty_in_a_row_in_any_pieces(worker: RunningWorker, cuts: list[int]) -> None:
    """Pipelined requests are answered one for one, in order, wherever the stream is cut."""
    scrape = CAPTURED["Transmission scrapes"]
    data = (ANNOUNCE + scrape) * 25
    ends = [0, *sorted(cut for cut in cuts if cut < len(data)), len(data)]
    with worker.connect() as connection:
        worker.send(connection, [data[start:end] for start, end in pairwise(ends)])
        replies = receive(connection, 50)
    assert [b"5:files" in reply for reply in replies] == [False, True] * 25


def test_what_is_odd_goes_over_with_all_that_follows(worker: RunningWorker) -> None:
    """What stands before is answered first; not a byte of the rest is lost, nor the address."""
    with worker.connect() as connection:
        connection.sendall(ANNOUNCE * 3 + ODD + ANNOUNCE)
        assert len(receive(connection, 3)) == 3
        handover = worker.next_handover()
        with handed_over(handover) as mine:
            assert (handover.data, handover.peer, handover.source) == (ODD + ANNOUNCE, b"\x7f\0\0\1", None)
            mine.sendall(b"from Python")
            assert connection.recv(100) == b"from Python"
    worker.service.connections.leave()


def test_half_a_request_at_the_end_goes_over(worker: RunningWorker) -> None:
    """Python tells the client what is wrong with it."""
    with worker.connect() as connection:
        worker.send(connection, [ANNOUNCE[:50]])
        connection.shutdown(socket.SHUT_WR)
        handover = worker.next_handover()
        handed_over(handover).close()
        assert handover.data == ANNOUNCE[:50]
    worker.service.connections.leave()


@pytest.mark.parametrize("requests", [1, 60])
def test_a_client_that_sends_nothing_more_gets_its_replies(worker: RunningWorker, requests: int) -> None:
    """Its end of the connection is closed together with the last request; then ours is."""
    with worker.connect() as connection:
        connection.sendall(ANNOUNCE * requests)
        connection.shutdown(socket.SHUT_WR)
        assert len(receive(connection, requests)) == requests
        assert connection.recv(1) == b""


def test_a_slow_reader_is_waited_for(worker: RunningWorker) -> None:
    """While a client takes no replies nothing more is read from it; in the end it has all of them, in order."""
    many = 10_000
    scrape = CAPTURED["Transmission scrapes"]
    with worker.connect() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        connection.settimeout(0.5)
        before = worker.received()
        sent = 0
        data = (ANNOUNCE + scrape) * (many // 2)
        with contextlib.suppress(TimeoutError):
            while sent < len(data):
                sent += connection.send(data[sent : sent + 65536])
        assert worker.received() - before < len(data), "everything was read though nothing was taken"
        connection.setblocking(False)
        received = exchange(connection, data[sent:], many)
    assert [b"5:files" in reply for reply in replies_in(received)] == [False, True] * (many // 2)


def exchange(connection: socket.socket, rest: bytes, replies: int) -> bytes:
    """Sends the rest and takes replies, whichever is possible."""
    received = bytearray()
    deadline = time.monotonic() + PATIENCE
    while received.count(b"HTTP/1.1 ") < replies or not received.endswith(b"e"):
        assert time.monotonic() < deadline
        with contextlib.suppress(BlockingIOError):
            rest = rest[connection.send(rest[:65536]) :] if rest else rest
        with contextlib.suppress(BlockingIOError):
            received += connection.recv(1 << 20)
    return bytes(received)


def proxy_header(source: str) -> bytes:
    """Version 2 of the PROXY protocol, for IPv4."""
    addresses = ip_address(source).packed + bytes([127, 0, 0, 1]) + b"\x12\x34\x00\x50"
    return b"\r\n\r\n\0\r\nQUIT\n\x21\x11" + len(addresses).to_bytes(2, "big") + addresses


def test_every_split_of_a_proxy_header() -> None:
    """The client is whom it names, wherever header and request are cut."""
    data = proxy_header("203.0.113.9") + ANNOUNCE
    with running(NetworkConfig(addresses=["127.0.0.1:0"], proxy_protocol=True)) as worker:
        for at in range(1, len(data)):
            with worker.connect() as connection:
                worker.send(connection, [data[:at]])
                connection.sendall(data[at:])
                assert b"11:external ip4:\xcb\x00\x71\x09" in receive(connection, 1)[0]


def test_version_1_of_the_proxy_protocol_goes_over() -> None:
    """Python reads it; what the worker has seen of it is there."""
    data = b"PROXY TCP4 203.0.113.9 127.0.0.1 4660 80\r\n" + ANNOUNCE
    with (
        running(NetworkConfig(addresses=["127.0.0.1:0"], proxy_protocol=True)) as worker,
        worker.connect() as connection,
    ):
        connection.sendall(data)
        handover = worker.next_handover()
        handed_over(handover).close()
        assert (handover.data, handover.source, handover.counted) == (data, None, False)


def test_the_queue_to_python_has_an_end() -> None:
    """Who finds it full gets a 503; who waits in it is told nothing yet."""
    limits = LimitsConfig(max_memory_mib=64, max_connections_per_address=0)
    with running(limits=limits) as worker, contextlib.ExitStack() as stack:
        for _ in range(HANDOVERS_WAITING):
            waiting = stack.enter_context(worker.connect())
            waiting.sendall(ODD)
        worker.wait_for_bytes(HANDOVERS_WAITING * len(ODD))
        with worker.connect() as connection:
            connection.sendall(ODD)
            assert connection.recv(100).startswith(b"HTTP/1.1 503 ")
        waiting.setblocking(False)
        with pytest.raises(BlockingIOError):
            waiting.recv(1)
        totals = worker.service.totals()
        assert (totals.handed_over, totals.refused["whole_path"]) == (HANDOVERS_WAITING, 1)


def test_the_longest_idle_make_room() -> None:
    """At the cap newcomers are turned away only until somebody has been idle for two seconds; the others stay."""
    with running(max_connections=3) as worker, contextlib.ExitStack() as stack:
        idle = [stack.enter_context(worker.connect()) for _ in range(3)]
        for connection in idle:
            connection.sendall(ANNOUNCE)
            receive(connection, 1)
        deadline = time.monotonic() + PATIENCE
        turned_away = 0
        while not (reply := ask_once(worker)).startswith(b"HTTP/1.1 200 "):
            assert reply.startswith(b"HTTP/1.1 503 ")
            turned_away += 1
            assert time.monotonic() < deadline
        assert idle[0].recv(1) == b""
        totals = worker.service.totals()
        assert totals.closed["displaced"] >= 1
        assert totals.refused["connections"] == turned_away > 0


def ask_once(worker: RunningWorker) -> bytes:
    """The reply to one announce on a connection of its own."""
    with worker.connect() as connection:
        connection.sendall(CAPTURED["libtorrent starts"])
        return receive(connection, 1)[0]
