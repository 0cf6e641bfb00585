"""How `thalweg check` judges the replies of HTTP trackers. Pure: replies in, steps of a report out."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from typing import TypeVar

from thalweg_common import bencode
from thalweg_common.http_wire import AnnounceReply
from thalweg_common.udp_wire import ReplyError

from thalweg.check_report import Outcome, Step, count, printable
from thalweg.exchange import ExchangeError
from thalweg.http_exchange import HttpReply

T = TypeVar("T")

EXPECTED = {
    "connect": "a connection",
    "tls": "TLS 1.2 or newer",
    "certificate": "one that systems trust, for this name, for two weeks at least",
    "announce": "status 200 and a bencoded dictionary with `interval` and `peers` or `peers6`",
    "bencoding": "sorted keys, values of the right kind, and nothing behind the final `e`",
    "content-length": "the length of the body, and nothing behind it",
    "external ip": "",
    "warning": "",
    "second client": "the first client among the peers",
    "own address": "other peers than the one that asks",
    "scrape": "counts with the seeder and the leecher that have just announced themselves",
    "numwant": "no more peers than asked for",
    "compact=0": "",
    "no info hash": "status 200 and a `failure reason`",
    "short info hash": "status 200 and a `failure reason`",
    "http/1.0": "a reply as to any announce",
    "keep-alive": "",
    "pipelining": "",
    "stopped": "a reply as to any announce, and that the peers are no longer counted",
}
"""What a good tracker does, by name of the step; nothing for what is information only."""

FAULTS_SHOWN = 3

WRONG_PLACE = "See that the URL's path is the tracker's, and that a proxy before it passes announces on."
_REDIRECTED = "newTrackon and some clients do not follow redirects: publish that URL, and check it."
_COMPRESSED = "The reply is compressed, although nobody has asked for that."
_WRONG_REPLY = "The tracker breaks BEP 3: report it to those who make it, or see what else answers under this URL."


def read(reply: HttpReply, parse: Callable[[bytes], T], advice: str = "") -> T:
    """What a reply says. Raises TrackerError when it is a refusal, and ExchangeError when clients drop it.

    `advice`: what to do when the status is wrong.
    """
    if reply.status != 200:
        raise _not_ok(reply, advice)
    try:
        return parse(reply.body)
    except ReplyError as error:
        text = f"the reply is wrong and clients drop it: {printable(str(error))}"
        if reply.excess:
            text += f" (Content-Length counts {len(reply.excess)} bytes too few)"
        compressed = reply.headers.get("content-encoding", "identity") != "identity"
        raise ExchangeError(text, _COMPRESSED if compressed else _WRONG_REPLY) from None


def _not_ok(reply: HttpReply, advice: str) -> ExchangeError:
    location = reply.headers.get("location")
    if 300 <= reply.status < 400 and location:
        return ExchangeError(f"{reply.status_line}: redirected to {printable(location)}", _REDIRECTED)
    reason = failure_reason(reply) or _first_line(reply)
    said = f", saying “{printable(reason)}”" if reason else ""
    return ExchangeError(f"{reply.status_line}{said}", advice)


def _first_line(reply: HttpReply) -> str:
    """What an error page in plain text begins with."""
    if not reply.headers.get("content-type", "").startswith("text/plain"):
        return ""
    return reply.body.decode(errors="replace").strip().partition("\n")[0]


def failure_reason(reply: HttpReply) -> str | None:
    """Why the tracker refuses, whatever the status; None when it does not say."""
    try:
        values = bencode.read(reply.body).value
    except bencode.BencodeError:
        return None
    reason = values.get(b"failure reason") if isinstance(values, dict) else None
    return reason.decode(errors="replace") if isinstance(reason, bytes) else None


def announced_counts(reply: AnnounceReply) -> str:
    """What the reply to an announce counts, as far as it does."""
    seen = [(reply.seeders, "seeder"), (reply.leechers, "leecher"), (len(reply.peers), "peer")]
    counts = [count(number, noun) for number, noun in seen if number is not None]
    minimum = [] if reply.min_interval is None else [f"at least {reply.min_interval} s"]
    return ", ".join(minimum + counts)


def judge_bencoding(name: str, reply: AnnounceReply) -> Step:
    """Whether the body follows every rule."""
    if not reply.faults:
        return Step(name=name, outcome=Outcome.GOOD, text="every rule is kept")
    more = len(reply.faults) - FAULTS_SHOWN
    text = "; ".join(reply.faults[:FAULTS_SHOWN]) + (f"; and {more} more" if more > 0 else "")
    advice = "Strict clients drop such replies; report it to those who make the tracker."
    return Step(name=name, outcome=Outcome.REMARK, text=printable(text), advice=advice)


def judge_length(name: str, reply: HttpReply) -> Step:
    """Whether the length is told, and is right."""
    length = reply.headers.get("content-length")
    if length is None:
        how = "chunks" if "transfer-encoding" in reply.headers else "the end of the connection"
        text, advice = f"missing, the reply ends with {how}", "Simple clients read neither chunks nor to the end."
    elif reply.excess:
        text = f"{count(len(reply.excess), 'byte')} more than the {length} that are told"
        advice = "On a connection that is kept, the next reply would begin with them."
    else:
        return Step(name=name, outcome=Outcome.GOOD, text=f"{length}, and as many bytes came")
    return Step(name=name, outcome=Outcome.REMARK, text=text, advice=advice)


def tell_external_ip(name: str, reply: AnnounceReply) -> Step:
    """Which address the tracker sees (BEP 24): behind a proxy it shows whether the real one is kept."""
    address = reply.external_ip or b""
    text = str(ipaddress.ip_address(address)) if len(address) in (4, 16) else "not told"
    return Step(name=name, outcome=Outcome.INFORMATION, text=text)


def tell_warning(name: str, reply: AnnounceReply) -> Step:
    """What the tracker wants its users to read."""
    return Step(name=name, outcome=Outcome.INFORMATION, text=f"“{printable(reply.warning)}”")


def judge_own_address(name: str, told: bool) -> Step:
    """`told`: whether a client found itself among its peers."""
    if not told:
        return Step(name=name, outcome=Outcome.GOOD, text="a client is left out of its own list")
    advice = "A place for peers is wasted in each reply, and clients connect to themselves."
    return Step(name=name, outcome=Outcome.REMARK, text="a client is told of itself", advice=advice)


def judge_refusal(name: str, reply: HttpReply) -> Step:
    """Whether a request that cannot be served is refused in a way that clients show."""
    reason = failure_reason(reply)
    said = "without a failure reason" if reason is None else f"saying “{printable(reason)}”"
    good = reply.status == 200 and reason is not None
    advice = "" if good else "Clients show people a `failure reason`, and only with status 200."
    return Step(
        name=name,
        outcome=Outcome.GOOD if good else Outcome.REMARK,
        text=f"{reply.status_line}, {said}",
        advice=advice,
        milliseconds=reply.milliseconds,
    )


def judge_numwant(name: str, one: int, none: int, milliseconds: float) -> Step:
    """Whether those who ask for one peer, or none, get no more."""
    text = f"who asks for 1 gets {one}, who asks for 0 gets {none}"
    if one <= 1 and none == 0:
        return Step(name=name, outcome=Outcome.GOOD, text=text, milliseconds=milliseconds)
    advice = "Replies are larger than they need be: clients that have enough peers ask for few or none."
    return Step(name=name, outcome=Outcome.REMARK, text=text, advice=advice, milliseconds=milliseconds)


def tell_form(name: str, reply: AnnounceReply, milliseconds: float) -> Step:
    """In which form peers come to those who ask for dictionaries (BEP 23)."""
    text = "peers are byte strings all the same, as BEP 23 allows" if reply.compact else "peers are dictionaries"
    return Step(name=name, outcome=Outcome.INFORMATION, text=text, milliseconds=milliseconds)
