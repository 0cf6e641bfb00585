"""`thalweg check ws://…`: what clients survive is a remark, and a correct tracker has none."""

import io
import re
from contextlib import redirect_stdout

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from thalweg.main import main
from wsproto.events import BytesMessage, CloseConnection, Event, Ping, Pong

from .stub_ws_tracker import Behaviour, Message, StubPeer, StubSocket, running, says, sends, silent, takes

pytestmark = pytest.mark.usefixtures("short_silence")


def relays_all_answers(stub: StubSocket, message: Message) -> None:
    """Does not know which offers there were."""
    if "answer" in message:
        stub.relay_answer(message)
    else:
        StubSocket.take(stub, message)


def relays_twice(stub: StubSocket, message: Message) -> None:
    """Sends an answer that it relays once more."""
    StubSocket.take(stub, message)
    if "answer" in message and len(stub.server.offers) == 0 and "relayed" not in vars(stub):
        vars(stub)["relayed"] = True
        stub.relay_answer(message)


def hijacks(stub: StubSocket, message: Message) -> None:
    """Gives a peer id to whoever claims it last."""
    if "left" in message and message["peer_id"] in stub.server.peers:
        stub.server.peers[message["peer_id"]] = StubPeer(stub, message["left"])
    StubSocket.take(stub, message)


def evicts(stub: StubSocket, message: Message) -> None:
    """Closes the socket of a peer whose id is claimed."""
    owner = stub.server.peers.get(message.get("peer_id", ""))
    if owner and owner.socket is not stub:
        owner.socket.say_event(CloseConnection(code=1008, reason="replaced"))
    hijacks(stub, message)


def lets_claim(stub: StubSocket, message: Message) -> None:
    """Takes a claim for a change of the peer, and takes its peer away when the socket that claimed it closes."""
    owner = stub.server.peers.get(message.get("peer_id", ""))
    if owner and owner.socket is not stub:
        stub.leaving.append(message["peer_id"])
        stub.reply(message)
    else:
        StubSocket.take(stub, message)


def closes_at_mistakes(stub: StubSocket, message: Message) -> None:
    """Thinks a client with a mistake in it had better go."""
    if len(message["info_hash"]) != 20:
        stub.say_event(CloseConnection(code=1003, reason="bad hash"))
    else:
        StubSocket.take(stub, message)


def takes_any_hash(stub: StubSocket, message: Message) -> None:
    """Does not count characters."""
    if len(message["info_hash"]) != 20:
        stub.say({"action": "announce", "info_hash": message["info_hash"], "interval": 120})
    else:
        StubSocket.take(stub, message)


def keeps_the_stopped(stub: StubSocket, message: Message) -> None:
    """Does not heed `stopped`."""
    StubSocket.take(stub, {**message, "event": "started"} if message["action"] == "announce" else message)


def pongs(payload: bytes) -> Behaviour:
    """Answers pings in its own way."""

    def event(stub: StubSocket, event: Event) -> bool:
        if isinstance(event, Ping):
            stub.say_event(Pong(payload=payload))
        return isinstance(event, Ping)

    return Behaviour(event=event)


def hangs_up(stub: StubSocket, event: Event) -> bool:
    """Ends the connection when the client closes its socket."""
    if isinstance(event, CloseConnection):
        stub.request.shutdown(2)
    return isinstance(event, CloseConnection)


def scrapes(row: object) -> Behaviour:
    """Has this for every torrent."""

    def alter(said: Message) -> Message | None:
        return {**said, "files": dict.fromkeys(said["files"], row)} if "files" in said else said

    return Behaviour(alter=alter)


def refuses_binary(stub: StubSocket, event: Event) -> bool:
    """Closes on binary frames."""
    if isinstance(event, BytesMessage):
        stub.say_event(CloseConnection(code=1003))
    return isinstance(event, BytesMessage)


BINARY: dict[str, tuple[Behaviour, str]] = {
    "taken": (Behaviour(), "taken as text is"),
    "closed": (Behaviour(event=refuses_binary), "refused: the tracker closed the socket with code 1003"),
    "ignored": (Behaviour(event=lambda _, event: isinstance(event, BytesMessage)), "not answered"),
}


