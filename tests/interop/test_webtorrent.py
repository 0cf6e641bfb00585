"""WebTorrent's clients meet through thalweg-ws: browsers that share a file, and the npm client of trackers.

The browsers are Chromium, each on a host of its own, with the webtorrent package in a page. Nothing but the tracker can
introduce them: a page has no DHT and no local discovery, peer exchange is off, and no STUN server is asked.
"""

import hashlib
import random
import re
import secrets

import pytest

from tests.interop.clients import start_libtorrent
from tests.interop.network import Host
from tests.interop.programs import Programs
from tests.interop.torrent import make_torrent
from tests.interop.trackers import HttpTrackerView, announce_url
from tests.interop.transfer import PAYLOAD_SIZE, client_folder
from tests.interop.ways import Way, over_ws, over_wss, ws_through_haproxy, wss_through_haproxy
from tests.interop.webtorrent import clients
from tests.interop.webtorrent.clients import Page, ask_tracker

WAYS: dict[str, tuple[Way, int]] = {
    "ws, IPv4": (over_ws, 4),
    "ws, IPv6": (over_ws, 6),
    "wss, IPv4": (over_wss, 4),
    "wss, IPv6": (over_wss, 6),
    "ws, HAProxy, IPv4": (ws_through_haproxy, 4),
    "ws, HAProxy, IPv6": (ws_through_haproxy, 6),
    "wss, HAProxy, IPv4": (wss_through_haproxy, 4),
    "wss, HAProxy, IPv6": (wss_through_haproxy, 6),
}
METRICS_PORT = 9002
OTHER = {4: 6, 6: 4}
"""The other IP version."""

every_way = pytest.mark.parametrize(("way", "ip_version"), WAYS.values(), ids=WAYS)
needs_clients = pytest.mark.needs("chromium", "nodejs", "npm", "haproxy", "openssl", "iproute2")


@pytest.fixture(scope="session")
def npm_packages() -> None:
    """Skip, with the way to get them, where the clients' packages are not installed."""
    if why := clients.missing():
        pytest.skip(why)


@needs_clients
@pytest.mark.usefixtures("npm_packages")
@every_way
def test_a_file_travels_from_page_to_page(
    hosts: dict[str, Host], programs: Programs, way: Way, ip_version: int
) -> None:
    """The second page ends with the first one's bytes, and the tracker knows whom it has introduced."""
    url = start(programs, hosts, way, ip_version)
    seeder, leecher = (Page(programs, hosts[name], ip_version) for name in ("seeder", "leecher"))
    content = random.randbytes(PAYLOAD_SIZE)
    payload = seeder.folder / "payload.bin"
    payload.write_bytes(content)
    info_hash = make_torrent(payload, url, leecher.folder / "payload.torrent")

    seeder.open(url)
    seeder.wait_for("counts 1 0")
    leecher.open(url)
    leecher.wait_for("peer by webrtc")
    leecher.wait_for(f"has {hashlib.sha256(content).hexdigest()}")
    leecher.wait_for("counts 2 0")
    metrics = Metrics(hosts["tracker"])
    assert metrics.total("relayed_messages", ip_version) >= 2, "an offer and its answer"
    assert metrics.total("replies", OTHER[ip_version]) == 0, "of the other family there is nobody"
    scraped = ask_tracker(programs, hosts["leecher"], url, info_hash)[1]
    # Three with the one who asks. The package announces "completed" for what it seeds from the start, too.
    assert scraped == ["scrape", "scrape", {"complete": 3, "incomplete": 0, "downloaded": 2}]


@needs_clients
@pytest.mark.usefixtures("npm_packages")
@every_way
def test_the_npm_client_of_trackers_is_answered(
    hosts: dict[str, Host], programs: Programs, way: Way, ip_version: int
) -> None:
    """It announces itself, asks for the counts and leaves; each reply is one that it understands, with the counts."""
    url = start(programs, hosts, way, ip_version)
    assert ask_tracker(programs, hosts["seeder"], url, secrets.token_bytes(20)) == [
        ["start", "update", {"complete": 1, "incomplete": 0}],
        ["scrape", "scrape", {"complete": 1, "incomplete": 0, "downloaded": 0}],
        ["stop", "update", {"complete": 0, "incomplete": 0}],
    ]


@pytest.mark.needs("python3-libtorrent", "iproute2")
def test_debians_libtorrent_takes_no_websocket_trackers(hosts: dict[str, Host], programs: Programs) -> None:
    """libtorrent can speak WebTorrent, but Debian 12 builds it without: it cannot be among the clients above."""
    folder = client_folder(programs, "seeder")
    payload = folder / "data" / "payload.bin"
    payload.write_bytes(b"payload")
    make_torrent(payload, announce_url(hosts["tracker"], 4, "ws"), folder / "payload.torrent")
    start_libtorrent(programs, hosts["seeder"], folder, 4)
    log = programs.running[-1].log
    programs.wait_until(lambda: "unsupported URL protocol" in log.read_text(), "libtorrent refused the announce URL")


def start(programs: Programs, hosts: dict[str, Host], way: Way, ip_version: int) -> str:
    """Start what is on the way, and wait until the tracker at its end answers; give the announce URL."""
    url = way(programs, hosts, ip_version)
    tracker = HttpTrackerView(hosts["leecher"], hosts["tracker"].address(ip_version), ip_version)
    programs.wait_until(tracker.ready, "the tracker answered")
    return url


class Metrics:
    """The tracker's counters at this moment."""

    def __init__(self, tracker: Host) -> None:
        """Read them."""
        self.page = HttpTrackerView(tracker, "127.0.0.1", 4, METRICS_PORT).get("/metrics").decode()

    def total(self, name: str, ip_version: int) -> float:
        """Give the sum of one counter over the clients of one family."""
        samples = re.findall(rf"^thalweg_{name}_total{{(.*)}} (.*)$", self.page, re.MULTILINE)
        return sum(float(value) for labels, value in samples if f'ip_version="{ip_version}"' in labels)
