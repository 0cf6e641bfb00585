"""The HTTP load generator against a scripted tracker: what it sends, what it counts, how it treats connections."""

import threading
import time
from collections import Counter
from collections.abc import Callable

import pytest
from thalweg.load_generator import Counts, Phase
from thalweg.load_http import HttpGenerator, HttpTraffic
from thalweg.load_population import Population
from thalweg.tracker_url import parse_tracker_url

from packages.cli.tests.load.scripted_http_tracker import ANNOUNCE_REPLY, SCRAPE_REPLY, HttpTracker, Request, respond

SMALL = Population(torrents=20, peers=500, seed=1)
MODES = [
    HttpTraffic(timeout=10, in_flight=8, announces=10, scrapes=2),
    HttpTraffic(timeout=10, in_flight=8, announces=10, scrapes=2, connection_per_request=True),
    HttpTraffic(timeout=10, in_flight=8, announces=10, scrapes=2, pipeline=3),
]


def generator(tracker: HttpTracker, traffic: HttpTraffic, population: Population = SMALL) -> HttpGenerator:
    """One that asks the tracker."""
    return HttpGenerator(tracker.host, tracker.port, population, traffic)


def play(load: HttpGenerator, seconds: float = 0.1) -> Counts:
    """Plays and waits for the last replies."""
    load.run(Phase.STEADY, seconds)
    assert load.run(Phase.DRAIN, 10)
    return load.counts()


def play_until(load: HttpGenerator, phase: int, seen: Callable[[Counts], bool]) -> Counts:
    """Plays a phase until something was counted, within a deadline."""
    deadline = time.monotonic() + 20
    while not seen(load.counts()):
        assert time.monotonic() < deadline, load.counts()
        load.run(phase, 0.01)
    return load.counts()


def fill(load: HttpGenerator) -> Counts:
    """Announces everybody, within a deadline."""
    assert load.run(Phase.FILL, 20)
    return load.counts()


@pytest.mark.parametrize("traffic", MODES)
def test_counts_add_up(http_tracker: HttpTracker, traffic: HttpTraffic) -> None:
    """Every request has its reply, every reply its latency, bytes and peers, and connections are kept or not."""
    with generator(http_tracker, traffic) as load:
        counts = play(load)
    replies = counts.replies
    assert min(counts.requests.values()) > 0
    assert counts.requests == {kind: replies[kind] for kind in counts.requests}
    assert counts.reply_bytes == {
        "announce": len(ANNOUNCE_REPLY) * replies["announce"],
        "scrape": len(SCRAPE_REPLY) * replies["scrape"],
        "error": 0,
    }
    assert counts.peers == 3 * replies["announce"]
    assert sum(counts.latency) == sum(replies.values()) == len(http_tracker.requests)
    assert counts.connections == (sum(replies.values()) if traffic.connection_per_request else 8)
    assert (counts.lost, counts.malformed, counts.broken) == (0, 0, 0)


@pytest.mark.parametrize("traffic", MODES)
def test_fill_announces_every_peer_once(http_tracker: HttpTracker, traffic: HttpTraffic) -> None:
    """Each peer comes from its own address and port, as started, with its own torrent and state."""
    with generator(http_tracker, traffic) as load:
        assert fill(load).replies["announce"] == SMALL.peers
        peers = [load.peer(index) for index in range(SMALL.peers)]
        info_hashes = [load.info_hash(torrent) for torrent in range(SMALL.torrents)]
    expected = Counter(
        (f"127.1.0.{source + 1}", b"%d" % port, info_hashes[torrent], seeder) for torrent, source, port, seeder in peers
    )
    seen = Counter(
        (request.address, request["port"], request["info_hash"], request["left"] == b"0")
        for request in http_tracker.requests
    )
    assert seen == expected
    assert {(request["event"], request["numwant"]) for request in http_tracker.requests} == {(b"started", b"50")}
    assert len({request["peer_id"] for request in http_tracker.requests}) == SMALL.peers


def test_requests_look_like_those_of_a_client(http_tracker: HttpTracker) -> None:
    """All the usual parameters and headers, in some 300 to 350 bytes."""
    with generator(http_tracker, HttpTraffic(timeout=10, in_flight=1, scrapes=0)) as load:
        play_until(load, Phase.STEADY, lambda counts: counts.replies["announce"] > 0)
    request = http_tracker.requests[0]
    names = "info_hash peer_id port uploaded downloaded left corrupt key numwant compact no_peer_id"
    assert [name for name, _ in request.parameters] == [*names.split(), "supportcrypto", "redundant"]
    assert [line.partition(": ")[0] for line in request.headers] == [
        "Host",
        "User-Agent",
        "Accept-Encoding",
        "Connection",
    ]
    assert request.headers[0] == f"Host: 127.0.0.1:{http_tracker.port}"
    assert 300 <= request.size <= 370


