"""A file travels between two real clients that know of each other from one of our trackers alone.

Seeder, leecher and tracker each have a host of their own; DHT, peer exchange and local discovery are off.
Over UDP and IPv6 these are qBittorrent and libtorrent. The other two cannot ask a UDP tracker there: aria2 1.36 has one
UDP socket for all trackers, of IPv4; Transmission 3.00 takes an address in brackets for a name and asks the DNS for it.
"""

import random
from pathlib import Path

import pytest

from tests.interop.clients import StartClient, start_aria2, start_libtorrent, start_qbittorrent, start_transmission
from tests.interop.network import Host
from tests.interop.programs import Programs
from tests.interop.torrent import make_torrent
from tests.interop.trackers import HttpTrackerView, TrackerView, announce_url, start_thalweg

PAYLOAD_SIZE = 1024 * 1024
TRANSFER_SECONDS = 40
"""aria2 lets a new leecher wait for up to ten seconds; Transmission then asks for few blocks at first."""

IPV4, IPV6 = 4, 6
PAIRS: dict[str, tuple[StartClient, StartClient, int, str]] = {
    "aria2 to transmission, UDP, IPv4": (start_aria2, start_transmission, IPV4, "udp"),
    "transmission to aria2, UDP, IPv4": (start_transmission, start_aria2, IPV4, "udp"),
    "qbittorrent to libtorrent, UDP, IPv4": (start_qbittorrent, start_libtorrent, IPV4, "udp"),
    "libtorrent to qbittorrent, UDP, IPv4": (start_libtorrent, start_qbittorrent, IPV4, "udp"),
    "qbittorrent to libtorrent, UDP, IPv6": (start_qbittorrent, start_libtorrent, IPV6, "udp"),
    "libtorrent to qbittorrent, UDP, IPv6": (start_libtorrent, start_qbittorrent, IPV6, "udp"),
    "aria2 to transmission, HTTP, IPv4": (start_aria2, start_transmission, IPV4, "http"),
    "transmission to aria2, HTTP, IPv4": (start_transmission, start_aria2, IPV4, "http"),
    "qbittorrent to libtorrent, HTTP, IPv4": (start_qbittorrent, start_libtorrent, IPV4, "http"),
    "libtorrent to qbittorrent, HTTP, IPv6": (start_libtorrent, start_qbittorrent, IPV6, "http"),
}
VIEWS: dict[str, type[TrackerView] | type[HttpTrackerView]] = {"udp": TrackerView, "http": HttpTrackerView}


def client_folder(programs: Programs, name: str) -> Path:
    """Make the folder of one client, with room for the payload."""
    (programs.folder / name / "data").mkdir(parents=True)
    return programs.folder / name


@pytest.mark.needs("aria2", "transmission-daemon", "qbittorrent-nox", "python3-libtorrent", "iproute2")
@pytest.mark.parametrize(("start_seeder", "start_leecher", "ip_version", "scheme"), PAIRS.values(), ids=PAIRS)
def test_a_file_travels_from_seeder_to_leecher(
    hosts: dict[str, Host],
    programs: Programs,
    start_seeder: StartClient,
    start_leecher: StartClient,
    ip_version: int,
    scheme: str,
) -> None:
    """The leecher ends with the seeder's bytes, and the tracker has counted two seeders and one download."""
    seeder, leecher = client_folder(programs, "seeder"), client_folder(programs, "leecher")
    payload, copy = seeder / "data" / "payload.bin", leecher / "data" / "payload.bin"
    content = random.randbytes(PAYLOAD_SIZE)
    payload.write_bytes(content)
    url = announce_url(hosts["tracker"], ip_version, scheme)
    info_hash = make_torrent(payload, url, seeder / "payload.torrent")
    make_torrent(payload, url, leecher / "payload.torrent")

    start_thalweg(programs, hosts["tracker"], scheme)
    with VIEWS[scheme](hosts["leecher"], hosts["tracker"].address(ip_version), ip_version) as tracker:
        programs.wait_until(tracker.ready, "the tracker answered")
        start_seeder(programs, hosts["seeder"], seeder, ip_version)
        programs.wait_until(lambda: tracker.scrape(info_hash).seeders == 1, "the seeder had announced itself")
        start_leecher(programs, hosts["leecher"], leecher, ip_version)
        programs.wait_until(
            lambda: copy.exists() and copy.read_bytes() == content, "the leecher had the file", TRANSFER_SECONDS
        )
        programs.wait_until(lambda: tracker.scrape(info_hash).seeders == 2, "the leecher had announced completion")
        assert tracker.scrape(info_hash).completed == 1
        assert tracker.scrape(info_hash).leechers == 0
