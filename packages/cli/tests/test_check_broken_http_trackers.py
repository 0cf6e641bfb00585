"""`thalweg check http://…` names what is wrong with a tracker: each stub here breaks one rule, or HTTP itself."""

import io
from collections.abc import Callable
from contextlib import redirect_stdout

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs
from thalweg.check_probe import PORT
from thalweg.main import main
from thalweg_common.bencode import Value, encode

from .stub_http_tracker import PATIENCE, Answer, Request, StubTracker, correct, ok, reply, running

SOON = ["--timeout", "0.3"]
Values = dict[bytes, Value]


def says(*parts: bytes) -> Answer:
    """Answers every request with the same bytes."""
    return lambda stub, request: b"".join(parts)


def holds(data: bytes) -> Answer:
    """Sends these bytes and then nothing, on a connection that stays open."""

    def answer(stub: StubTracker, request: Request) -> bytes:
        request.connection.sendall(data)
        stub.ended.wait(PATIENCE)
        return b""

    return answer


def never_ends(head: bytes, part: bytes) -> Answer:
    """Sends the same part for as long as somebody reads."""

    def answer(stub: StubTracker, request: Request) -> bytes:
        request.connection.sendall(head)
        while not stub.ended.is_set():
            request.connection.sendall(part)
        return b""

    return answer


def drips(stub: StubTracker, request: Request) -> bytes:
    """Sends a byte of an endless body now and then."""
    request.connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
    while not stub.ended.wait(0.02):
        request.connection.sendall(b"x")
    return b""


def announces(alter: Callable[[Request, Values], Values]) -> Answer:
    """Answers correctly, except that what is said to announces is altered."""

    def answer(stub: StubTracker, request: Request) -> bytes:
        values = stub.values(request)
        return ok(encode(alter(request, values) if request.is_announce else values))

    return answer


def also(**values: Value) -> Answer:
    """Replies to announces have these values, too, unless numwant is given; underscores stand for blanks."""
    more = {name.replace("_", " ").encode(): value for name, value in values.items()}
    return announces(lambda request, said: said if b"numwant" in request.query.first else said | more)


def without(key: bytes) -> Answer:
    """Replies to announces lack a key."""
    return announces(lambda _, said: {name: value for name, value in said.items() if name != key})


def wraps(wrap: Callable[[bytes], bytes]) -> Answer:
    """Replies to announces are made from their correct body in another way."""

    def answer(stub: StubTracker, request: Request) -> bytes:
        body = encode(stub.values(request))
        return wrap(body) if request.is_announce else ok(body)

    return answer


def when(path: str, otherwise: bytes) -> Answer:
    """Answers correctly, except that requests for a path get something else."""
    return lambda stub, request: otherwise if request.path == path else correct(stub, request)


def without_hash(otherwise: Callable[[bytes], bytes]) -> Answer:
    """Answers correctly, except that announces without a proper info hash get something else."""

    def answer(stub: StubTracker, request: Request) -> bytes:
        wrong = request.path == "/announce" and not request.is_announce
        return otherwise(encode(stub.values(request))) if wrong else correct(stub, request)

    return answer


def tells_of_itself(request: Request, said: Values) -> Values:
    """Hands out whoever asks."""
    asked = request.query.number(b"numwant")
    return said if asked is not None else said | {b"peers": b"\x7f\0\0\1" + request.port.to_bytes(2) + said[b"peers"]}  # type: ignore[operator]


def ignores_numwant(request: Request, said: Values) -> Values:
    """Gives two peers to everybody but the second client."""
    wanted = b"numwant" in request.query.first
    return said | {b"peers": b"\x7f\0\0\1\0\1\x7f\0\0\1\0\2"} if wanted else said


def keeps_the_stopped(stub: StubTracker, request: Request) -> bytes:
    """Does not heed `stopped`."""
    values = stub.values(request)
    if request.query.first.get(b"event") == b"stopped":
        stub.peers[request.port] = 0
    return ok(encode(values))


def in_chunks(stub: StubTracker, request: Request) -> bytes:
    """Sends chunks to those who understand them."""
    body = encode(stub.values(request))
    if request.version == "HTTP/1.0" or not request.is_announce:
        return ok(body)
    return reply(b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body), "Transfer-Encoding: chunked")


def in_chunks_to_http_1_0(stub: StubTracker, request: Request) -> bytes:
    """Sends chunks to those who do not."""
    version = "HTTP/1.1" if request.version == "HTTP/1.0" else "HTTP/1.0"
    return in_chunks(stub, structs.replace(request, version=version))


