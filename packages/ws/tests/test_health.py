"""`thalweg-ws --health` against the running service, and against none."""

import socket
import threading
from pathlib import Path

import pytest

from packages.http.tests.certificates import make_certificate
from packages.ws.tests.running import LISTEN_ANYWHERE, RunningService, run_command

BEHIND = LISTEN_ANYWHERE + 'network.runs_behind_reverse_proxy = true\nnetwork.reverse_proxy_ip_header_name = "{}"\n'


def addresses(service: RunningService, scheme: str = "ws") -> str:
    """Where the service listens, as the environment has it."""
    urls = [url for url in service.ready.addresses if url.startswith(f"{scheme}://")]
    return ",".join(url.split("/")[2] for url in urls)


@pytest.mark.parametrize(
    "config",
    [
        LISTEN_ANYWHERE,
        LISTEN_ANYWHERE + "network.proxy_protocol = true\n",
        BEHIND.format("X-Forwarded-For"),
        BEHIND.format("Forwarded"),
        LISTEN_ANYWHERE + 'network.allowed_origins = ["https://example.org"]\n',
        LISTEN_ANYWHERE + 'access_list.mode = "allow"\n',
    ],
)
def test_a_running_service_is_healthy_and_keeps_no_trace(tmp_path: Path, config: str) -> None:
    """Both families are asked, also where a proxy is expected, and where the torrent asked for is not allowed."""
    (tmp_path / "access-list.txt").write_text("")
    with RunningService(tmp_path, config) as service:
        listen = addresses(service)
        ended = run_command(
            "--health", "-c", "tracker.toml", environment={"THALWEG_WS__NETWORK__ADDRESSES": listen}, cwd=tmp_path
        )
        assert (ended.returncode, ended.stderr) == (0, "")
        assert ended.stdout == "healthy: " + ", ".join(f"ws://{address}" for address in listen.split(",")) + "\n"
        while (status := service.next_status().ip_version)["6"].requests_total < 2:
            pass
        assert status["6"].peers == 0


@pytest.mark.needs("openssl")
def test_tls_is_asked_as_well(tmp_path: Path) -> None:
    """Whatever name the certificate has."""
    make_certificate(tmp_path, name="elsewhere.example")
    files = 'tls_certificate_path = "cert.pem"\ntls_private_key_path = "key.pem"\n'
    config = f'[network]\naddresses = ["127.0.0.1:0"]\ntls_addresses = ["127.0.0.1:0"]\n{files}'
    with RunningService(tmp_path, config) as service:
        environment = {
            "THALWEG_WS__NETWORK__ADDRESSES": addresses(service),
            "THALWEG_WS__NETWORK__TLS_ADDRESSES": addresses(service, "wss"),
            "THALWEG_WS__NETWORK__TLS_CERTIFICATE_PATH": "cert.pem",
            "THALWEG_WS__NETWORK__TLS_PRIVATE_KEY_PATH": "key.pem",
        }
        ended = run_command("--health", environment=environment, cwd=tmp_path)
        assert ended.stdout.count("wss://") == 1, ended.stderr


def test_nobody_there_is_not_healthy() -> None:
    """One line with the address and the reason, exit code 1."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    ended = run_command("--health", environment={"THALWEG_WS__NETWORK__ADDRESSES": f"127.0.0.1:{port}"})
    assert ended.returncode == 1
    assert ended.stderr == f"thalweg-ws: ws://127.0.0.1:{port}: Connection refused\n"


def test_another_service_is_not_healthy() -> None:
    """Something that speaks, but no WebSocket."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"127.0.0.1:{server.getsockname()[1]}"

        def serve() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(1000)
                connection.sendall(b"SSH-2.0-something\r\n\r\n")

        thread = threading.Thread(target=serve)
        thread.start()
        ended = run_command("--health", environment={"THALWEG_WS__NETWORK__ADDRESSES": address})
        thread.join()
    assert ended.returncode == 1
    assert ended.stderr.startswith(f"thalweg-ws: ws://{address}: no WebSocket: ")


def test_a_free_port_cannot_be_asked() -> None:
    """Nobody knows which it became."""
    ended = run_command("--health", environment={"THALWEG_WS__NETWORK__ADDRESSES": "127.0.0.1:0"})
    assert ended.returncode == 2
    assert "expected fixed ports" in ended.stderr
