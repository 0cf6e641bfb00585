"""Every exchange of the documents, against the pure answer and, where no clock has to be turned, over real sockets."""

from pathlib import Path

import pytest

from .document import DROPS, FOLDER, Exchange, Peers, Request, Wait, exchanges
from .names import ExchangeNames
from .pattern import build, check
from .tracker import Tracker
from .worker import Worker, as_loopback, fits_sockets

DOCUMENTS = sorted(FOLDER.glob("udp-*.md"))
EXCHANGES = [exchange for path in DOCUMENTS for exchange in exchanges(path)]
OVER_SOCKETS = [exchange for exchange in EXCHANGES if fits_sockets(exchange)]
REPLY_MAX = 1232
ERROR, CONNECT = 3, 0


def named(found: list[Exchange]) -> list[object]:
    """Give parameters with readable ids."""
    return [pytest.param(exchange, id=exchange.name) for exchange in found]


@pytest.mark.parametrize("exchange", named(EXCHANGES))
def test_pure_answer(exchange: Exchange) -> None:
    """The reply is what the document says; silence raises the counter of its reason, and no other, by one."""
    tracker = Tracker(exchange.settings)
    stored: list[tuple[Peers, list[bytes]]] = []
    for step in exchange.steps:
        if isinstance(step, Peers):
            stored.append((step, tracker.store(step)))
        elif isinstance(step, Wait):
            tracker.now_ms += step.seconds * 1000
        else:
            ask(tracker, step, ExchangeNames(tracker, step.sender, stored))


def ask(tracker: Tracker, step: Request, names: ExchangeNames) -> None:
    """Answer one request and compare."""
    request, before = build(step.pattern, names), tracker.dropped()
    reply = tracker.answer(step.sender, request)
    raised = [after - earlier for after, earlier in zip(tracker.dropped(), before, strict=True)]
    assert raised == [int(reason == step.reason) for reason in DROPS]
    compare(step, names, request, reply)


def compare(step: Request, names: ExchangeNames, request: bytes, reply: bytes) -> None:
    """Compare a reply with the document and with the rules of size."""
    if step.reply is None:
        assert reply == b"", f"line {step.line}: expected silence, got {reply.hex()}"
        return
    assert reply, f"line {step.line}: expected a reply, got silence"
    check(step.reply, names, reply)
    assert len(reply) <= REPLY_MAX
    if int.from_bytes(reply[:4]) in (ERROR, CONNECT):
        assert len(reply) <= len(request)


@pytest.mark.parametrize("exchange", named(OVER_SOCKETS))
def test_over_sockets(exchange: Exchange) -> None:
    """A running worker says the same; after silence the next datagram in the queue is the one that is answered."""
    local = as_loopback(exchange)
    with Worker(local.settings) as worker:
        stored = [(step, worker.store(step)) for step in local.steps if isinstance(step, Peers)]
        for step in (step for step in local.steps if isinstance(step, Request)):
            with worker.client(step.sender) as client:
                names = ExchangeNames(worker.tracker, client.endpoint, stored)
                request = build(step.pattern, names)
                compare(step, names, request, client.ask(request))
            if step.reason is not None:
                assert worker.dropped()[DROPS.index(step.reason)] >= 1


def test_the_documents_are_all_there() -> None:
    """An empty folder or a document without exchanges does not pass for success; most also run over sockets."""
    assert len(DOCUMENTS) >= 8
    assert all(exchanges(path) for path in DOCUMENTS)
    assert len(OVER_SOCKETS) >= len(EXCHANGES) * 3 // 4


def test_the_reader_lists_every_document() -> None:
    """README.md links each document of its folder."""
    text = (FOLDER / "README.md").read_text()
    assert [path.name for path in FOLDER.glob("*-*.md") if f"]({path.name})" not in text] == []


def test_headings_differ() -> None:
    """Each exchange can be named."""
    names = [exchange.name for exchange in EXCHANGES]
    assert sorted(set(names)) == sorted(names)


DOCUMENT = """# A document
## A rule
```setup
1 leecher from 198.51.100.1:6881
```
```request
0000041727101980 00000000 0000002a
```
```reply
00000000 0000002a {id}
```
"""


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("00000000 0000002a {id}", "00000000 0000002b {id}"),
        ("{id}\n", "{id} 00\n"),
        ("{id}\n", "{id of 198.51.100.8}\n"),
        ("0000002a {id}", "0000002a {1 peers}"),
        ("```reply\n00000000 0000002a {id}\n```", "```silence action\n```"),
    ],
)
def test_a_wrong_document_fails(tmp_path: Path, old: str, new: str) -> None:
    """The runner notices a different byte, a byte more, another id and an unexpected reply."""
    path = tmp_path / "rule.md"
    path.write_text(DOCUMENT)
    (good,) = exchanges(path)
    test_pure_answer(good)
    path.write_text(DOCUMENT.replace(old, new))
    (wrong,) = exchanges(path)
    with pytest.raises(AssertionError):
        test_pure_answer(wrong)
