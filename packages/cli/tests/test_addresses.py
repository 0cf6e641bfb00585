"""Free ports and the machine's addresses."""

import socket
from collections.abc import Iterator

import pytest
from thalweg import addresses
from thalweg.addresses import PortError, choose_port, machine_addresses, reachable_as, usable


@pytest.fixture
def taken() -> Iterator[int]:
    """A UDP port of 127.0.0.1 that is in use."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as holder:
        holder.bind(("127.0.0.1", 0))
        yield holder.getsockname()[1]


def test_a_taken_port_is_named(taken: int) -> None:
    """A port that was asked for and is taken is an error, not another port."""
    with pytest.raises(PortError, match=f"cannot listen on 127.0.0.1, UDP port {taken}: it is taken"):
        choose_port(["127.0.0.1"], taken)


def test_the_search_goes_on_behind_a_taken_port(taken: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a wish the first free port is taken."""
    monkeypatch.setattr(addresses, "FIRST_PORT", taken)
    assert taken < choose_port(["127.0.0.1"], None) < taken + addresses.PORTS_TRIED


def test_a_wildcard_is_blocked_by_one_address(taken: int) -> None:
    """A port in use on one address is not free on all."""
    with pytest.raises(PortError):
        choose_port(["0.0.0.0"], taken)


def test_any_port_is_one_port_for_both_families() -> None:
    """Port 0 becomes a port that is free on every address."""
    port = choose_port(["127.0.0.1", "::1"], 0)
    assert port > 0
    assert choose_port(["127.0.0.1", "::1"], port) == port


def test_an_address_of_another_machine_is_refused() -> None:
    """An address that this machine does not have is an error with the way out."""
    with pytest.raises(PortError, match="choose another address with --bind"):
        choose_port(["192.0.2.77"], 0)
    assert not usable("192.0.2.77")


def test_a_wildcard_is_reachable_under_all_addresses() -> None:
    """Loopback comes first; a single address stands for itself."""
    assert reachable_as("0.0.0.0")[0] == "127.0.0.1"
    assert reachable_as("::")[0] == "::1"
    assert reachable_as("192.0.2.1") == ["192.0.2.1"]


def test_own_addresses_can_be_bound() -> None:
    """What is told to people is an address of this machine, neither loopback nor link-local."""
    own = machine_addresses()
    assert all(usable(address) for address in own)
    assert not [address for address in own if address.startswith(("127.", "169.254.", "fe80:")) or address == "::1"]


def test_what_is_given_to_others_is_not_chosen() -> None:
    """Services that will share a transport get neighbouring ports, although none of them listens yet."""
    port = choose_port(["127.0.0.1"], 0, "TCP")
    assert choose_port(["127.0.0.1"], port, "TCP", {port}) == port + 1
    with pytest.raises(PortError, match="no TCP port behind 65535"):
        choose_port(["127.0.0.1"], 65535, "TCP", {65535})
    first = choose_port(["127.0.0.1"], None, "TCP")
    assert choose_port(["127.0.0.1"], None, "TCP", {first}) > first
