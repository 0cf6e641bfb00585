"""The life of a running service over TCP: connections, signals, and what is due every so often, in one trio nursery.

    ready → signals … → stop: no new connections, idle ones closed, the others after what was asked → the end

Stopping has a deadline; a second request to stop does not wait for it. A service says what is its own in the methods
below its name.
"""

from __future__ import annotations

import os
import signal
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable, Iterator

import trio

from thalweg_common import readiness
from thalweg_common.access_list import AccessListConfig, load_access_list
from thalweg_common.command import FAILED, STOPPED
from thalweg_common.config import ConfigError
from thalweg_common.signals import EVENTS, Event
from thalweg_common.status import Status, StatusWriter
from thalweg_common.swarm import AccessList
from thalweg_common.version import core_version
from thalweg_common.web.counters import StreamCounters
from thalweg_common.web.listeners import Handle, Listener, accept_forever
from thalweg_common.web.service import StreamService
from thalweg_common.web.tls import TlsFiles

SWEEP_SECONDS = 0.05
SWEEP_BUDGET = 4096  # records of the swarm looked at in one go …
SWEEP_STEPS = 16  # … so many times at most, if that many are due
STATUS_SECONDS = 1.0
WATCH_SECONDS = 1.0
CERTIFICATE_SECONDS = 86_400.0
SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2)


