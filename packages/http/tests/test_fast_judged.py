"""Same answer twice: whatever C answers, the whole path, h11 in it, answers equally; nothing is answered by neither."""

from collections import Counter
from collections.abc import Iterator

from hypothesis import example, given
from hypothesis import strategies as st
from thalweg_http.config import NetworkConfig, ProtocolConfig

from packages.http.tests.asking import CLIENT, LOOPBACK, request
from packages.http.tests.drawn_requests import (
    EVENTS,
    HASHES,
    HEADERS,
    NUMBERS,
    ODD_ESCAPES,
    PEER_IDS,
    TARGETS,
    VENDORS,
    damaged,
    forwarded,
    long_ones,
    plain,
)
from packages.http.tests.judging import ANSWERED, How, Judge, Stored
from packages.http.tests.requests_of_clients import CAPTURED, DESCRIBED
from tests.model.exploring import examples

IPV6 = bytes.fromhex("20010db8000000000000000000000007")
GLOBAL6 = bytes.fromhex("2a010000000000000000000000000007")
PEERS = [CLIENT, LOOPBACK, bytes([11, 1, 2, 3]), IPV6, GLOBAL6, bytes(10) + b"\xff\xff" + CLIENT, bytes(15) + b"\1"]
HOST_COUNTS = [0, 3, 60]
"""Of each family, in the torrents of HASHES."""


def peers_of(info_hash: bytes, count: int) -> list[Stored]:
    """Global and local ones, every third a seeder."""
    found = []
    for number in range(count):
        host = bytes([11 if number % 4 else 10, 9, number >> 8, number & 255])
        found.append(Stored(info_hash, host + b"\x1a\xe1", number % 3 == 0))
        host = bytes([0x2A if number % 4 else 0xFD]) + bytes(13) + number.to_bytes(2, "big")
        found.append(Stored(info_hash, host + b"\x1a\xe1", number % 3 == 0))
    return found


STORED = [
    stored for info_hash, count in zip(HASHES, HOST_COUNTS, strict=False) for stored in peers_of(info_hash, count)
]

protocols = st.builds(
    ProtocolConfig,
    interval_jitter=st.just(0),
    peer_announce_interval=st.sampled_from([1, 1800, 30 * 86400]),
    min_interval=st.sampled_from([0, 1, 30 * 86400]),
    external_ip=st.booleans(),
    both_families=st.booleans(),
    filter_addresses=st.booleans(),
    warning_message=st.sampled_from(["", "moved to a.example", "ä" * 200, "\U0001f40c" * 200]),
    max_peers=st.sampled_from([0, 1, 49, 200, 512, 1_000_000]),
    default_peers=st.sampled_from([0, 1, 50, 1_000_000]),
    max_scrape_torrents=st.sampled_from([1, 2, 3, 100, 1_000_000]),
)
access_lists = st.sampled_from([("off", b""), ("allow", HASHES[0] + HASHES[1]), ("deny", HASHES[1]), ("allow", b"")])
keep_alives = st.sampled_from([NetworkConfig(), NetworkConfig(), NetworkConfig(keep_alive=False)])


@st.composite
def rules(draw: st.DrawFn) -> How:
    """Rules of a public tracker, of a private one, and of nobody."""
    mode, listed = draw(access_lists)
    return How(protocol=draw(protocols), network=draw(keep_alives), mode=mode, listed=listed)


peers = st.sampled_from(PEERS)
verbatim = st.sampled_from([*CAPTURED.values(), *DESCRIBED.values()])


def each_alone() -> Iterator[bytes]:
    """Good requests with one oddity in each: every one that the strategies draw from."""
    good = b"/announce?info_hash=%b&peer_id=%b&port=6881" % (HASHES[2], b"p" * 20)
    for name in (b"port", b"left", b"numwant"):
        yield from (request(b"/announce?%b=%b&%b" % (name, number, good[10:])) for number in NUMBERS)
    yield from (request(b"%b&event=%b" % (good, event)) for event in EVENTS)
    yield from (request(b"%b&%b" % (good, vendor)) for vendor in VENDORS)
    yield from (request(b"%b&%b" % (good.replace(b"?", b"?" + vendor + b"&"), vendor)) for vendor in VENDORS)
    yield from (request(good, header) for header in HEADERS)
    yield from (request(target + good[10:]) for target in TARGETS)
    for escape in ODD_ESCAPES:
        for size in range(17, 21):
            value = b"e" * size + escape
            yield request(b"/announce?info_hash=%b&peer_id=%b" % (value, b"p" * 20))
            yield request(b"/announce?info_hash=%b&peer_id=%b" % (b"e" * 20, value))
            yield request(b"/scrape?info_hash=%b" % value)


