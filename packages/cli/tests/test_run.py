"""`thalweg run` with the real services, from outside: as a process, with and without a terminal."""

import os
import pty
import re
import select
import signal
import socket
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from thalweg.main import main

COMMAND = [sys.executable, "-m", "thalweg.main", "run"]
HERE = ["--bind", "127.0.0.1", "--bind", "::1", "--port", "0"]
START_SECONDS = 15.0
STOP_SECONDS = 2.0

SHOW_SCREEN, GIVE_BACK = b"\x1b[?1049h", b"\x1b[?1049l"


class Output:
    """What a process writes to a descriptor, read up to what a test waits for."""

    def __init__(self, descriptor: int) -> None:
        """Reads from `descriptor`, which stays the caller's."""
        self.descriptor = descriptor
        self.seen = b""

    def wait_for(self, pattern: bytes, seconds: float = START_SECONDS) -> re.Match[bytes]:
        """Reads until the pattern has appeared; fails with all that was written when it does not."""
        deadline = time.monotonic() + seconds
        while not (match := re.search(pattern, self.seen)):
            left = deadline - time.monotonic()
            ready = left > 0 and select.select([self.descriptor], [], [], left)[0]
            chunk = self._read() if ready else b""
            assert chunk, f"no {pattern!r} in {self.seen.decode(errors='replace')}"
            self.seen += chunk
        return match

    def rest(self) -> bytes:
        """Reads to the end; gives everything."""
        while chunk := self._read():
            self.seen += chunk
        return self.seen

    def _read(self) -> bytes:
        with suppress(OSError):  # a pseudo terminal whose other side is gone
            return os.read(self.descriptor, 65536)
        return b""


@contextmanager
def running(*options: str) -> Iterator[tuple["subprocess.Popen[bytes]", Output]]:
    """Runs the command with both outputs in a pipe; killed at the end if need be."""
    process = subprocess.Popen([*COMMAND, *options], stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    assert process.stdout is not None
    try:
        yield process, Output(process.stdout.fileno())
    finally:
        stop(process)
        process.stdout.close()


@contextmanager
def running_on_terminal(environment: dict[str, str]) -> Iterator[tuple["subprocess.Popen[bytes]", Output, int]]:
    """Runs the command on a terminal of 24 rows and 80 columns; gives its other side and itself."""
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (24, 80))
    process = subprocess.Popen(
        [*COMMAND, *HERE], stdin=theirs, stdout=theirs, stderr=theirs, env=os.environ | environment
    )
    try:
        yield process, Output(ours), theirs
    finally:
        stop(process)
        os.close(ours)
        with suppress(OSError):
            os.close(theirs)


def stop(process: "subprocess.Popen[bytes]") -> None:
    """Interrupts a process that still runs, so that its own children end as well."""
    if process.poll() is None:
        process.send_signal(signal.SIGINT)
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def announce_port(output: Output) -> int:
    """The port in the announce URLs, once they are printed with both families."""
    output.wait_for(rb"udp://\[::1\]:\d+/announce")
    return int(output.wait_for(rb"udp://127\.0\.0\.1:(\d+)/announce")[1])


def children(pid: int) -> list[int]:
    """The processes that `pid` has started, in whichever of its threads."""
    threads = Path(f"/proc/{pid}/task").glob("*/children")
    return [int(child) for thread in threads for child in thread.read_text().split()]


