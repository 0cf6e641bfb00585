"""A service under attack, for tests: what it holds is weighed before and after, and it has to serve as it did."""

from __future__ import annotations

import contextlib
import resource
import socket
import ssl
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from packages.http.tests.running import LISTEN_ANYWHERE, RunningService, announce
from tests import running

MEBIBYTE = 1 << 20
FAST_KEEPS = 8 * MEBIBYTE
WHOLE_KEEPS = 96 * MEBIBYTE  # Python's allocator, after thousands of tasks
LEFT_BEHIND = 8 * MEBIBYTE
PAGE_SIZE = resource.getpagesize()
OUR_OWN_DESCRIPTORS = 200


class Holding(NamedTuple):
    """What a process holds."""

    descriptors: int
    memory: int


def holding(service: running.RunningService) -> Holding:
    """Open descriptors, and resident bytes."""
    process = Path(f"/proc/{service.process.pid}")
    resident_pages = int((process / "statm").read_text().split()[1])
    return Holding(len(list((process / "fd").iterdir())), resident_pages * PAGE_SIZE)


def holds(service: RunningService, descriptors: int) -> bool:
    """Whether so many are open."""
    return holding(service).descriptors >= descriptors


class Attack:
    """Attacks the service of one test, and keeps the figures."""

    def __init__(self, folder: Path, fast: bool, record: Callable[[str, object], None]) -> None:
        """`fast`: with the fast path. `record`: pytest's record_property."""
        self._folder = folder
        self._environment = {"THALWEG_HTTP__NETWORK__FAST_PATH": str(fast).lower()}
        self._kept = FAST_KEEPS if fast else WHOLE_KEEPS
        self._record = record

    def note(self, name: str, value: float) -> None:
        """Keeps a figure in the report, and shows it with `pytest -s`."""
        print(f"\n    {name}: {value:,.5g}", end="")
        self._record(name, value)

    def start(self, config: str) -> RunningService:
        """A service with further options, to be entered."""
        return RunningService(self._folder, LISTEN_ANYWHERE + config, **self._environment)

    @contextlib.contextmanager
    def on(self, config: str = "") -> Iterator[RunningService]:
        """A service with further options; after the block it has to be as healthy as before."""
        with self.start(config) as service:
            yield service
            assert b"8:intervali" in service.ask(announce(1))
            assert "failed" not in service.log

    def waves(self, service: RunningService, kept: int = 0, left: int = LEFT_BEHIND) -> Iterator[int]:
        """Two attacks, one after the other. Each has to leave no descriptor behind.

        Of the first one's memory some stays with the allocator, for the next time: at most `kept` bytes; 0: what is
        usual for the path. The second may leave `left` bytes more.
        """
        descriptors, weights = holding(service).descriptors, []
        service.ask(announce(1))  # what the first request loads stays
        for wave in range(3):
            if wave:
                yield wave
            service.wait_for(lambda: holding(service).descriptors == descriptors)
            weights.append(holding(service))
        for weight, when in zip(weights, ("before", "after it", "after it once more"), strict=True):
            self.note(f"memory {when}, MiB", weight.memory / MEBIBYTE)
        assert weights[1].memory - weights[0].memory < (kept or self._kept)
        assert weights[2].memory - weights[1].memory < left


@contextlib.contextmanager
def many_connections(service: RunningService, count: int) -> Iterator[list[socket.socket]]:
    """Connections that say nothing yet."""
    with contextlib.ExitStack() as stack:
        yield [stack.enter_context(service.connect()) for _ in range(count)]


@contextlib.contextmanager
def descriptors_for(connections: int) -> Iterator[None]:
    """Lets this process, and services it starts meanwhile, have so many; fails where that is not allowed."""
    needed = connections + OUR_OWN_DESCRIPTORS
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < needed:
        pytest.fail(f"{needed} open files are needed, {hard} are allowed: raise the hard limit (ulimit -Hn {needed})")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, needed), hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def client_hello() -> bytes:
    """The first bytes of a TLS connection."""
    outgoing = ssl.MemoryBIO()
    context = ssl.create_default_context()
    with contextlib.suppress(ssl.SSLWantReadError):
        context.wrap_bio(ssl.MemoryBIO(), outgoing, server_hostname="tracker.example").do_handshake()
    return outgoing.read()


def reset(connection: socket.socket) -> None:
    """Closes it in the rudest way: with RST."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    connection.close()


def median(values: Iterable[float]) -> float:
    """The middle one."""
    ordered = sorted(values)
    return ordered[len(ordered) // 2]
