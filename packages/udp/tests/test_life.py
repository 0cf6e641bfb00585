"""The life of the real service: start, signals, stop."""

import json
import os
import signal
import socket
import sys
from pathlib import Path

import pytest
from thalweg_common.udp_wire import Announce, Event

from packages.udp.tests.running import LISTEN_ANYWHERE, PATIENCE, RunningService, run_command

INFO_HASH = bytes(range(20))


def announce(port: int, event: Event = Event.STARTED, left: int = 1, info_hash: bytes = INFO_HASH) -> Announce:
    """An announce of a peer on this port."""
    return Announce(info_hash=info_hash, peer_id=b"-qB4390-abcdefghijkl", port=port, left=left, event=event)


@pytest.mark.parametrize("ip_version", [4, 6])
def test_two_clients_find_each_other(tmp_path: Path, ip_version: int) -> None:
    """The second announce is told of the first, over either family."""
    with RunningService(tmp_path) as service, service.client(ip_version) as client:
        client.announce(announce(1001))
        reply = client.announce(announce(1002, left=0))
        assert [port for _, port in reply.peers] == [1001]
        assert (reply.seeders, reply.leechers) == (1, 1)
        assert [row.seeders for row in client.scrape([INFO_HASH])] == [1]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_stops_on_request_with_exit_code_0(tmp_path: Path, number: signal.Signals) -> None:
    """Either signal ends it in an orderly way, and the last status line says so."""
    with RunningService(tmp_path) as service:
        assert service.ready.ready
        assert service.stop(number) == 0
        assert not service.next_status().ready
        assert service.log.endswith("stopped\n")


# The real service, but its workers do not hear that they shall stop.
DEAF = [
    sys.executable,
    "-c",
    "import sys, thalweg_udp.main as m; m.Tracker.stop = lambda tracker: None; sys.exit(m.main())",
]


def test_a_second_signal_stops_at_once(tmp_path: Path) -> None:
    """Whatever is still going on; the exit code says that it was not orderly."""
    with RunningService(tmp_path, "stop_timeout = 600\n" + LISTEN_ANYWHERE, DEAF) as service:
        service.send(signal.SIGTERM)
        service.wait_for_log("stopping within_seconds=600")
        assert service.stop(signal.SIGINT) == 1
        assert service.log.endswith("stopped at once\n")


def test_stopping_takes_no_longer_than_it_may(tmp_path: Path) -> None:
    """A worker that hangs does not keep the process alive."""
    with RunningService(tmp_path, "stop_timeout = 1\n" + LISTEN_ANYWHERE, DEAF) as service:
        assert service.stop() == 1


def test_several_workers_share_one_port(tmp_path: Path) -> None:
    """Every worker listens on the port that 0 became, and they serve one swarm."""
    with RunningService(tmp_path, "socket_workers = 4\n" + LISTEN_ANYWHERE) as service:
        for port in range(1, 33):  # each client has its own source port, so all workers get some
            with service.client() as client:
                reply = client.announce(announce(port))
                assert reply.leechers == port
        assert "workers=4" in service.log


def test_a_port_in_use_is_named(tmp_path: Path) -> None:
    """Even a socket that would share the port is not shared with: the swarm would be split in two."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        other.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{other.getsockname()[1]}"
        ended = run_command(environment={"THALWEG_UDP__NETWORK__ADDRESSES": address})
    assert ended.returncode == 1
    assert ended.stderr == (
        f"thalweg-udp: cannot listen on {address}: the port is in use; stop the other program or choose another port\n"
    )


def test_an_ipv6_wildcard_can_serve_both_families(tmp_path: Path) -> None:
    """IPv4 clients of a dual-stack socket live in the IPv4 swarm."""
    config = 'network.addresses = ["[::]:0"]\nnetwork.set_only_ipv6 = false\n'
    with RunningService(tmp_path, config) as service:
        port = service.port(6)
        with service.client(6) as client6:
            client6.announce(announce(1))
            with type(client6)(("127.0.0.1", port), timeout=PATIENCE) as client4:
                assert client4.announce(announce(2)).leechers == 1
        service.wait_for(lambda: (status := service.next_status().ip_version)["4"].peers == status["6"].peers == 1)


def test_status_lines_count(tmp_path: Path) -> None:
    """Requests, torrents and peers of each family appear within a second or two."""
    with RunningService(tmp_path) as service, service.client(6) as client:
        client.announce(announce(1, left=0))
        while (status := service.next_status().ip_version["6"]).peers == 0:
            pass
        assert (status.requests_total, status.replies_total, status.torrents, status.seeders) == (2, 2, 1, 1)


def test_the_service_manager_is_told(tmp_path: Path) -> None:
    """$NOTIFY_SOCKET gets READY=1 and STOPPING=1."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.settimeout(PATIENCE)
        with RunningService(tmp_path, NOTIFY_SOCKET=str(tmp_path / "notify")) as service:
            assert manager.recv(64) == b"READY=1"
            service.stop()
            assert manager.recv(64) == b"STOPPING=1"


def test_memory_of_an_idle_service_is_small(tmp_path: Path) -> None:
    """Below 24 MB with one worker and nothing optional; no event loop, HTTP or crypto library is loaded."""
    with RunningService(tmp_path, "socket_workers = 1\n" + LISTEN_ANYWHERE) as service:
        loaded = Path(f"/proc/{service.process.pid}/maps").read_text()
        assert service.ready.memory_bytes < 24e6
        assert not any(name in loaded for name in ("_ssl", "_hashlib", "libcrypto"))


def test_json_logs_are_one_object_a_line(tmp_path: Path) -> None:
    """log_format = "json" changes the form, not the events."""
    with RunningService(tmp_path, 'log_format = "json"\n' + LISTEN_ANYWHERE) as service:
        service.stop()
        events = [json.loads(line) for line in service.log.splitlines()]
    assert [event["event"] for event in events if event["event"] != "small receive buffer, bursts may be dropped"] == [
        "serving",
        "stopping",
        "stopped",
    ]


def test_logs_name_no_client_and_no_torrent(tmp_path: Path) -> None:
    """At info level neither info hashes nor addresses of clients are written."""
    with RunningService(tmp_path) as service:
        with service.client() as client:
            client.announce(announce(54321))
        service.stop()
        assert INFO_HASH.hex() not in service.log
        assert "54321" not in service.log


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to give it up")
def test_root_is_given_up_after_binding(tmp_path: Path) -> None:
    """Started as root it becomes the configured user for good, both families on, in every thread."""
    config = LISTEN_ANYWHERE + (
        '[privileges]\ndrop_privileges = true\nuser = "nobody"\ngroup = "nogroup"\n'
        '[statistics]\nrun_prometheus_endpoint = true\nprometheus_endpoint_address = "127.0.0.1:0"\n'
    )
    with RunningService(tmp_path, config) as service:
        for task in Path(f"/proc/{service.process.pid}/task").iterdir():
            fields = dict(line.split(":\t", 1) for line in (task / "status").read_text().splitlines())
            assert set(fields["Uid"].split()) == {"65534"}
            assert set(fields["Gid"].split()) == {"65534"}
            assert fields["Groups"].strip() == ""
            assert int(fields["CapEff"], 16) == 0
        for ip_version in (4, 6):
            with service.client(ip_version) as client:
                assert client.announce(announce(1)).leechers == 1
