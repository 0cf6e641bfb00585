"""`thalweg check http://…` and `https://…` against the real thalweg-http, plain, over TLS and behind a proxy."""

import json
import socket
from pathlib import Path
from typing import Any

import pytest
import trio
from thalweg.check import check_tracker
from thalweg.check_report import TrackerReport
from thalweg.main import build_parser, main
from thalweg.tracker_url import parse_tracker_url

from packages.http.tests.certificates import expire, make_authority, make_certificate, make_signed_certificate
from packages.http.tests.real_proxies import free_port, nginx, running
from packages.http.tests.running import LISTEN_ANYWHERE, RunningService
from packages.http.tests.test_real_proxies import HEADER, TRUSTED, answers
from packages.http.tests.test_tls import BOTH, plain_port, secure_port

from .test_check_usage import TwoAddresses

EVERY_STEP = [
    "connect",
    "announce",
    "bencoding",
    "content-length",
    "external ip",
    "second client",
    "own address",
    "scrape",
    "numwant",
    "compact=0",
    "no info hash",
    "short info hash",
    "http/1.0",
    "keep-alive",
    "pipelining",
    "stopped",
]
SECURE_STEPS = ["connect", "tls", "certificate", *EVERY_STEP[1:]]


def check(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, Any]:
    """Runs the command; gives its exit code and its reports."""
    code = main(["check", "--json", *arguments])
    return code, json.loads(capsys.readouterr().out)


def steps(report: Any) -> dict[str, Any]:
    """The steps on the only address of a report, by name."""
    (address,) = report["addresses"]
    return {step["name"]: step for step in address["steps"]}


def test_our_tracker_works_over_both_families(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Every step is good or information, and its swarm is as before."""
    with RunningService(tmp_path) as service:
        urls = [f"http://127.0.0.1:{service.port(4)}/announce", f"http://[::1]:{service.port(6)}/announce"]
        code, reports = check(capsys, "--info-hash", "00" * 20, *urls)
        counts = b"d8:completei0e10:downloadedi0e11:downloadersi0e10:incompletei0ee"
        assert counts in service.ask(f"/scrape?info_hash={'%00' * 20}")
    assert code == 0
    for report, address in zip(reports, ("127.0.0.1", "::1"), strict=True):
        found = steps(report)
        assert list(found) == EVERY_STEP
        assert {step["outcome"] for step in found.values()} == {"good", "information"}
        assert report["verdict"] == "works"
        assert found["external ip"]["text"] == address
        assert found["compact=0"]["text"] == "peers are dictionaries"
        assert found["keep-alive"]["text"] == "the connection is kept for a second request"
        assert found["pipelining"]["text"] == "two requests sent at once are answered"


def test_the_probes_of_one_url_do_not_meet(tmp_path: Path) -> None:
    """Both addresses of a name are probed at the same time, at a tracker that tells either family of both."""
    port = free_port()
    url = parse_tracker_url(f"http://tracker.example:{port}/announce")

    async def check_both() -> TrackerReport:
        trio.socket.set_custom_hostname_resolver(TwoAddresses())
        return await check_tracker(url, build_parser().parse_args(["check", url.text]))

    config = f'network.addresses = ["127.0.0.1:{port}", "[::1]:{port}"]\nprotocol.both_families = true\n'
    with RunningService(tmp_path, config):
        report = trio.run(check_both)
    assert report.verdict == "works", report
    assert [address.address for address in report.addresses] == ["127.0.0.1", "::1"]


@pytest.mark.needs("nginx-light")
def test_behind_nginx(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The address that the tracker is told of by the proxy is shown."""
    port = free_port()
    with RunningService(tmp_path, LISTEN_ANYWHERE + TRUSTED + HEADER) as service:
        command = nginx(tmp_path, [f"[::1]:{port}", f"127.0.0.1:{port}"], f"127.0.0.1:{service.port()}")
        with running(command, tmp_path, service, lambda: answers(port)):
            code, (report,) = check(capsys, f"http://[::1]:{port}/announce")
    assert (code, report["verdict"]) == (0, "works")
    assert steps(report)["external ip"]["text"] == "::1"


@pytest.mark.needs("openssl")
@pytest.mark.parametrize(("days", "verdict"), [(60, "works"), (13, "works with remarks")])
def test_a_trusted_certificate(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, days: int, verdict: str
) -> None:
    """The days that are left are told, and fewer than 14 of them are a remark."""
    make_certificate(tmp_path, days)
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "cert.pem"))
    with RunningService(tmp_path, BOTH) as service:
        code, (report,) = check(capsys, f"https://127.0.0.1:{secure_port(service)}/announce")
    found = steps(report)
    assert (code, report["verdict"]) == (0, verdict)
    assert list(found) == SECURE_STEPS
    assert found["tls"]["text"].startswith("TLS 1.3, ")
    assert found["certificate"]["text"] == f"trusted, for 127.0.0.1, from localhost, {days - 1} days left"


