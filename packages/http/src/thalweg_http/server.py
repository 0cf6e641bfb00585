"""The running service: connections, signals, and what is due every so often, in one trio nursery.

    ready → signals … → stop: no new connections, idle ones closed, the others after their reply → the end

Plain connections belong to the workers (workers.py) until these hand one over, unless the fast path is off; those with
TLS are taken here. Stopping has a deadline; a second request to stop does not wait for it.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress

import trio
from thalweg_common import readiness
from thalweg_common.access_list import load_access_list
from thalweg_common.command import FAILED, STOPPED
from thalweg_common.config import ConfigError
from thalweg_common.memory import resident_bytes
from thalweg_common.signals import EVENTS, Event
from thalweg_common.status import Status, StatusWriter
from thalweg_common.swarm import AccessList
from thalweg_common.version import core_version
from thalweg_common.web.listeners import Listener, accept_forever
from thalweg_common.web.tls import TlsFiles

from thalweg_http.connection import serve_connection
from thalweg_http.routes import family_status
from thalweg_http.service import Service
from thalweg_http.workers import Handover, Workers

SWEEP_SECONDS = 0.05
SWEEP_BUDGET = 4096  # peer records looked at in one go …
SWEEP_STEPS = 16  # … so many times at most, if that many are due
STATUS_SECONDS = 1.0
WATCH_SECONDS = 1.0
CERTIFICATE_SECONDS = 86_400.0
NICENESS = 5  # a third of a worker's share where they compete
SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2)


class Server:
    """Serves on the listeners until told to stop."""

    def __init__(self, service: Service, listeners: list[Listener], tls: TlsFiles | None, status: StatusWriter) -> None:
        """The listeners' sockets stay the caller's."""
        self._service = service
        self._log = service.log
        self._listeners = listeners
        self._tls = tls
        self._status = status
        self._reload_asked = trio.Event()
        self._serving = trio.CancelScope()
        self._workers_serve = trio.CancelScope()
        self._accept_failures = 0

    async def run(self) -> int:
        """The exit code."""
        workers = self._service.workers
        with trio.open_signal_receiver(*SIGNALS) as signals:
            async with trio.open_nursery() as chores:
                self._start_chores(chores)
                async with trio.open_nursery() as connections:
                    accepting = trio.CancelScope()
                    chores.start_soon(self._accept, accepting, connections)
                    if workers is not None:
                        self._start_workers(workers)
                        connections.start_soon(self._take_handovers, workers, connections)
                    self._tell_ready()
                    with self._serving:
                        await self._control(signals)
                    accepting.cancel()
                    self._tell_stopping()
                    chores.start_soon(self._end_at_second_signal, signals)
                    self._service.stop()
                    if workers is not None:
                        workers.drain()
                    # Leaving waits for what has been asked to be answered, but not for ever.
                    connections.cancel_scope.deadline = trio.current_time() + self._service.config.stop_timeout
                chores.cancel_scope.cancel()
        return FAILED if workers is not None and workers.failure else STOPPED

    def _start_workers(self, workers: Workers) -> None:
        token = trio.lowlevel.current_trio_token()

        def on_end() -> None:
            with suppress(trio.RunFinishedError):  # stopped when the deadline had passed: nobody waits for them
                token.run_sync_soon(self._workers_ended, workers)

        workers.start(on_end)
        # Odd requests, of which there may be a flood, do not take the CPU that the common ones need.
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICENESS)

    def _workers_ended(self, workers: Workers) -> None:
        self._workers_serve.cancel()
        if workers.failure:
            self._log.error("a worker failed", reason=workers.failure)
            self._serving.cancel()

    async def _take_handovers(self, workers: Workers, connections: trio.Nursery) -> None:
        """Serves what the workers leave to Python, until they have ended."""
        room = trio.Semaphore(self._service.config.limits.max_odd_connections)
        with self._workers_serve:
            while True:
                await trio.lowlevel.wait_readable(workers.bell)
                await self._start_handovers(workers, connections, room)
        await self._start_handovers(workers, connections, room)

    async def _start_handovers(self, workers: Workers, connections: trio.Nursery, room: trio.Semaphore) -> None:
        """All that wait; those for whom there is no room wait longer."""
        while True:
            await room.acquire()
            handover = workers.take()
            if handover is None:
                room.release()
                return
            connections.start_soon(self._serve_handover, handover, room)

    async def _serve_handover(self, handover: Handover, room: trio.Semaphore) -> None:
        service = self._service
        try:
            stream = trio.SocketStream(trio.socket.socket(fileno=handover.socket))
            await serve_connection(
                service,
                stream,
                handover.peer,
                handover.data,
                source=handover.source,
                counted=handover.counted,
            )
        finally:
            if handover.counted:
                service.connections.leave_address(handover.source or handover.peer)
            service.connections.leave()
            room.release()

    async def _accept(self, accepting: trio.CancelScope, connections: trio.Nursery) -> None:
        """Takes connections from the listeners that are Python's until the scope is cancelled."""
        mine = [listener for listener in self._listeners if listener.secure or self._service.workers is None]
        with accepting:
            async with trio.open_nursery() as nursery:
                for listener in mine:
                    nursery.start_soon(accept_forever, self._service, listener, self._handler(listener), connections)
        for listener in mine:
            listener.close()

    def _handler(self, listener: Listener) -> Callable[[trio.SocketStream, bytes], Awaitable[None]]:
        tls = self._tls if listener.secure else None

        async def handle(stream: trio.SocketStream, peer: bytes) -> None:
            await serve_connection(self._service, stream, peer, tls=tls)

        return handle

    def _start_chores(self, nursery: trio.Nursery) -> None:
        nursery.start_soon(_every, SWEEP_SECONDS, self._sweep)
        nursery.start_soon(_every, WATCH_SECONDS, self._watch_accepting)
        nursery.start_soon(self._reload_when_asked)
        if self._status.is_open:
            nursery.start_soon(_every, STATUS_SECONDS, lambda: self._status.write(self.status(ready=True)))
        if self._tls is not None:
            self._check_certificate()
            nursery.start_soon(_every, CERTIFICATE_SECONDS, self._check_certificate)

    def _sweep(self) -> None:
        for _ in range(SWEEP_STEPS):
            if not self._service.tracker.swarm.tend(budget=SWEEP_BUDGET):
                return

    def _watch_accepting(self) -> None:
        failures = self._service.totals().accept_failures
        if failures > self._accept_failures:
            self._log.warn("no descriptors for new connections", remedy="raise the limit of open files")
        self._accept_failures = failures

    def _tell_ready(self) -> None:
        self._log.info("serving", addresses=self._service.urls, version=core_version())
        self._status.write(self.status(ready=True))
        readiness.notify("READY=1")

    def _tell_stopping(self) -> None:
        self._log.info("stopping", within_seconds=self._service.config.stop_timeout)
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

    def status(self, *, ready: bool) -> Status:
        """The state of the service now."""
        return Status(
            service="http",
            version=core_version(),
            ready=ready,
            uptime_seconds=round(self._service.uptime(), 3),
            addresses=self._service.urls,
            memory_bytes=resident_bytes(),
            ip_version=family_status(self._service),
        )

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
        reloads = self._service.counters.certificate_reloads
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
        settings, reloads = self._service.config.access_list, self._service.counters.access_list_reloads
        if settings.mode == "off":
            self._log.info("no access list to reload, it is off")
            return
        try:
            access_list = await trio.to_thread.run_sync(load_access_list, settings)
        except (ConfigError, MemoryError) as error:
            reloads["failed"] += 1
            self._log.error("access list not reloaded, the old one stays", reason=error)
            return
        assert access_list is not None
        self._service.tracker.access_list = access_list
        if self._service.workers is not None:
            await trio.to_thread.run_sync(self._service.workers.set_access_list, access_list)
        reloads["ok"] += 1
        self._log.info("access list reloaded", info_hashes=len(access_list))
        await self._purge(access_list)

    async def _purge(self, access_list: AccessList) -> None:
        """Removes torrents the new list forbids, a shard at a time."""
        for removed in access_list.purge(self._service.tracker.swarm):
            self._service.counters.purged_torrents += removed
            await trio.lowlevel.checkpoint()


async def _every(seconds: float, action: Callable[[], None]) -> None:
    while True:
        await trio.sleep(seconds)
        action()
