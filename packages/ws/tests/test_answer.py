"""The pure answer: what each message makes the tracker send, and to whom."""

import random
from typing import Any

import msgspec
import pytest
from thalweg_common.swarm import AccessList
from thalweg_common.ws_swarm import WsSwarm
from thalweg_ws.answer import Answer, Outgoing, Rules, Sender, Tracker, answer_untrusted

HASH = "a" * 20
ALICE, BOB, CAROL = Sender(1), Sender(2), Sender(3)
NAMES = {1: "alice".ljust(20), 2: "bob".ljust(20), 3: "carol".ljust(20)}


@pytest.fixture
def tracker() -> Tracker:
    """An empty one."""
    return Tracker(WsSwarm(max_bytes=1 << 26), Rules(interval=120, min_interval=60))


@pytest.fixture(autouse=True)
def fresh_senders() -> None:
    """Nothing is used up."""
    for sender in (ALICE, BOB, CAROL):
        sender.minute = sender.offers = 0


def offers(*names: str) -> list[dict[str, Any]]:
    """Offers for an announce."""
    return [{"offer_id": name.ljust(20), "offer": {"type": "offer", "sdp": f"sdp of {name}"}} for name in names]


def ask(tracker: Tracker, sender: Sender, now_ms: int = 1000, **members: Any) -> Answer:
    """The answer to a message, which is an announce of the sender unless told otherwise."""
    message = {"action": "announce", "info_hash": HASH, "peer_id": NAMES[sender.connection], "left": 1, **members}
    return answer_untrusted(tracker, sender, msgspec.json.encode(message), now_ms)


def read(outgoing: Outgoing) -> Any:
    """What its receiver reads."""
    return msgspec.json.decode(outgoing.text)


def sent(answer: Answer) -> list[tuple[int, str]]:
    """To whom, and what."""
    return [(outgoing.connection, outgoing.kind) for outgoing in answer.messages]


def failure_of(answer: Answer) -> Any:
    """The single failure that it must be."""
    (outgoing,) = answer.messages
    assert outgoing.kind == "failure"
    return read(outgoing)


def test_the_reply_to_an_announce(tracker: Tracker) -> None:
    """Both spellings of the minimal interval, and counts with the announcer in them."""
    (outgoing,) = ask(tracker, ALICE, left=0).messages
    assert read(outgoing) == {
        "action": "announce",
        "info_hash": HASH,
        "interval": 120,
        "min interval": 60,
        "min_interval": 60,
        "complete": 1,
        "incomplete": 0,
    }


def test_the_interval_has_jitter() -> None:
    """Each reply another one, within the bounds."""
    tracker = Tracker(WsSwarm(max_bytes=1 << 26), Rules(interval=100, interval_jitter=10), random=random.Random(1))
    intervals = {read(ask(tracker, ALICE).messages[0])["interval"] for _ in range(100)}
    assert min(intervals) == 100
    assert max(intervals) == 110


def test_offers_go_one_each_to_others(tracker: Tracker) -> None:
    """Never to the sender, never two to one peer; the reply comes last."""
    ask(tracker, ALICE)
    ask(tracker, BOB)
    answer = ask(tracker, CAROL, offers=offers("1", "2", "3"), numwant=3)
    assert sorted(sent(answer)[:2]) == [(1, "offer"), (2, "offer")]
    assert sent(answer)[2:] == [(3, "announce")]
    relayed = [read(outgoing) for outgoing in answer.messages[:2]]
    assert {message["offer_id"] for message in relayed} == {"1".ljust(20), "2".ljust(20)}
    assert all(message["peer_id"] == NAMES[3] and message["info_hash"] == HASH for message in relayed)


