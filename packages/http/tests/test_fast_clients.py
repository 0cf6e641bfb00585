"""What real clients send is answered in C, and as the whole path answers it; in pieces, and many at once, too."""

import pytest
from thalweg_http.wire import parse_query_untrusted

from packages.http.tests.asking import CLIENT, LOOPBACK, make_service
from packages.http.tests.judging import ANSWERED, ODD, SHORT, FastPath, Judge, Stored, query_of
from packages.http.tests.requests_of_clients import CAPTURED, DESCRIBED

REQUESTS = CAPTURED | DESCRIBED
IPV6 = bytes.fromhex("20010db8000000000000000000000007")
MAPPED = bytes(10) + b"\xff\xff" + CLIENT


def company(data: bytes) -> list[Stored]:
    """Seeders and leechers of both families in the torrents that a request names."""
    hosts = [bytes([203, 0, 113, number]) for number in range(1, 80)]
    hosts += [IPV6[:-1] + bytes([number]) for number in range(100, 120)]
    named = parse_query_untrusted(query_of(data)).info_hashes[:2]
    return [Stored(hash_, host + b"\x1a\xe1", host[-1] % 3 == 0) for hash_ in named for host in hosts]


@pytest.mark.parametrize("peer", [CLIENT, IPV6, MAPPED, LOOPBACK], ids=["IPv4", "IPv6", "mapped", "loopback"])
@pytest.mark.parametrize("data", REQUESTS.values(), ids=REQUESTS)
def test_clients_are_answered_in_c(data: bytes, peer: bytes) -> None:
    """None of them needs the whole path; alone in a swarm, and in company, twice."""
    for stored in ([], company(data)):
        judge = Judge(stored=stored)
        for _ in range(2):
            verdict = judge.ask(data, peer)
            assert verdict.outcome == ANSWERED
            assert verdict.used == len(data)
            assert verdict.close == (b"connection: close" in data.lower())


@pytest.mark.parametrize("data", REQUESTS.values(), ids=REQUESTS)
def test_what_is_not_complete_is_waited_for(data: bytes) -> None:
    """Every strict beginning of a request is too short to tell, whatever memory holds behind it."""
    fast = FastPath(make_service())
    for size in range(len(data)):
        assert fast.answer(data[:size]).outcome == SHORT
    assert fast.answer(data).outcome == ANSWERED


@pytest.mark.parametrize("data", REQUESTS.values(), ids=REQUESTS)
def test_what_follows_does_not_matter(data: bytes) -> None:
    """A request ends where it ends: with any first byte of the next one behind it, the answer is the same."""
    fast = FastPath(make_service())
    alone = fast.answer(data)
    for byte in range(256):
        assert fast.answer(data + bytes([byte])) == alone


def test_fifty_in_a_row() -> None:
    """Pipelined requests of clients that keep the connection, in one piece, are answered like as many alone."""
    kept = [data for data in REQUESTS.values() if b"connection: close" not in data.lower()]
    many = (kept * 10)[:50]
    verdicts = Judge().ask_as_shell(b"".join(many))
    assert [verdict.outcome for verdict in verdicts] == [ANSWERED] * 50
    assert [verdict.used for verdict in verdicts] == [len(data) for data in many]


def test_odd_ones_in_a_row() -> None:
    """The first that is odd goes to the whole path with all that follows; a last one ends the connection."""
    plain, odd = CAPTURED["aria2 starts"], CAPTURED["aria2 starts"].replace(b"compact=1", b"compact=0")
    last = CAPTURED["libtorrent starts"]
    outcomes = [verdict.outcome for verdict in Judge().ask_as_shell(plain * 3 + odd + plain * 2)]
    assert outcomes == [ANSWERED] * 3 + [ODD]
    outcomes = [verdict.outcome for verdict in Judge().ask_as_shell(plain + last + plain)]
    assert outcomes == [ANSWERED] * 2
    outcomes = [verdict.outcome for verdict in Judge().ask_as_shell(plain + b"\r\n" + last)]
    assert outcomes == [ANSWERED, ODD]
    outcomes = [verdict.outcome for verdict in Judge().ask_as_shell(plain + last[:50])]
    assert outcomes == [ANSWERED, SHORT]
