"""How `thalweg check` treats its command line, names and addresses."""

import json
import socket
from contextlib import closing

import pytest
from thalweg.main import main
from thalweg.tracker_url import TrackerUrlError, parse_tracker_url


@pytest.mark.parametrize(
    ("url", "hint"),
    [
        ("http://tracker.example/announce", "http:// trackers are not supported by this version"),
        ("wss://tracker.example", "wss:// trackers are not supported by this version"),
        ("tracker.example:6969", "write udp://HOST:PORT/announce"),
        ("udp://tracker.example/announce", "the port is missing"),
        ("udp://:6969", "the host is missing"),
        ("udp://tracker.example:66666", "66666"),
        ("udp://[::1", "udp://[::1"),
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


def test_a_url_is_taken_apart() -> None:
    """Brackets of IPv6 addresses are not part of the host; path and query belong together."""
    url = parse_tracker_url("udp://[2001:db8::1]:443/announce?key=1")
    assert (url.host, url.port, url.path) == ("2001:db8::1", 443, "/announce?key=1")


def test_the_text_of_an_error_begins_with_the_url() -> None:
    """Among several URLs the bad one is named."""
    with pytest.raises(TrackerUrlError, match=r"^ftp://x: not the URL of a tracker"):
        parse_tracker_url("ftp://x")


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


def test_an_unknown_name_is_a_broken_tracker(capsys: pytest.CaptureFixture[str]) -> None:
    """A name that does not resolve is reported with the resolver's words."""
    assert main(["check", "udp://tracker.invalid:6969"]) == 1
    assert "does not work: tracker.invalid: " in capsys.readouterr().out


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