def test_seeders_offer_to_leechers_only(tracker: Tracker) -> None:
    """A leecher's offer may go to a seeder."""
    ask(tracker, ALICE, left=0)
    assert sent(ask(tracker, BOB, left=0, offers=offers("x"))) == [(2, "announce")]
    assert sent(ask(tracker, CAROL, left=0, event="paused", offers=offers("x"))) == [(3, "announce")]
    assert len(sent(ask(tracker, CAROL, left=5, event="started", offers=offers("x")))) == 2


@pytest.mark.parametrize(
    ("members", "relayed"),
    [
        ({}, 2),
        ({"numwant": 1}, 1),
        ({"numwant": 0}, 0),
        ({"numwant": -1}, 2),
        ({"numwant": 1.5}, 1),
        ({"numwant": None}, 2),
        ({"numwant": "1"}, 2),
        ({"numwant": True}, 2),
        ({"numwant": 2**70}, 2),
        ({"event": "stopped"}, 0),
    ],
)
def test_how_many_offers_are_relayed(tracker: Tracker, members: dict[str, Any], relayed: int) -> None:
    """As many as are wanted; what is no number of at least 0 is left to the tracker; none by who leaves."""
    ask(tracker, ALICE)
    ask(tracker, BOB)
    answer = ask(tracker, CAROL, offers=offers("1", "2", "3"), **members)
    assert len([kind for _, kind in sent(answer) if kind == "offer"]) == relayed


def test_no_more_offers_than_the_rules_allow(tracker: Tracker) -> None:
    """Whatever the client wants."""
    tracker.rules = Rules(max_offers=1)
    ask(tracker, ALICE)
    ask(tracker, BOB)
    assert len(ask(tracker, CAROL, offers=offers("1", "2"), numwant=50).messages) == 2


def test_offers_of_a_minute_are_limited(tracker: Tracker) -> None:
    """Beyond the limit the announce is answered, and no offer relayed; the next minute is another."""
    tracker.rules = Rules(max_offers_per_minute=3)
    ask(tracker, ALICE)
    ask(tracker, BOB)
    assert ask(tracker, CAROL, offers=offers("1", "2")).offers_over_limit == 0
    second = ask(tracker, CAROL, offers=offers("3", "4"))
    assert (len(second.messages), second.offers_over_limit) == (2, 1)
    assert sent(ask(tracker, CAROL, offers=offers("5", "6"))) == [(3, "announce")]
    assert len(ask(tracker, CAROL, now_ms=61_000, offers=offers("7", "8")).messages) == 3


def test_what_is_offered_is_relayed_as_it_came(tracker: Tracker) -> None:
    """Byte for byte: spaces, escapes, unknown members, the order of all."""
    ask(tracker, ALICE)
    for raw in (b'{ "sdp":"a\\r\\n\\u00e9\xc3\xa9", "type":"offer" , "x":[1e3] }', b"{}"):
        data = b'{"action":"announce","info_hash":"%b","peer_id":"%b","offers":[{"offer_id":"%b","offer":%b}]}' % (
            HASH.encode(),
            NAMES[2].encode(),
            b"o" * 20,
            raw,
        )
        relayed = answer_untrusted(tracker, BOB, data, 1000).messages[0]
        assert relayed.text.endswith(b'"offer":' + raw + b"}")


def offered(tracker: Tracker) -> None:
    """Bob's offer "x" has gone to Alice."""
    ask(tracker, ALICE)
    assert sent(ask(tracker, BOB, offers=offers("x")))[0] == (1, "offer")


ANSWER: dict[str, Any] = {"to_peer_id": NAMES[2], "offer_id": "x".ljust(20), "answer": {"type": "answer", "sdp": "yes"}}


def test_an_answer_goes_where_the_offer_came_from(tracker: Tracker) -> None:
    """Its sender gets no reply."""
    offered(tracker)
    (outgoing,) = ask(tracker, ALICE, **ANSWER).messages
    assert (outgoing.connection, outgoing.kind) == (2, "answer")
    assert read(outgoing) == {
        "action": "announce",
        "info_hash": HASH,
        "peer_id": NAMES[1],
        "offer_id": "x".ljust(20),
        "answer": ANSWER["answer"],
    }