ZEROS = {"complete": 0, "incomplete": 0, "downloaded": 0}

ODD: dict[str, tuple[str, Behaviour, str]] = {
    "short interval": ("announce", says("reply", interval=20), "The interval is very short"),
    "long interval": ("announce", says("reply", interval=10**6), "120 s is usual"),
    "no counts": ("announce", says("reply", complete=...), "0 leechers, `complete` is missing, not a number"),
    "counts as text": ("announce", says("reply", incomplete="1"), "`incomplete` is “1”, not a number"),
    "all answers": ("second answer", takes(relays_all_answers), "is relayed as well"),
    "answers twice": ("second answer", takes(relays_twice), "the first answer came twice"),
    "scrape refused": ("scrape", says("files", **{"failure reason": "no"}), "the tracker refused, saying “no”"),
    "scrape of another kind": ("scrape", says("files", action="announce"), "`action` is “announce”, not “scrape”"),
    "scrape without files": ("scrape", says("files", files=[]), "`files` is “[…]”, not an object"),
    "scrape of nothing": ("scrape", says("files", files={}), "the torrent that was asked for is not in the reply"),
    "scrape of lists": ("scrape", scrapes([]), "is missing or no number"),
    "cached scrapes": (
        "scrape",
        scrapes(ZEROS),
        "0 seeders, 0 leechers, 0 completed: the seeder and the leecher of this test are not counted",
    ),
    "hijacked": ("claimed peer id", takes(hijacks), "the first client gets no offers any more"),
    "evicted": (
        "claimed peer id",
        takes(evicts),
        "the first client lost its socket: the tracker closed the socket with code 1008, saying “replaced”",
    ),
    "taken along": ("claimed peer id", takes(lets_claim), "no offers any more when the other socket is closed"),
    "closes at mistakes": (
        "bad message",
        takes(closes_at_mistakes),
        "the tracker closed the socket with code 1003, saying “bad hash”",
    ),
    "any info hash": ("bad message", takes(takes_any_hash), "19 characters is answered as if it were one"),
    "no pong": ("ping", Behaviour(event=lambda _, event: isinstance(event, Ping)), "no pong within 2 s"),
    "another pong": ("ping", pongs(b"x"), "the pong has other bytes than the ping"),
    "no close": ("close", Behaviour(event=hangs_up), "the connection ends without a close"),
    "stopped ignored": ("stopped", takes(keeps_the_stopped), "said goodbye, and 2 are still counted"),
}