def test_each_oddity_alone() -> None:
    """What chance might pass over."""
    how, stored = How(protocol=ProtocolConfig(interval_jitter=0, default_peers=5)), peers_of(HASHES[2], 12)
    for data in each_alone():
        Judge(how, stored).ask(data)


@examples(500)
@given(rules(), peers, damaged(plain() | plain() | verbatim))
@example(How(), CLIENT, request(b"/announce?info_hash=" + b"c" * 20 + b"&peer_id=" + b"p" * 20 + b"&numwant=-0"))
@example(
    How(protocol=ProtocolConfig(max_scrape_torrents=2)),
    CLIENT,
    request(b"/scrape?info_hash=%b&info_hash=%b&info_hash=%b" % (HASHES[2], HASHES[2], HASHES[1])),
)
@example(
    How(protocol=ProtocolConfig(interval_jitter=0, both_families=True)),
    CLIENT,
    request(b"/announce?info_hash=%b&peer_id=%b&numwant=70" % (HASHES[2], b"p" * 20)),
)
@example(
    How(protocol=ProtocolConfig(interval_jitter=0, both_families=True)),
    CLIENT,
    request(b"/announce?info_hash=%b&peer_id=%b&event=completed" % (b"b" * 20, b"p" * 20)),
)
def test_one_request(how: How, peer: bytes, data: bytes) -> None:
    """Well-formed, strange and damaged requests, under any rules, from any address."""
    Judge(how, STORED).ask(data, peer)


@examples(150)
@given(peers, damaged(long_ones()) | long_ones())
def test_long_requests(peer: bytes, data: bytes) -> None:
    """Targets and heads about as long as the limits."""
    Judge().ask(data, peer)


@examples(150)
@given(rules(), peers, st.lists(damaged(plain()) | verbatim, min_size=2, max_size=8))
def test_connections(how: How, peer: bytes, requests: list[bytes]) -> None:
    """Several requests in one piece: C first, and Python from the first that is odd, are like Python alone."""
    Judge(how, STORED).ask_as_shell(b"".join(requests), peer)


TRUSTED = ["127.0.0.0/8", "198.51.100.0/24", "::1", "2001:db8::/32", "10.1.0.0/15", "::/127", "203.0.113.8"]
header_names = st.sampled_from(["X-Forwarded-For", "x-real-ip", "Forwarded"])


@st.composite
def behind_proxies(draw: st.DrawFn) -> tuple[How, bytes]:
    """A service that reads a header, and a request with that header in any letter case, or another."""
    name = draw(header_names)
    network = NetworkConfig(
        runs_behind_reverse_proxy=draw(st.sampled_from([True, True, True, False])),
        reverse_proxy_ip_header_name=name,
        trusted_proxies=draw(st.sampled_from([TRUSTED, TRUSTED, TRUSTED[:1], ["0.0.0.0/0", "::/0"], []])),
        proxy_protocol=False,
    )
    spelled = [name.encode(), name.lower().encode(), name.upper().encode(), b"Via"]
    how = How(network=network, protocol=ProtocolConfig(interval_jitter=0, both_families=draw(st.booleans())))
    return how, draw(damaged(forwarded(spelled)) | forwarded(spelled))


@examples(350)
@given(behind_proxies(), peers)
@example(
    (
        How(network=NetworkConfig(runs_behind_reverse_proxy=True, reverse_proxy_ip_header_name="Forwarded")),
        request(b"/announce?info_hash=%b&peer_id=%b&port=1" % (HASHES[0], PEER_IDS[0]), b"Forwarded: 203.0.113.7"),
    ),
    LOOPBACK,
)
def test_forwarded_requests(drawn: tuple[How, bytes], peer: bytes) -> None:
    """Chains of trusted and other addresses, and what is none, from proxies and from those who pose as proxies."""
    how, data = drawn
    Judge(how, STORED[:60]).ask(data, peer)


def test_enough_is_answered_in_c() -> None:
    """The examples are worth something only if C answers many of them."""
    outcomes: Counter[int] = Counter()

    @examples(200)
    @given(plain())
    def look(data: bytes) -> None:
        outcomes[Judge().fast.answer(data).outcome] += 1

    look()
    assert outcomes[ANSWERED] > sum(outcomes.values()) // 8, outcomes
