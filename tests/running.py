"""A real service as a child process on loopback ports that the system chose, for tests."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Self

from thalweg_common.status import Status, parse_status

PATIENCE = 20.0  # seconds for anything that should take milliseconds
LISTEN_ANYWHERE = 'network.addresses = ["127.0.0.1:0", "[::1]:0"]\n'


def run_command(
    command: Sequence[str], *arguments: str, environment: dict[str, str] | None = None, **options: Any
) -> subprocess.CompletedProcess[str]:
    """Runs a service to its end."""
    whole = [*command, *arguments]
    return subprocess.run(
        whole, env=_environment(environment), capture_output=True, text=True, timeout=PATIENCE, check=False, **options
    )


class RunningService:
    """A service with this configuration (TOML), ready when the block begins and gone when it ends."""

    def __init__(self, folder: Path, config: str, command: Sequence[str], **environment: str) -> None:
        """`folder`: where the configuration and the log are written, and the service's working directory."""
        self.folder = folder
        self._command = command
        self.log_file = folder / "log.txt"
        (folder / "tracker.toml").write_text(config)
        self._environment = _environment(environment)

    def __enter__(self) -> Self:
        """Starts it and waits until it serves."""
        reader, writer = os.pipe()
        with self.log_file.open("w") as log:
            self.process = subprocess.Popen(
                [*self._command, "-c", "tracker.toml", "--status-fd", str(writer)],
                cwd=self.folder,
                env=self._environment,
                pass_fds=[writer],
                stdout=log,
                stderr=log,
            )
        os.close(writer)
        self._lines = os.fdopen(reader, "rb")
        try:
            self.ready = self.next_status()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        """Kills it if it still runs."""
        self._lines.close()
        self.process.kill()
        self.process.wait()

    @property
    def log(self) -> str:
        """What it wrote so far."""
        return self.log_file.read_text()

    def port(self, ip_version: int = 4) -> int:
        """The port it listens on, over one family."""
        mark = "[" if ip_version == 6 else "//1"
        (url,) = [url for url in self.ready.addresses if mark in url]
        return int(url.removesuffix("/announce").rpartition(":")[2])

    def next_status(self) -> Status:
        """The next status line; fails with the log when there is none."""
        readable, _, _ = select.select([self._lines], [], [], PATIENCE)
        line = self._lines.readline() if readable else b""
        assert line, f"no status line; the log says:\n{self.log}"
        return parse_status(line)

    def wait_for(self, what: Callable[[], bool]) -> None:
        """Waits until something is so; a file or a counter has no event to wait for."""
        deadline = time.monotonic() + PATIENCE
        while not what():
            assert time.monotonic() < deadline, f"still not so; the log says:\n{self.log}"
            select.select([], [], [], 0.005)

    def wait_for_log(self, text: str, times: int = 1) -> None:
        """Waits until the log says it."""
        self.wait_for(lambda: self.log.count(text) >= times)

    def send(self, number: signal.Signals) -> None:
        """Sends a signal."""
        self.process.send_signal(number)

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Asks it to stop; the exit code."""
        self.send(number)
        return self.process.wait(PATIENCE)


def _environment(extra: dict[str, str] | None) -> dict[str, str]:
    """This process's environment without options of the service that a developer may have set."""
    inherited = {key: value for key, value in os.environ.items() if not key.startswith("THALWEG_")}
    return {**inherited, "PYTHONWARNINGS": "error", **(extra or {})}
