"""What announces and scrapes are answered, without any connection."""

import random
import re
from collections.abc import Callable
from typing import Any

import pytest
from thalweg_common._core import lib
from thalweg_common.swarm import AccessList, Swarm, compact_peer
from thalweg_http.answer import Rules, Tracker, answer_announce_untrusted, answer_scrape_untrusted

CLIENT = bytes([198, 51, 100, 7])
CLIENT6 = bytes([0x20, 1, 0xD, 0xB8, *bytes(11), 7])
A, B = b"a" * 20, b"b" * 20
WHO = b"peer_id=-qB4390-abcdefghijkl"
MINIMAL = b"info_hash=aaaaaaaaaaaaaaaaaaaa&" + WHO + b"&port=6881"
LONELY = b"d8:completei0e10:incompletei1e8:intervali1800e12:min intervali900e5:peers0:6:peers60:e"

Make = Callable[..., Tracker]


@pytest.fixture
def make(request: pytest.FixtureRequest) -> Make:
    """Makes a tracker with these rules."""

    def made(access_list: AccessList | None = None, **rules: Any) -> Tracker:
        swarm = Swarm(max_bytes=1 << 24, filter_addresses=False, seed=bytes(48))
        request.addfinalizer(swarm.__exit__)
        return Tracker(swarm, Rules(**{"external_ip": False, **rules}), access_list, random.Random(1))

    return made


def announce(tracker: Tracker, query: bytes = MINIMAL, address: bytes = CLIENT) -> bytes:
    """The body for an announce."""
    return answer_announce_untrusted(tracker, query, address, 1000).body


def fill(tracker: Tracker, seeders: int, leechers: int, network: str = "198.51.100") -> None:
    """Puts peers into torrent A, from .100 on."""
    for number in range(seeders + leechers):
        peer = compact_peer(f"{network}.{100 + number}", 1000)
        tracker.swarm.announce(A, peer, left_nothing=number < seeders, numwant=0, now_ms=1000)


def peers(body: bytes, key: bytes = b"5:peers", width: int = 6) -> set[bytes]:
    """The compact peers in a reply."""
    match = re.search(key + rb"(\d+):", body)
    assert match
    data = body[match.end() : match.end() + int(match[1])]
    assert len(data) % width == 0
    found = {data[start : start + width] for start in range(0, len(data), width)}
    assert len(found) == len(data) // width
    return found


def test_alone_in_its_swarm(make: Make) -> None:
    """The shortest announce there is, and its reply to the byte."""
    assert announce(make()) == LONELY


def test_every_key_in_order(make: Make) -> None:
    """With everything that is optional switched on."""
    body = announce(make(external_ip=True, warning_message=b"tracker moves"))
    assert body == LONELY.replace(b"10:inc", b"11:external ip4:" + CLIENT + b"10:inc").replace(
        b"peers60:e", b"peers60:15:warning message13:tracker movese"
    )


@pytest.mark.parametrize("address", [CLIENT, CLIENT6])
def test_the_family_of_the_client_decides(make: Make, address: bytes) -> None:
    """Peers of its family are told in their own key, and its own address as bytes (BEP 7, 24)."""
    tracker = make(external_ip=True)
    announce(tracker, MINIMAL.replace(b"6881", b"1"), address)
    body = announce(tracker, address=address)
    key, width, other = (b"5:peers", 6, b"6:peers60:") if len(address) == 4 else (b"6:peers6", 18, b"5:peers0:")
    assert peers(body, key, width) == {address + b"\0\1"}
    assert other in body
    assert b"11:external ip%d:%b" % (len(address), address) in body


@pytest.mark.parametrize(
    ("query", "reason"),
    [
        (b"", b"info_hash is missing"),
        (WHO, b"info_hash is missing"),
        (b"info_hash=abc&" + WHO, b"info_hash has 3 bytes, expected 20, percent-encoded"),
        (b"info_hash=" + b"0" * 40 + b"&" + WHO, b"info_hash has 40 bytes, expected 20, percent-encoded"),
        (b"info_hash=" + A, b"peer_id is missing"),
        (b"info_hash=" + A + b"&peer_id=", b"peer_id has 0 bytes, expected 20, percent-encoded"),
    ],
)
def test_mistakes_are_told(make: Make, query: bytes, reason: bytes) -> None:
    """As a failure with both intervals and no peers, and without "retry in": it may be better next time."""
    answer = answer_announce_untrusted(make(), query, CLIENT, 1000)
    assert answer.body == b"d14:failure reason%d:%b8:intervali1800e12:min intervali900ee" % (len(reason), reason)
    assert (answer.kind, answer.reason) == ("failure", "malformed")