def counts_nobody(stub: StubTracker, request: Request) -> bytes:
    """Has zeros for every torrent."""
    if request.path != "/scrape":
        return correct(stub, request)
    zeros: Values = {b"complete": 0, b"downloaded": 0, b"incomplete": 0}
    return ok(encode({b"files": dict.fromkeys(request.query.info_hashes, zeros)}))


def refuses_http_1_0(stub: StubTracker, request: Request) -> bytes:
    """Knows HTTP/1.1 only."""
    refused = ok(b"", status="505 HTTP Version Not Supported")
    return refused if request.version == "HTTP/1.0" else correct(stub, request)


GOOD_BODY = b"d8:intervali1800e5:peers0:e"

BROKEN: dict[str, tuple[Answer, str]] = {
    "another path": (says(ok(b"", status="404 Not Found")), "status 404 Not Found"),
    "an error page": (
        says(ok(b"out of\norder", "Content-Type: text/plain", status="500 Oops")),
        "status 500 Oops, saying “out of”",
    ),
    "a reason with status 400": (
        says(ok(encode({b"failure reason": b"go away"}), status="400 Bad Request")),
        "status 400 Bad Request, saying “go away”",
    ),
    "redirect": (
        says(ok(b"", "Location: https://x.example/announce", status="301 Moved Permanently")),
        "status 301 Moved Permanently: redirected to https://x.example/announce",
    ),
    "garbage": (says(b"\x00\x1b[2J\xff\r\n\r\n"), "the reply is not HTTP (illegal status line"),
    "another protocol": (says(b"SSH-2.0-OpenSSH_9.2\r\n"), "“SSH-2.0-OpenSSH_9.2??”"),
    "TLS": (says(b"\x15\x03\x01\0\x02\x02\x46\r\n\r\n"), "the reply is TLS, not HTTP"),
    "closed": (says(), "the connection was closed without a reply"),
    "closed in the head": (
        says(b"HTTP/1.1 200 OK\r\nContent-Le"),
        "closed within the head of the reply: “HTTP/1.1 200",
    ),
    "closed in the body": (
        says(reply(GOOD_BODY, "Content-Length: 99")),
        f"the connection was closed after {len(GOOD_BODY)} of 99 bytes",
    ),
    "a broken chunk": (
        says(reply(b"zz\r\n", "Transfer-Encoding: chunked")),
        "the body is broken: illegal chunk header",
    ),
    "endless head": (
        never_ends(b"HTTP/1.1 200 OK\r\n", b"X-Header: more\r\n" * 100),
        "the reply is not HTTP (Receive buffer too long)",
    ),
    "endless body": (never_ends(b"HTTP/1.1 200 OK\r\n\r\n", b"x" * 65536), "the reply is larger than 1 MiB"),
    "a web page": (says(ok(b"<!DOCTYPE html>")), "the reply is wrong and clients drop it: not bencoded: '<' at byte 0"),
    "an empty page": (says(ok(b"")), "not bencoded: cut short: the end is missing after 0 bytes"),
    "compressed": (says(ok(b"\x1f\x8b\x08", "Content-Encoding: gzip")), "The reply is compressed, although nobody"),
    "a list": (says(ok(b"le")), "not a bencoded dictionary"),
    "too short a length": (
        wraps(lambda body: reply(body, f"Content-Length: {len(body) - 3}")),
        "(Content-Length counts 3 bytes too few)",
    ),
    "no interval": (without(b"interval"), "`interval` is missing"),
    "interval as text": (also(interval=b"1800"), "`interval` is b'1800', not a time"),
    "no peers": (without(b"peers"), "neither `peers` nor `peers6` is there"),
    "wrong stride": (also(peers=b"1234567"), "7 bytes of `peers`, expected a multiple of 6"),
    "wrong stride of IPv6": (also(peers6=b"1234567"), "7 bytes of `peers6`, expected a multiple of 18"),
    "peers of another kind": (also(peers=7), "`peers` is neither a string nor a list"),
    "peers without a port": (also(peers=[{b"ip": b"::1"}]), "no dictionary with `ip` and `port`"),
    "refusal": (also(failure_reason=b"\x1b[2Jno\n" + b"x" * 999), "the tracker refused, saying “?[2Jno?xxx"),
}

SLOW: dict[str, tuple[Answer, str]] = {
    "silence": (holds(b""), "no reply within 0.3 s"),
    "no end of the head": (holds(b"HTTP/1.1 200 OK\r\n"), "the reply did not end within 0.3 s; 17 bytes of it came"),
    "a byte now and then": (drips, "the reply did not end within 0.3 s"),
    "no end of the body": (holds(reply(b"d", "Content-Length: 2")), "the reply did not end within 0.3 s"),
}

