"""`thalweg check ws://…` and `wss://…` against the real thalweg-ws, plain and over TLS."""

from pathlib import Path

import pytest
import trio
from thalweg.check import check_tracker
from thalweg.check_report import TrackerReport
from thalweg.main import build_parser
from thalweg.tracker_url import endpoint, parse_tracker_url
from thalweg_common.endpoints import LOOPBACKS

from packages.http.tests.certificates import make_certificate
from packages.http.tests.real_proxies import free_port
from packages.http.tests.test_tls import BOTH
from packages.ws.tests.running import RunningService

from .test_check_http import check, steps
from .test_check_usage import TwoAddresses

EVERY_STEP = [
    "connect",
    "upgrade",
    "announce",
    "second client",
    "offer",
    "answer",
    "second answer",
    "scrape",
    "claimed peer id",
    "bad message",
    "binary frame",
    "ping",
    "close",
    "stopped",
]
SECURE_STEPS = ["connect", "tls", "certificate", *EVERY_STEP[1:]]


@pytest.mark.parametrize("ip_version", [4, 6])
def test_our_tracker_works(tmp_path: Path, capsys: pytest.CaptureFixture[str], ip_version: int) -> None:
    """Every step is good or information, and its swarm is as before."""
    with RunningService(tmp_path) as service:
        url = f"ws://{endpoint(LOOPBACKS[ip_version], service.port(ip_version))}"
        code, (report,) = check(capsys, "--info-hash", "00" * 20, url)
        with service.open(ip_version) as client:
            files = client.ask({"action": "scrape", "info_hash": "\0" * 20})["files"]
    assert (code, report["verdict"]) == (0, "works")
    found = steps(report)
    assert list(found) == EVERY_STEP
    assert {step["outcome"] for step in found.values()} == {"good", "information"}
    assert found["binary frame"]["text"] == "taken as text is"
    assert found["second answer"]["text"].startswith("is refused")
    assert found["claimed peer id"]["text"].startswith("is refused")
    assert files == {"\0" * 20: {"complete": 0, "incomplete": 0, "downloaded": 0}}


def test_the_probes_of_one_url_do_not_meet(tmp_path: Path) -> None:
    """Both addresses of a name are probed with one info hash, at a tracker with one swarm for both families."""
    port = free_port()
    config = f'network.addresses = ["127.0.0.1:{port}", "[::1]:{port}"]\n'
    url = parse_tracker_url(f"ws://tracker.example:{port}/announce")

    async def check_both() -> TrackerReport:
        trio.socket.set_custom_hostname_resolver(TwoAddresses())
        return await check_tracker(url, build_parser().parse_args(["check", "--info-hash", "ff" * 20, url.text]))

    with RunningService(tmp_path, config):
        report = trio.run(check_both)
    assert report.verdict == "works", report
    assert [address.address for address in report.addresses] == ["127.0.0.1", "::1"]


@pytest.mark.needs("openssl")
def test_over_tls(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """A trusted certificate is good; one that is not is a fault, and the tracker behind it is probed all the same."""
    make_certificate(tmp_path)
    with RunningService(tmp_path, BOTH) as service:
        url = f"wss://127.0.0.1:{port_of(service, 'wss')}"
        code, (refused,) = check(capsys, url)
        assert (code, refused["verdict"]) == (1, "does not work")
        assert [name for name, step in steps(refused).items() if step["outcome"] == "bad"] == ["certificate"]
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "cert.pem"))
        code, (report,) = check(capsys, url)
    assert (code, report["verdict"]) == (0, "works")
    assert list(steps(report)) == list(steps(refused)) == SECURE_STEPS


@pytest.mark.needs("openssl")
def test_the_wrong_scheme(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """TLS on a plain port and the reverse are told apart from what is broken."""
    make_certificate(tmp_path)
    with RunningService(tmp_path, BOTH) as service:
        code, (plain,) = check(capsys, f"wss://127.0.0.1:{port_of(service, 'ws')}")
        assert (code, steps(plain)["tls"]["outcome"]) == (1, "bad")
        code, (secure,) = check(capsys, f"ws://127.0.0.1:{port_of(service, 'wss')}")
        assert (code, steps(secure)["upgrade"]["outcome"]) == (1, "bad")
        assert "instead of an upgrade, saying “" in steps(secure)["upgrade"]["text"]
        assert "wss://" in steps(secure)["upgrade"]["text"]


def port_of(service: RunningService, scheme: str) -> int:
    """The port that speaks TLS, or the one that does not."""
    (url,) = [url for url in service.ready.addresses if url.startswith(f"{scheme}://")]
    return int(url.partition("//")[2].partition("/")[0].rpartition(":")[2])
