"""`thalweg check ws://…` names what is wrong with a tracker: each stub here breaks one rule, or WebSocket itself."""

import pytest
from thalweg.main import main
from wsproto.events import Event, Ping, TextMessage

from .stub_ws_tracker import Behaviour, Message, StubSocket, describes, frame, running, says, sends, silent, takes

pytestmark = pytest.mark.usefixtures("short_silence")

SOON = ["--timeout", "0.3"]
UPGRADE = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
"""The beginning of a reply, without Sec-WebSocket-Accept."""


def ends(stub: StubSocket, event: Event) -> bool:
    """Cuts the connection at the first message."""
    if isinstance(event, TextMessage):
        stub.request.close()
    return False


def drips(stub: StubSocket, event: Event) -> bool:
    """Pings for ever instead of an answer."""
    while isinstance(event, TextMessage) and not stub.server.ended.wait(0.02):
        stub.say_event(Ping())
    return False


def apart(stub: StubSocket, message: Message) -> None:
    """Refuses every second peer."""
    if stub.server.peers and message["action"] == "announce" and message["peer_id"] not in stub.server.peers:
        stub.fail(message, "no more peers")
    else:
        StubSocket.take(stub, message)


BROKEN: dict[str, tuple[str, Behaviour, str]] = {
    "no such path": (
        "upgrade",
        Behaviour(hello=b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"),
        "status 404 Not Found instead of an upgrade",
    ),
    "a web page": (
        "upgrade",
        Behaviour(hello=b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"),
        "status 200 OK instead of an upgrade",
    ),
    "a reason": (
        "upgrade",
        Behaviour(hello=b"HTTP/1.1 403 No\r\nContent-Type: text/plain\r\nContent-Length: 99\r\n\r\nnot from\nhere"),
        "status 403 Forbidden instead of an upgrade, saying “not from”",
    ),
    "redirect": (
        "upgrade",
        Behaviour(hello=b"HTTP/1.1 301 Moved\r\nLocation: wss://x.example/\r\n\r\n"),
        "status 301 Moved Permanently: redirected to wss://x.example/",
    ),
    "a status of its own": (
        "upgrade",
        Behaviour(hello=b"HTTP/1.1 599 Oops\r\nContent-Length: 0\r\n\r\n"),
        "status 599 instead of an upgrade",
    ),
    "another protocol": (
        "upgrade",
        Behaviour(hello=b"SSH-2.0-OpenSSH_9.2\r\n\r\n"),
        "the reply is not HTTP (Bad HTTP message): “SSH-2.0-OpenSSH_9.2????”",
    ),
    "TLS": ("upgrade", Behaviour(hello=b"\x15\x03\x01\0\x02\x02\x46\r\n\r\n"), "the reply is TLS, not HTTP"),
    "closed": ("upgrade", Behaviour(hello=b""), "the connection was closed without a reply"),
    "closed in the head": (
        "upgrade",
        Behaviour(hello=UPGRADE),
        "the connection was closed within the reply to the upgrade: “HTTP/1.1 101",
    ),
    "the accept of another key": (
        "upgrade",
        Behaviour(hello=UPGRADE + b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"),
        "the upgrade is wrong and clients close: Bad accept token",
    ),
    "an upgrade to nothing": (
        "upgrade",
        Behaviour(hello=b"HTTP/1.1 101 Switching Protocols\r\n\r\n"),
        "the upgrade is wrong and clients close: Missing header",
    ),
    "strange bytes": (
        "upgrade",
        Behaviour(hello=UPGRADE + b"Connection: \xff\xfe\r\n\r\n"),
        "the upgrade is wrong and clients close",
    ),
    "endless head": (
        "upgrade",
        Behaviour(hello=b"HTTP/1.1 101 OK\r\n" + b"X-Header: more\r\n" * 20_000),
        "the upgrade is wrong and clients close: Bad HTTP message",
    ),
    "no JSON": ("announce", sends(frame(b"<html>")), "a message is no JSON object and clients drop it: “<html>”"),
    "a list": ("announce", sends(frame(b"[1]")), "a message is no JSON object and clients drop it: “[1]”"),
    "deep": ("announce", sends(frame(b"[" * 60_000)), "a message is no JSON object"),
    "no action": ("announce", says("reply", action=...), "`action` is missing, not “announce”"),
    "another action": ("announce", says("reply", action=1), "`action` is “1”, not “announce”"),
    "no info hash": ("announce", says("reply", info_hash=...), "`info_hash` is missing, not the one that was"),
    "info hash in hex": ("announce", says("reply", info_hash="00" * 20), f"`info_hash` is “{'00' * 20}”, not"),
    "no interval": ("announce", says("reply", interval=...), "`interval` is missing, not a time in seconds"),
    "interval as text": ("announce", says("reply", interval="120"), "`interval` is “120”, not a time in seconds"),
    "endless interval": ("announce", says("reply", interval=1e308), "`interval` is “1e+308”, not a time in seconds"),
    "interval 0": ("announce", says("reply", interval=0), "`interval` is “0”, not a time in seconds"),
    "refusal": (
        "announce",
        says("reply", **{"failure reason": "\x1b[2Jno\n" + "x" * 99}),
        "the tracker refused, saying “?[2Jno?xxx",
    ),
    "closed with a code": (
        "announce",
        sends(frame((1008).to_bytes(2) + b"go away", 0x88)),
        "the tracker closed the socket with code 1008, saying “go away”",
    ),
    "cut": ("announce", Behaviour(event=ends), "the tracker closed the connection without closing the socket"),
    "a masked frame": ("announce", sends(b"\x81\x82\0\0\0\0{}"), "the frames break RFC 6455: "),
    "a reserved bit": ("announce", sends(frame(b"{}", 0xC1)), "the frames break RFC 6455: "),
    "no UTF-8": ("announce", sends(frame(b'{"\xff"}')), "the frames break RFC 6455: "),
    "too large": (
        "announce",
        sends(b"\x81\x7f" + (2 << 20).to_bytes(8) + bytes(2 << 20)),
        "a message is larger than 1 MiB",
    ),
    "too much": ("announce", sends(frame(b'{"offer":0}') * 1100), "more than 1000 messages came that nobody had asked"),
    "one peer only": ("second client", takes(apart), "the tracker refused, saying “no more peers”"),
    "an offer from nobody": ("offer", says("offer", peer_id=...), "`peer_id` is missing, not “-WW0000-"),
    "another offer id": ("offer", says("offer", offer_id="x" * 20), f"`offer_id` is “{'x' * 20}”, not “"),
    "another sdp": ("offer", describes("offer", sdp="v=0"), "`sdp` is “v=0”, not “v=0??o=- "),
    "an offer that is an answer": ("offer", describes("offer", type="answer"), "`type` is “answer”, not “offer”"),
    "an offer in text": ("offer", says("offer", offer="v=0"), "`offer` is not an object"),
    "another answer": ("answer", describes("answer", sdp=7), "`sdp` is “7”, not “v=0"),
    "an answer to nothing": ("answer", says("answer", offer_id=...), "`offer_id` is missing, not “"),
}


def holds(data: bytes) -> Behaviour:
    """Sends this instead of the reply to the upgrade, and then nothing."""

    def event(stub: StubSocket, event: Event) -> bool:
        stub.request.sendall(data)
        return not stub.server.ended.wait(20)

    return Behaviour(event=event)


SLOW: dict[str, tuple[str, Behaviour, str]] = {
    "no upgrade": ("upgrade", holds(b""), "no reply to the upgrade within 0.3 s"),
    "no end of the upgrade": ("upgrade", holds(UPGRADE), "no reply to the upgrade within 0.3 s"),
    "no reply": ("announce", silent("reply"), "no reply within 0.3 s"),
    "half a reply": ("announce", sends(frame(b"{}")[:-1]), "no reply within 0.3 s"),
    "nothing but pings": ("announce", Behaviour(event=drips), "no reply within 0.3 s"),
    "no offer": ("offer", silent("offer"), "no offer within 0.3 s at the first client"),
    "no answer": ("answer", silent("answer"), "no answer within 0.3 s at the second client"),
}


@pytest.mark.parametrize(("step", "behaviour", "sentence"), BROKEN.values(), ids=BROKEN)
def test_a_broken_tracker_is_told_what_is_wrong(
    step: str, behaviour: Behaviour, sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """What keeps browsers from meeting is named in a sentence, at its step; the exit code is 1."""
    with running(behaviour) as stub:
        assert main(["check", stub.url]) == 1
    printed = capsys.readouterr().out
    assert sentence in printed
    assert f"  FAIL  {step} " in printed
    assert printed.count("  FAIL  ") == 1
    assert "does not work (over IPv4)" in printed
    assert printed.replace("\n", "").isprintable()


@pytest.mark.parametrize(("step", "behaviour", "sentence"), SLOW.values(), ids=SLOW)
def test_a_slow_tracker_is_not_waited_for(
    step: str, behaviour: Behaviour, sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """What does not come in time is named, at its step."""
    with running(behaviour) as stub:
        assert main(["check", *SOON, stub.url]) == 1
    printed = capsys.readouterr().out
    assert sentence in printed
    assert f"  FAIL  {step} " in printed