def test_the_url_says_what_is_asked_for(http_tracker: HttpTracker) -> None:
    """Its path, its own parameters, its host; scrapes go where BEP 48 says."""
    url = parse_tracker_url(f"http://localhost:{http_tracker.port}/secret/announce?key=1")
    traffic = HttpTraffic(timeout=10, in_flight=1, announces=1, scrapes=1, scrape_hashes=2)
    with HttpGenerator("127.0.0.1", http_tracker.port, SMALL, traffic, url) as load:
        play(load)
    assert {request.path for request in http_tracker.requests} == {"/secret/announce", "/secret/scrape"}
    assert {request["key"] for request in http_tracker.requests} == {b"1"}
    assert {request.headers[0] for request in http_tracker.requests} == {f"Host: localhost:{http_tracker.port}"}
    for request in http_tracker.requests:
        hashes = [value for name, value in request.parameters if name == "info_hash"]
        assert [len(info_hash) for info_hash in hashes] == [20] * (2 if request.path.endswith("scrape") else 1)


def test_a_path_without_scrapes() -> None:
    """Where BEP 48 knows no path for scrapes, there must be none."""
    url = parse_tracker_url("http://127.0.0.1:1/tracker")
    with pytest.raises(ValueError, match="leave scrapes out with --mix 1:0:0"):
        HttpGenerator("127.0.0.1", 1, SMALL, HttpTraffic(), url)
    HttpGenerator("127.0.0.1", 1, SMALL, HttpTraffic(scrapes=0), url).close()


@pytest.mark.parametrize("piece", [1, 50, len(ANNOUNCE_REPLY) + 1])
def test_replies_in_pieces(http_tracker: HttpTracker, piece: int) -> None:
    """A reply may come byte by byte, and more than one at once."""
    http_tracker.piece = piece
    if piece > len(ANNOUNCE_REPLY):
        replies = iter([None, None, 3 * ANNOUNCE_REPLY] * SMALL.peers)
        http_tracker.reply = lambda request: next(replies)
    traffic = HttpTraffic(timeout=10, in_flight=1, pipeline=3, scrapes=0)
    with generator(http_tracker, traffic) as load:
        counts = play(load, 0.05)
    assert counts.replies["announce"] == counts.requests["announce"] > 0
    assert (counts.malformed, counts.lost, counts.broken) == (0, 0, 0)


@pytest.mark.parametrize(
    "reply",
    [
        b"nonsense\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n\r\n",
        respond(b"<html>"),
        respond(b"d8:intervali1800e5:peers12:ab"),
        respond(b"d8:intervali1800e") + b"e",
        respond(b"de"),
        ANNOUNCE_REPLY + b"x",
        respond(b"", "200 OK", "Content-Length: x"),
        b"HTTP/1.1 200 OK\r\nContent-Length: 99999999\r\n\r\n",
    ],
)
def test_odd_replies_are_malformed(http_tracker: HttpTracker, reply: bytes) -> None:
    """They are counted, their connection is given up, and what is no answer is asked again when its time is out."""
    answered = reply.startswith(ANNOUNCE_REPLY)
    http_tracker.reply = lambda request: reply
    with generator(http_tracker, HttpTraffic(timeout=0.05, in_flight=1, scrapes=0)) as load:
        counts = play_until(load, Phase.STEADY, lambda counts: counts.malformed > 0)
        assert counts.replies["announce"] == (counts.malformed if answered else 0)
        http_tracker.reply = http_tracker.answer
        play_until(load, Phase.STEADY, lambda later: later.replies["announce"] > counts.replies["announce"])


@pytest.mark.parametrize(
    ("reply", "text"),
    [
        (respond(b"d14:failure reason8:not here8:intervali60ee"), "not here"),
        (respond(b"what?", "404 Not Found"), "404 Not Found"),
    ],
)
def test_error_replies_end_their_request(http_tracker: HttpTracker, reply: bytes, text: str) -> None:
    """A failure reason or another status is a reply, and the first one's text is kept."""
    http_tracker.reply = lambda request: reply
    with generator(http_tracker, HttpTraffic(timeout=10, in_flight=4)) as load:
        counts = fill(load)
    assert (counts.replies["error"], counts.error_text, counts.lost) == (SMALL.peers, text, 0)


def test_connections_that_the_tracker_ends_are_opened_again(http_tracker: HttpTracker) -> None:
    """Without a word after each reply: that is counted, and nothing is lost by it."""
    http_tracker.ends_after_reply = True
    with generator(http_tracker, HttpTraffic(timeout=10, in_flight=2)) as load:
        counts = fill(load)
    assert counts.replies["announce"] == SMALL.peers
    assert (counts.lost, counts.malformed) == (0, 0)
    assert SMALL.peers <= counts.connections <= counts.broken + 2