@pytest.mark.parametrize(
    "more",
    [
        b"&ip=192.0.2.1&ip=x&ipv4=None&ipv6=[fe80::1%25eth0]:1",
        b"&key=%f0%9f%92%a9&trackerid=&corrupt=x&azver=3&supportcrypto=1",
        b"&uploaded=-1&downloaded=99999999999999999999999&left=",
        b"&left=-1",
        b"&left=4294967296",
        b"&left=9223372036854775807",
        b"&event=unknown",
        b"&event=",
        b"&event=STARTED",
        b"&compact=2",
        b"&compact=",
        b"&no_peer_id=1",
        b"&numwant=many",
        b"&novalue&=&==",
    ],
)
def test_oddities_are_served_as_well_as_possible(make: Make, more: bytes) -> None:
    """Each gets what the shortest announce gets: a leecher, stored."""
    assert announce(make(), MINIMAL + more) == LONELY


def test_the_raw_hash_is_the_escaped_hash(make: Make) -> None:
    """And a hash of version 2 is cut to 20 bytes (BEP 52)."""
    tracker = make()
    raw = bytes(range(0x80, 0x94))
    for number, value in enumerate([raw, b"".join(b"%%%02x" % byte for byte in raw), raw + b"tail of v2.."], 1):
        body = announce(tracker, b"info_hash=" + value + b"&" + WHO + b"&port=%d" % number)
        assert b"10:incompletei%de" % number in body


@pytest.mark.parametrize(
    ("numwant", "expected"),
    [
        (b"", 50),
        (b"&numwant=", 50),
        (b"&numwant=-1", 50),
        (b"&numwant=4294967295", 50),
        (b"&numwant=0", 0),
        (b"&numwant=1", 1),
        (b"&numwant=3", 3),
        (b"&numwant=60", 60),
        (b"&numwant=9999", 80),
        (b"&numwant=99999999999999999999999999", 80),
    ],
)
def test_numwant(make: Make, numwant: bytes, expected: int) -> None:
    """Exactly so many, within the maximum; the announcer is never among them."""
    tracker = make(max_peers=80)
    fill(tracker, 50, 50)
    found = peers(announce(tracker, MINIMAL + numwant))
    assert len(found) == expected
    assert CLIENT + b"\x1a\xe1" not in found


@pytest.mark.parametrize("port", [b"&port=0", b"", b"&port=65536", b"&port=-1", b"&port=x", b"&port=6881.0"])
def test_without_a_port_one_gets_peers_and_is_not_listed(make: Make, port: bytes) -> None:
    """aria2 leaves the port out while it does not listen."""
    tracker = make()
    fill(tracker, 0, 2)
    body = announce(tracker, b"info_hash=" + A + b"&" + WHO + port)
    assert len(peers(body)) == 2
    assert b"10:incompletei2e" in body


def test_seeders_get_leechers_only(make: Make) -> None:
    """Three of thirteen; a leecher gets all thirteen."""
    tracker = make()
    fill(tracker, 10, 3)
    assert len(peers(announce(tracker, MINIMAL + b"&left=0&numwant=50"))) == 3
    assert len(peers(announce(tracker, MINIMAL.replace(b"6881", b"7") + b"&left=5&numwant=50"))) == 14


def test_a_partial_seed_is_a_leecher_that_wants_nothing(make: Make) -> None:
    """BEP 21: counted in incomplete, not in downloaders, and gets downloaders only."""
    tracker = make()
    fill(tracker, 1, 1)
    assert len(peers(announce(tracker, MINIMAL + b"&left=5&event=paused"))) == 1
    assert b"11:downloadersi1e10:incompletei2e" in answer_scrape_untrusted(tracker, b"info_hash=" + A, CLIENT).body


def test_stopped_gets_counts_and_no_peers(make: Make) -> None:
    """Also for an unknown torrent, for which nothing is allocated."""
    tracker = make()
    nothing = LONELY.replace(b"incompletei1e", b"incompletei0e")
    assert announce(tracker, MINIMAL + b"&event=stopped") == nothing
    assert tracker.swarm.totals(4).torrents == 0
    fill(tracker, 0, 3)
    announce(tracker)
    assert b"10:incompletei3e" in announce(tracker, MINIMAL + b"&event=stopped")


def test_completed_is_counted_once_for_each_peer(make: Make) -> None:
    """Scrapes show it as downloaded."""
    tracker = make()
    for _ in range(2):
        announce(tracker, MINIMAL + b"&left=0&event=completed")
    assert b"8:completei1e10:downloadedi1e" in answer_scrape_untrusted(tracker, b"info_hash=" + A, CLIENT).body


def test_dictionaries_for_those_who_want_them(make: Make) -> None:
    """compact=0: addresses as text, keys in order, nothing in peers6."""
    tracker = make()
    fill(tracker, 0, 1)
    body = announce(tracker, MINIMAL + b"&compact=0")
    assert b"5:peersld2:ip14:198.51.100.1004:porti1000eee6:peers60:" in body


@pytest.mark.parametrize(("numwant", "own", "other"), [(3, 2, 1), (2, 2, 0), (9, 2, 3), (0, 0, 0)])
def test_both_families_on_request(make: Make, numwant: int, own: int, other: int) -> None:
    """Room that is left goes to the other family; numwant bounds the sum, and nobody is stored twice."""
    tracker = make(both_families=True)
    fill(tracker, 0, 2)
    for number in range(3):
        announce(tracker, MINIMAL.replace(b"6881", b"%d" % (number + 1)), CLIENT6)
    body = announce(tracker, MINIMAL + b"&numwant=%d" % numwant)
    assert (len(peers(body)), len(peers(body, b"6:peers6", 18))) == (own, other)
    assert tracker.swarm.totals(6).peers == 3


