"""Programs that run beside a test: started on a host, their output kept for diagnosis, ended by process id."""

import os
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Self

from tests.interop.network import Host

POLL = 0.05
"""Seconds between two looks at a condition that only polling can see."""
GRACE = 2.0
"""Seconds that programs have for ending; some clients want to tell a tracker first that is already gone."""


class Program:
    """One running program."""

    def __init__(self, name: str, log: Path, process: subprocess.Popen[bytes]) -> None:
        """Take a process that writes to `log`."""
        self.name = name
        self.log = log
        self.process = process

    def end(self, deadline: float) -> None:
        """Wait for the program, which was asked to end, until `deadline` (monotonic); kill it then."""
        try:
            self.process.wait(max(deadline - time.monotonic(), 0))
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def report(self) -> str:
        """Give the state of the program and the last lines it wrote."""
        state = "running" if self.process.poll() is None else f"ended with {self.process.returncode}"
        lines = self.log.read_text(errors="replace").splitlines()[-30:]
        return "\n".join([f"--- {self.name} ({state})", *lines])


class Programs:
    """All the programs of one test; ended when the context is left."""

    def __init__(self, folder: Path) -> None:
        """Keep logs in `folder`."""
        self.folder = folder
        self.running: list[Program] = []

    def __enter__(self) -> Self:
        """Begin with no program."""
        return self

    def __exit__(self, *exception: object) -> None:
        """Ask every program to end and see to it that it does, in reverse, so that clients find their tracker."""
        for program in reversed(self.running):
            program.process.terminate()
            program.end(time.monotonic() + GRACE)

    def start(self, name: str, host: Host, command: Sequence[str], **environment: str) -> Program:
        """Start `command` on `host`, at home in the folder; what it prints goes to NAME.log there.

        `environment`: variables that it gets beside ours.
        """
        log = self.folder / f"{name}.log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                host.command(command),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=self.folder,
                env=os.environ | {"HOME": str(self.folder)} | environment,
            )
        program = Program(name, log, process)
        self.running.append(program)
        return program

    def wait_until(self, condition: Callable[[], bool], what: str, seconds: float = 15) -> None:
        """Poll until `condition` holds; a program that ends or the deadline fails the test with every log's tail."""
        deadline = time.monotonic() + seconds
        while not condition():
            gone = [program.name for program in self.running if program.process.poll() is not None]
            if gone or time.monotonic() > deadline:
                why = f"{', '.join(gone)} ended" if gone else f"{seconds} s have passed"
                raise AssertionError("\n".join([f"{why} before {what}", *(p.report() for p in self.running)]))
            time.sleep(POLL)
