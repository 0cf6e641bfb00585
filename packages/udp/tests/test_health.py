"""`thalweg-udp --health` against the running service, and against none."""

import socket
from pathlib import Path

from packages.udp.tests.running import LISTEN_ANYWHERE, RunningService, run_command


def addresses(service: RunningService) -> dict[str, str]:
    """The environment that names where the service listens."""
    listen = f"127.0.0.1:{service.port(4)},[::1]:{service.port(6)}"
    return {"THALWEG_UDP__NETWORK__ADDRESSES": listen}


def test_a_running_service_is_healthy_and_keeps_no_trace(tmp_path: Path) -> None:
    """Both families are asked; the torrent of the question has no peers afterwards."""
    with RunningService(tmp_path) as service:
        ended = run_command("--health", environment=addresses(service))
        assert (ended.returncode, ended.stderr) == (0, "")
        assert ended.stdout == (f"healthy: udp://127.0.0.1:{service.port(4)}, udp://[::1]:{service.port(6)}\n")
        while (status := service.next_status().ip_version)["6"].requests_total < 4:
            pass
        assert status["4"].requests_total == 4
        assert (status["4"].peers, status["6"].peers) == (0, 0)


def test_wildcards_are_asked_over_loopback(tmp_path: Path) -> None:
    """As in a container, where the configuration says 0.0.0.0 and [::]."""
    config = 'network.addresses = ["0.0.0.0:0", "[::]:0"]\n'
    with RunningService(tmp_path, config) as service:
        ports = [url.removesuffix("/announce").rpartition(":")[2] for url in service.ready.addresses]
        listen = f"0.0.0.0:{ports[0]},[::]:{ports[1]}"
        ended = run_command("--health", environment={"THALWEG_UDP__NETWORK__ADDRESSES": listen})
        assert (ended.returncode, ended.stdout) == (0, f"healthy: udp://0.0.0.0:{ports[0]}, udp://[::]:{ports[1]}\n")


def test_refusing_a_random_torrent_is_healthy_under_an_allow_list(tmp_path: Path) -> None:
    """The error packet is an answer."""
    (tmp_path / "access-list.txt").write_text("")
    with RunningService(tmp_path, LISTEN_ANYWHERE + '[access_list]\nmode = "allow"\n') as service:
        environment = addresses(service) | {"THALWEG_UDP__ACCESS_LIST__MODE": "allow"}
        assert run_command("--health", environment=environment).returncode == 0


def test_nobody_there_is_one_line_and_exit_code_1() -> None:
    """A closed port shows at once."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    ended = run_command("--health", environment={"THALWEG_UDP__NETWORK__ADDRESSES": address})
    assert (ended.returncode, ended.stderr) == (1, f"thalweg-udp: udp://{address}: Connection refused\n")


def test_silence_is_unhealthy_within_two_seconds() -> None:
    """A socket that nobody reads, as of a service that hangs."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as deaf:
        deaf.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{deaf.getsockname()[1]}"
        ended = run_command("--health", environment={"THALWEG_UDP__NETWORK__ADDRESSES": address})
    assert (ended.returncode, ended.stderr) == (1, f"thalweg-udp: udp://{address}: no reply within 2 s\n")


def test_port_0_cannot_be_asked() -> None:
    """It could be anywhere; that is a mistake of usage."""
    ended = run_command("--health", environment={"THALWEG_UDP__NETWORK__ADDRESSES": "127.0.0.1:0"})
    assert ended.returncode == 2
    assert "expected fixed ports" in ended.stderr
