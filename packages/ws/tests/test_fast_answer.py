"""The C answer before its referee: the same messages go to C and to the whole path, and the same letters come of them.

Both have a swarm with the same seed, so that even the peers that are chosen must be the same. What C hands over is
answered by Python on C's side, too, as the service does it.
"""

from __future__ import annotations

import json

from hypothesis import example, given
from hypothesis import strategies as st
from msgspec import Struct
from thalweg_common._core import ffi, lib
from thalweg_common.swarm import AccessList
from thalweg_common.ws_swarm import WsSwarm
from thalweg_ws.answer import Outgoing, Rules, Sender, Tracker, answer_untrusted

from tests.model.exploring import examples

SEED = bytes(range(48))
KINDS = ("announce", "scrape", "failure", "offer", "answer")
REASONS = ("denied", "owned", "connection_full", "full", "no_offer")
SPOKEN = (
    "info hash is not allowed on this tracker",
    "peer_id belongs to another connection",
    "too many torrents on this connection",
    "the tracker is full",
    "no such offer was made to this peer, or it is answered, or too old",
)
HASHES = ["a" * 20, "b" * 20, "\u00e9\u0001" * 10]
PEERS = [f"-WW0000-peer{number:08}" for number in range(6)]
OFFERS = [f"offer{number:015}" for number in range(4)]
DENIED = HASHES[1]


class Said(Struct, frozen=True):
    """A message and the connection that sends it."""

    connection: int
    text: bytes


class Side:
    """A tracker, and the senders of its connections."""

    def __init__(self, rules: Rules) -> None:
        """With an empty swarm."""
        swarm = WsSwarm(seed=SEED, max_bytes=1 << 22, max_peers_per_connection=3)
        denied = AccessList("deny", DENIED.encode("latin-1"))
        self.tracker = Tracker(swarm, rules, denied)
        self.senders: dict[int, Sender] = {}

    def answer(self, said: Said, now_ms: int) -> list[Outgoing]:
        """By the whole path."""
        sender = self.senders.setdefault(said.connection, Sender(said.connection))
        return answer_untrusted(self.tracker, sender, said.text, now_ms).messages


class FastSide(Side):
    """The same with C in front."""

    def __init__(self, rules: Rules) -> None:
        """Its sampler is the swarm's, so that both paths draw from one sequence."""
        super().__init__(rules)
        self.handed_over = 0
        self._rules = ffi.new("tw_ws_rules *", rules_for_c(rules))
        self._counters = ffi.new("tw_ws_counters *")
        self._letters = ffi.new("tw_ws_letters *")

    def answer(self, said: Said, now_ms: int) -> list[Outgoing]:
        """By C if it takes the message."""
        sender = self.senders.setdefault(said.connection, Sender(said.connection))
        c_sender = ffi.new("tw_ws_sender *", [said.connection, 4, sender.minute, sender.offers])
        context = {
            "swarm": self.tracker.swarm.cdata,
            "sampler": self.tracker.swarm._sampler,
            "access_list": self.tracker.access_list.cdata if self.tracker.access_list is not None else ffi.NULL,
            "rules": self._rules,
            "counters": self._counters,
            "now_ms": now_ms,
        }
        room = lib.TW_WS_LETTERS_ROOM + len(said.text)
        data = ffi.new("uint8_t[]", room)
        kind = lib.tw_ws_answer(
            ffi.new("tw_ws_context *", context), c_sender, said.text, len(said.text), self._letters, data, room
        )
        sender.minute, sender.offers = c_sender.minute, c_sender.offers
        if kind == lib.TW_WS_ODD:
            assert self._letters.count == 0
            self.handed_over += 1
            return super().answer(said, now_ms)
        return [self._outgoing(self._letters.letters[at], data) for at in range(self._letters.count)]

    def _outgoing(self, letter: object, data: object) -> Outgoing:
        at, size = letter.at, letter.size  # type: ignore[attr-defined]
        frame = bytes(ffi.buffer(data, at + size))[at:]
        text = payload_of(frame)
        kind = KINDS[letter.kind]  # type: ignore[attr-defined]
        reason = REASONS[SPOKEN.index(json.loads(text)["failure reason"])] if kind == "failure" else None
        return Outgoing(letter.connection, kind, text, reason)  # type: ignore[attr-defined, arg-type]


