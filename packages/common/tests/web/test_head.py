"""Heads of requests: where they end, what is mended, what is too large."""

import pytest
from thalweg_common.web.head import MAX_HEAD, MAX_TARGET, HeadReader, Refused, mend

PLAIN = b"GET /announce?a=b HTTP/1.1\r\nHost: x\r\n\r\n"


def heads(data: bytes, step: int = 1 << 20) -> list[bytes]:
    """All heads in these bytes, given in pieces."""
    reader, found = HeadReader(), []
    for start in range(0, len(data), step):
        reader.feed(data[start : start + step])
        while (head := reader.next_head_untrusted()) is not None:
            found.append(head)
    return found


def test_heads_are_cut_apart_at_every_split() -> None:
    """Whatever pieces the bytes arrive in."""
    three = PLAIN + PLAIN.replace(b"\r\n", b"\n") + PLAIN
    for step in range(1, len(three)):
        assert [head.split(b" ")[1] for head in heads(three, step)] == [b"/announce?a=b"] * 3


@pytest.mark.parametrize(
    ("head", "mended"),
    [
        (PLAIN, PLAIN),
        (b"GET /\xff\x80 HTTP/1.1\r\nHost: x\r\n\r\n", b"GET /%FF%80 HTTP/1.1\r\nHost: x\r\n\r\n"),
        (b"GET /a b\tc HTTP/1.1\r\nHost: x\r\n\r\n", b"GET /a%20b%09c HTTP/1.1\r\nHost: x\r\n\r\n"),
        (b"GET / HTTP/1.1\r\n\r\n", b"GET / HTTP/1.1\r\nHost:\r\n\r\n"),
        (b"GET / HTTP/1.1\r\nA: host: x\r\nhOsT : x\r\n\r\n", b"GET / HTTP/1.1\r\nA: host: x\r\nhOsT : x\r\n\r\n"),
        (b"GET / HTTP/1.0\r\n\r\n", b"GET / HTTP/1.0\r\n\r\n"),
        (b"GET / HTTP/1.1\nHost: x\n\n", b"GET / HTTP/1.1\r\nHost: x\n\n"),
        (b"GET /\r\n\r\n", b"GET /\r\n\r\n"),
        (b"nonsense\r\n\r\n", b"nonsense\r\n\r\n"),
        (b"\0\xff\r\n\r\n", b"\0\xff\r\n\r\n"),
    ],
)
def test_what_is_common_is_mended(head: bytes, mended: bytes) -> None:
    """Raw bytes and blanks in the target, and a missing Host; the rest stays for h11 to judge."""
    assert mend(head) == mended


def test_empty_lines_in_front_are_no_request() -> None:
    """Some clients end the request before with one line too many."""
    assert len(heads(b"\r\n\n\r\n" + PLAIN + b"\r\n" + PLAIN, 3)) == 2


def target(size: int) -> bytes:
    """A request whose target has so many bytes."""
    return b"GET /" + b"a" * (size - 1) + b" HTTP/1.1\r\nHost: x\r\n\r\n"


def test_a_target_may_have_8192_bytes() -> None:
    """That many and no more, whether the end has arrived or not."""
    assert len(heads(target(MAX_TARGET), 1000)) == 1
    for data in (target(MAX_TARGET + 1), b"GET /" + b"a" * 100_000):
        with pytest.raises(Refused, match="target_too_long"):
            heads(data, 1000)


@pytest.mark.parametrize("end", [b"\r\n\r\n", b""])
def test_headers_that_are_too_large(end: bytes) -> None:
    """Whether their end has arrived or not."""
    with pytest.raises(Refused, match="head_too_large"):
        heads(PLAIN[:-2] + b"A: " + b"b" * MAX_HEAD + end, 1000)


def test_a_method_without_end() -> None:
    """Is nothing that can be answered in its own terms."""
    with pytest.raises(Refused, match="malformed"):
        heads(b"A" * 10_000, 1000)


def test_a_tls_hello_is_recognised() -> None:
    """By its first two bytes."""
    with pytest.raises(Refused, match="tls_on_plain_port"):
        heads(b"\x16\x03\x01\x02\x00")