def test_who_has_completed_gets_no_seeders_of_the_other_family(make: Make) -> None:
    """Nor of its own; it may have forgotten to say that nothing is left."""
    tracker = make(both_families=True)
    announce(tracker, MINIMAL + b"&left=0", CLIENT6)
    assert peers(announce(tracker, MINIMAL), b"6:peers6", 18) != set()
    assert peers(announce(tracker, MINIMAL + b"&event=completed"), b"6:peers6", 18) == set()


@pytest.mark.parametrize(("version", "local"), [(4, "10.0.0.1"), (6, "fd00::1")])
def test_local_peers_of_the_other_family_stay_hidden_from_global_clients(version: int, local: str) -> None:
    """The address filter holds across families, too; local clients see them."""
    with Swarm(max_bytes=1 << 24) as swarm:
        tracker = Tracker(swarm, Rules(both_families=True))
        swarm.announce(A, compact_peer(local, 1), now_ms=1000)
        outside, inside = ("2a00::1", "fd00::2") if version == 4 else ("9.9.9.9", "10.0.0.2")
        key = (b"5:peers", 6) if version == 4 else (b"6:peers6", 18)
        assert peers(announce(tracker, address=compact_peer(outside, 0)[:-2]), *key) == set()
        assert peers(announce(tracker, address=compact_peer(inside, 0)[:-2]), *key) == {compact_peer(local, 1)}


@pytest.mark.parametrize("version", [4, 6])
def test_who_stands_in_for_the_other_family_is_as_local_as_the_client(version: int) -> None:
    """The core judges the addresses that ask for the other family's peers as they are meant."""
    from thalweg_http.answer import _STAND_INS

    for local in (False, True):
        assert lib.tw_address_is_local(version, _STAND_INS[version, local]) is local


def test_jitter_is_added_and_bounded(make: Make) -> None:
    """Between the interval and the interval plus the jitter, and not always the same; min interval is constant."""
    tracker = make(interval=100, interval_jitter=10, min_interval=50)
    bodies = [announce(tracker) for _ in range(200)]
    intervals = {int(body.partition(b"8:intervali")[2].partition(b"e")[0]) for body in bodies}
    assert intervals == set(range(100, 111))
    assert all(b"12:min intervali50e" in body for body in bodies)


@pytest.mark.parametrize(("mode", "for_good", "retry"), [("deny", True, b"5:never"), ("allow", False, b"2:30")])
def test_denied_is_told_and_lasts(make: Make, mode: str, for_good: bool, retry: bytes) -> None:
    """BEP 31: never for what is denied by name; later for what is not listed yet."""
    listed = AccessList(mode, A if mode == "deny" else B)
    tracker = make(listed, denied_for_good=for_good)
    answer = answer_announce_untrusted(tracker, MINIMAL, CLIENT, 1000)
    assert answer.reason == "denied"
    assert answer.body.endswith(b"8:retry in" + retry + b"e")
    assert tracker.swarm.totals(4).torrents == 0


def test_scrapes(make: Make) -> None:
    """Rows in the order of their bytes, each once; unknown and denied torrents are zeros, other values left out."""
    tracker = make(AccessList("deny", B))
    tracker.swarm.announce(B, compact_peer("198.51.100.1", 1), now_ms=1000)
    fill(tracker, 2, 1)
    query = b"info_hash=" + B + b"&info_hash=x&info_hash=" + A + b"&info_hash=" + A
    row = b"d8:completei%de10:downloadedi0e11:downloadersi%de10:incompletei%dee"
    assert answer_scrape_untrusted(tracker, query, CLIENT).body == (
        b"d5:filesd20:%b%b20:%b%be5:flagsd20:min_request_intervali900eee" % (A, row % (2, 1, 1), B, row % (0, 0, 0))
    )
    assert row % (0, 0, 0) in answer_scrape_untrusted(tracker, query, CLIENT6).body


def test_a_scrape_has_a_limit(make: Make) -> None:
    """The first ones are answered."""
    query = b"&".join(b"info_hash=" + bytes([65 + number]) * 20 for number in range(5))
    body = answer_scrape_untrusted(make(max_scrape=3), query, CLIENT).body
    assert [letter in body for letter in (b"A" * 20, b"B" * 20, b"C" * 20, b"D" * 20)] == [True, True, True, False]


@pytest.mark.parametrize(("query", "reason"), [(b"", "full_scrape"), (b"info_hash=abc", "malformed")])
def test_a_scrape_of_nothing_is_refused(make: Make, query: bytes, reason: str) -> None:
    """The whole list is not given, and says so."""
    answer = answer_scrape_untrusted(make(), query, CLIENT)
    assert answer.reason == reason
    assert answer.body.startswith(b"d14:failure reason")