@pytest.mark.parametrize("case", ["twice", "too late", "another offer", "another peer", "another name"])
def test_an_answer_that_nobody_waits_for(tracker: Tracker, case: str) -> None:
    """Gets a failure, and is not relayed."""
    offered(tracker)
    ask(tracker, CAROL)
    match case:
        case "twice":
            ask(tracker, ALICE, **ANSWER)
            answer = ask(tracker, ALICE, **ANSWER)
        case "too late":
            answer = ask(tracker, ALICE, now_ms=200_000, **ANSWER)
        case "another offer":
            answer = ask(tracker, ALICE, **{**ANSWER, "offer_id": "y".ljust(20)})
        case "another peer":
            answer = ask(tracker, CAROL, **ANSWER)
        case _:
            answer = ask(tracker, CAROL, **{**ANSWER, "peer_id": NAMES[1]})
    assert failure_of(answer)["failure reason"].startswith("no such offer was made to this peer")
    assert answer.messages[0].reason == "no_offer"


def test_an_answer_to_somebody_who_left_is_nothing(tracker: Tracker) -> None:
    """It happens to everybody."""
    offered(tracker)
    tracker.swarm.forget(2)
    answer = ask(tracker, ALICE, **ANSWER)
    assert (answer.messages, answer.target_gone) == ([], True)


def test_nobody_takes_over_a_name(tracker: Tracker) -> None:
    """A peer id is its connection's while that lives; in another torrent it is anybody's."""
    ask(tracker, ALICE)
    answer = ask(tracker, BOB, peer_id=NAMES[1])
    assert failure_of(answer) == {
        "action": "announce",
        "info_hash": HASH,
        "failure reason": "peer_id belongs to another connection",
        "interval": 120,
    }
    assert sent(ask(tracker, BOB, peer_id=NAMES[1], info_hash="b" * 20)) == [(2, "announce")]
    tracker.swarm.forget(1)
    assert sent(ask(tracker, BOB, peer_id=NAMES[1])) == [(2, "announce")]


def test_one_connection_may_have_several_names(tracker: Tracker) -> None:
    """Pages share a socket among their clients, which find each other through it."""
    ask(tracker, ALICE)
    answer = ask(tracker, ALICE, peer_id="another".ljust(20), offers=offers("x"))
    assert sent(answer) == [(1, "offer"), (1, "announce")]


def test_torrents_of_a_connection_are_limited() -> None:
    """One more gets a failure; those that are there go on."""
    tracker = Tracker(WsSwarm(max_bytes=1 << 26, max_peers_per_connection=1), Rules())
    ask(tracker, ALICE)
    refused = ask(tracker, ALICE, info_hash="b" * 20)
    assert refused.messages[0].reason == "connection_full"
    assert failure_of(refused)["info_hash"] == "b" * 20
    assert sent(ask(tracker, ALICE)) == [(1, "announce")]


@pytest.mark.parametrize(
    ("members", "complete"),
    [
        ({"left": 0}, 1),
        ({"left": 0.0}, 1),
        ({"left": None}, 0),
        ({"left": False}, 0),
        ({"left": "0"}, 0),
        ({"event": "completed"}, 1),
        ({"event": "update", "left": 0}, 1),
        ({"event": 7}, 0),
        ({"event": ["completed"]}, 0),
        ({"event": "paused"}, 0),
    ],
)
def test_who_is_a_seeder(tracker: Tracker, members: dict[str, Any], complete: int) -> None:
    """Who has nothing left; what is no number is not nothing, and an unknown event is none."""
    reply = read(ask(tracker, ALICE, **members).messages[0])
    assert (reply["complete"], reply["incomplete"]) == (complete, 1 - complete)


