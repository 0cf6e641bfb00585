"""A small WebTorrent tracker for tests, correct but for what a test changes."""

from __future__ import annotations

import socket
import socketserver
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, TypeAlias

import msgspec
from msgspec import Struct
from wsproto import ConnectionType, WSConnection
from wsproto.events import AcceptConnection, BytesMessage, CloseConnection, Event, Ping, Request, TextMessage
from wsproto.utilities import LocalProtocolError

from .stub_http_tracker import PATIENCE, serving

Message: TypeAlias = dict[str, Any]


class StubPeer(Struct):
    """A peer of the only torrent there is."""

    socket: StubSocket
    left: int


def unaltered(said: Message) -> Message | None:
    """Says what there is to say."""
    return said


def nothing_else(stub_socket: StubSocket, event: Event) -> bool:
    """Leaves all frames to the stub."""
    return False


class Behaviour(Struct, kw_only=True):
    """What a test changes."""

    hello: bytes | None = None
    """Said instead of the reply to the upgrade; the connection is closed behind it."""
    take: Callable[[StubSocket, Message], None] | None = None
    """Takes messages instead of StubSocket.take."""
    alter: Callable[[Message], Message | None] = unaltered
    """Changes what is said, or gives None for silence."""
    event: Callable[[StubSocket, Event], bool] = nothing_else
    """Sees every frame; True: that was all."""


class StubTracker(socketserver.ThreadingTCPServer):
    """Serves each socket in a thread of its own."""

    request_queue_size = 100

    def __init__(self, behaviour: Behaviour) -> None:
        """Binds a free port of the loopback address."""
        super().__init__(("127.0.0.1", 0), StubSocket)
        self.behaviour = behaviour
        self.peers: dict[str, StubPeer] = {}
        self.offers: set[tuple[str, str, str]] = set()
        """Those that were relayed and not answered: from, to, offer id."""
        self.lock = threading.RLock()
        self.ended = threading.Event()

    @property
    def url(self) -> str:
        """The announce URL."""
        return f"ws://127.0.0.1:{self.server_address[1]}"

    @property
    def counts(self) -> Message:
        """Seeders and leechers."""
        seeders = [peer.left for peer in self.peers.values()].count(0)
        return {"complete": seeders, "incomplete": len(self.peers) - seeders}

    def leave(self, gone: StubSocket) -> None:
        """Forgets the peers of a socket."""
        with self.lock:
            stay = {name: peer for name, peer in self.peers.items() if peer.socket is not gone}
            self.peers = {name: peer for name, peer in stay.items() if name not in gone.leaving}


