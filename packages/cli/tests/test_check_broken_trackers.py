"""`thalweg check` names what is wrong with a tracker: each stub here breaks one rule."""

import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from thalweg.main import main

Handler = Callable[["StubTracker", bytes, tuple[str, int]], None]

CONNECTION_ID = b"\x01" * 8
ANNOUNCE, SCRAPE = 1, 2
FAST = ["--timeout", "0.2", "--tries", "1"]


class StubTracker:
    """A tracker that answers correctly with one torrent, but for what `handle` overrides."""

    def __init__(self, handle: Handler, family: socket.AddressFamily = socket.AF_INET) -> None:
        """Binds a free port of the loopback address."""
        self.handle = handle
        self.socket = socket.socket(family, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1" if family == socket.AF_INET else "::1", 0))
        self.other_socket = socket.socket(family, socket.SOCK_DGRAM)
        self.thread = threading.Thread(target=self._serve)

    @property
    def url(self) -> str:
        """The announce URL."""
        address, port = self.socket.getsockname()[:2]
        return f"udp://{f'[{address}]' if ':' in address else address}:{port}/announce"

    def _serve(self) -> None:
        while request_and_client := self.socket.recvfrom(4096):
            request, client = request_and_client
            if not request:
                return
            self.handle(self, request, client)

    def send(self, reply: bytes, client: tuple[str, int]) -> None:
        """Sends a reply from the proper port."""
        self.socket.sendto(reply, client)

    def close(self) -> None:
        """Stops the thread with an empty datagram, then closes the sockets."""
        self.other_socket.sendto(b"", self.socket.getsockname())
        self.thread.join()
        self.socket.close()
        self.other_socket.close()


@contextmanager
def running(handle: Handler, family: socket.AddressFamily = socket.AF_INET) -> Iterator[StubTracker]:
    """Runs a stub tracker in a thread."""
    stub = StubTracker(handle, family)
    stub.thread.start()
    try:
        yield stub
    finally:
        stub.close()


def correct_reply(request: bytes) -> bytes:
    """What a tracker with two peers of one torrent says; b"" for a wrong connection id."""
    action, transaction = request[8:12], request[12:16]
    if request.startswith(b"\x00\x00\x04\x17\x27\x10\x19\x80"):
        return bytes(4) + transaction + CONNECTION_ID
    if not request.startswith(CONNECTION_ID):
        return b""
    if action == struct.pack("!I", ANNOUNCE):
        peers = b"\x7f\x00\x00\x01\x76\xfd"
        return action + transaction + struct.pack("!III", 1800, 1, 1) + peers
    return action + transaction + struct.pack("!III", 1, 0, 1)


def action_of(request: bytes) -> int:
    """The action of a request."""
    return int.from_bytes(request[8:12])


def correct(stub: StubTracker, request: bytes, client: tuple[str, int]) -> None:
    """Answers as a tracker should."""
    if reply := correct_reply(request):
        stub.send(reply, client)


def altered(action: int, alter: Callable[[bytes], bytes]) -> Handler:
    """Answers as a tracker should, except that replies to `action` are altered."""

    def handle(stub: StubTracker, request: bytes, client: tuple[str, int]) -> None:
        if reply := correct_reply(request):
            stub.send(alter(reply) if action_of(request) == action else reply, client)

    return handle


def silent(stub: StubTracker, request: bytes, client: tuple[str, int]) -> None:
    """Never answers."""


def from_another_port(stub: StubTracker, request: bytes, client: tuple[str, int]) -> None:
    """Answers from a port that was not asked."""
    stub.other_socket.sendto(correct_reply(request), client)


def port_bound() -> Handler:
    """Takes connection ids only from the port that got the first one."""
    first: list[tuple[str, int]] = []

    def handle(stub: StubTracker, request: bytes, client: tuple[str, int]) -> None:
        first.append(client)
        if client == first[0]:
            correct(stub, request, client)

    return handle


def strict_98(stub: StubTracker, request: bytes, client: tuple[str, int]) -> None:
    """Ignores announces that are longer than 98 bytes."""
    if action_of(request) != ANNOUNCE or len(request) == 98:
        correct(stub, request, client)


def takes_any_id(stub: StubTracker, request: bytes, client: tuple[str, int]) -> None:
    """Does not look at connection ids."""
    honest = request if request.startswith(b"\x00\x00\x04\x17") else CONNECTION_ID + request[8:]
    stub.send(correct_reply(honest), client)


def scolds_wrong_ids(stub: StubTracker, request: bytes, client: tuple[str, int]) -> None:
    """Sends an error packet for a wrong connection id."""
    reply = correct_reply(request) or struct.pack("!I", 3) + request[12:16] + b"Connection ID mismatch"
    stub.send(reply, client)


def error_packet(text: bytes) -> Callable[[bytes], bytes]:
    """Turns a reply into an error packet."""
    return lambda reply: struct.pack("!I", 3) + reply[4:8] + text


def with_interval(seconds: int) -> Callable[[bytes], bytes]:
    """Changes the interval of an announce reply."""
    return lambda reply: reply[:8] + struct.pack("!I", seconds) + reply[12:]


BROKEN: dict[str, tuple[Handler, str]] = {
    "silence": (silent, "no reply to 1 tries of 0.2 s"),
    "wrong transaction id": (altered(0, lambda reply: reply[:4] + bytes(4) + reply[8:]), "transaction id 0x00000000"),
    "wrong action": (altered(ANNOUNCE, lambda reply: bytes(4) + reply[4:]), "action 0, expected 1"),
    "short connect reply": (altered(0, lambda reply: reply[:12]), "connect reply of 12 bytes, expected 16"),
    "short announce reply": (altered(ANNOUNCE, lambda reply: reply[:19]), "announce reply of 19 bytes"),
    "empty datagram": (altered(ANNOUNCE, lambda reply: b""), "reply of 0 bytes"),
    "wrong stride": (altered(ANNOUNCE, lambda reply: reply + b"\x00"), "7 bytes of peers, expected a multiple of 6"),
    "another port": (from_another_port, "clients drop it"),
    "refusal": (altered(ANNOUNCE, error_packet(b"unregistered")), "the tracker refused, saying “unregistered”"),
    "refusal with control characters": (
        altered(ANNOUNCE, error_packet(b"\x1b[2Jno\n" + b"x" * 999)),
        "saying “?[2Jno?xxx",
    ),
    "refusal of eight bytes": (altered(ANNOUNCE, lambda reply: reply[:8]), "the tracker refused, without a reason"),
}

ODD: dict[str, tuple[Handler, str]] = {
    "no scrape": (altered(SCRAPE, error_packet(b"no scrapes here")), "saying “no scrapes here”"),
    "scrape without the seeder": (altered(SCRAPE, lambda reply: reply[:8] + bytes(12)), "is not counted"),
    "two rows": (altered(SCRAPE, lambda reply: reply + bytes(12)), "asked for and 2 rows came"),
    "id bound to the port": (port_bound(), "does not hold for another source port"),
    "98 bytes exactly": (strict_98, "an announce with bytes after the 98th failed"),
    "any id": (takes_any_id, "an announce with a forged connection id is accepted"),
    "error for a wrong id": (scolds_wrong_ids, "a forged connection id gets an error packet"),
    "no peers": (altered(ANNOUNCE, lambda reply: reply[:20]), "was not told of the first"),
    "short interval": (altered(ANNOUNCE, with_interval(5)), "The interval is very short"),
    "long interval": (altered(ANNOUNCE, with_interval(10**6)), "The interval is very long"),
}


@pytest.mark.parametrize(("handle", "sentence"), BROKEN.values(), ids=BROKEN)
def test_a_broken_tracker_is_told_what_is_wrong(
    handle: Handler, sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """What makes clients drop the replies is named in a sentence; the exit code is 1."""
    with running(handle) as stub:
        assert main(["check", *FAST, stub.url]) == 1
    printed = capsys.readouterr().out
    assert sentence in printed
    assert "does not work (over IPv4)" in printed


@pytest.mark.parametrize(("handle", "sentence"), ODD.values(), ids=ODD)
def test_an_odd_tracker_works_with_a_remark(handle: Handler, sentence: str, capsys: pytest.CaptureFixture[str]) -> None:
    """What clients survive is a remark; the exit code is 0."""
    with running(handle) as stub:
        assert main(["check", *FAST, stub.url]) == 0
    printed = capsys.readouterr().out
    assert sentence in printed
    assert "works with remarks (over IPv4)" in printed
    assert printed.count("  note  ") == 1


def test_a_correct_tracker_works(capsys: pytest.CaptureFixture[str]) -> None:
    """No step of a correct tracker draws a remark."""
    with running(correct) as stub:
        assert main(["check", *FAST, stub.url]) == 0
    printed = capsys.readouterr().out
    assert "works (over IPv4)" in printed
    assert printed.count("  ok    ") == 7


def test_a_lost_reply_is_asked_for_again(capsys: pytest.CaptureFixture[str]) -> None:
    """One lost datagram is no fault: the second try gets the reply."""
    seen: list[bytes] = []

    def loses_the_first(stub: StubTracker, request: bytes, client: tuple[str, int]) -> None:
        seen.append(request)
        if len(seen) > 1:
            correct(stub, request, client)

    with running(loses_the_first) as stub:
        assert main(["check", "--timeout", "0.2", "--tries", "2", stub.url]) == 0
    assert seen[0] == seen[1]
    assert "works (over IPv4)" in capsys.readouterr().out


def test_ipv4_peers_over_ipv6_are_noticed(capsys: pytest.CaptureFixture[str]) -> None:
    """Six bytes for a peer are wrong over IPv6, where one has eighteen."""
    with running(correct, socket.AF_INET6) as stub:
        assert main(["check", *FAST, stub.url]) == 1
    printed = capsys.readouterr().out
    assert "6 bytes of peers, expected a multiple of 18" in printed
    assert "does not work (over IPv6)" in printed