@pytest.mark.parametrize(("step", "behaviour", "sentence"), ODD.values(), ids=ODD)
def test_an_odd_tracker_works_with_a_remark(
    step: str, behaviour: Behaviour, sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """What clients survive is a remark at its step; the exit code is 0."""
    with running(behaviour) as stub:
        assert main(["check", "--timeout", "2", stub.url]) == 0
    printed = capsys.readouterr().out
    assert sentence in printed
    assert re.findall("  note  (.{15}) ", printed) == [step.ljust(15)], printed
    assert "works with remarks (over IPv4)" in printed


@pytest.mark.parametrize("member", ["action", "info_hash"])
def test_failures_must_say_what_they_are_about(member: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Browsers close on failures without action, libtorrent on those without info hash."""
    with running(says("failure", **{member: ...})) as stub:
        assert main(["check", stub.url]) == 0
    printed = capsys.readouterr().out
    assert f"and the socket stays open; without `{member}`" in printed
    assert printed.count("  note  ") == 1


def test_a_correct_tracker_works_and_is_left_as_it_was(capsys: pytest.CaptureFixture[str]) -> None:
    """No step of a correct tracker draws a remark, and nobody is left in the torrent."""
    with running() as stub:
        assert main(["check", stub.url]) == 0
        assert stub.peers == {}
    printed = capsys.readouterr().out
    assert "works (over IPv4)" in printed
    assert "  note  " not in printed


def test_a_tracker_that_says_nothing_to_mistakes_works(capsys: pytest.CaptureFixture[str]) -> None:
    """Failures are not needed where there is nothing to wait for."""
    with running(silent("failure")) as stub:
        assert main(["check", stub.url]) == 0
    printed = capsys.readouterr().out
    for sentence in ("goes no further", "changes nothing for the first client", "nothing is said, and the socket"):
        assert sentence in printed
    assert "works (over IPv4)" in printed


@pytest.mark.parametrize(("behaviour", "sentence"), BINARY.values(), ids=BINARY)
def test_binary_frames_are_information(behaviour: Behaviour, sentence: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Trackers may refuse them."""
    with running(behaviour) as stub:
        assert main(["check", stub.url]) == 0
    printed = capsys.readouterr().out
    assert sentence in printed
    assert "works (over IPv4)" in printed


def test_goodbye_is_said_after_a_bad_reply(capsys: pytest.CaptureFixture[str]) -> None:
    """A tracker may have stored the peer although its reply is of no use."""
    seen: list[object] = []

    def take(stub: StubSocket, message: Message) -> None:
        seen.append(message.get("event"))
        StubSocket.take(stub, message)

    with running(Behaviour(take=take, alter=says("reply", interval=...).alter)) as stub:
        assert main(["check", stub.url]) == 1
    assert seen == ["started", "stopped"]
    assert "  stopped  " not in capsys.readouterr().out


def test_other_peers_are_left_in_peace(capsys: pytest.CaptureFixture[str]) -> None:
    """In a torrent with others an offer may go to one of them: that is no fault, and no peer id is claimed there."""
    with running(says("reply", complete=7)) as stub:
        assert main(["check", "--info-hash", "ff" * 20, stub.url]) == 0
    printed = capsys.readouterr().out
    assert "6 peers more in the torrent" in printed
    assert "claimed peer id" not in printed


def test_an_offer_that_others_got_is_a_remark(capsys: pytest.CaptureFixture[str]) -> None:
    """The advice names the reason."""
    behaviour = says("reply", complete=7)
    alter = behaviour.alter
    behaviour.alter = lambda said: None if "offer" in said else alter(said)
    with running(behaviour) as stub:
        assert main(["check", "--timeout", "1", "--info-hash", "ff" * 20, stub.url]) == 0
    printed = capsys.readouterr().out
    assert "no offer within 1 s at the first client" in printed
    assert "one of them may have got it" in printed


KINDS = st.sampled_from(["reply", "offer", "answer", "files", "failure"])
MEMBERS = st.sampled_from(
    ["action", "info_hash", "peer_id", "interval", "complete", "offer", "answer", "files", "type"]
)
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(MEMBERS | st.text(max_size=5), inner, max_size=3),
)


@settings(deadline=None, max_examples=15)
@given(
    st.sampled_from(["reply", "offer", "answer", "files", "failure"]), st.dictionaries(MEMBERS, ANYTHING, max_size=3)
)
def test_any_messages_end_in_a_verdict(which: str, members: Message) -> None:
    """Whatever is in the messages of one kind, the command neither fails nor hangs."""
    printed = io.StringIO()
    with running(says(which, **members)) as stub, redirect_stdout(printed):
        assert main(["check", "--timeout", "0.2", stub.url]) in (0, 1)
    assert printed.getvalue().replace("\n", "").isprintable()


@settings(deadline=None, max_examples=60)
@given(st.binary(max_size=200), st.booleans())
def test_any_bytes_end_in_a_verdict(data: bytes, upgraded: bool) -> None:
    """Whatever a server says, the command neither fails nor hangs, and prints what can be printed."""
    behaviour = sends(data) if upgraded else Behaviour(hello=b"HTTP/1.1 101 " + data)
    printed = io.StringIO()
    with running(behaviour) as stub, redirect_stdout(printed):
        assert main(["check", "--timeout", "0.2", stub.url]) == 1
    assert printed.getvalue().replace("\n", "").isprintable()