def rules_for_c(rules: Rules) -> dict[str, object]:
    """The same rules as a tw_ws_rules."""
    return {
        "interval": rules.interval,
        "interval_jitter": rules.interval_jitter,
        "min_interval": rules.min_interval,
        "max_offers": rules.max_offers,
        "max_offers_per_minute": rules.max_offers_per_minute,
        "max_scrape": rules.max_scrape,
        "reasons": [text.encode() for text in SPOKEN],
    }


def payload_of(frame: bytes) -> bytes:
    """The text of a final, unmasked text frame that is as long as it says."""
    assert frame[0] == 0x81
    head, size = 2, frame[1]
    if size == 126:
        head, size = 4, int.from_bytes(frame[2:4], "big")
    elif size == 127:
        head, size = 10, int.from_bytes(frame[2:10], "big")
    assert len(frame) == head + size
    return frame[head:]


def message(**members: object) -> bytes:
    """A message as JavaScript writes it."""
    return json.dumps(members, separators=(",", ":"), ensure_ascii=False).encode()


hashes, peer_ids, offer_ids = st.sampled_from(HASHES), st.sampled_from(PEERS), st.sampled_from(OFFERS)
offers = st.lists(
    st.builds(lambda offer_id: {"offer_id": offer_id, "offer": {"type": "offer", "sdp": "v=0\r\n"}}, offer_ids),
    max_size=6,
)
announces = st.builds(
    lambda **members: message(action="announce", **{key: value for key, value in members.items() if value != "none"}),
    info_hash=hashes,
    peer_id=peer_ids,
    left=st.sampled_from([0, 5, None, "none"]),
    event=st.sampled_from(["started", "stopped", "completed", "paused", "update", "none"]),
    numwant=st.sampled_from([0, 2, 50, -1, "none"]),
    offers=offers | st.just("none"),
)
answers = st.builds(
    lambda **members: message(action="announce", answer={"type": "answer", "sdp": "v=0"}, **members),
    info_hash=hashes,
    peer_id=peer_ids,
    to_peer_id=peer_ids,
    offer_id=offer_ids,
)
scrapes = st.builds(
    lambda info_hash: message(action="scrape", info_hash=info_hash), hashes | st.lists(hashes, max_size=3, unique=True)
)
odd = st.sampled_from([b"{}", b"[]", b'{"action":"announce"}', message(action="scrape"), b'{"action":"announce",}'])
conversations = st.lists(
    st.builds(Said, st.integers(1, 3), announces | announces | answers | scrapes | odd), min_size=1, max_size=25
)
rules = st.builds(
    Rules,
    max_offers=st.sampled_from([0, 2, 10]),
    max_scrape=st.sampled_from([1, 2, 100]),
    max_offers_per_minute=st.sampled_from([0, 3]),
)


def introduced() -> list[Said]:
    """Two pages that find one another, and a second answer to the same offer."""
    offer = [{"offer_id": OFFERS[0], "offer": {"type": "offer", "sdp": "v=0\r\n" * 40}}]
    told = {"action": "announce", "info_hash": HASHES[2], "left": 1}
    answer = message(
        **told, peer_id=PEERS[0], to_peer_id=PEERS[1], offer_id=OFFERS[0], answer={"type": "answer", "sdp": "v=0"}
    )
    return [
        Said(1, message(**told, peer_id=PEERS[0], offers=[])),
        Said(2, message(**told, peer_id=PEERS[1], offers=offer)),
        Said(1, answer),
        Said(1, answer),
    ]


@examples(300)
@given(rules, conversations)
@example(Rules(), introduced())
def test_conversations(told: Rules, conversation: list[Said]) -> None:
    """Every letter is the same, to whom, of what kind, and byte for byte; so is what is left in the swarm."""
    fast, whole = FastSide(told), Side(told)
    for number, said in enumerate(conversation):
        now_ms = 1_000 + number * 20_000
        assert fast.answer(said, now_ms) == whole.answer(said, now_ms)
        assert fast.tracker.swarm.totals() == whole.tracker.swarm.totals()


def test_common_messages_are_answered_in_c() -> None:
    """Otherwise the fast path would be of no use."""
    fast = FastSide(Rules())
    for said in introduced():
        assert fast.answer(said, 1000)
    assert fast.answer(Said(1, message(action="scrape", info_hash=HASHES)), 1000)
    assert fast.handed_over == 0
