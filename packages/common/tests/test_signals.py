"""Signals and wake-ups of the controlling thread."""

import os
import signal
import threading

import pytest
from thalweg_common.signals import Event, Signals

PATIENCE = 20.0


@pytest.mark.parametrize(
    ("number", "event"),
    [
        (signal.SIGTERM, Event.STOP),
        (signal.SIGINT, Event.STOP),
        (signal.SIGHUP, Event.RELOAD),
        (signal.SIGUSR1, Event.RELOAD),
        (signal.SIGUSR2, Event.EXPORT),
    ],
)
def test_every_signal_has_its_meaning(number: signal.Signals, event: Event) -> None:
    """And none ends the process while Signals is open."""
    with Signals() as signals:
        os.kill(os.getpid(), number)
        assert signals.wait(PATIENCE) is event
        assert signals.wait(0) is Event.TIMEOUT


def test_other_threads_wake_the_waiting_one() -> None:
    """A worker that ended has news."""
    with Signals() as signals:
        thread = threading.Thread(target=signals.wake)
        thread.start()
        assert signals.wait(PATIENCE) is Event.WOKEN
        thread.join()


def test_signals_that_pile_up_are_told_once_each() -> None:
    """Ten reloads are one; a stop behind them is not lost."""
    with Signals() as signals:
        for _ in range(10):
            signal.raise_signal(signal.SIGHUP)
        signal.raise_signal(signal.SIGTERM)
        assert [signals.wait(PATIENCE), signals.wait(PATIENCE)] == [Event.RELOAD, Event.STOP]


def test_waking_a_full_pipe_does_not_wait() -> None:
    """A controlling thread that is busy blocks nobody."""
    with Signals() as signals:
        for _ in range(100_000):
            signals.wake()
        assert signals.wait(0) is Event.WOKEN


def test_handlers_are_given_back() -> None:
    """Afterwards everything is as before."""
    before = signal.getsignal(signal.SIGTERM)
    with Signals():
        assert signal.getsignal(signal.SIGTERM) is not before
    assert signal.getsignal(signal.SIGTERM) is before
