"""The life of the real service: start, clients, signals, stop."""

import os
import signal
import socket
import time
from pathlib import Path

import pytest
from wsproto.events import CloseConnection

from packages.ws.tests.running import (
    INFO_HASH,
    LISTEN_ANYWHERE,
    PATIENCE,
    RunningService,
    announce,
    offers,
    run_command,
)


@pytest.mark.parametrize("ip_versions", [(4, 4), (6, 6), (4, 6)])
def test_two_browsers_are_introduced(tmp_path: Path, ip_versions: tuple[int, int]) -> None:
    """An offer goes to the other, its answer comes back; whichever family each has, the swarm is one."""
    alice, bob = "alice".ljust(20), "bob".ljust(20)
    with RunningService(tmp_path) as service, service.open(ip_versions[0]) as a, service.open(ip_versions[1]) as b:
        reply = a.ask(announce(alice, event="started", offers=offers("one", "two")))
        assert (reply["complete"], reply["incomplete"]) == (0, 1)
        assert reply["min interval"] == reply["min_interval"] == 60
        b.send(announce(bob, event="started", offers=offers("three")))
        offer = a.receive()
        assert offer == {
            "action": "announce",
            "info_hash": INFO_HASH,
            "peer_id": bob,
            "offer_id": "three".ljust(20),
            "offer": {"type": "offer", "sdp": "sdp of three"},
        }
        assert b.receive()["incomplete"] == 2
        answer = {"type": "answer", "sdp": "sdp of an answer"}
        a.send(announce(alice, to_peer_id=bob, offer_id=offer["offer_id"], answer=answer))
        assert b.receive()["answer"] == answer
        assert a.close().code == b.close().code == 1000


def test_whoever_leaves_is_gone_at_once(tmp_path: Path) -> None:
    """With a word or without, a closed socket is in no swarm any more."""
    scrape = {"action": "scrape", "info_hash": INFO_HASH}
    with RunningService(tmp_path) as service, service.open() as watching:
        for word in (True, False):
            with service.open() as leaving:
                leaving.ask(announce("leaving"))
                assert watching.ask(scrape)["files"][INFO_HASH]["incomplete"] == 1
                if word:
                    leaving.close()
            service.wait_for(lambda: watching.ask(scrape)["files"][INFO_HASH]["incomplete"] == 0)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_stops_on_request_with_exit_code_0(tmp_path: Path, number: signal.Signals) -> None:
    """Clients are told that it goes away; the last status line says so, too."""
    with RunningService(tmp_path) as service, service.open() as client, service.connect() as idle:
        service.send(number)
        event = client.next_event()
        assert isinstance(event, CloseConnection)
        assert event.code == 1001
        client.connection.sendall(client.protocol.send(event.response()))
        assert client.connection.recv(1) == b""
        assert idle.recv(1) == b""
        assert service.process.wait(PATIENCE) == 0
        assert not service.next_status().ready
        assert service.log.endswith("stopped\n")


def test_clients_are_sent_away_one_after_the_other(tmp_path: Path) -> None:
    """Over drain_time; those who wait their turn are served meanwhile, and nobody new is let in."""
    with RunningService(tmp_path, "drain_time = 600\n" + LISTEN_ANYWHERE) as service:
        port = service.port()
        with service.open() as first, service.open() as second:
            service.send(signal.SIGTERM)
            event = first.next_event()
            assert isinstance(event, CloseConnection)
            assert second.ask(announce("second"))["incomplete"] == 1
            with pytest.raises(ConnectionRefusedError):
                socket.create_connection(("127.0.0.1", port), PATIENCE)
            assert service.stop() == 1  # the second signal does not wait
            assert service.log.endswith("stopped at once\n")


def test_stopping_takes_no_longer_than_it_may(tmp_path: Path) -> None:
    """A client that does not agree to be closed does not keep the process alive."""
    with RunningService(tmp_path, "stop_timeout = 1\ndrain_time = 0\n" + LISTEN_ANYWHERE) as service, service.open():
        begun = time.monotonic()
        assert service.stop() == 0
        assert time.monotonic() - begun < 5


def test_a_port_in_use_is_named() -> None:
    """One line, exit code 1."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        address = f"127.0.0.1:{other.getsockname()[1]}"
        ended = run_command(environment={"THALWEG_WS__NETWORK__ADDRESSES": address})
    assert ended.returncode == 1
    assert ended.stderr == (
        f"thalweg-ws: cannot listen on {address}: the port is in use; stop the other program or choose another port\n"
    )


def test_peers_expire(tmp_path: Path) -> None:
    """Who stays connected and is silent is forgotten."""
    config = LISTEN_ANYWHERE + "cleaning.max_peer_age = 1\ncleaning.torrent_cleaning_interval = 1\n"
    with RunningService(tmp_path, config) as service, service.open() as client:
        client.ask(announce("silent"))
        service.wait_for(lambda: service.next_status().ip_version["4"].peers == 0)


def test_status_lines_count(tmp_path: Path) -> None:
    """Messages by family; the swarm stands in both."""
    with RunningService(tmp_path) as service, service.open(6) as client:
        client.ask(announce("seeder", left=0))
        while (status := service.next_status().ip_version)["6"].peers == 0:
            pass
        assert (status["6"].requests_total, status["6"].replies_total) == (2, 2)  # the upgrade is one
        assert (status["6"].torrents, status["6"].seeders, status["4"].seeders) == (1, 1, 1)


def test_logs_name_no_client_and_no_torrent(tmp_path: Path) -> None:
    """At info level neither info hashes nor peer ids are written."""
    with RunningService(tmp_path) as service, service.open() as client:
        client.ask(announce("somebody"))
        client.close()
        service.stop()
        assert INFO_HASH not in service.log
        assert "somebody" not in service.log


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to give it up")
def test_root_is_given_up_after_binding(tmp_path: Path) -> None:
    """Started as root it becomes the configured user for good."""
    config = LISTEN_ANYWHERE + '[privileges]\ndrop_privileges = true\nuser = "nobody"\ngroup = "nogroup"\n'
    with RunningService(tmp_path, config) as service, service.open() as client:
        for task in Path(f"/proc/{service.process.pid}/task").iterdir():
            fields = dict(line.split(":\t", 1) for line in (task / "status").read_text().splitlines())
            assert set(fields["Uid"].split()) == {"65534"}
        assert client.ask(announce("x"))["interval"] >= 120
