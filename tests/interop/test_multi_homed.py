"""A tracker on a host with several addresses, bound to the wildcard, answers from the address that was asked.

Clients drop replies from any other address; a socket bound to the wildcard leaves the choice to the routing table
unless the tracker says otherwise. Real packets between network namespaces, both families.
"""

import socket

import pytest
from thalweg_common import udp_wire

from tests.interop.network import Host
from tests.interop.programs import Programs
from tests.interop.trackers import PORT, TrackerView, start_thalweg_udp

SECOND, THIRD = 21, 22
"""Last parts of the tracker's further addresses; its first one is what the routing table would choose."""


@pytest.fixture
def tracker(hosts: dict[str, Host], programs: Programs) -> Host:
    """thalweg-udp on a host with three addresses of each family."""
    host = hosts["tracker"]
    host.add_address(SECOND)
    host.add_address(THIRD)
    start_thalweg_udp(programs, host)
    for ip_version in (4, 6):
        with TrackerView(hosts["seeder"], host.address(ip_version), ip_version) as view:
            programs.wait_until(view.ready, "the tracker answered")
    return host


@pytest.mark.needs("iproute2")
@pytest.mark.parametrize("ip_version", [4, 6])
def test_replies_leave_from_the_address_that_was_asked(hosts: dict[str, Host], tracker: Host, ip_version: int) -> None:
    """Of three addresses each answers for itself, also when one socket asks them in turn."""
    family = socket.AF_INET if ip_version == 4 else socket.AF_INET6
    addresses = [tracker.address(ip_version, number) for number in (tracker.number, SECOND, THIRD)]
    with hosts["seeder"].socket(family, socket.SOCK_DGRAM) as client:
        client.settimeout(2)
        for transaction, address in enumerate(addresses * 2):
            client.sendto(udp_wire.build_connect(transaction), (address, PORT))
            reply, source = client.recvfrom(2048)
            assert source[:2] == (address, PORT)
            assert udp_wire.parse_connect(reply, transaction)
