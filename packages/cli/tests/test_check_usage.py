"""How `thalweg check` treats its command line, names and addresses."""

import json
import os
import signal
import socket
import subprocess
import sys
from contextlib import closing
from typing import Any

import pytest
import trio
from thalweg.check import check_tracker
from thalweg.check_report import TrackerReport
from thalweg.main import build_parser, main
from thalweg.tracker_url import parse_tracker_url


@pytest.mark.parametrize(
    ("url", "hint"),
    [
        ("http://tracker.example", "the path is missing; write http://tracker.example/announce"),
        ("ws://me:pass@tracker.example", "names and passwords are not sent"),
        ("tracker.example:6969", "write udp://HOST:PORT/announce"),
        ("udp://tracker.example/announce", "the port is missing"),
        ("udp://:6969", "the host is missing"),
        ("udp://tracker.example:66666", "66666"),
        ("udp://[::1", "udp://[::1"),
        ("udp://tracker.example:6969/\n", "not the URL of a tracker"),
        ("", "write udp://HOST:PORT/announce"),
    ],
)
def test_a_bad_url_is_refused_in_one_line(url: str, hint: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A URL that cannot be checked says what to write instead, with exit code 2."""
    assert main(["check", url]) == 2
    error = capsys.readouterr().err
    assert hint in error
    assert error.count("\n") == 1


@pytest.mark.parametrize(
    "options",
    [["--timeout", "0"], ["--timeout", "soon"], ["--tries", "0"], ["--info-hash", "abc"], ["--info-hash", "zz" * 20]],
)
def test_a_bad_option_is_refused(options: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """Values out of range name the option, with exit code 2."""
    with pytest.raises(SystemExit) as exit_:
        main(["check", *options, "udp://127.0.0.1:1"])
    assert exit_.value.code == 2
    assert options[0] in capsys.readouterr().err


def closed_port() -> int:
    """A UDP port of 127.0.0.1 on which nothing listens."""
    with closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def test_a_closed_port_is_seen_at_once(capsys: pytest.CaptureFixture[str]) -> None:
    """The system's "port unreachable" ends the waiting: the time-out of ten seconds does not pass."""
    assert main(["check", f"udp://127.0.0.1:{closed_port()}"]) == 1
    assert "nothing listens on UDP port" in capsys.readouterr().out


@pytest.mark.parametrize("name", ["tracker.invalid", "a" * 70 + ".example", "a..example"])
def test_an_unknown_name_is_a_broken_tracker(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A name that does not resolve, or cannot be one, is reported as that."""
    assert main(["check", f"udp://{name}:6969"]) == 1
    assert f"does not work: {name}: " in capsys.readouterr().out


def test_json_has_one_report_for_each_url(capsys: pytest.CaptureFixture[str]) -> None:
    """The JSON array keeps the order of the URLs and gives verdict, addresses and steps."""
    urls = [f"udp://127.0.0.1:{closed_port()}", f"udp://127.0.0.1:{closed_port()}/x"]
    assert main(["check", "--json", *urls]) == 1
    reports = json.loads(capsys.readouterr().out)
    assert [report["url"] for report in reports] == urls
    assert [report["verdict"] for report in reports] == ["does not work"] * 2
    assert reports[0]["addresses"][0]["steps"][0]["name"] == "connect"


def test_help_has_examples(capsys: pytest.CaptureFixture[str]) -> None:
    """The help of every command teaches by example and lists the exit codes."""
    with pytest.raises(SystemExit):
        main(["check", "--help"])
    printed = capsys.readouterr().out
    assert "examples:" in printed
    assert "exit codes:" in printed


class TwoAddresses(trio.abc.HostnameResolver):
    """A name service that gives every name one address of each family, one of them twice."""

    async def getaddrinfo(self, host: Any, port: Any, *_: Any, **__: Any) -> Any:
        """Resolves to loopback addresses."""
        found = [(socket.AF_INET6, "::1"), (socket.AF_INET, "127.0.0.1"), (socket.AF_INET, "127.0.0.1")]
        return [(family, socket.SOCK_DGRAM, 17, "", (address, port)) for family, address in found]

    async def getnameinfo(self, *_: Any) -> Any:
        """Is not asked."""
        raise NotImplementedError


def test_each_address_of_a_name_is_probed() -> None:
    """Both families of one name are asked, and one that fails does not hide behind the other."""
    arguments = build_parser().parse_args(["check", "udp://tracker.example:1"])

    async def check() -> TrackerReport:
        trio.socket.set_custom_hostname_resolver(TwoAddresses())
        url = parse_tracker_url(f"udp://tracker.example:{closed_port()}")
        return await check_tracker(url, arguments)

    report = trio.run(check)
    assert [address.address for address in report.addresses] == ["127.0.0.1", "::1"]
    assert report.verdict == "does not work"


def asked(silent: socket.socket) -> socket.socket:
    """Waits until something is asked; gives the socket on which that was."""
    silent.settimeout(10)
    while True:
        connection = silent.dup() if silent.type == socket.SOCK_DGRAM else silent.accept()[0]
        connection.settimeout(10)
        if connection.recv(100):
            return connection
        connection.close()


@pytest.mark.parametrize("scheme", ["udp", "http", "https", "ws", "wss"])
def test_ctrl_c_is_no_traceback(scheme: str) -> None:
    """While a silent tracker is waited for, Ctrl-C ends the command at once, with exit code 130."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM if scheme == "udp" else socket.SOCK_STREAM) as silent:
        silent.bind(("127.0.0.1", 0))
        if scheme != "udp":
            silent.listen()
        url = f"{scheme}://127.0.0.1:{silent.getsockname()[1]}/announce"
        command = [sys.executable, "-m", "thalweg.main", "check", url]
        with (
            subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process,
            asked(silent),
        ):
            process.send_signal(signal.SIGINT)
            printed, _ = process.communicate(timeout=5)
    assert process.returncode == 130
    assert printed == ""


def test_an_unread_report_is_no_traceback() -> None:
    """`thalweg check … | head` may close the pipe early; nothing is complained of."""
    command = [sys.executable, "-m", "thalweg.main", "check", f"udp://127.0.0.1:{closed_port()}"]
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(command, stdout=writing, stderr=subprocess.PIPE, check=False, timeout=20)
    os.close(writing)
    assert done.returncode == 1
    assert done.stderr == b""