ODD: dict[str, tuple[Answer, str]] = {
    "unsorted keys": (
        wraps(lambda body: ok(b"d8:intervali1800e5:peers" + body.partition(b"5:peers")[2][:-1] + b"1:ai1ee")),
        "comes after 'peers': not sorted",
    ),
    "zeros": (wraps(lambda body: ok(body.replace(b"i1800e", b"i01800e"))), "the number 01800 at byte 11 has zeros"),
    "a line end behind the e": (wraps(lambda body: ok(body + b"\r\n")), r"2 bytes follow the final `e`: '\r\n'"),
    "external ip as text": (also(external_ip=b"192.0.2.1"), "`external ip` has 9 bytes"),
    "counts as text": (also(complete=b"1"), "`complete` is not a number of at least 0"),
    "warning of another kind": (also(warning_message=1), "`warning message` is not a string"),
    "mapped addresses": (also(peers6=bytes(10) + b"\xff\xff\x7f\0\0\1\0\1"), "IPv4 addresses, written as IPv6"),
    "port 0": (also(peers6=bytes(15) + b"\1\0\0"), "a peer has a port that nobody can connect to"),
    "bytes behind the reply": (wraps(lambda body: ok(body) + b"\n"), "1 byte more than the 27 that are told"),
    "chunks": (in_chunks, "missing, the reply ends with chunks"),
    "chunks in HTTP/1.0": (in_chunks_to_http_1_0, "the reply comes in chunks, which HTTP/1.0 does not have"),
    "no length": (wraps(reply), "missing, the reply ends with the end of the connection"),
    "short interval": (also(interval=5), "The interval is very short"),
    "long interval": (also(interval=10**6), "The interval is very long"),
    "peers apart": (also(peers=b""), "was not told of the first"),
    "told of itself": (announces(tells_of_itself), "a client is told of itself"),
    "numwant ignored": (announces(ignores_numwant), "who asks for 1 gets 2, who asks for 0 gets 2"),
    "no scrape": (when("/scrape", ok(b"", status="404 Not Found")), "status 404 Not Found"),
    "cached scrapes": (
        counts_nobody,
        "0 seeders, 0 leechers, 0 completed: the seeder and the leecher of this test are not counted",
    ),
    "scrape refused": (when("/scrape", ok(encode({b"failure reason": b"no"}))), "the tracker refused, saying “no”"),
    "scrape of nothing": (when("/scrape", ok(b"d5:filesdee")), "the torrent that was asked for is not in the reply"),
    "scrape without files": (when("/scrape", ok(b"de")), "`files` is missing"),
    "scrape without downloads": (
        when("/scrape", ok(encode({b"files": {b"x" * 20: {b"complete": 1, b"incomplete": 1}}}))),
        "`complete`, `downloaded` or `incomplete` is missing",
    ),
    "stopped ignored": (keeps_the_stopped, "the test's peers said goodbye, and 3 are still counted"),
    "HTTP/1.1 only": (refuses_http_1_0, "status 505 HTTP Version Not Supported"),
}

BAD_REQUESTS: dict[str, tuple[Answer, str]] = {
    "status 400": (
        without_hash(lambda body: ok(body, status="400 Bad Request")),
        "status 400 Bad Request, saying “no info hash”",
    ),
    "no reason": (without_hash(lambda body: ok(GOOD_BODY)), "status 200 OK, without a failure reason"),
    "no answer": (without_hash(lambda body: b""), "the connection was closed without a reply"),
}


