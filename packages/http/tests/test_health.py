"""`thalweg-http --health` against the running service, and against none."""

import socket
from pathlib import Path

import pytest

from packages.http.tests.certificates import make_certificate
from packages.http.tests.running import LISTEN_ANYWHERE, RunningService, run_command

PROXIED = LISTEN_ANYWHERE + "network.proxy_protocol = true\n"
BEHIND = LISTEN_ANYWHERE + 'network.runs_behind_reverse_proxy = true\nnetwork.reverse_proxy_ip_header_name = "{}"\n'


def addresses(service: RunningService, scheme: str = "http") -> str:
    """Where the service listens, as the environment has it."""
    urls = [url for url in service.ready.addresses if url.startswith(f"{scheme}://")]
    return ",".join(url.split("/")[2] for url in urls)


@pytest.mark.parametrize(
    "config",
    [
        LISTEN_ANYWHERE,
        PROXIED,
        BEHIND.format("X-Forwarded-For"),
        BEHIND.format("Forwarded"),
        LISTEN_ANYWHERE + "network.keep_alive = false\n",
    ],
)
def test_a_running_service_is_healthy_and_keeps_no_trace(tmp_path: Path, config: str) -> None:
    """Both families are asked, also where a proxy is expected; the torrent of the question has no peers afterwards."""
    with RunningService(tmp_path, config) as service:
        listen = addresses(service)
        ended = run_command(
            "--health", "-c", str(tmp_path / "tracker.toml"), environment={"THALWEG_HTTP__NETWORK__ADDRESSES": listen}
        )
        assert (ended.returncode, ended.stderr) == (0, "")
        assert ended.stdout == "healthy: " + ", ".join(f"http://{address}" for address in listen.split(",")) + "\n"
        while (status := service.next_status().ip_version)["6"].requests_total < 3:
            pass
        assert (status["4"].peers, status["6"].peers) == (0, 0)


@pytest.mark.needs("openssl")
def test_tls_is_asked_as_well(tmp_path: Path) -> None:
    """Whatever name the certificate has, and however old it is."""
    make_certificate(tmp_path, name="elsewhere.example")
    files = 'tls_certificate_path = "cert.pem"\ntls_private_key_path = "key.pem"\n'
    config = f'[network]\naddresses = ["127.0.0.1:0"]\ntls_addresses = ["127.0.0.1:0"]\n{files}'
    with RunningService(tmp_path, config) as service:
        environment = {
            "THALWEG_HTTP__NETWORK__ADDRESSES": addresses(service),
            "THALWEG_HTTP__NETWORK__TLS_ADDRESSES": addresses(service, "https"),
            "THALWEG_HTTP__NETWORK__TLS_CERTIFICATE_PATH": "cert.pem",
            "THALWEG_HTTP__NETWORK__TLS_PRIVATE_KEY_PATH": "key.pem",
        }
        ended = run_command("--health", environment=environment, cwd=tmp_path)
        assert ended.stdout.count("https://") == 1, ended.stderr


def test_denied_is_healthy(tmp_path: Path) -> None:
    """A service that only serves listed torrents says so."""
    (tmp_path / "access-list.txt").write_text("")
    config = LISTEN_ANYWHERE + '[access_list]\nmode = "allow"\n'
    with RunningService(tmp_path, config) as service:
        environment = {"THALWEG_HTTP__NETWORK__ADDRESSES": addresses(service)}
        ended = run_command("--health", "-c", str(tmp_path / "tracker.toml"), environment=environment)
        assert ended.returncode == 0, ended.stderr


def test_nobody_there_is_not_healthy() -> None:
    """One line with the address and the reason, exit code 1."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    ended = run_command("--health", environment={"THALWEG_HTTP__NETWORK__ADDRESSES": f"127.0.0.1:{port}"})
    assert ended.returncode == 1
    assert ended.stderr == f"thalweg-http: http://127.0.0.1:{port}: Connection refused\n"


def test_silence_is_not_healthy() -> None:
    """Within two seconds."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"127.0.0.1:{server.getsockname()[1]}"
        ended = run_command("--health", environment={"THALWEG_HTTP__NETWORK__ADDRESSES": address})
    assert ended.returncode == 1
    assert ended.stderr == f"thalweg-http: http://{address}: timed out\n"


def test_a_free_port_cannot_be_asked() -> None:
    """Nobody knows which it became."""
    ended = run_command("--health", environment={"THALWEG_HTTP__NETWORK__ADDRESSES": "127.0.0.1:0"})
    assert ended.returncode == 2
    assert "expected fixed ports" in ended.stderr
