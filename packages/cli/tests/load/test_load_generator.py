"""The load generator against a scripted tracker: what it sends, what it counts, what it does about losses."""

import struct
import time
from collections import Counter
from collections.abc import Callable

import pytest
from thalweg.load_generator import Counts, Generator, Phase
from thalweg.load_population import Population
from thalweg.load_udp import UdpGenerator, UdpTraffic

from packages.cli.tests.load.scripted_tracker import Tracker

SMALL = Population(torrents=20, peers=500, seed=1)


def play(generator: Generator, seconds: float = 0.1) -> Counts:
    """Plays and waits for the last replies."""
    generator.run(Phase.STEADY, seconds)
    assert generator.run(Phase.DRAIN, 10)
    return generator.counts()


def fill(generator: Generator) -> Counts:
    """Announces everybody, within a deadline."""
    assert generator.run(Phase.FILL, 20)
    return generator.counts()


@pytest.mark.parametrize("segmentation", [True, False])
def test_counts_add_up(tracker: Tracker, segmentation: bool) -> None:
    """Every request has its reply, every reply its latency, bytes and peers."""
    traffic = UdpTraffic(timeout=10, segmentation=segmentation, announces=10, scrapes=2, connects=1, scrape_hashes=3)
    with UdpGenerator(tracker.host, tracker.port, SMALL, traffic) as generator:
        counts = play(generator)
    replies = counts.replies
    assert min(counts.requests.values()) > 0
    assert counts.requests == {kind: replies[kind] for kind in counts.requests}
    assert counts.reply_bytes == {
        "connect": 16 * replies["connect"],
        "announce": 32 * replies["announce"],
        "scrape": 44 * replies["scrape"],
        "error": 0,
    }
    assert counts.peers == 2 * replies["announce"]
    assert sum(counts.latency) == sum(replies.values())
    assert (counts.lost, counts.late, counts.malformed, counts.send_failed) == (0, 0, 0, 0)


@pytest.mark.parametrize("segmentation", [True, False])
def test_fill_announces_every_peer_once(tracker: Tracker, segmentation: bool) -> None:
    """Each peer comes from its own address and port, as started, with its own torrent and state."""
    traffic = UdpTraffic(timeout=10, segmentation=segmentation, sources=5, numwant=7)
    with UdpGenerator(tracker.host, tracker.port, SMALL, traffic) as generator:
        assert fill(generator).replies["announce"] == SMALL.peers
        peers = [generator.peer(index) for index in range(SMALL.peers)]
        info_hashes = [generator.info_hash(torrent) for torrent in range(SMALL.torrents)]
    expected = Counter(
        (f"127.1.0.{source + 1}", port, info_hashes[torrent], seeder) for torrent, source, port, seeder in peers
    )
    seen: Counter[tuple[str, int, bytes, bool]] = Counter()
    for address, request in tracker.requests:
        left, event, numwant, port = struct.unpack_from("!Q8xI8xiH", request, 64)
        assert (len(request), request[8:12], event, numwant) == (98, bytes([0, 0, 0, 1]), 2, 7)
        seen[address, port, request[16:36], left == 0] += 1
    assert seen == expected


def test_lost_requests_are_sent_again(tracker: Tracker) -> None:
    """A tracker that leaves out every third reply still gets to know every peer."""
    silent = 0

    def forgetful(request: bytes) -> list[bytes]:
        nonlocal silent
        if len(tracker.requests) % 3:
            return tracker.answer(request)
        silent += 1
        return []

    tracker.reply = forgetful
    with UdpGenerator(tracker.host, tracker.port, SMALL, UdpTraffic(timeout=0.05, in_flight=32)) as generator:
        counts = fill(generator)
    assert counts.replies["announce"] == SMALL.peers
    assert counts.lost >= silent > 0
    assert sum(counts.requests.values()) == sum(counts.replies.values()) + counts.lost


def test_a_restarted_tracker_is_connected_to_again(tracker: Tracker) -> None:
    """When ids are no longer good, requests get no replies: new ids are asked for, and replies come again."""
    with UdpGenerator(tracker.host, tracker.port, SMALL, UdpTraffic(timeout=0.05, sources=2)) as generator:
        play(generator, 0.05)
        assert tracker.connects == 2
        tracker.secret = b"new."
        generator.reset_counts()
        deadline = time.monotonic() + 20
        while not generator.counts().replies["announce"] and time.monotonic() < deadline:
            generator.run(Phase.STEADY, 0.1)
        assert generator.counts().replies["announce"]