@pytest.mark.needs("openssl")
@pytest.mark.parametrize(
    ("fault", "sentence", "advice"),
    [
        ("unknown", "self-signed certificate", "get one for this name"),
        ("ended", "certificate has expired", "Renew it"),
        ("issuer", "unable to get local issuer certificate", "send the whole chain"),
        ("name", "Hostname mismatch, certificate is not valid for 'localhost'", "get one for this name"),
    ],
)
def test_a_refused_certificate(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    fault: str,
    sentence: str,
    advice: str,
) -> None:
    """It is a fault, and what is wrong with it is told; the tracker behind it is probed all the same."""
    make_certificate(tmp_path, name="other.example")
    if fault == "ended":
        expire(tmp_path)
    if fault == "issuer":
        make_authority(tmp_path)
        make_signed_certificate(tmp_path, ["127.0.0.1"])
        (tmp_path / "tracker.pem").replace(tmp_path / "cert.pem")
        (tmp_path / "tracker-key.pem").replace(tmp_path / "key.pem")
    if fault in ("ended", "name"):
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "cert.pem"))
    host = "localhost" if fault == "name" else "127.0.0.1"
    with RunningService(tmp_path, BOTH) as service:
        code, (report,) = check(capsys, "-4", f"https://{host}:{secure_port(service)}/announce")
    found = steps(report)
    assert (code, report["verdict"]) == (1, "does not work")
    assert sentence in found["certificate"]["text"]
    assert advice in found["certificate"]["advice"]
    assert list(found) == SECURE_STEPS
    assert [name for name, step in found.items() if step["outcome"] == "bad"] == ["certificate"]


@pytest.mark.needs("openssl")
def test_the_wrong_scheme(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """TLS on a plain port and the reverse are told apart from what is broken."""
    make_certificate(tmp_path)
    with RunningService(tmp_path, BOTH) as service:
        code, (plain,) = check(capsys, f"https://127.0.0.1:{plain_port(service)}/announce")
        assert (code, steps(plain)["tls"]["outcome"]) == (1, "bad")
        assert "if it speaks plain HTTP, write http://" in steps(plain)["tls"]["advice"]
        code, (secure,) = check(capsys, f"http://127.0.0.1:{secure_port(service)}/announce")
        assert (code, steps(secure)["announce"]["outcome"]) == (1, "bad")
        assert "Use https://" in steps(secure)["announce"]["text"]


def test_a_port_that_says_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    """A TLS handshake has a deadline, too."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"https://127.0.0.1:{silent.getsockname()[1]}/announce"
        code, (report,) = check(capsys, "--timeout", "0.2", url)
    assert code == 1
    assert steps(report)["tls"]["text"] == "no end of the TLS handshake within 0.2 s"


def test_a_port_that_takes_nobody(capsys: pytest.CaptureFixture[str]) -> None:
    """A queue of connections that is full looks like a firewall that drops packets."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full:
        address = full.getsockname()
        with socket.create_connection(address):
            code, (report,) = check(capsys, "--timeout", "0.2", f"http://127.0.0.1:{address[1]}/announce")
    assert code == 1
    assert steps(report)["connect"]["text"] == "no connection within 0.2 s"


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_closed_port(capsys: pytest.CaptureFixture[str], scheme: str) -> None:
    """Nothing is waited for."""
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    code, (report,) = check(capsys, f"{scheme}://127.0.0.1:{port}/announce")
    assert code == 1
    assert steps(report)["connect"]["text"] == f"nothing listens on TCP port {port} there"