@pytest.mark.parametrize(("answer", "sentence"), BROKEN.values(), ids=BROKEN)
def test_a_broken_tracker_is_told_what_is_wrong(
    answer: Answer, sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """What makes clients drop the replies is named in a sentence; the exit code is 1."""
    with running(answer) as stub:
        assert main(["check", stub.url]) == 1
    printed = capsys.readouterr().out
    assert sentence in printed
    assert printed.count("  FAIL  announce ") == 1
    assert "does not work (over IPv4)" in printed
    assert printed.replace("\n", "").isprintable()


@pytest.mark.parametrize(("answer", "sentence"), SLOW.values(), ids=SLOW)
def test_a_slow_tracker_is_not_waited_for(answer: Answer, sentence: str, capsys: pytest.CaptureFixture[str]) -> None:
    """What does not come in time is named, with how much came."""
    with running(answer) as stub:
        assert main(["check", *SOON, stub.url]) == 1
    assert sentence in capsys.readouterr().out


@pytest.mark.parametrize(("answer", "sentence"), ODD.values(), ids=ODD)
def test_an_odd_tracker_works_with_a_remark(answer: Answer, sentence: str, capsys: pytest.CaptureFixture[str]) -> None:
    """What clients survive is a remark; the exit code is 0."""
    with running(answer) as stub:
        assert main(["check", stub.url]) == 0
    printed = capsys.readouterr().out
    assert sentence in printed
    assert "works with remarks (over IPv4)" in printed
    assert printed.count("  note  ") == 1, printed


@pytest.mark.parametrize(("answer", "sentence"), BAD_REQUESTS.values(), ids=BAD_REQUESTS)
def test_bad_requests_want_a_reason(answer: Answer, sentence: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A reason with status 200 is what clients show; anything else is a remark on both bad requests."""
    with running(answer) as stub:
        assert main(["check", stub.url]) == 0
    printed = capsys.readouterr().out
    assert printed.count("  note  ") == printed.count(sentence) == 2


def test_a_correct_tracker_works_and_is_left_as_it_was(capsys: pytest.CaptureFixture[str]) -> None:
    """No step of a correct tracker draws a remark, and each of the test's peers has said goodbye."""
    with running() as stub:
        assert main(["check", stub.url]) == 0
        assert stub.peers == {}
    printed = capsys.readouterr().out
    assert "works (over IPv4)" in printed
    assert "  note  " not in printed


def test_goodbye_is_said_after_a_bad_reply(capsys: pytest.CaptureFixture[str]) -> None:
    """A tracker may have stored the peer although its reply is of no use."""
    with running(without(b"interval")) as stub:
        assert main(["check", stub.url]) == 1
        assert stub.peers == {}
    assert "stopped" not in capsys.readouterr().out


def test_the_three_peers(capsys: pytest.CaptureFixture[str]) -> None:
    """A seeder and two leechers take part, behind the ports that the manual names, with peer ids of their own."""
    seen: dict[int, set[tuple[bytes, bytes]]] = {}

    def answer(stub: StubTracker, request: Request) -> bytes:
        if request.is_announce:
            peer = (request.query.first[b"peer_id"], request.query.first[b"left"])
            seen.setdefault(request.port, set()).add(peer)
        return correct(stub, request)

    with running(answer) as stub:
        assert main(["check", stub.url]) == 0
    assert sorted(seen) == [PORT, PORT + 1, PORT + 2] == [30461, 30462, 30463]
    assert [left for port in sorted(seen) for _, left in seen[port]] == [b"0", b"1", b"1"]
    assert len({peer_id for peers in seen.values() for peer_id, _ in peers}) == 3


def test_what_is_information_does_not_change_the_verdict(capsys: pytest.CaptureFixture[str]) -> None:
    """Warnings, refused dictionaries and a path that cannot be scraped are told, and are no fault."""

    def answer(stub: StubTracker, request: Request) -> bytes:
        if request.query.first.get(b"compact") == b"0":
            return ok(b"", status="400 Bad Request")
        values = stub.values(
            Request("/announce", *[getattr(request, name) for name in ("query", "version", "connection")])
        )
        return ok(encode(values | {b"warning message": b"moving soon"} if b"peers" in values else values))

    with running(answer) as stub:
        assert main(["check", stub.url.replace("/announce", "/a?key=1")]) == 0
    printed = capsys.readouterr().out
    assert "works (over IPv4)" in printed
    for sentence in ("“moving soon”", "dictionaries are refused", "clients cannot scrape", "the connection is closed"):
        assert sentence in printed


@st.composite
def altered_replies(draw: st.DrawFn) -> bytes:
    """A correct reply of which a part is replaced by any bytes."""
    whole = ok(encode({b"complete": 1, b"interval": 1800, b"peers": b"\x7f\0\0\1\0\1", b"peers6": b""}))
    start = draw(st.integers(0, len(whole)))
    end = draw(st.integers(start, len(whole)))
    return whole[:start] + draw(st.binary(max_size=20)) + whole[end:]


@settings(deadline=None, max_examples=60)
@given(altered_replies() | st.binary(max_size=200))
def test_any_reply_ends_in_a_verdict(data: bytes) -> None:
    """Whatever a server says to every request, the command neither fails nor hangs, and prints what can be printed."""
    printed = io.StringIO()
    with running(says(data)) as stub, redirect_stdout(printed):
        assert main(["check", "--timeout", "5", stub.url]) in (0, 1)
    assert printed.getvalue().replace("\n", "").isprintable()
