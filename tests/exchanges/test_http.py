"""Every HTTP exchange of the documents, against the whole path: a request's bytes in, its reply's bytes out."""

from pathlib import Path

import h11
import pytest
import trio
from msgspec import structs
from thalweg_common.log import Log
from thalweg_common.swarm import AccessList
from thalweg_http.config import HttpConfig, LimitsConfig, NetworkConfig, ProtocolConfig
from thalweg_http.service import Service

from packages.http.tests.asking import NOWHERE, ask

from .document import FOLDER, Peers, Wait
from .http_document import HttpExchange, HttpRequest, http_exchanges
from .names import PeerNames
from .pattern import check
from .tracker import EVENTS

DOCUMENTS = sorted(FOLDER.glob("http-*.md"))
EXCHANGES = [exchange for path in DOCUMENTS for exchange in http_exchanges(path)]


def new_service(settings: dict[str, str]) -> Service:
    """A service with the defaults of the exchanges, changed by settings."""
    header = settings.get("forwarded_header")
    network = NetworkConfig(
        runs_behind_reverse_proxy=header is not None,
        reverse_proxy_ip_header_name=header or "X-Forwarded-For",
        proxy_protocol=settings.get("proxy_protocol") == "true",
        trusted_proxies=settings.get("trusted_proxies", "").split(),
    )
    protocol = ProtocolConfig(
        interval_jitter=0,
        external_ip=settings.get("external_ip") == "true",
        both_families=settings.get("both_families") == "true",
        filter_addresses=settings.get("filter_addresses") != "false",
        warning_message=settings.get("warning_message", ""),
        max_peers=int(settings.get("max_peers", 200)),
        default_peers=int(settings.get("default_peers", 50)),
        max_scrape_torrents=int(settings.get("max_scrape", 100)),
    )
    config = HttpConfig(network=network, protocol=protocol, limits=LimitsConfig(max_memory_mib=64))
    service = Service(config, Log("http", "off", descriptor=NOWHERE), 100)
    for mode in ("allow", "deny"):
        if mode in settings:
            listed = b"".join(bytes.fromhex(byte) * 20 for byte in settings[mode].split())
            service.tracker.access_list = AccessList(mode, listed)
            service.tracker.rules = structs.replace(service.tracker.rules, denied_for_good=mode == "deny")
    return service


@pytest.mark.parametrize("exchange", [pytest.param(exchange, id=exchange.name) for exchange in EXCHANGES])
def test_whole_path(exchange: HttpExchange) -> None:
    """The reply is what the document says."""
    service = new_service(exchange.settings)
    stored: list[tuple[Peers, list[bytes]]] = []
    for step in exchange.steps:
        assert not isinstance(step, Wait), "time stands still in these exchanges"
        if isinstance(step, Peers):
            stored.append((step, store(service, step)))
        else:
            data = trio.run(ask, service, step.data, step.sender.address.packed)
            compare(step, PeerNames(step.sender, stored), data)


def store(service: Service, peers: Peers) -> list[bytes]:
    """Put peers into the swarm; give their compact forms."""
    found = [peers.first.after(step).compact for step in range(peers.count)]
    for peer in found:
        seeder = peers.state in ("seeder", "download")
        service.tracker.swarm.announce(
            peers.torrent, peer, event=EVENTS.get(peers.state, 0), left_nothing=seeder, numwant=0
        )
    return found


def compare(step: HttpRequest, names: PeerNames, data: bytes) -> None:
    """h11 reads the reply; status, named headers and body are as documented, and nothing follows."""
    client = h11.Connection(h11.CLIENT)
    method = "HEAD" if step.data.startswith(b"HEAD ") else "GET"
    client.send(h11.Request(method=method, target="/", headers=[("Host", "tracker.example")]))
    client.send(h11.EndOfMessage())
    client.receive_data(data)
    response, body = client.next_event(), b""
    assert isinstance(response, h11.Response), data
    while isinstance(event := client.next_event(), h11.Data):
        body += event.data
    headers = {name.decode(): value.decode() for name, value in response.headers}
    assert response.status_code == step.status, f"line {step.line}: {data!r}"
    assert "content-length" in headers
    for name, value in step.headers.items():
        assert headers.get(name.lower()) == value, f"line {step.line}: {headers}"
    if step.body is not None:
        check(step.body, names, body)
    assert client.trailing_data[0] == b""


def test_the_documents_are_all_there() -> None:
    """An empty folder or a document without exchanges does not pass for success."""
    assert len(DOCUMENTS) >= 6
    assert all(http_exchanges(path) for path in DOCUMENTS)


def test_headings_differ() -> None:
    """Each exchange can be named."""
    names = [exchange.name for exchange in EXCHANGES]
    assert sorted(set(names)) == sorted(names)


DOCUMENT = """# A document
## A rule
```request
GET /health HTTP/1.1
Host: x
```
```reply
200 OK
Content-Type: text/plain; charset=utf-8

healthy\\n
```
"""


@pytest.mark.parametrize(
    ("old", "new"),
    [("200 OK", "404 Not Found"), ("healthy", "healthier"), ("plain;", "html;"), ("GET", "HEAD"), ("/health", "/")],
)
def test_a_wrong_document_fails(tmp_path: Path, old: str, new: str) -> None:
    """The runner notices another status, body, header, and a reply that is not the one."""
    path = tmp_path / "rule.md"
    path.write_text(DOCUMENT)
    (good,) = http_exchanges(path)
    test_whole_path(good)
    path.write_text(DOCUMENT.replace(old, new))
    (wrong,) = http_exchanges(path)
    with pytest.raises(AssertionError):
        test_whole_path(wrong)
