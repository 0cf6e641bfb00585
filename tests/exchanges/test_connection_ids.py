"""Connection ids look random, follow from secret, epoch, family and address alone, and do expire."""

import ipaddress
import random

import pytest

from ..model.chi_square import SUSPICIOUS, p_value
from .document import Endpoint
from .tracker import EPOCH, OTHER_SECRET, Tracker, connection_id, new_rules
from .udp_packets import scrape_request

SENDERS = [Endpoint.parse(text) for text in ("198.51.100.7:4000", "[2001:db8::7]:4000", "0.0.0.0:1", "[::]:1")]
RULES = new_rules({})
EPOCHS = 10_000


@pytest.mark.parametrize("sender", SENDERS, ids=str)
def test_the_epoch_enters(sender: Endpoint) -> None:
    """Ten thousand epochs give ten thousand ids: opentracker computes an hourly key and never uses it."""
    assert len({connection_id(RULES, sender, epoch) for epoch in range(EPOCHS)}) == EPOCHS


def test_every_byte_of_the_address_enters() -> None:
    """Ten thousand addresses, differing anywhere, give ten thousand ids."""
    dice = random.Random(4)
    hosts: set[ipaddress.IPv4Address | ipaddress.IPv6Address] = {ipaddress.IPv6Address(1 << bit) for bit in range(128)}
    hosts |= {ipaddress.IPv4Address(1 << bit) for bit in range(32)}
    hosts |= {ipaddress.IPv6Address(dice.randbytes(16)) for _ in range(5000)}
    hosts |= {ipaddress.IPv4Address(dice.randbytes(4)) for _ in range(5000)}
    assert len({connection_id(RULES, Endpoint(host, 1), EPOCH) for host in hosts}) == len(hosts)


def test_the_port_does_not_enter() -> None:
    """Every source port of an address has the same id."""
    address = SENDERS[0].address
    assert len({connection_id(RULES, Endpoint(address, port), EPOCH) for port in range(1, 65536, 13)}) == 1


def test_the_family_enters() -> None:
    """The same bits as an IPv4 and an IPv6 address give different ids."""
    for text in ("::", "::c633:6407", "::ffff:198.51.100.7", "c633:6407::"):
        other = Endpoint(ipaddress.ip_address(text), 1)
        assert connection_id(RULES, other, EPOCH) != connection_id(RULES, SENDERS[0], EPOCH)
        assert connection_id(RULES, other, EPOCH) != connection_id(RULES, SENDERS[2], EPOCH)


@pytest.mark.parametrize("sender", SENDERS, ids=str)
def test_every_bit_of_the_secret_enters(sender: Endpoint) -> None:
    """Changing any one bit of the secret changes the id."""
    secret = int.from_bytes(OTHER_SECRET)
    size = len(OTHER_SECRET)
    changed = [new_rules({}, (secret ^ 1 << bit).to_bytes(size)) for bit in range(size * 8)]
    assert len({connection_id(rules, sender, EPOCH) for rules in changed}) == size * 8


@pytest.mark.parametrize("byte", range(8))
def test_ids_look_uniform(byte: int) -> None:
    """Over consecutive addresses and epochs each value of each byte comes equally often."""
    tally = [0] * 256
    for number in range(50_000):
        sender = Endpoint(ipaddress.IPv4Address(0x0A000000 + number // 100), 1)
        tally[connection_id(RULES, sender, number % 100)[byte]] += 1
    expected = sum(tally) / 256
    assert p_value(sum((count - expected) ** 2 for count in tally) / expected, 255) > SUSPICIOUS


@pytest.mark.parametrize("accepted", [1, 2, 5, 60])
@pytest.mark.parametrize("sender", SENDERS[:2], ids=str)
def test_ids_expire(sender: Endpoint, accepted: int) -> None:
    """An id is good in its epoch and the accepted ones after it, then counted as expired, at last as unknown."""
    tracker = Tracker({"epochs_accepted": str(accepted)})
    request = scrape_request(tracker.connection_id(sender), [b"\xaa" * 20])
    for _ in range(accepted + 1):
        assert tracker.answer(sender, request)
        tracker.epoch += 1
    assert tracker.answer(sender, request) == b""
    assert tracker.dropped() == [0, 0, 0, 0, 1, 0]
    tracker.epoch += 1000
    assert tracker.answer(sender, request) == b""
    assert tracker.dropped() == [0, 0, 0, 0, 1, 1]
    assert tracker.counters.late_ids[sender.address.version == 6] == accepted - 1


def test_ids_of_the_future_are_unknown() -> None:
    """An id of an epoch that has not begun is no better than a forged one."""
    tracker = Tracker()
    request = scrape_request(tracker.connection_id(SENDERS[0], epochs_ago=-1), [b"\xaa" * 20])
    assert tracker.answer(SENDERS[0], request) == b""
    assert tracker.dropped() == [0, 0, 0, 0, 0, 1]


def test_the_first_epochs_work() -> None:
    """There is no epoch before number 0 whose ids would be tried."""
    tracker = Tracker(epoch=0)
    assert tracker.answer(SENDERS[0], scrape_request(tracker.connection_id(SENDERS[0]), [b"\xaa" * 20]))
    assert tracker.answer(SENDERS[0], scrape_request(bytes(8), [b"\xaa" * 20])) == b""