def test_stopped_leaves_and_is_answered(tracker: Tracker) -> None:
    """With the counts of those who stay; a torrent nobody knows is not made."""
    ask(tracker, ALICE)
    reply = read(ask(tracker, ALICE, event="stopped").messages[0])
    assert (reply["complete"], reply["incomplete"]) == (0, 0)
    ask(tracker, ALICE, event="stopped", info_hash="z" * 20)
    assert tracker.swarm.totals().peers == 0


def test_denied_torrents(tracker: Tracker) -> None:
    """Announces and answers get a failure, scrapes zeros."""
    ask(tracker, ALICE)
    tracker.access_list = AccessList("deny", HASH.encode())
    cases: list[dict[str, Any]] = [{}, ANSWER]
    for members in cases:
        answer = ask(tracker, ALICE, **members)
        assert answer.messages[0].reason == "denied"
        assert failure_of(answer)["failure reason"] == "info hash is not allowed on this tracker"
    scraped = read(ask(tracker, ALICE, action="scrape").messages[0])
    assert scraped["files"] == {HASH: {"complete": 0, "incomplete": 0, "downloaded": 0}}


def test_scrape(tracker: Tracker) -> None:
    """One or several; unknown ones have zeros; what is no info hash is left out, and what is too much."""
    ask(tracker, ALICE)
    ask(tracker, ALICE, event="completed", left=0)
    zeros = {"complete": 0, "incomplete": 0, "downloaded": 0}
    whole = read(ask(tracker, BOB, action="scrape", info_hash=[HASH, "b" * 20, "short", HASH]).messages[0])
    assert whole == {
        "action": "scrape",
        "files": {HASH: {"complete": 1, "incomplete": 0, "downloaded": 1}, "b" * 20: zeros},
        "flags": {"min_request_interval": 60},
    }
    tracker.rules = Rules(max_scrape=1)
    assert list(read(ask(tracker, BOB, action="scrape", info_hash=["b" * 20, HASH]).messages[0])["files"]) == ["b" * 20]


@pytest.mark.parametrize(
    ("info_hash", "reason", "said"),
    [
        (None, "full_scrape", "name the info hashes to scrape; the whole list is not given"),
        ([], "full_scrape", "name the info hashes to scrape; the whole list is not given"),
        ("short", "malformed", "info_hash has 5 characters, expected 20"),
        (["short", "a" * 21], "malformed", "info_hash has 5 characters, expected 20"),
    ],
)
def test_scrapes_of_nothing(tracker: Tracker, info_hash: object, reason: str, said: str) -> None:
    """Are told what is missing; a scrape needs no info hash to be told of."""
    answer = ask(tracker, ALICE, action="scrape", info_hash=info_hash)
    assert failure_of(answer) == {"action": "scrape", "failure reason": said, "interval": 120}
    assert answer.messages[0].reason == reason


