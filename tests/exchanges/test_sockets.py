"""What only sockets can show: dual-stack sockets, wildcard addresses, several workers, access lists that change."""

import contextlib
import socket
import struct
from collections.abc import Iterator

import pytest
from thalweg_common._core import ffi, lib

from .document import Endpoint, Peers
from .tracker import Tracker, new_access_list
from .udp_packets import ERROR, announce_request, connect_request, read_announce_reply, scrape_request
from .worker import DEADLINE, Client, Worker

LEECHERS = Peers(3, "leecher", Endpoint.parse("198.51.100.20:6881"), b"\xaa" * 20)


def wildcard(family: socket.AddressFamily) -> socket.socket:
    """Bind every address of this machine, with packet information as the service sets it."""
    new = socket.socket(family, socket.SOCK_DGRAM)
    new.setblocking(False)
    if family == socket.AF_INET6:
        new.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        new.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVPKTINFO, 1)
    else:
        new.setsockopt(socket.IPPROTO_IP, getattr(socket, "IP_PKTINFO", 8), 1)
    new.bind(("::" if family == socket.AF_INET6 else "0.0.0.0", 0))
    return new


@contextlib.contextmanager
def client_of(server: tuple[str, int], source: str = "") -> Iterator[Client]:
    """Give a client that talks to an address, and hears from nobody else."""
    family = socket.AF_INET6 if ":" in server[0] else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as own:
        own.settimeout(DEADLINE)
        if source:
            own.bind((source, 0))
        own.connect(server)
        yield Client(own)


def connected(client: Client) -> bytes:
    """Get a connection id over the wire."""
    reply = client.ask(connect_request())
    assert len(reply) == 16
    return reply[8:]


@pytest.mark.parametrize("family", [socket.AF_INET, socket.AF_INET6])
def test_replies_leave_from_the_address_that_was_asked(family: socket.AddressFamily) -> None:
    """On a wildcard socket every address of 127.0.0.0/8 answers for itself; clients drop replies from elsewhere."""
    with Worker(sockets=[wildcard(family)]) as worker:
        port = worker.sockets[0].getsockname()[1]
        for address in ("127.0.0.1", "127.0.0.2", "127.9.8.7"):
            with client_of((address, port)) as client:
                assert client.ask(announce_request(connected(client)))


def test_a_dual_stack_socket_folds_mapped_addresses_to_ipv4() -> None:
    """Over one [::] socket an IPv4 client gets peers of six bytes and an IPv6 client peers of eighteen."""
    with Worker(sockets=[wildcard(socket.AF_INET6)]) as worker:
        port = worker.sockets[0].getsockname()[1]
        worker.store(LEECHERS)
        with client_of(("127.0.0.1", port)) as client:
            reply = read_announce_reply(client.ask(announce_request(connected(client))), 1, 6)
            assert (reply.leechers, len(reply.peers)) == (4, 3)
            assert worker.tracker.connection_id(client.endpoint) == connected(client)
        with client_of(("::1", port)) as client:
            reply = read_announce_reply(client.ask(announce_request(connected(client))), 1, 18)
            assert (reply.leechers, reply.peers) == (1, [])
        counters = lib.tw_udp_worker_counters(worker.worker)
        assert [counters.requests[v6][lib.TW_UDP_ANNOUNCE] for v6 in (0, 1)] == [1, 1]


def test_an_id_is_good_at_every_worker_with_the_secret() -> None:
    """libtorrent keeps ids by address: another port, and another service with the same secret, accept them."""
    with Worker() as first, Worker() as second, first.client(Endpoint.parse("127.0.0.1:0")) as client:
        given = connected(client)
        for server in (first.sockets[0], second.sockets[0]):
            with first.client(Endpoint.parse("127.0.0.1:0"), server) as other:
                assert other.ask(scrape_request(given, [b"\xaa" * 20]))
    assert first.tracker.swarm != second.tracker.swarm


def test_an_id_is_refused_by_a_tracker_with_another_secret() -> None:
    """What another tracker gave is counted as unknown."""
    with Worker() as worker, worker.client(Endpoint.parse("127.0.0.1:0")) as client:
        other = Tracker(secret=bytes(16), epoch=worker.tracker.epoch)
        assert client.ask(scrape_request(other.connection_id(client.endpoint), [b"\xaa" * 20])) == b""
        assert worker.dropped()[lib.TW_DROP_ID_UNKNOWN] == 1


def test_a_new_access_list_holds_for_the_next_datagram() -> None:
    """When the call returns no worker uses the old list, which may then be freed."""
    with Worker() as worker, worker.client(Endpoint.parse("127.0.0.1:0")) as client:
        request = announce_request(connected(client))
        for _ in range(20):
            denying = new_access_list({"deny": "aa"})
            lib.tw_udp_service_set_access_list(worker.service, denying)
            assert client.ask(request)[:4] == ERROR.to_bytes(4)
            lib.tw_udp_service_set_access_list(worker.service, ffi.NULL)
            ffi.release(denying)
            assert client.ask(request)[:4] != ERROR.to_bytes(4)


def test_a_burst_is_answered_in_full() -> None:
    """More datagrams than a batch holds, sent at once, are each answered under their transaction id."""
    with Worker() as worker, worker.client(Endpoint.parse("127.0.0.1:0")) as client:
        given = connected(client)
        for number in range(200):
            client.socket.send(scrape_request(given, [b"\xaa" * 20], number))
        replies = {struct.unpack_from("!II", client.socket.recv(2048)) for _ in range(200)}
        assert replies == {(2, number) for number in range(200)}


def test_counters_add_up() -> None:
    """Bytes in and out, requests and replies of a conversation are all accounted for when the worker has stopped."""
    with Worker() as worker:
        with worker.client(Endpoint.parse("127.0.0.1:0")) as client:
            requests = [connect_request(), announce_request(connected(client)), b"short"]
            replies = [client.ask(request) for request in requests]
        lib.tw_udp_worker_stop(worker.worker)
        worker.thread.join(DEADLINE)
        counters = lib.tw_udp_worker_counters(worker.worker)
        marks = len(requests) + 1  # `ask` sends a connect behind each request, and `connected` asked once
        assert list(counters.requests[0]) == list(counters.replies[0]) == [marks + 2, 1, 0, 0]
        assert counters.rx_bytes[0] == sum(map(len, requests)) + 16 * (marks + 1)
        assert counters.tx_bytes[0] == sum(map(len, replies)) + 16 * (marks + 1)
        assert counters.send_failed[0] == sum(counters.rx_bytes) - counters.rx_bytes[0] == 0


def test_workers_stop_at_once() -> None:
    """Stopping an idle worker does not wait for a datagram."""
    for _ in range(5):
        with Worker():
            pass
