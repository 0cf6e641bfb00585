"""Signals and wake-ups for the one thread that controls a service.

    with Signals() as signals:
        while (event := signals.wait(timeout)) is not Event.STOP: …

SIGTERM and SIGINT ask to stop, SIGHUP and SIGUSR1 to reload lists (aquatic knows only SIGUSR1), SIGUSR2 to write an
export. Other threads wake the controlling one with `wake()`. A self-pipe carries all of it: signal.set_wakeup_fd
writes the signal's number from whichever thread the kernel interrupts, wake() writes a zero, and wait() reads.
"""

from __future__ import annotations

import contextlib
import enum
import os
import select
import signal
from typing import Any, Self


class Event(enum.Enum):
    """What the controlling thread was woken for."""

    STOP = enum.auto()
    RELOAD = enum.auto()
    EXPORT = enum.auto()
    WOKEN = enum.auto()
    """Another thread has news."""
    TIMEOUT = enum.auto()


EVENTS = {
    signal.SIGTERM: Event.STOP,
    signal.SIGINT: Event.STOP,
    signal.SIGHUP: Event.RELOAD,
    signal.SIGUSR1: Event.RELOAD,
    signal.SIGUSR2: Event.EXPORT,
}


class Signals:
    """Catches the signals above while it is open. Made and used in the main thread; wake() from any."""

    def __init__(self) -> None:
        """Takes the signals over at once."""
        self._pending: list[Event] = []
        self._reader, self._writer = os.pipe()
        os.set_blocking(self._reader, False)
        os.set_blocking(self._writer, False)
        self._old_handlers: dict[int, Any] = {number: signal.signal(number, _noted) for number in EVENTS}
        self._old_wakeup = signal.set_wakeup_fd(self._writer, warn_on_full_buffer=False)

    def __enter__(self) -> Self:
        """Itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Gives the signals back."""
        signal.set_wakeup_fd(self._old_wakeup)
        for number, handler in self._old_handlers.items():
            signal.signal(number, handler)
        os.close(self._reader)
        os.close(self._writer)

    def wake(self) -> None:
        """Makes wait() return WOKEN. Any thread; never waits."""
        with contextlib.suppress(OSError):  # full: a wake-up waits already; closed: nobody is left to wake
            os.write(self._writer, b"\0")

    def wait(self, timeout: float) -> Event:
        """The next event, TIMEOUT when none comes within so many seconds."""
        if not self._pending:
            select.select([self._reader], [], [], max(0.0, timeout))
            self._pending = self._read()
        return self._pending.pop(0) if self._pending else Event.TIMEOUT

    def _read(self) -> list[Event]:
        """Everything in the pipe, each event once: ten reload signals mean one reload."""
        try:
            numbers = os.read(self._reader, 4096)
        except BlockingIOError:
            return []
        events = [EVENTS.get(signal.Signals(number), Event.WOKEN) if number else Event.WOKEN for number in numbers]
        return list(dict.fromkeys(events))


def _noted(_number: int, _frame: object) -> None:
    """The wake-up descriptor says it all; without a handler the signal would end the process."""


def leave_to_main_thread() -> None:
    """Blocks all signals in the calling thread, so that system calls of workers are not interrupted."""
    signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
