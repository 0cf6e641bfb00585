"""UdpTrackerClient against a scripted tracker on a loopback socket."""

import socket
import struct
import threading
from collections.abc import Callable, Iterator

import pytest
from thalweg_common.udp_client import NoReplyError, UdpTrackerClient
from thalweg_common.udp_wire import Announce, ScrapeRow, TrackerError

Replies = Callable[[bytes], list[bytes]]


@pytest.fixture
def serve() -> Iterator[Callable[[Replies], tuple[str, int]]]:
    """Starts a tracker that answers each datagram with what the function gives; gives its address."""
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.bind(("127.0.0.1", 0))
    threads: list[threading.Thread] = []

    def loop(replies: Replies) -> None:
        while True:
            request, sender = sock.recvfrom(2048)
            if request == b"end":
                return
            for reply in replies(request):
                sock.sendto(reply, sender)

    def start(replies: Replies) -> tuple[str, int]:
        threads.append(threading.Thread(target=loop, args=(replies,)))
        threads[0].start()
        address: tuple[str, int] = sock.getsockname()
        return address

    yield start
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as end:
        end.sendto(b"end", sock.getsockname())
    for thread in threads:
        thread.join()
    sock.close()


def answer(request: bytes) -> list[bytes]:
    """A tracker with one torrent: connects everybody, tells of one peer and one row."""
    action, transaction = struct.unpack_from("!II", request, 8)
    bodies = [b"ticket!!", struct.pack("!III4sH", 1800, 1, 2, bytes([10, 0, 0, 1]), 80), struct.pack("!III", 2, 9, 1)]
    return [struct.pack("!II", action, transaction) + bodies[action]]


def test_announce_and_scrape_connect_by_themselves(serve: Callable[[Replies], tuple[str, int]]) -> None:
    """One connect serves both requests."""
    seen: list[int] = []

    def watch(request: bytes) -> list[bytes]:
        seen.append(request[11])
        return answer(request)

    with UdpTrackerClient(serve(watch), timeout=5) as client:
        reply = client.announce(Announce(info_hash=bytes(20), peer_id=bytes(20), port=1))
        assert (reply.interval, reply.peers) == (1800, [("10.0.0.1", 80)])
        assert client.scrape([bytes(20)]) == [ScrapeRow(2, 9, 1)]
        assert client.ip_version == 4
    assert seen == [0, 1, 2]


def test_replies_to_other_requests_are_passed_over(serve: Callable[[Replies], tuple[str, int]]) -> None:
    """A late or foreign datagram does not disturb the exchange."""
    with UdpTrackerClient(serve(lambda request: [b"?", bytes(16), *answer(request)]), timeout=5) as client:
        assert client.connect() == b"ticket!!"


def test_error_packets_reach_the_caller(serve: Callable[[Replies], tuple[str, int]]) -> None:
    """The tracker's own words are the exception's."""
    address = serve(lambda request: [struct.pack("!I", 3) + request[12:16] + b"closed"])
    with UdpTrackerClient(address, timeout=5) as client, pytest.raises(TrackerError, match="closed"):
        client.connect()


def test_silence_is_no_reply(serve: Callable[[Replies], tuple[str, int]]) -> None:
    """The timeout is named in the error."""
    with UdpTrackerClient(serve(lambda _: []), timeout=0.01) as client, pytest.raises(NoReplyError, match=r"0\.01 s"):
        client.connect()


def test_a_lost_request_is_sent_again(serve: Callable[[Replies], tuple[str, int]]) -> None:
    """The second try is answered."""
    requests: list[bytes] = []

    def lose_first(request: bytes) -> list[bytes]:
        requests.append(request)
        return answer(request) if len(requests) > 1 else []

    with UdpTrackerClient(serve(lose_first), timeout=0.1, tries=100) as client:
        assert client.connect() == b"ticket!!"


def test_a_closed_port_shows_at_once() -> None:
    """Nobody listens there: the kernel says so, long before the timeout."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
        free.bind(("127.0.0.1", 0))
        address = free.getsockname()
    with UdpTrackerClient(address, timeout=5) as client, pytest.raises(ConnectionRefusedError):
        client.connect()
