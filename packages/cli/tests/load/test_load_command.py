"""`thalweg load` as a command: its report, its refusals, its exit status."""

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from thalweg import load

from packages.cli.tests.load.scripted_http_tracker import HttpTracker
from packages.cli.tests.load.scripted_tracker import Tracker


def run(*words: str) -> int:
    """The command with these words after its name."""
    parser = argparse.ArgumentParser(prog="thalweg load")
    load.add_arguments(parser)
    return load.run(parser.parse_args(words))


def test_report(tracker: Tracker, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A run writes the settings, counts and costs to a file, and a table for the reader."""
    path = tmp_path / "report.json"
    url = f"udp://127.0.0.1:{tracker.port}/announce"
    sizes = ("--torrents", "10", "--peers", "300", "--seed", "9", "--seeders", "0.5", "--numwant", "3")
    assert run(url, "--seconds", "0.2", *sizes, "--pid", str(os.getpid()), "--json", str(path)) == 0
    report = json.loads(path.read_text())
    assert report["target"] == url
    assert report["population"] == {
        "torrents": 10,
        "peers": 300,
        "popularity": "skewed",
        "seeder_share": 0.5,
        "seed": 9,
        "first_peer": 0,
    }
    assert report["traffic"]["numwant"] == 3
    assert report["replies"]["announce"] > 0
    assert report["replies_per_second"] == pytest.approx(sum(report["replies"].values()) / report["seconds"], rel=0.01)
    assert list(report["latency_us"]) == ["p50", "p90", "p99", "p99.9", "max"]
    assert report["mean_peers"] == 2
    assert report["server"]["cpu_seconds"] > 0
    assert report["server"]["memory"]["rss_bytes"] > report["server"]["memory"]["anonymous_bytes"] > 0
    output = capsys.readouterr()
    assert "replies per CPU second" in output.out
    assert "seed 9" in output.err


def test_http_report(http_tracker: HttpTracker, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Over HTTP the report also has the connections, and idle ones are opened before."""
    path = tmp_path / "report.json"
    url = f"http://127.0.0.1:{http_tracker.port}/announce"
    sizes = ("--torrents", "10", "--peers", "300", "--no-fill", "--in-flight", "16")
    assert run(url, "--seconds", "0.1", *sizes, "--idle-connections", "30", "--json", str(path)) == 0
    report = json.loads(path.read_text())
    assert list(report["replies"]) == ["announce", "scrape", "error"]
    assert (report["traffic"]["idle_connections"], report["traffic"]["connection_per_request"]) == (30, False)
    assert (report["connections"], report["broken"], report["idle_broken"]) == (16, 0, 0)
    assert report["mean_peers"] == 3
    assert "connections  16 opened" in capsys.readouterr().out


def test_idle_connections_need_a_tracker_that_keeps_them(
    http_tracker: HttpTracker, capsys: pytest.CaptureFixture[str]
) -> None:
    """One that ends every connection is told of before anything is measured."""
    http_tracker.ends_after_reply = True
    url = f"http://127.0.0.1:{http_tracker.port}/announce"
    assert run(url, "--peers", "64", "--torrents", "4", "--no-fill", "--idle-connections", "5") == 1
    assert "--idle-connections" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("url", "option", "why"),
    [
        ("udp://127.0.0.1:1", "--connection-per-request", "for http://"),
        ("udp://127.0.0.1:1", "--idle-connections=1", "for http://"),
        ("udp://127.0.0.1:1", "--pipeline=2", "for http://"),
        ("http://127.0.0.1:1/announce", "--no-segmentation", "for udp://"),
        ("http://127.0.0.1:1/announce", "--mix=1:1:1", "write A:S:0"),
    ],
)
def test_options_of_the_other_transport(url: str, option: str, why: str, capsys: pytest.CaptureFixture[str]) -> None:
    """What would mean nothing is refused."""
    assert run(url, option) == 2
    assert why in capsys.readouterr().err


def test_https_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    """The generator does not speak TLS, and says what it speaks."""
    assert run("https://127.0.0.1:1/announce") == 2
    assert "https:// trackers are not supported here" in capsys.readouterr().err


def test_more_connections_than_descriptors() -> None:
    """The system's limit is named before anything is sent."""
    load_command = f"{sys.executable} -m thalweg.main load http://127.0.0.1:1/announce"
    command = f"ulimit -n 200 && exec {load_command}"
    ended = subprocess.run(["sh", "-c", command], capture_output=True, text=True, timeout=20, check=False)
    assert ended.returncode == 1
    assert ended.stderr == (
        "thalweg load: 256 connections are too many for the limit of 200 descriptors; raise it with ulimit -n\n"
    )


def test_json_on_standard_output(tracker: Tracker, capsys: pytest.CaptureFixture[str]) -> None:
    """With - the report is all there is on standard output."""
    arguments = ("--peers", "64", "--torrents", "4", "--no-fill", "--seconds", "0.05", "--json", "-")
    assert run(f"udp://127.0.0.1:{tracker.port}", *arguments) == 0
    assert json.loads(capsys.readouterr().out)["workload"] == "skewed"


def test_public_addresses_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing is sent to a stranger, and the message names the way out."""
    assert run("udp://192.88.99.1:6969") == 2
    assert "--i-own-this-tracker" in capsys.readouterr().err


@pytest.mark.parametrize("address", ["127.0.0.1", "10.1.2.3", "192.168.0.9", "[::1]", "[fe80::1]"])
def test_near_addresses_are_allowed(address: str) -> None:
    """Loopback, private and link-local ones."""
    url, found = load.resolve(f"udp://{address}:80", allow_public=False)
    assert (url.port, found) == (80, address.strip("[]"))


def test_a_silent_tracker_ends_the_run(
    tracker: Tracker, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a while without any reply the command says so."""
    tracker.reply = lambda request: []
    monkeypatch.setattr(load, "SILENCE_SECONDS", 0.1)
    assert run(f"udp://127.0.0.1:{tracker.port}", "--peers", "64", "--torrents", "4", "--timeout", "0.1") == 1
    assert "does the tracker run" in capsys.readouterr().err


@pytest.mark.parametrize("url", ["nonsense", "udp://127.0.0.1", "udp://:80"])
def test_bad_urls_are_usage_errors(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    """One line that shows how a URL looks."""
    assert run(url) == 2
    assert "write udp://HOST:PORT" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("option", "value"),
    [("--seconds", "0"), ("--seeders", "2"), ("--mix", "1:2"), ("--mix", "0:0:0"), ("--in-flight", "70000")],
)
def test_bad_values_are_usage_errors(option: str, value: str, capsys: pytest.CaptureFixture[str]) -> None:
    """argparse's own way: exit status 2, the option's name and what was expected."""
    with pytest.raises(SystemExit) as stopped:
        run("udp://127.0.0.1:1", option, value)
    assert stopped.value.code == 2
    assert option in capsys.readouterr().err


def test_a_process_that_is_gone(tracker: Tracker, capsys: pytest.CaptureFixture[str]) -> None:
    """A wrong --pid is one line, not a traceback."""
    arguments = ("--peers", "64", "--torrents", "4", "--no-fill", "--seconds", "0.05", "--pid", "4194304")
    assert run(f"udp://127.0.0.1:{tracker.port}", *arguments) == 1
    assert "process 4194304" in capsys.readouterr().err
