"""The client's side of the HTTP protocol: targets and bodies. What the parsers refuse, `thalweg check` shows in use."""

from contextlib import suppress
from urllib.parse import parse_qsl

import pytest
from hypothesis import given
from hypothesis import strategies as st
from thalweg_common.bencode import Value, encode
from thalweg_common.http_wire import announce_target, parse_announce, parse_scrape, scrape_path, scrape_target
from thalweg_common.udp_wire import Announce, Event, ReplyError, ScrapeRow, TrackerError

BYTES20 = st.binary(min_size=20, max_size=20)
LEAST: dict[bytes, Value] = {b"interval": 1800, b"peers": b""}


@given(BYTES20, BYTES20, st.sampled_from(list(Event)), st.integers(-1, 2**31 - 1))
def test_the_tracker_reads_what_was_meant(info_hash: bytes, peer_id: bytes, event: Event, num_want: int) -> None:
    """Python's own parser gets every value back, from a path that has a query already."""
    announce = Announce(
        info_hash=info_hash, peer_id=peer_id, port=6881, left=7, event=event, num_want=num_want, key=0xBEEF
    )
    path, _, query = announce_target("/announce?passkey=1", announce, compact=False).partition("?")
    expected = {
        "passkey": "1",
        "info_hash": info_hash.decode("latin-1"),
        "peer_id": peer_id.decode("latin-1"),
        "port": "6881",
        "uploaded": "0",
        "downloaded": "0",
        "left": "7",
        "compact": "0",
        "key": "0000BEEF",
    }
    if event:
        expected["event"] = event.name.lower()
    if num_want >= 0:
        expected["numwant"] = str(num_want)
    assert path == "/announce"
    assert parse_qsl(query, encoding="latin-1", strict_parsing=True) == list(expected.items())


@pytest.mark.parametrize(
    ("announce", "scrape"),
    [
        ("/announce", "/scrape"),
        ("/x/announce", "/x/scrape"),
        ("/announce.php", "/scrape.php"),
        ("/announce?x=2/4", "/scrape?x=2/4"),
        ("/announce?x=announce", "/scrape?x=announce"),
        ("/a", None),
        ("/announce/key", None),
        ("/x%064announce", None),
    ],
)
def test_the_path_of_scrapes(announce: str, scrape: str | None) -> None:
    """As in the examples of BEP 48."""
    assert scrape_path(announce) == scrape


def test_a_scrape_may_name_many() -> None:
    """Each info hash is a parameter of its own."""
    assert scrape_target("/scrape", [b"a" * 20, b"\xff" * 20]) == f"/scrape?info_hash={'a' * 20}&info_hash={'%FF' * 20}"


def test_an_announce_reply() -> None:
    """Every value is found, peers of both families among them."""
    more: dict[bytes, Value] = {
        b"complete": 3,
        b"external ip": b"\x7f\0\0\1",
        b"incomplete": 2,
        b"min interval": 900,
        b"peers": b"\x7f\0\0\1\x1a\xe1",
        b"peers6": bytes(15) + b"\1\0\1",
        b"warning message": "für alle".encode(),
    }
    reply = parse_announce(encode(LEAST | more))
    assert (reply.interval, reply.min_interval, reply.seeders, reply.leechers) == (1800, 900, 3, 2)
    assert reply.peers == [("127.0.0.1", 6881), ("::1", 1)]
    assert (reply.compact, reply.external_ip, reply.warning, reply.faults) == (True, b"\x7f\0\0\1", "für alle", [])


def test_an_announce_reply_may_say_little() -> None:
    """What is not told is None, or empty."""
    reply = parse_announce(encode(LEAST))
    assert (reply.min_interval, reply.seeders, reply.leechers, reply.external_ip) == (None, None, None, None)
    assert (reply.peers, reply.warning, reply.faults) == ([], "", [])


def test_peers_as_dictionaries() -> None:
    """Addresses are text there, of either family; a peer id may be left out."""
    peers: list[Value] = [{b"ip": b"::1", b"port": 7}, {b"ip": b"192.0.2.1", b"peer id": b"x" * 20, b"port": 8}]
    reply = parse_announce(encode(LEAST | {b"peers": peers}))
    assert (reply.peers, reply.compact) == ([("::1", 7), ("192.0.2.1", 8)], False)


def test_a_scrape_reply() -> None:
    """One row for each info hash."""
    row: dict[bytes, Value] = {b"complete": 1, b"downloaded": 2, b"downloaders": 0, b"incomplete": 3}
    files: dict[bytes, Value] = {b"a" * 20: row}
    assert parse_scrape(encode({b"files": files, b"flags": {}})) == {b"a" * 20: ScrapeRow(1, 2, 3)}


@pytest.mark.parametrize(
    ("files", "sentence"),
    [
        ({b"short": {}}, "a key of 5 bytes, expected 20"),
        ({b"a" * 20: 1}, "a value that is no dictionary"),
        ([], "`files` is no dictionary"),
    ],
)
def test_broken_scrape_replies(files: Value, sentence: str) -> None:
    """The error names what is wrong."""
    with pytest.raises(ReplyError, match=sentence):
        parse_scrape(encode({b"files": files}))


def test_a_refusal_is_an_error_of_its_own() -> None:
    """Its text is the tracker's."""
    for parse in (parse_announce, parse_scrape):
        with pytest.raises(TrackerError, match=r"^go away$"):
            parse(encode({b"failure reason": b"go away", b"interval": 60}))


@given(st.dictionaries(st.sampled_from([*LEAST, b"peers6", b"files", b"external ip"]), st.binary() | st.integers()))
def test_any_values(values: dict[bytes, Value]) -> None:
    """Whatever a stranger says is read, or refused with one kind of error."""
    for parse in (parse_announce, parse_scrape):
        with suppress(ReplyError):
            parse(encode(values))