def test_odd_replies_are_counted_apart(tracker: Tracker) -> None:
    """A doubled reply is late, one of half a peer is malformed, and neither is taken for an answer."""

    def odd(request: bytes) -> list[bytes]:
        good = tracker.answer(request)[0]
        return [good[:-1], b"short", good, good]

    tracker.reply = odd
    with UdpGenerator(tracker.host, tracker.port, SMALL, UdpTraffic(timeout=10, scrapes=0)) as generator:
        counts = fill(generator)
        generator.run(Phase.STEADY, 0.05)
        generator.run(Phase.DRAIN, 10)
        counts = generator.counts()
    announces = counts.replies["announce"]
    assert counts.requests["announce"] == announces
    assert announces - 1 <= counts.late <= announces
    assert counts.malformed == 2 * announces


def test_error_replies_end_their_request(tracker: Tracker) -> None:
    """An error packet is a reply, and the first one's text is kept."""
    tracker.reply = lambda request: [struct.pack("!I", 3) + request[12:16] + b"not here"]
    with UdpGenerator(tracker.host, tracker.port, SMALL, UdpTraffic(timeout=10)) as generator:
        counts = fill(generator)
    assert (counts.replies["error"], counts.error_text, counts.lost) == (SMALL.peers, "not here", 0)


def test_rate_is_kept(tracker: Tracker) -> None:
    """With a rate no more requests are sent than the time allows."""
    with UdpGenerator(tracker.host, tracker.port, SMALL, UdpTraffic(timeout=10, rate=1000)) as generator:
        start = time.monotonic()
        counts = play(generator, 0.2)
        seconds = time.monotonic() - start
    asked = counts.requests["announce"] + counts.requests["scrape"]
    assert 0 < asked <= 1000 * seconds + 1


def test_in_flight_is_a_limit(tracker: Tracker) -> None:
    """A tracker that answers nothing is asked no more than in_flight times."""
    tracker.reply = lambda request: []
    with UdpGenerator(tracker.host, tracker.port, SMALL, UdpTraffic(timeout=10, in_flight=10, sources=1)) as generator:
        generator.run(Phase.STEADY, 0.05)
        counts = generator.counts()
    assert counts.requests["announce"] + counts.requests["scrape"] == 10


def test_every_peer_is_equally_likely(tracker: Tracker) -> None:
    """Chi-square over who announces, with a last block of peers that is not full.

    One request at a time: those that are sent together come from one address and are not independent of one another.
    """
    population = Population(torrents=20, peers=200, seed=7)
    traffic = UdpTraffic(timeout=10, scrapes=0, sources=3, in_flight=1)
    with UdpGenerator(tracker.host, tracker.port, population, traffic) as generator:
        while generator.counts().replies["announce"] < 10_000:
            generator.run(Phase.STEADY, 0.05)
        generator.run(Phase.DRAIN, 10)
    seen = Counter((address, request[96:98]) for address, request in tracker.requests)
    expected = len(tracker.requests) / population.peers
    statistic = sum((count - expected) ** 2 / expected for count in seen.values())
    assert len(seen) == population.peers
    assert statistic < 199 + 6 * (2 * 199) ** 0.5


def test_ipv6(start_tracker: Callable[[str], Tracker]) -> None:
    """Over IPv6 a peer is 18 bytes, and all requests come from one address."""
    tracker = start_tracker("::1")
    with UdpGenerator("::1", tracker.port, SMALL, UdpTraffic(timeout=10)) as generator:
        counts = fill(generator)
    assert counts.reply_bytes["announce"] == 56 * SMALL.peers
    assert counts.peers == 2 * SMALL.peers
    assert {address for address, _ in tracker.requests} == {"::1"}


@pytest.mark.parametrize(
    ("population", "traffic"),
    [
        (SMALL, UdpTraffic(in_flight=0)),
        (SMALL, UdpTraffic(in_flight=65537)),
        (SMALL, UdpTraffic(scrape_hashes=71)),
        (SMALL, UdpTraffic(sources=0)),
        (SMALL, UdpTraffic(announces=0, scrapes=0)),
        (Population(torrents=0, peers=1), UdpTraffic()),
        (Population(torrents=1, peers=1, first_peer=63), UdpTraffic()),
        (Population(torrents=1, peers=1, seeder_share=1.5), UdpTraffic()),
        (Population(torrents=2**40, peers=1), UdpTraffic()),
    ],
)
def test_settings_out_of_range_are_refused(population: Population, traffic: UdpTraffic) -> None:
    """Before anything is sent."""
    with pytest.raises(ValueError, match="out of range"):
        UdpGenerator("127.0.0.1", 1, population, traffic)
