"""Pages: what they say, and that nothing of a visitor's gets into them unchecked."""

import xml.etree.ElementTree as ElementTree

import msgspec
import pytest
import trio
from thalweg_common.swarm import compact_peer
from thalweg_common.web.pages import Page, announce_url
from thalweg_http import pages
from thalweg_http.config import NetworkConfig
from thalweg_http.routes import Request, respond
from thalweg_http.service import Service

from packages.http.tests.asking import ANNOUNCE, CLIENT, HASH, ask, body_of, make_service, request


def page(service: Service, target: bytes, *lines: bytes) -> str:
    """The body of a page."""
    return body_of(trio.run(ask, service, request(target, *lines))).decode()


def busy() -> Service:
    """A service with an announce, an error and some peers in both families."""
    service = make_service()
    service.tracker.swarm.announce(HASH, compact_peer("192.0.2.1", 1), event=1, left_nothing=True)
    service.tracker.swarm.announce(HASH, compact_peer("2001:db8::1", 1))
    for target in (ANNOUNCE, b"/nothing"):
        trio.run(ask, service, request(target))
    return service


@pytest.mark.parametrize(
    ("host", "url"),
    [
        (b"tracker.example", "http://tracker.example/announce"),
        (b"tracker.example:8080", "http://tracker.example:8080/announce"),
        (b"[2001:db8::1]:80", "http://[2001:db8::1]:80/announce"),
        (b"192.0.2.1", "http://192.0.2.1/announce"),
    ],
)
def test_the_landing_page_has_the_announce_url(host: bytes, url: str) -> None:
    """Under the name that the visitor used."""
    assert announce_url("http", host) == url
    assert announce_url("https", host) == url.replace("http:", "https:")


@pytest.mark.parametrize("host", [b"", b"<script>", b'a"b', b"a b", b"x/y", b"a@b", b"[", b"a" * 300, b"\xff"])
def test_a_hostile_host_is_not_repeated(host: bytes) -> None:
    """The page then shows where the service listens."""
    assert announce_url("http", host) is None


def test_configured_urls_go_first() -> None:
    """Behind a proxy the tracker cannot know them; they are escaped all the same."""
    service = make_service(network=NetworkConfig(announce_urls=["https://a.example/announce?a&b"]))
    text = page(service, b"/")
    assert "<code>https://a.example/announce?a&amp;b</code>" in text
    assert "tracker.example" not in text


def test_numbers_for_programs() -> None:
    """JSON under both names, of both families."""
    service = busy()
    found = msgspec.json.decode(page(service, b"/stats.json"), type=pages.Figures)
    assert found.requests_total == {"announce": 1, "scrape": 0}
    assert (found.ip_version["4"].peers, found.ip_version["6"].peers) == (2, 1)
    assert found.downloads_total == 1
    assert msgspec.json.decode(page(service, b"/stats?format=json"))["version"] == found.version


def test_numbers_for_exporters_of_opentracker() -> None:
    """The XML parses, and has the elements that they read."""
    root = ElementTree.fromstring(page(busy(), b"/stats?mode=everything"))
    texts = {
        path: root.findtext(path)
        for path in (
            "torrents/count_mutex",
            "peers/count",
            "seeds/count",
            "completed/count",
            "connections/tcp/announce",
        )
    }
    assert list(texts.values()) == ["2", "3", "1", "1", "1"]
    assert root.findtext("uptime") == "0"
    assert root.find("debug/http_error/count[@code='404']") is not None


def test_numbers_for_people() -> None:
    """A table."""
    text = page(busy(), b"/stats")
    assert "<tr><th>IPv4 peers</th><td>2</td></tr>" in text


def test_nothing_is_fetched_from_elsewhere() -> None:
    """No page names another site's resource or has a script, and browsers are told so."""
    service = busy()
    for target in (b"/", b"/stats"):
        whole = trio.run(ask, service, request(target)).decode()
        assert "Content-Security-Policy: default-src 'none'" in whole
        assert not any(word in whole for word in ("<script", "src=", "url(", "@import", "<link"))


def test_a_service_about_to_stop_is_not_healthy() -> None:
    """A load balancer looks elsewhere."""

    service = make_service()
    service.stopping = True
    reply = respond(service, Request(b"GET", b"/health", [], CLIENT, False, False), 0)
    assert isinstance(reply, Page)
    assert reply.status == 503
