"""How `thalweg check` judges what WebTorrent trackers say. Pure: messages in, steps of a report out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeGuard

from msgspec import structs
from thalweg_common.udp_wire import ScrapeRow, TrackerError
from wsproto.frame_protocol import CloseReason

from thalweg.check_probe import judge_interval
from thalweg.check_report import Outcome, Step, count, printable
from thalweg.exchange import Answer, ExchangeError
from thalweg.ws_messages import Description, Message, is_answer

EXPECTED = {
    "connect": "a connection",
    "tls": "TLS 1.2 or newer",
    "certificate": "one that systems trust, for this name, for two weeks at least",
    "upgrade": "status 101 and the Sec-WebSocket-Accept that belongs to the key",
    "announce": "a message with `action`, `info_hash`, `interval`, `complete` and `incomplete`",
    "second client": "a reply as to any announce",
    "offer": "the second client's offer as it was sent, with its peer id and offer id, at the first client",
    "answer": "the first client's answer as it was sent, with its peer id and the offer id, at the second client",
    "second answer": "that it goes no further: the offer has been answered",
    "scrape": "counts with the seeder and the leecher that have just announced themselves",
    "claimed peer id": "a refusal, and that the first client gets offers as before",
    "bad message": "a failure with `action` and `info_hash`, or nothing, on a socket that stays open",
    "binary frame": "",
    "ping": "a pong with the same bytes",
    "close": "a close with code 1000",
    "stopped": "that the peers are no longer counted",
}
"""What a good tracker does, by name of the step; nothing for what is information only."""

USUAL_INTERVAL = 120
LARGEST_INTERVAL = 1 << 31
_COUNTS = {"complete": "seeder", "incomplete": "leecher"}
SHOWN = 60
"""Characters of a wrong value that are shown."""

_WRONG_REPLY = "Report it to those who make the tracker, or see what else answers under this URL."
NEVER_MEET = "Clients never meet: several workers without a common swarm look like this."
OFFER_ELSEWHERE = "Other peers are in the torrent, and one of them may have got it: name a torrent that nobody is in."
_UNNAMED = (
    "Browsers close the socket, with all its torrents, on a message without `action`; libtorrent without `info_hash`."
)


def check_reply(said: Message, action: str, info_hash: str | None = None) -> None:
    """Raises TrackerError when it is a refusal, ExchangeError when it is no reply to this action and info hash."""
    if "failure reason" in said:
        raise TrackerError(shown(said["failure reason"]))
    faults = [] if said.get("action") == action else [f"`action` {_is(said, 'action')}, not “{action}”"]
    if info_hash is not None and said.get("info_hash") != info_hash:
        faults.append(f"`info_hash` {_is(said, 'info_hash')}, not the one that was announced")
    if faults:
        raise ExchangeError(f"the reply is wrong and clients drop it: {'; '.join(faults)}", _WRONG_REPLY)


def judge_announce(name: str, answer: Answer[Message], info_hash: str) -> Step:
    """The step of a first announce. Raises TrackerError and ExchangeError."""
    said = answer.value
    check_reply(said, "announce", info_hash)
    interval = said.get("interval")
    if not _is_number(interval) or not 0 < interval < LARGEST_INTERVAL:
        text = f"the reply is wrong: `interval` {_is(said, 'interval')}, not a time in seconds"
        raise ExchangeError(text, _WRONG_REPLY)
    minimum = said.get("min interval", said.get("min_interval"))
    told = [f"at least {shown(minimum)} s"] if minimum is not None else []
    told += [count(said[key], noun) for key, noun in _COUNTS.items() if _is_count(said.get(key))]
    missing = [f"`{key}` {_is(said, key)}, not a number" for key in _COUNTS if not _is_count(said.get(key))]
    counts = ", ".join(told + missing)
    step = judge_interval(name, int(interval), counts, answer.milliseconds, usual=USUAL_INTERVAL)
    if missing:
        advice = "Clients show their users no numbers, or wrong ones."
        step = structs.replace(step, outcome=Outcome.REMARK, advice=step.advice or advice)
    return step


def others(said: Message, ours: int) -> int:
    """How many peers are in the torrent besides the test's, as far as the reply tells."""
    counts = [value for value in map(said.get, _COUNTS) if _is_count(value)]
    return max(0, sum(counts) - ours)


def check_relayed(said: Message, description: Description, *, info_hash: str, peer_id: str, offer_id: str) -> None:
    """Raises ExchangeError when an offer or an answer has not come as it was sent."""
    kind, came = description.kind, said.get(description.kind)
    wanted = {"action": "announce", "info_hash": info_hash, "peer_id": peer_id, "offer_id": offer_id}
    faults = _differences(said, wanted)
    faults += _differences(came, description.value) if isinstance(came, dict) else [f"`{kind}` is not an object"]
    if faults:
        raise ExchangeError(f"the {kind} came, but clients cannot use it: {'; '.join(faults)}", _WRONG_REPLY)