class StreamServer(ABC):
    """Serves on the listeners until told to stop."""

    def __init__(
        self,
        service: StreamService,
        listeners: list[Listener],
        tls: TlsFiles | None,
        status: StatusWriter,
        *,
        access_list: AccessListConfig,
        stop_timeout: float,
    ) -> None:
        """The listeners' sockets stay the caller's. `stop_timeout`: seconds for stopping."""
        self.serving = trio.CancelScope()
        """Cancelled, it makes the server stop."""
        self._stream_service = service
        self._log = service.log
        self._listeners = listeners
        self._tls = tls
        self._status = status
        self._access_list = access_list
        self._stop_timeout = stop_timeout
        self._reload_asked = trio.Event()
        self._accept_failures = 0
        self._ignored_forwarded = 0

    @abstractmethod
    async def serve(self, stream: trio.SocketStream, peer: bytes, tls: TlsFiles | None) -> None:
        """Serves a connection and closes it; `tls`: of a listener that speaks TLS. Raises nothing."""

    @abstractmethod
    def tend(self, budget: int) -> bool:
        """Looks whether so many records of the swarm are over; whether more is due."""

    @abstractmethod
    def status(self, *, ready: bool) -> Status:
        """The state of the service now."""

    @abstractmethod
    async def use_access_list(self, access_list: AccessList) -> None:
        """Answers by another list from now on."""

    @abstractmethod
    def purge(self, access_list: AccessList) -> Iterator[int]:
        """Removes torrents that the list forbids, a part at each step; how many."""

    def listens_here(self, listener: Listener) -> bool:
        """Whether connections of this listener are taken in this thread."""
        return True

    def start(self, chores: trio.Nursery, connections: trio.Nursery) -> None:
        """Starts what runs beside the listeners: in `chores` until the end, in `connections` what is waited for."""
        chores.start_soon(_every, SWEEP_SECONDS, self._sweep)
        chores.start_soon(_every, WATCH_SECONDS, self._watch)
        chores.start_soon(self._reload_when_asked)
        if self._status.is_open:
            chores.start_soon(_every, STATUS_SECONDS, lambda: self._status.write(self.status(ready=True)))
        if self._tls is not None:
            self._check_certificate()
            chores.start_soon(_every, CERTIFICATE_SECONDS, self._check_certificate)

    def drain(self) -> None:
        """Lets everything end soon that is served: nothing new has come from the listeners since."""
        self._stream_service.stop()

    def totals(self) -> StreamCounters:
        """What has been counted."""
        return self._stream_service.counters

    async def run(self) -> int:
        """The exit code."""
        with trio.open_signal_receiver(*SIGNALS) as signals:
            async with trio.open_nursery() as chores:
                async with trio.open_nursery() as connections:
                    accepting = trio.CancelScope()
                    chores.start_soon(self._accept, accepting, connections)
                    self.start(chores, connections)
                    self._tell_ready()
                    with self.serving:
                        await self._control(signals)
                    accepting.cancel()
                    self._tell_stopping()
                    chores.start_soon(self._end_at_second_signal, signals)
                    self.drain()
                    # Leaving waits for what has been asked to be answered, but not for ever.
                    connections.cancel_scope.deadline = trio.current_time() + self._stop_timeout
                chores.cancel_scope.cancel()
        return STOPPED

    def _sweep(self) -> None:
        for _ in range(SWEEP_STEPS):
            if not self.tend(SWEEP_BUDGET):
                return

    def _handler(self, tls: TlsFiles | None) -> Handle:
        async def handle(stream: trio.SocketStream, peer: bytes) -> None:
            await self.serve(stream, peer, tls)

        return handle

    async def _accept(self, accepting: trio.CancelScope, connections: trio.Nursery) -> None:
        """Takes connections from the listeners that are this thread's until the scope is cancelled."""
        service = self._stream_service
        mine = [listener for listener in self._listeners if self.listens_here(listener)]
        with accepting:
            async with trio.open_nursery() as nursery:
                for listener in mine:
                    handle = self._handler(self._tls if listener.secure else None)
                    nursery.start_soon(accept_forever, service, listener, handle, connections)
        for listener in mine:
            listener.close()

    def _watch(self) -> None:
        """Says what an operator must know and no request tells, every WATCH_SECONDS."""
        totals = self.totals()
        if totals.accept_failures > self._accept_failures:
            self._log.warn("no descriptors for new connections", remedy="raise the limit of open files")
        self._accept_failures = totals.accept_failures
        if totals.ignored_forwarded > self._ignored_forwarded:
            self._log.warn(
                f"{self._stream_service.forwarded_name} ignored",
                requests=totals.ignored_forwarded - self._ignored_forwarded,
                remedy="if they come from a proxy of yours, add it to network.trusted_proxies",
            )
        self._ignored_forwarded = totals.ignored_forwarded

    def _tell_ready(self) -> None:
        self._log.info("serving", addresses=self._stream_service.urls, version=core_version())
        self._status.write(self.status(ready=True))
        readiness.notify("READY=1")

    def _tell_stopping(self) -> None:
        self._log.info("stopping", within_seconds=self._stop_timeout)
        self._status.write(self.status(ready=False))
        readiness.notify("STOPPING=1")

    async def _control(self, signals: AsyncIterator[int]) -> None:
        """Until asked to stop."""
        async for number in signals:
            event = EVENTS[signal.Signals(number)]
            if event is Event.STOP:
                return
            if event is Event.RELOAD:
                self._reload_asked.set()

    async def _end_at_second_signal(self, signals: AsyncIterator[int]) -> None:
        await self._control(signals)
        self._log.warn("stopped at once")
        os._exit(FAILED)

    def _check_certificate(self) -> None:
        assert self._tls is not None
        if self._tls.ends_soon():
            self._log.warn("the TLS certificate ends soon", days_left=round(self._tls.days_left(), 1))

    async def _reload_when_asked(self) -> None:
        """One reload at a time; asked again meanwhile, it is done once more."""
        while True:
            await self._reload_asked.wait()
            self._reload_asked = trio.Event()
            self._reload_certificate()
            await self._reload_access_list()

    def _reload_certificate(self) -> None:
        if self._tls is None:
            return
        reloads = self._stream_service.counters.certificate_reloads
        try:
            self._tls.reload()
        except ConfigError as error:
            reloads["failed"] += 1
            self._log.error("TLS files not reloaded, the old ones stay", reason=error)
        else:
            reloads["ok"] += 1
            self._log.info("TLS files reloaded", days_left=round(self._tls.days_left(), 1))
            self._check_certificate()

    async def _reload_access_list(self) -> None:
        counters = self._stream_service.counters
        if self._access_list.mode == "off":
            self._log.info("no access list to reload, it is off")
            return
        try:
            access_list = await trio.to_thread.run_sync(load_access_list, self._access_list)
        except (ConfigError, MemoryError) as error:
            counters.access_list_reloads["failed"] += 1
            self._log.error("access list not reloaded, the old one stays", reason=error)
            return
        assert access_list is not None
        await self.use_access_list(access_list)
        counters.access_list_reloads["ok"] += 1
        self._log.info("access list reloaded", info_hashes=len(access_list))
        for removed in self.purge(access_list):
            counters.purged_torrents += removed
            await trio.lowlevel.checkpoint()


async def _every(seconds: float, action: Callable[[], None]) -> None:
    while True:
        await trio.sleep(seconds)
        action()