@pytest.mark.parametrize("signal_number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_stops_everything_in_time(signal_number: signal.Signals) -> None:
    """Announce URLs appear; the signal ends command and service within two seconds, with exit code 0."""
    with running(*HERE) as (process, output):
        port = announce_port(output)
        services = children(process.pid)
        process.send_signal(signal_number)
        assert process.wait(STOP_SECONDS) == 0
    assert services
    assert not [pid for pid in services if Path(f"/proc/{pid}").exists()]
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free_again:
        free_again.bind(("127.0.0.1", port))


def test_what_runs_passes_the_check(capsys: pytest.CaptureFixture[str]) -> None:
    """The tracker that `run` starts draws no remark from `check`, over neither family."""
    with running(*HERE) as (_, output):
        port = announce_port(output)
        assert main(["check", f"udp://127.0.0.1:{port}/announce", f"udp://[::1]:{port}/announce"]) == 0
    printed = capsys.readouterr().out
    assert "works (over IPv4)" in printed
    assert "works (over IPv6)" in printed
    assert "  note  " not in printed


def test_without_a_terminal_there_are_lines() -> None:
    """Into a pipe go plain lines, one per service, and no control sequences."""
    with running(*HERE) as (_, output):
        output.wait_for(rb"udp: IPv4 \d+ requests/s \d+ torrents \d+ peers; IPv6 .*; [\d.]+ MiB\n")
    assert b"\x1b" not in output.seen


def test_a_service_that_dies_ends_the_run() -> None:
    """The service's end is reported with its exit code; the command gives 1."""
    with running(*HERE) as (process, output):
        announce_port(output)
        os.kill(children(process.pid)[0], signal.SIGKILL)
        assert process.wait(START_SECONDS) == 1
        assert re.search(rb"thalweg run: the (udp|http|ws) service was ended by signal 9", output.rest())


def test_http_and_webtorrent_join_the_suite() -> None:
    """Its announce URLs are printed with the others, and it has its own line."""
    with running(*HERE) as (_, output):
        output.wait_for(rb"http://\[::1\]:\d+/announce")
        output.wait_for(rb"ws://\[::1\]:\d+/announce")
        output.wait_for(rb"http: IPv4 \d+ requests/s \d+ torrents \d+ peers; IPv6 .*; [\d.]+ MiB\n")
        output.wait_for(rb"ws: IPv4 \d+ requests/s \d+ torrents \d+ peers; IPv6 .*; [\d.]+ MiB\n")


def test_a_bad_configuration_file_is_the_services_word(tmp_path: Path) -> None:
    """The service's own line about its file is shown, without a traceback; the command gives 2."""
    file = tmp_path / "udp.toml"
    file.write_text("[network]\nadress_ipv4 = '127.0.0.1:0'\n")
    with running("--config-udp", str(file)) as (process, output):
        assert process.wait(START_SECONDS) == 2
        printed = output.rest().decode()
    assert "address_ipv4" in printed
    assert "the udp service ended with exit code 2" in printed
    assert "Traceback" not in printed


def test_a_configuration_file_decides_where_to_listen(tmp_path: Path) -> None:
    """With a file of one's own the URLs are those of its addresses."""
    file = tmp_path / "udp.toml"
    file.write_text("[network]\nuse_ipv6 = false\naddress_ipv4 = '127.0.0.1:0'\n")
    with running("--config-udp", str(file)) as (_, output):
        output.wait_for(rb"udp://127\.0\.0\.1:[1-9]\d*/announce\n")


@pytest.mark.parametrize(
    ("options", "hint"),
    [
        (["--port", "70000"], "expected 0 to 65535"),
        (["--bind", "localhost"], "--bind: 'localhost'"),
        (["--bind", "192.0.2.77"], "choose another address with --bind"),
        (["--config-udp", "x.toml", "--port", "1"], "leave out --port and --bind"),
    ],
)
def test_wrong_usage_is_one_line(options: list[str], hint: str, capsys: pytest.CaptureFixture[str]) -> None:
    """What cannot be run says why and what to do, with exit code 2."""
    assert main(["run", *options]) == 2
    error = capsys.readouterr().err
    assert error.startswith("thalweg run: ")
    assert error.count("\n") == 1
    assert hint in error


def test_the_terminal_shows_a_table_and_is_given_back() -> None:
    """The table is drawn on a screen of its own; Ctrl-C, typed, ends all and leaves the terminal as it was."""
    with running_on_terminal({"TERM": "xterm"}) as (process, output, terminal):
        before = termios.tcgetattr(terminal)
        output.wait_for(rb"service  clients  requests/s  torrents  peers  seeders +memory")
        output.wait_for(rb"udp +IPv4 +\d")
        assert SHOW_SCREEN in output.seen
        process.send_signal(signal.SIGINT)
        assert process.wait(STOP_SECONDS) == 0
        assert termios.tcgetattr(terminal) == before
        os.close(terminal)
        assert re.search(rb"\x1b\[\?25h" + re.escape(GIVE_BACK) + rb"Stopped\.\s*$", output.rest())


@pytest.mark.parametrize(
    ("environment", "absent"), [({"NO_COLOR": "1", "TERM": "xterm"}, b"\x1b[1m"), ({"TERM": "dumb"}, b"\x1b")]
)
def test_terminals_can_be_plain(environment: dict[str, str], absent: bytes) -> None:
    """NO_COLOR takes the bold away; a terminal without abilities gets lines."""
    with running_on_terminal(environment) as (_, output, _terminal):
        output.wait_for(rb"udp:? +IPv4 +\d")
    assert absent not in output.seen


def test_a_reader_that_goes_away_ends_the_run() -> None:
    """When the pipe's other end closes, as in `thalweg run | head`, command and service end without a complaint."""
    command = subprocess.Popen([*COMMAND, *HERE], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert command.stdout is not None
    assert command.stderr is not None
    with command.stderr:
        announce_port(Output(command.stdout.fileno()))
        services = children(command.pid)
        command.stdout.close()
        try:
            assert command.wait(START_SECONDS) == 0
        finally:
            stop(command)
        assert not [pid for pid in services if Path(f"/proc/{pid}").exists()]
        assert b"Traceback" not in command.stderr.read()


def test_a_terminal_that_goes_away_ends_the_run() -> None:
    """A closed window leaves no service behind."""
    ours, theirs = pty.openpty()
    environment = os.environ | {"TERM": "xterm"}
    command = subprocess.Popen([*COMMAND, *HERE], stdin=theirs, stdout=theirs, stderr=theirs, env=environment)
    os.close(theirs)
    try:
        Output(ours).wait_for(rb"udp:? +IPv4 +\d")
        services = children(command.pid)
        os.close(ours)
        assert command.wait(START_SECONDS) == 0
    finally:
        stop(command)
    assert services
    assert not [pid for pid in services if Path(f"/proc/{pid}").exists()]