@pytest.mark.parametrize("kept", [b"HTTP/1.1 200 OK\r\nConnection: close", b"HTTP/1.0 200 OK"])
def test_an_announced_end_is_no_oddity(http_tracker: HttpTracker, kept: bytes) -> None:
    """A reply with Connection: close, or of HTTP/1.0, ends its connection by agreement."""
    http_tracker.ends_after_reply = True
    http_tracker.reply = lambda request: ANNOUNCE_REPLY.replace(b"HTTP/1.1 200 OK", kept)
    with generator(http_tracker, HttpTraffic(timeout=10, in_flight=2)) as load:
        counts = fill(load)
    assert (counts.replies["announce"], counts.connections) == (SMALL.peers, SMALL.peers)
    assert (counts.lost, counts.malformed, counts.broken) == (0, 0, 0)


@pytest.mark.parametrize("pipeline", [1, 4])
def test_lost_requests_are_sent_again(http_tracker: HttpTracker, pipeline: int) -> None:
    """A tracker that falls silent on every tenth request still gets to know every peer."""
    count = 0
    lock = threading.Lock()

    def forgetful(request: Request) -> bytes | None:
        nonlocal count
        with lock:
            count += 1
            return None if count % 10 == 0 else ANNOUNCE_REPLY

    http_tracker.reply = forgetful
    population = Population(torrents=2, peers=100, seed=1)
    with generator(http_tracker, HttpTraffic(timeout=0.02, in_flight=4, pipeline=pipeline), population) as load:
        counts = fill(load)
    assert counts.replies["announce"] == population.peers
    assert counts.lost > 0
    assert counts.requests["announce"] == counts.replies["announce"] + counts.lost


def test_nobody_listens() -> None:
    """A refused connection is broken, and tried again only when the request's time is out."""
    gone = HttpTracker("127.0.0.1")
    gone.server_close()
    with generator(gone, HttpTraffic(timeout=10, in_flight=5)) as load:
        load.run(Phase.STEADY, 0.05)
        counts = load.counts()
    assert (counts.connections, counts.broken, sum(counts.requests.values())) == (5, 5, 0)


def test_rate_is_kept(http_tracker: HttpTracker) -> None:
    """With a rate no more requests are sent than the time allows."""
    with generator(http_tracker, HttpTraffic(timeout=10, rate=1000, in_flight=16)) as load:
        start = time.monotonic()
        counts = play(load, 0.2)
        seconds = time.monotonic() - start
    assert 0 < sum(counts.requests.values()) <= 1000 * seconds + 1


@pytest.mark.parametrize("pipeline", [1, 3])
def test_in_flight_is_a_limit(http_tracker: HttpTracker, pipeline: int) -> None:
    """A tracker that answers nothing is asked once, or pipeline times, on each connection."""
    http_tracker.reply = lambda request: None
    with generator(http_tracker, HttpTraffic(timeout=10, in_flight=10, pipeline=pipeline)) as load:
        load.run(Phase.STEADY, 0.05)
        assert sum(load.counts().requests.values()) == 10 * pipeline


def test_idle_connections(http_tracker: HttpTracker) -> None:
    """All are opened with one announce each and stay; which of them the tracker ends is seen."""
    with generator(http_tracker, HttpTraffic(timeout=10, in_flight=200)) as load:
        assert load.run(Phase.OPEN, 20)
        counts = load.counts()
        assert counts.requests == {"announce": 200, "scrape": 0}
        assert (counts.connections, counts.broken, len(http_tracker.requests)) == (200, 0, 200)
        http_tracker.end_connections()
        play_until(load, Phase.DRAIN, lambda counts: counts.broken == 200)


def test_ipv6(start_http_tracker: Callable[[str], HttpTracker]) -> None:
    """Over IPv6 all requests come from one address."""
    tracker = start_http_tracker("::1")
    with generator(tracker, HttpTraffic(timeout=10, in_flight=4)) as load:
        assert fill(load).replies["announce"] == SMALL.peers
    assert {request.address for request in tracker.requests} == {"::1"}
    assert tracker.requests[0].headers[0] == f"Host: [::1]:{tracker.port}"


@pytest.mark.parametrize(
    "traffic",
    [
        HttpTraffic(in_flight=0),
        HttpTraffic(connects=1),
        HttpTraffic(pipeline=17),
        HttpTraffic(pipeline=2, connection_per_request=True),
        HttpTraffic(pipeline=16, scrape_hashes=70),
        HttpTraffic(sources=0),
    ],
)
def test_settings_out_of_range_are_refused(traffic: HttpTraffic) -> None:
    """Before anything is sent."""
    with pytest.raises(ValueError, match="out of range"):
        HttpGenerator("127.0.0.1", 1, SMALL, traffic)
