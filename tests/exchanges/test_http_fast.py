"""Every HTTP exchange of the documents once more, with the fast path in front: where C answers, it says the same."""

import pytest
import trio
from thalweg_common._core import lib
from thalweg_http.service import Service

from packages.http.tests.asking import ask
from packages.http.tests.judging import ANSWERED, FastPath

from .document import Peers, Wait
from .http_document import HttpExchange
from .names import PeerNames
from .test_http import EXCHANGES, compare, new_service, store


def behind_proxy_header(service: Service, data: bytes, peer: bytes) -> tuple[bytes, bytes] | None:
    """What follows the PROXY protocol header, and whose it is; None when the whole path has to read it."""
    if not service.config.network.proxy_protocol or peer not in service.trusted:
        return data, peer
    header = lib.tw_proxy_read(data, len(data))
    if header.outcome != lib.TW_PROXY_READ:
        return None
    source = bytes(header.source.bytes)[: 4 if header.source.ip_version == 4 else 16]
    return data[header.used :], source if header.source.ip_version else peer


def ask_c_first(fast: FastPath, data: bytes, peer: bytes) -> tuple[bytes, bool]:
    """The reply to the bytes of a connection, and whether it is C's."""
    found = behind_proxy_header(fast.service, data, peer)
    if found is not None:
        verdict = fast.answer(*found)
        if verdict.outcome == ANSWERED:
            assert verdict.used == len(found[0])
            return verdict.reply, True
    return trio.run(ask, fast.service, data, peer), False


def run(exchange: HttpExchange) -> int:
    """Goes through an exchange; gives how many of its requests were answered in C."""
    service = new_service(exchange.settings)
    fast = FastPath(service)
    stored: list[tuple[Peers, list[bytes]]] = []
    answered = 0
    for step in exchange.steps:
        assert not isinstance(step, Wait)
        if isinstance(step, Peers):
            stored.append((step, store(service, step)))
        else:
            data, by_c = ask_c_first(fast, step.data, step.sender.address.packed)
            compare(step, PeerNames(step.sender, stored), data)
            answered += by_c
    return answered


@pytest.mark.parametrize("exchange", [pytest.param(exchange, id=exchange.name) for exchange in EXCHANGES])
def test_fast_path(exchange: HttpExchange) -> None:
    """The reply is what the document says, whoever gives it."""
    run(exchange)


def test_c_answers_what_is_common() -> None:
    """In every document C answers some requests; were it none, the test above would tell nothing."""
    answered: dict[str, int] = {}
    for exchange in EXCHANGES:
        document = exchange.name.partition(":")[0]
        answered[document] = answered.get(document, 0) + run(exchange)
    assert all(answered.values()), answered