@pytest.mark.parametrize(
    ("members", "said"),
    [
        ({"peer_id": "short"}, "peer_id has 5 characters, expected 20"),
        ({"peer_id": None}, "peer_id is missing"),
        ({"peer_id": "Ā" * 20}, "peer_id has a character above U+00FF, expected one for each byte"),
        ({"peer_id": 7}, "Expected `str | null`, got `int` - at `$.peer_id`"),
        ({"offers": [{"offer_id": "short", "offer": {}}]}, "offer_id has 5 characters, expected 20"),
        ({"offers": [{"offer_id": "o" * 20, "offer": "sdp"}]}, "offer is not an object"),
        ({"offers": [{"offer_id": "o" * 20}]}, "Object missing required field `offer` - at `$.offers[0]`"),
        ({"offers": 5}, "Expected `array | null`, got `int` - at `$.offers`"),
        ({**ANSWER, "answer": 5}, "answer is not an object"),
        ({**ANSWER, "to_peer_id": None}, "to_peer_id is missing"),
        ({**ANSWER, "offer_id": "x"}, "offer_id has 1 characters, expected 20"),
        ({"action": "hello"}, "action is neither announce nor scrape"),
        ({"action": None}, "action is neither announce nor scrape"),
    ],
)
def test_mistakes_are_told_softly(tracker: Tracker, members: dict[str, Any], said: str) -> None:
    """With action, info hash and interval; nothing is stored."""
    answer = ask(tracker, ALICE, **members)
    expected = {"action": "announce", "info_hash": HASH, "failure reason": said, "interval": 120}
    assert failure_of(answer) == expected
    assert answer.messages[0].reason == "malformed"
    assert tracker.swarm.totals().peers == 0


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{",
        b"null",
        b"[]",
        b"\xff",
        b"nonsense",
        b'{"action":"announce"}',
        b'{"action":"announce","info_hash":"short"}',
        b'{"action":"announce","info_hash":["aaaaaaaaaaaaaaaaaaaa"]}',
        b'{"action":"announce","info_hash":7}',
        b'{"info_hash":"' + "Ā".encode() * 20 + b'"}',
        b"[" * 60_000,
        b'{"x":' * 10_000,
    ],
)
def test_there_is_nothing_safe_to_send(tracker: Tracker, data: bytes) -> None:
    """Where no info hash can be read: clients close on a message without. It is counted all the same."""
    answer = answer_untrusted(tracker, ALICE, data, 1000)
    assert answer.messages == []
    assert answer.unanswered
    assert answer.request in ("announce", "unreadable")


def test_what_is_relayed_is_utf8(tracker: Tracker) -> None:
    """Also in binary messages, which nobody else has looked at: the receiver's connection would pay for it."""
    ask(tracker, ALICE)
    data = (
        b'{"action":"announce","info_hash":"%b","peer_id":"%b","offers":[{"offer_id":"%b","offer":{"a":"\xff"}}]}'
        % (
            HASH.encode(),
            NAMES[2].encode(),
            b"o" * 20,
        )
    )
    assert failure_of(answer_untrusted(tracker, BOB, data, 1000))["failure reason"].startswith("not UTF-8: byte ")


def test_all_bytes_can_be_an_id(tracker: Tracker) -> None:
    """U+0000 to U+00FF come back as they went in, however they were escaped."""
    every = bytes(range(256)).decode("latin-1")
    for start in range(0, 240, 20):
        info_hash = every[start : start + 20]
        assert read(ask(tracker, ALICE, info_hash=info_hash).messages[0])["info_hash"] == info_hash
        escaped = "".join(f"\\u{ord(character):04x}" for character in info_hash)
        data = f'{{"action":"announce","info_hash":"{escaped}","peer_id":"{NAMES[1]}"}}'.encode()
        assert read(answer_untrusted(tracker, ALICE, data, 1000).messages[0])["info_hash"] == info_hash
    assert tracker.swarm.totals().torrents == 12


def test_mutated_messages_never_fail(tracker: Tracker) -> None:
    """Whatever the bytes, what is sent is JSON with an action and, but for scrapes, an info hash of 20 characters."""
    seed = random.randrange(1 << 32)
    print("seed", seed)
    chance = random.Random(seed)
    ask(tracker, ALICE)
    templates = [
        msgspec.json.encode({"action": "announce", "info_hash": HASH, "peer_id": NAMES[2], "offers": offers("x", "y")}),
        msgspec.json.encode({"action": "scrape", "info_hash": [HASH, "b" * 20]}),
        msgspec.json.encode({"action": "announce", "info_hash": HASH, "peer_id": NAMES[2], **ANSWER}),
    ]
    for _ in range(3000):
        data = bytearray(chance.choice(templates))
        for _ in range(chance.randint(1, 5)):
            data[chance.randrange(len(data))] = chance.randrange(256)
        for outgoing in answer_untrusted(tracker, BOB, bytes(data), 1000).messages:
            message = read(outgoing)
            assert message["action"] in ("announce", "scrape")
            if message["action"] == "announce":
                assert len(message["info_hash"]) == 20
