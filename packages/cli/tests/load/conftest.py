"""Scripted trackers for the tests of the load generators."""

import socket
import threading
from collections.abc import Callable, Iterator

import pytest

from packages.cli.tests.load.scripted_http_tracker import HttpTracker
from packages.cli.tests.load.scripted_tracker import Tracker


@pytest.fixture
def start_tracker() -> Iterator[Callable[[str], Tracker]]:
    """Starts UDP trackers on a host's free ports, and ends them with the test."""
    running: list[tuple[Tracker, threading.Thread]] = []

    def start(host: str) -> Tracker:
        tracker = Tracker(host)
        thread = threading.Thread(target=tracker.serve)
        thread.start()
        running.append((tracker, thread))
        return tracker

    yield start
    for tracker, thread in running:
        with socket.socket(tracker.socket.family, socket.SOCK_DGRAM) as end:
            end.sendto(b"end", (tracker.host, tracker.port))
        thread.join()
        tracker.socket.close()


@pytest.fixture
def tracker(start_tracker: Callable[[str], Tracker]) -> Tracker:
    """A UDP tracker on 127.0.0.1."""
    return start_tracker("127.0.0.1")


@pytest.fixture
def start_http_tracker() -> Iterator[Callable[[str], HttpTracker]]:
    """Starts HTTP trackers on a host's free ports, and ends them with the test."""
    running: list[tuple[HttpTracker, threading.Thread]] = []

    def start(host: str) -> HttpTracker:
        tracker = HttpTracker(host)
        thread = threading.Thread(target=tracker.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        running.append((tracker, thread))
        return tracker

    yield start
    for tracker, thread in running:
        tracker.stop()
        thread.join()


@pytest.fixture
def http_tracker(start_http_tracker: Callable[[str], HttpTracker]) -> HttpTracker:
    """An HTTP tracker on 127.0.0.1."""
    return start_http_tracker("127.0.0.1")
