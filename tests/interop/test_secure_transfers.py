"""Files travel through https:// announce URLs: of thalweg-http itself, and of real HAProxy and nginx in front of it.

Every client checks the certificate: the authority that signed it is made for the test, and each is told to trust it.
"""

import re

import pytest

from packages.http.tests.certificates import make_authority
from tests.interop.clients import StartClient, start_aria2, start_libtorrent, start_qbittorrent, start_transmission
from tests.interop.network import Host
from tests.interop.programs import Programs
from tests.interop.torrent import make_torrent
from tests.interop.trackers import HttpTrackerView
from tests.interop.transfer import client_folder, transfer
from tests.interop.ways import Way, over_https, secure, through_haproxy, through_nginx

PAIRS: dict[str, tuple[StartClient, StartClient, int, Way]] = {
    "aria2 to transmission, IPv4": (start_aria2, start_transmission, 4, over_https),
    "transmission to aria2, IPv4": (start_transmission, start_aria2, 4, over_https),
    "qbittorrent to libtorrent, IPv4": (start_qbittorrent, start_libtorrent, 4, over_https),
    "libtorrent to qbittorrent, IPv6": (start_libtorrent, start_qbittorrent, 6, over_https),
    "libtorrent to qbittorrent, HAProxy, IPv4": (start_libtorrent, start_qbittorrent, 4, through_haproxy),
    "libtorrent to qbittorrent, HAProxy, IPv6": (start_libtorrent, start_qbittorrent, 6, through_haproxy),
    "libtorrent to qbittorrent, nginx, IPv4": (start_libtorrent, start_qbittorrent, 4, through_nginx),
    "libtorrent to qbittorrent, nginx, IPv6": (start_libtorrent, start_qbittorrent, 6, through_nginx),
}
CLIENTS: dict[str, StartClient] = {
    "aria2": start_aria2,
    "libtorrent": start_libtorrent,
    "qbittorrent": start_qbittorrent,
    "transmission": start_transmission,
}
METRICS_PORT = 9001
METRICS = "[metrics]\nrun_prometheus_endpoint = true\n"

pytestmark = pytest.mark.needs(
    "aria2",
    "transmission-daemon",
    "qbittorrent-nox",
    "python3-libtorrent",
    "haproxy",
    "nginx-light",
    "openssl",
    "iproute2",
)


@pytest.mark.parametrize(("start_seeder", "start_leecher", "ip_version", "way"), PAIRS.values(), ids=PAIRS)
def test_a_file_travels_from_seeder_to_leecher(
    hosts: dict[str, Host],
    programs: Programs,
    start_seeder: StartClient,
    start_leecher: StartClient,
    ip_version: int,
    way: Way,
) -> None:
    """The leecher ends with the seeder's bytes, and the tracker has counted two seeders and one download."""
    transfer(hosts, programs, start_seeder, start_leecher, ip_version, way)


@pytest.mark.parametrize("start", CLIENTS.values(), ids=CLIENTS)
def test_clients_do_not_announce_to_whom_they_do_not_trust(
    hosts: dict[str, Host], programs: Programs, start: StartClient
) -> None:
    """With another authority they end the connection: in the transfers above they did look at the certificate."""
    url = secure(programs, hosts["tracker"], 4, METRICS)
    client = client_folder(programs, "seeder")
    make_authority(client)
    payload = client / "data" / "payload.bin"
    payload.write_bytes(b"payload")
    make_torrent(payload, url, client / "payload.torrent")
    metrics = HttpTrackerView(hosts["tracker"], "127.0.0.1", 4, METRICS_PORT)
    programs.wait_until(lambda: total(metrics, "closed_connections") == 0, "the tracker had started")
    start(programs, hosts["seeder"], client, 4)
    programs.wait_until(lambda: total(metrics, "closed_connections") > 0, "the client had looked at the certificate")
    assert total(metrics, "requests") == 0


def total(metrics: HttpTrackerView, name: str) -> float:
    """Give the sum over the labels of one of the tracker's counters; -1 while it cannot be asked."""
    try:
        page = metrics.get("/metrics").decode()
    except (TimeoutError, ConnectionRefusedError):
        return -1
    return sum(float(value) for value in re.findall(rf"^thalweg_{name}_total{{.*}} (.*)$", page, re.MULTILINE))
