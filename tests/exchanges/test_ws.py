"""Every WebTorrent exchange of the documents: against the pure answer, and over WebSockets, byte for byte."""

from contextlib import AsyncExitStack
from pathlib import Path

import pytest
import trio
import trio.testing
from thalweg_common.swarm import AccessList
from thalweg_ws.answer import Sender, answer_untrusted
from thalweg_ws.config import CleaningConfig, LimitsConfig, ProtocolConfig, WsConfig
from thalweg_ws.service import Service
from wsproto.events import Ping, Pong, TextMessage

from packages.ws.tests.asking import Client, make_service, opened

from .document import FOLDER, DocumentError, Wait
from .ws_document import Leave, Sent, WsExchange, ws_exchanges

DOCUMENTS = sorted(FOLDER.glob("ws-*.md"))
EXCHANGES = [exchange for path in DOCUMENTS for exchange in ws_exchanges(path)]
WITHOUT_CLOCK = [exchange for exchange in EXCHANGES if not any(isinstance(step, Wait) for step in exchange.steps)]


def new_service(settings: dict[str, str]) -> Service:
    """A service with the defaults of the exchanges, changed by settings."""
    protocol = ProtocolConfig(
        interval_jitter=0,
        max_offers=int(settings.get("max_offers", 10)),
        max_scrape_torrents=int(settings.get("max_scrape", 255)),
    )
    limits = LimitsConfig(
        max_memory_mib=64,
        max_torrents_per_connection=int(settings.get("max_torrents_per_connection", 1000)),
        max_offers_per_minute=int(settings.get("max_offers_per_minute", 0)),
    )
    service = make_service(protocol=protocol, limits=limits, cleaning=CleaningConfig(max_offer_age=60))
    for mode in ("allow", "deny"):
        if mode in settings:
            listed = b"".join(letter.encode() * 20 for letter in settings[mode].split())
            service.tracker.access_list = AccessList(mode, listed)
    return service


def parameters(exchanges: list[WsExchange]) -> list[object]:
    """With readable ids."""
    return [pytest.param(exchange, id=exchange.name) for exchange in exchanges]


@pytest.mark.parametrize("exchange", parameters(EXCHANGES))
def test_pure_answer(exchange: WsExchange) -> None:
    """What is sent, to whom, and in which order, is what the document says."""
    tracker = new_service(exchange.settings).tracker
    senders = {name: Sender(number) for number, name in enumerate(exchange.clients, start=1)}
    names = {sender.connection: name for name, sender in senders.items()}
    now_ms = 1_000_000
    for step in exchange.steps:
        if isinstance(step, Wait):
            now_ms += step.seconds * 1000
            tracker.swarm.expire_all(now_ms)
        elif isinstance(step, Leave):
            tracker.swarm.forget(senders[step.client].connection)
        else:
            answer = answer_untrusted(tracker, senders[step.client], step.text.encode(), now_ms)
            sent = [(names[outgoing.connection], outgoing.text.decode()) for outgoing in answer.messages]
            assert sent == step.replies, f"line {step.line}"


@pytest.mark.parametrize("exchange", parameters(WITHOUT_CLOCK))
def test_over_websockets(exchange: WsExchange) -> None:
    """Each client reads what the document says it is sent, and nothing else."""
    trio.run(play, exchange)


async def play(exchange: WsExchange) -> None:
    """Plays an exchange with a connection for each client."""
    service = new_service(exchange.settings)
    with trio.fail_after(20):
        async with AsyncExitStack() as stack:
            clients = {name: await stack.enter_async_context(opened(service)) for name in exchange.clients}
            for step in exchange.steps:
                if isinstance(step, Leave):
                    await clients.pop(step.client).stream.aclose()
                    await trio.testing.wait_all_tasks_blocked()
                elif isinstance(step, Sent):
                    await compare(step, clients)


async def compare(step: Sent, clients: dict[str, Client]) -> None:
    """Sends a message; everybody reads what it is for them."""
    await clients[step.client].send_event(TextMessage(data=step.text))
    await trio.testing.wait_all_tasks_blocked()
    for name, client in clients.items():
        for receiver, expected in step.replies:
            if receiver == name:
                assert await client.receive_text() == expected, f"line {step.line}"
        await client.send_event(Ping(payload=b"and nothing else"))
        assert isinstance(await client.next_event(), Pong), f"line {step.line}, to {name}"


def test_the_documents_are_all_there() -> None:
    """An empty folder or a document without exchanges does not pass for success."""
    assert len(DOCUMENTS) >= 4
    assert all(ws_exchanges(path) for path in DOCUMENTS)
    assert len({exchange.name for exchange in EXCHANGES}) == len(EXCHANGES)


def test_the_defaults_are_those_of_the_service() -> None:
    """But for jitter, memory and the limit of offers, which the documents name."""
    assert new_service({}).tracker.rules.interval == WsConfig().protocol.peer_announce_interval
    assert new_service({}).tracker.rules.max_offers == WsConfig().protocol.max_offers


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("## A\n```to bob\n{}\n```\n", "line 2: a message to somebody follows one from somebody"),
        ("## A\n```from Bob Smith\n{}\n```\n", "line 2: expected a client's name, in small letters"),
        ("## A\n```setup\nbob goes\n```\n", "no such setup: 'bob goes'"),
        ("## A\n```settings\nmax_peers = 5\n```\n", "no such setting: 'max_peers = 5'"),
        ("## A\n```request\n{}\n```\n", "line 2: a block of kind 'request' has no meaning here"),
        ("## A\nnothing\n", "no message"),
    ],
)
def test_what_the_format_does_not_know(tmp_path: Path, text: str, said: str) -> None:
    """Is an error with the document, the heading and the line."""
    (tmp_path / "ws-x.md").write_text(text)
    with pytest.raises(DocumentError) as caught:
        ws_exchanges(tmp_path / "ws-x.md")
    assert str(caught.value) == f"ws-x.md, under 'A': {said}"