class StubSocket(socketserver.BaseRequestHandler):
    """One WebSocket."""

    server: StubTracker
    request: socket.socket

    def handle(self) -> None:
        """Upgrades and serves; whoever leaves is forgotten."""
        self.protocol = WSConnection(ConnectionType.SERVER)
        self.leaving: list[str] = []
        self.request.settimeout(PATIENCE)
        with suppress(OSError, LocalProtocolError):
            self._serve()
        self.server.leave(self)

    def _serve(self) -> None:
        while data := self.request.recv(65536):
            self.protocol.receive_data(data)
            for event in self.protocol.events():
                if not self.server.behaviour.event(self, event) and not self._take_event(event):
                    return

    def _take_event(self, event: Event) -> bool:
        """False: that was the last one."""
        if isinstance(event, Request):
            hello = self.server.behaviour.hello
            self.request.sendall(self.protocol.send(AcceptConnection()) if hello is None else hello)
            return hello is None
        if isinstance(event, TextMessage | BytesMessage):
            message = msgspec.json.decode(event.data)
            with self.server.lock:
                (self.server.behaviour.take or StubSocket.take)(self, message)
        elif isinstance(event, Ping | CloseConnection):
            self.say_event(event.response())
        return not isinstance(event, CloseConnection)

    def say(self, message: Message) -> None:
        """Sends a message, if the test lets it be said."""
        altered = self.server.behaviour.alter(message)
        if altered is not None:
            self.say_event(TextMessage(data=msgspec.json.encode(altered).decode()))

    def say_event(self, event: Event) -> None:
        """Sends a frame."""
        with self.server.lock:
            self.request.sendall(self.protocol.send(event))

    def take(self, message: Message) -> None:
        """Answers as a tracker should."""
        if len(message["info_hash"]) != 20:
            self.fail(message, "info_hash has another length than 20")
        elif message["action"] == "scrape":
            row = {**self.server.counts, "downloaded": 0}
            self.say({"action": "scrape", "files": {message["info_hash"]: row}})
        elif "answer" in message:
            self._answer(message)
        else:
            self.announce(message)

    def announce(self, message: Message) -> None:
        """Refuses the peer ids of other sockets; relays offers and replies."""
        peers, name = self.server.peers, message["peer_id"]
        if name in peers and peers[name].socket is not self:
            self.fail(message, "peer_id belongs to another connection")
            return
        peers.pop(name, None)
        others = list(peers.items())
        if message.get("event") != "stopped":
            peers[name] = StubPeer(self, message["left"])
        for offer, (other, peer) in zip(message["offers"], others, strict=False):
            self.server.offers.add((name, other, offer["offer_id"]))
            peer.socket.say({**heading(message), "offer_id": offer["offer_id"], "offer": offer["offer"]})
        self.reply(message)

    def reply(self, message: Message) -> None:
        """Replies to an announce."""
        self.say({"action": "announce", "info_hash": message["info_hash"], "interval": 120, **self.server.counts})

    def _answer(self, message: Message) -> None:
        offer = (message["to_peer_id"], message["peer_id"], message["offer_id"])
        if offer not in self.server.offers:
            self.fail(message, "no such offer")
            return
        self.server.offers.remove(offer)
        self.relay_answer(message)

    def relay_answer(self, message: Message) -> None:
        """Passes an answer on, whoever it is for."""
        said = {**heading(message), "offer_id": message["offer_id"], "answer": message["answer"]}
        self.server.peers[message["to_peer_id"]].socket.say(said)

    def fail(self, message: Message, reason: str) -> None:
        """Says why a message cannot be served."""
        self.say({"action": message["action"], "info_hash": message["info_hash"], "failure reason": reason})


def heading(message: Message) -> Message:
    """What relayed messages begin with."""
    return {"action": "announce", "info_hash": message["info_hash"], "peer_id": message["peer_id"]}


@contextmanager
def running(behaviour: Behaviour | None = None) -> Iterator[StubTracker]:
    """Runs a stub tracker in threads."""
    with StubTracker(behaviour or Behaviour()) as stub, serving(stub, stub.ended):
        yield stub


def kind(said: Message) -> str:
    """Which of the tracker's messages it is."""
    if "failure reason" in said:
        return "failure"
    return next((name for name in ("offer", "answer", "files") if name in said), "reply")


def says(which: str, **members: object) -> Behaviour:
    """Messages of one kind have these members, underscores standing for themselves; `...` takes a member away."""

    def alter(said: Message) -> Message | None:
        altered = {**said, **members} if kind(said) == which else said
        return {name: value for name, value in altered.items() if value is not ...}

    return Behaviour(alter=alter)


def silent(which: str) -> Behaviour:
    """Messages of one kind are not said."""
    return Behaviour(alter=lambda said: None if kind(said) == which else said)


def describes(which: str, **members: object) -> Behaviour:
    """Relayed offers or answers have these members."""

    def alter(said: Message) -> Message | None:
        return {**said, which: {**said[which], **members}} if kind(said) == which else said

    return Behaviour(alter=alter)


def sends(data: bytes) -> Behaviour:
    """Announces are answered with these bytes of frames."""

    def event(stub: StubSocket, event: Event) -> bool:
        if isinstance(event, TextMessage):
            stub.request.sendall(data)
        return isinstance(event, TextMessage)

    return Behaviour(event=event)


def frame(payload: bytes, first: int = 0x81) -> bytes:
    """A frame of text, or what else its first byte says."""
    size = bytes([len(payload)]) if len(payload) < 126 else b"\x7e" + len(payload).to_bytes(2)
    return bytes([first]) + size + payload


def takes(take: Callable[[StubSocket, Message], None]) -> Behaviour:
    """Takes messages in its own way."""
    return Behaviour(take=take)
