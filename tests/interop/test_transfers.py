"""A file travels between two real clients that know of each other from one of our trackers alone.

Seeder, leecher and tracker each have a host of their own; DHT, peer exchange and local discovery are off.
Over UDP and IPv6 these are qBittorrent and libtorrent. The other two cannot ask a UDP tracker there: aria2 1.36 has one
UDP socket for all trackers, of IPv4; Transmission 3.00 takes an address in brackets for a name and asks the DNS for it.
"""

import pytest

from tests.interop.clients import StartClient, start_aria2, start_libtorrent, start_qbittorrent, start_transmission
from tests.interop.network import Host
from tests.interop.programs import Programs
from tests.interop.transfer import transfer
from tests.interop.ways import Way, over_http, over_udp

PAIRS: dict[str, tuple[StartClient, StartClient, int, Way]] = {
    "aria2 to transmission, UDP, IPv4": (start_aria2, start_transmission, 4, over_udp),
    "transmission to aria2, UDP, IPv4": (start_transmission, start_aria2, 4, over_udp),
    "qbittorrent to libtorrent, UDP, IPv4": (start_qbittorrent, start_libtorrent, 4, over_udp),
    "libtorrent to qbittorrent, UDP, IPv4": (start_libtorrent, start_qbittorrent, 4, over_udp),
    "qbittorrent to libtorrent, UDP, IPv6": (start_qbittorrent, start_libtorrent, 6, over_udp),
    "libtorrent to qbittorrent, UDP, IPv6": (start_libtorrent, start_qbittorrent, 6, over_udp),
    "aria2 to transmission, HTTP, IPv4": (start_aria2, start_transmission, 4, over_http),
    "transmission to aria2, HTTP, IPv4": (start_transmission, start_aria2, 4, over_http),
    "qbittorrent to libtorrent, HTTP, IPv4": (start_qbittorrent, start_libtorrent, 4, over_http),
    "libtorrent to qbittorrent, HTTP, IPv6": (start_libtorrent, start_qbittorrent, 6, over_http),
}


@pytest.mark.needs("aria2", "transmission-daemon", "qbittorrent-nox", "python3-libtorrent", "iproute2")
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