def read_counts(said: Message, info_hash: str) -> ScrapeRow:
    """What a scrape reply says of a torrent. Raises TrackerError and ExchangeError."""
    check_reply(said, "scrape")
    files = said.get("files")
    if not isinstance(files, dict):
        raise ExchangeError(f"`files` {_is(said, 'files')}, not an object", _WRONG_REPLY)
    row = files.get(info_hash)
    if row is None:
        raise ExchangeError("the torrent that was asked for is not in the reply")
    keys = ("complete", "downloaded", "incomplete")
    if not isinstance(row, dict) or not all(_is_count(row.get(key)) for key in keys):
        raise ExchangeError("`complete`, `downloaded` or `incomplete` is missing or no number", _WRONG_REPLY)
    return ScrapeRow(*(row[key] for key in keys))


def judge_second_answer(name: str, heard: Sequence[Message], refused: str, first: Description) -> Step:
    """`heard`: what came to whoever made the offer, after it had been answered; `refused`: the tracker's words."""
    answers = [message["answer"] for message in heard if is_answer(message)]
    if not answers:
        text = f"is refused, saying “{refused}”" if refused else "goes no further"
        return Step(name=name, outcome=Outcome.GOOD, text=text)
    if any(isinstance(came, dict) and came.get("sdp") == first.sdp for came in answers):
        text, advice = "the first answer came twice", "Browsers take the second one for an error of the connection."
    else:
        text = "is relayed as well"
        advice = "Anybody who knows an offer id, or guesses one, can answer in the place of others."
    return Step(name=name, outcome=Outcome.REMARK, text=text, advice=advice)


def judge_bad_message(name: str, heard: Sequence[Message], closed: str) -> Step:
    """`heard`: what the tracker said to a message that it cannot serve; `closed`: how the socket ended, if it did."""
    if closed:
        advice = "Browsers have one socket for all their torrents: a failure with `action` and `info_hash` keeps it."
        return Step(name=name, outcome=Outcome.REMARK, text=closed, advice=advice)
    if not heard:
        return Step(name=name, outcome=Outcome.GOOD, text="nothing is said, and the socket stays open")
    said = heard[0]
    if "failure reason" not in said:
        text = "an info hash of 19 characters is answered as if it were one"
        advice = "Clients with a mistake in them think that they are served."
        return Step(name=name, outcome=Outcome.REMARK, text=text, advice=advice)
    missing = " and ".join(f"`{key}`" for key in ("action", "info_hash") if key not in said)
    text = f"a failure, saying “{shown(said['failure reason'])}”, and the socket stays open"
    if missing:
        return Step(name=name, outcome=Outcome.REMARK, text=f"{text}; without {missing}", advice=_UNNAMED)
    return Step(name=name, outcome=Outcome.GOOD, text=text)


def tell_binary(name: str, heard: Sequence[Message], closed: str) -> Step:
    """What becomes of a message in a binary frame; some clients send them."""
    text = "not answered"
    if heard:
        text = f"refused, saying “{refusal(heard)}”" if "failure reason" in heard[0] else "taken as text is"
    elif closed:
        text = f"refused: {closed}"
    return Step(name=name, outcome=Outcome.INFORMATION, text=text)


def judge_claim(name: str, refused: str, kept: bool, kept_later: bool, closed: str) -> Step:
    """`kept`: whether the first client got an offer when another socket had claimed its peer id; later: was closed."""
    if kept and kept_later:
        text = f"is refused, saying “{refused}”" if refused else "changes nothing for the first client"
        return Step(name=name, outcome=Outcome.GOOD, text=text)
    text = "the first client gets no offers any more"
    if closed:
        text = f"the first client lost its socket: {closed}"
    elif kept:
        text += " when the other socket is closed"
    advice = "Every peer sees the peer ids of others: anybody can cut them off."
    return Step(name=name, outcome=Outcome.REMARK, text=text, advice=advice)


def judge_close(name: str, answer: Answer[int]) -> Step:
    """The step of a close, which was answered with that code."""
    code, took = answer.value, answer.milliseconds
    if code == CloseReason.ABNORMAL_CLOSURE:
        text = "the connection ends without a close"
        advice = "Browsers report an error to the page where there is none."
        return Step(name=name, outcome=Outcome.REMARK, text=text, advice=advice, milliseconds=took)
    text = "agreed" if code == CloseReason.NO_STATUS_RCVD else f"agreed, with code {code}"
    return Step(name=name, outcome=Outcome.GOOD, text=text, milliseconds=took)


def refusal(heard: Sequence[Message]) -> str:
    """Why the tracker refuses, in the first message that says so; empty when none does."""
    return next((shown(said["failure reason"]) for said in heard if "failure reason" in said), "")


def shown(value: Any) -> str:
    """A value from a tracker's message, fit to be shown; not what is in lists and objects, however deep."""
    if isinstance(value, list | dict):
        return "[…]" if isinstance(value, list) else "{…}"
    return printable(str(value))[:SHOWN]


def _differences(came: Message, sent: Message) -> list[str]:
    """Complaints of members that are not what was sent."""
    return [f"`{key}` {_is(came, key)}, not “{shown(value)}”" for key, value in sent.items() if came.get(key) != value]


def _is(said: Message, key: str) -> str:
    """What a member is, as the beginning of a complaint."""
    return f"is “{shown(said[key])}”" if key in said else "is missing"


def _is_number(value: Any) -> TypeGuard[int | float]:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_count(value: Any) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0
