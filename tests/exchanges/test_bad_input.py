"""Whatever bytes arrive: never a crash, never more bytes to the unproved than they sent, each silence counted once.

Datagrams are drawn at random, or made from good ones by cutting, lengthening and changing bytes, so that many of them
get past the connection id.
"""

from hypothesis import example, given, settings
from hypothesis import strategies as st

from .document import Endpoint, Peers
from .tracker import Tracker
from .udp_packets import ANNOUNCE, SCRAPE, announce_request, check_reply, connect_request, scrape_request

settings_here = settings(max_examples=600, derandomize=True, deadline=None, database=None, print_blob=True)
SENDERS = [Endpoint.parse(text) for text in ("198.51.100.7:4000", "[2001:db8::7]:4000", "11.1.2.3:1")]

info_hashes = st.sampled_from([b"\xaa" * 20, b"\xdd" * 20, b"\xbb" * 20])
senders = st.sampled_from(SENDERS)
bytes_of_a_datagram = st.binary(max_size=300) | st.binary(min_size=1000, max_size=2500)
changes = st.lists(st.tuples(st.integers(0, 2200), st.integers(0, 255)), max_size=4)


def busy_tracker() -> Tracker:
    """Make a tracker with some peers of both families, and a denied info hash."""
    tracker = Tracker({"deny": "dd"})
    for host in ("198.51.100.20", "[2001:db8::20]"):
        tracker.store(Peers(100, "leecher", Endpoint.parse(f"{host}:6881"), b"\xaa" * 20))
        tracker.store(Peers(150, "seeder", Endpoint.parse(f"{host}:6882"), b"\xaa" * 20))
    return tracker


TRACKER = busy_tracker()


@st.composite
def nearly_good(draw: st.DrawFn) -> tuple[Endpoint, bytes, bool]:
    """Draw a sender, a datagram made from a good one, and whether its connection id is the sender's."""
    sender, proved = draw(senders), draw(st.booleans())
    connection_id = TRACKER.connection_id(sender) if proved else draw(st.binary(min_size=8, max_size=8))
    good = draw(
        st.one_of(
            st.just(connect_request(7)),
            st.builds(
                announce_request,
                st.just(connection_id),
                st.integers(0, 2**32 - 1),
                info_hash=info_hashes,
                left=st.sampled_from([0, 1, 2**32, 2**63, 2**64 - 1]),
                event=st.integers(0, 9) | st.integers(0, 2**32 - 1),
                numwant=st.integers(-(2**31), 2**31 - 1),
                port=st.integers(0, 65535),
            ),
            st.builds(
                scrape_request,
                st.just(connection_id),
                st.lists(st.sampled_from([b"\xaa" * 20, b"\xdd" * 20]), max_size=110),
            ),
        )
    )
    request = bytearray(good + draw(st.binary(max_size=40)))[: draw(st.integers(0, 2300) | st.just(2300))]
    for at, value in draw(changes):
        if 16 <= at < len(request):
            request[at] = value
    return sender, bytes(request), proved


def ask(sender: Endpoint, request: bytes) -> bytes:
    """Answer a datagram; check what holds for every one."""
    before = sum(TRACKER.dropped())
    reply = TRACKER.answer(sender, request)
    assert sum(TRACKER.dropped()) - before == (reply == b"")
    if reply:
        check_reply(request[:2160], reply, 6 if sender.address.version == 4 else 18)
    return reply


@settings_here
@given(senders, bytes_of_a_datagram)
@example(SENDERS[0], b"")
def test_random_bytes_get_no_more_than_they_are(sender: Endpoint, request: bytes) -> None:
    """Nobody guesses a connection id: random bytes meet silence, or sixteen bytes for a connect."""
    assert len(ask(sender, request)) in (0, 16)


@settings_here
@given(nearly_good())
def test_nearly_good_datagrams(drawn: tuple[Endpoint, bytes, bool]) -> None:
    """Without a good id at most a connect reply; with one a well-formed reply, or silence for what is too short."""
    sender, request, proved = drawn
    reply = ask(sender, request)
    if not proved:
        assert len(reply) <= min(16, len(request))
    elif len(request) >= 98 and request[8:12] in (ANNOUNCE.to_bytes(4), SCRAPE.to_bytes(4)):
        assert reply


@settings_here
@given(senders, st.integers(0, 97))
def test_announces_that_are_cut_short(sender: Endpoint, size: int) -> None:
    """Every length below the minimum is silence, counted as short."""
    before = TRACKER.dropped()[0]
    assert ask(sender, announce_request(TRACKER.connection_id(sender))[:size]) == b""
    assert TRACKER.dropped()[0] == before + 1


def test_replayed_datagrams_change_nothing() -> None:
    """The same announce again and again, as a forger could replay it, stores one peer and counts one download."""
    tracker = busy_tracker()
    request = announce_request(tracker.connection_id(SENDERS[0]), event=1, left=0)
    sizes = {len(tracker.answer(SENDERS[0], request)) for _ in range(1000)}
    assert sizes == {20 + 50 * 6}
    row = tracker.answer(SENDERS[0], scrape_request(tracker.connection_id(SENDERS[0]), [b"\xaa" * 20]))[8:]
    assert [int.from_bytes(row[at : at + 4]) for at in (0, 4, 8)] == [151, 1, 100]
