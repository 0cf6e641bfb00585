"""The life of the real service: start, signals, stop."""

import errno
import os
import signal
import socket
from pathlib import Path

import pytest

from packages.http.tests.running import (
    LISTEN_ANYWHERE,
    PATIENCE,
    RunningService,
    announce,
    get,
    receive_all,
    receive_reply,
    run_command,
)


def refuses(port: int) -> bool:
    """Whether nobody listens on a port."""
    with socket.socket() as sock:
        return sock.connect_ex(("127.0.0.1", port)) == errno.ECONNREFUSED


@pytest.mark.parametrize("ip_version", [4, 6])
def test_two_clients_find_each_other(tmp_path: Path, ip_version: int) -> None:
    """The second announce is told of the first, over either family."""
    with RunningService(tmp_path) as service:
        service.ask(announce(1001), ip_version=ip_version)
        reply = service.ask(announce(1002), ip_version=ip_version)
        address = socket.inet_pton(
            socket.AF_INET6 if ip_version == 6 else socket.AF_INET, ["127.0.0.1", "::1"][ip_version == 6]
        )
        peer = address + (1001).to_bytes(2, "big")
        assert reply.startswith(b"HTTP/1.1 200 OK\r\n")
        assert b"10:incompletei2e" in reply
        assert peer in reply


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_stops_on_request_with_exit_code_0(tmp_path: Path, number: signal.Signals) -> None:
    """Either signal ends it in an orderly way, idle connections do not delay it, and the last status line says so."""
    with RunningService(tmp_path, "stop_timeout = 600\n" + LISTEN_ANYWHERE) as service, service.connect() as idle:
        idle.sendall(get(announce(1)))
        receive_reply(idle)
        assert service.stop(number) == 0
        assert idle.recv(1) == b""
        assert not service.next_status().ready
        assert service.log.endswith("stopped\n")


def test_what_has_begun_is_answered_before_the_end(tmp_path: Path) -> None:
    """A request of which half has arrived gets its reply, with Connection: close; nobody new is let in."""
    with RunningService(tmp_path, "stop_timeout = 600\n" + LISTEN_ANYWHERE) as service:
        port = service.port()
        with service.connect() as begun:
            request = get(announce(1))
            begun.sendall(request[:30])
            service.ask("/health")  # on a later connection, so that the half has arrived
            service.send(signal.SIGTERM)
            service.wait_for_log("stopping within_seconds=600")
            service.wait_for(lambda: refuses(port))
            begun.sendall(request[30:])
            reply = receive_all(begun)
            assert b"\r\nConnection: close\r\n" in reply
            assert b"8:intervali" in reply
        assert service.process.wait(PATIENCE) == 0


def test_stopping_takes_no_longer_than_it_may(tmp_path: Path) -> None:
    """A request that never ends does not keep the process alive."""
    with RunningService(tmp_path, "stop_timeout = 1\n" + LISTEN_ANYWHERE) as service, service.connect() as begun:
        begun.sendall(b"GET /")
        service.ask("/health")
        assert service.stop() == 0


def test_a_second_signal_stops_at_once(tmp_path: Path) -> None:
    """Whatever is still going on; the exit code says that it was not orderly."""
    with RunningService(tmp_path, "stop_timeout = 600\n" + LISTEN_ANYWHERE) as service, service.connect() as begun:
        begun.sendall(b"GET /")
        service.ask("/health")
        service.send(signal.SIGTERM)
        service.wait_for_log("stopping within_seconds=600")
        assert service.stop(signal.SIGINT) == 1
        assert service.log.endswith("stopped at once\n")


def test_a_port_in_use_is_named(tmp_path: Path) -> None:
    """One line, exit code 1."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        address = f"127.0.0.1:{other.getsockname()[1]}"
        ended = run_command(environment={"THALWEG_HTTP__NETWORK__ADDRESSES": address})
    assert ended.returncode == 1
    assert ended.stderr == (
        f"thalweg-http: cannot listen on {address}: the port is in use; stop the other program or choose another port\n"
    )


def test_peers_expire(tmp_path: Path) -> None:
    """Without anybody asking."""
    config = LISTEN_ANYWHERE + "cleaning.max_peer_age = 1\ncleaning.torrent_cleaning_interval = 1\n"
    with RunningService(tmp_path, config) as service:
        service.ask(announce(1))
        service.wait_for(lambda: service.next_status().ip_version["4"].peers == 0)


def test_logs_name_no_client_and_no_torrent(tmp_path: Path) -> None:
    """At info level neither info hashes nor ports or addresses of clients are written."""
    with RunningService(tmp_path) as service:
        service.ask(announce(54321))
        service.stop()
        assert "a" * 20 not in service.log
        assert "54321" not in service.log


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to give it up")
def test_root_is_given_up_after_binding(tmp_path: Path) -> None:
    """Started as root it becomes the configured user for good, in every thread."""
    config = LISTEN_ANYWHERE + '[privileges]\ndrop_privileges = true\nuser = "nobody"\ngroup = "nogroup"\n'
    with RunningService(tmp_path, config) as service:
        for task in Path(f"/proc/{service.process.pid}/task").iterdir():
            fields = dict(line.split(":\t", 1) for line in (task / "status").read_text().splitlines())
            assert set(fields["Uid"].split()) == {"65534"}
            assert int(fields["CapEff"], 16) == 0
        assert b"8:intervali" in service.ask(announce(1))
