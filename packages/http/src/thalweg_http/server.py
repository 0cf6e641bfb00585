"""The running service: what of its life is this service's own (thalweg_common.web.server has the rest).

Plain connections belong to the workers (workers.py) until these hand one over, unless the fast path is off; those with
TLS are taken here.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import suppress

import trio
from thalweg_common.command import FAILED
from thalweg_common.memory import resident_bytes
from thalweg_common.status import Status, StatusWriter
from thalweg_common.swarm import AccessList
from thalweg_common.version import core_version
from thalweg_common.web.counters import StreamCounters
from thalweg_common.web.listeners import Listener
from thalweg_common.web.server import StreamServer
from thalweg_common.web.tls import TlsFiles

from thalweg_http.connection import serve_connection
from thalweg_http.routes import family_status
from thalweg_http.service import Service
from thalweg_http.workers import Handover, Workers

NICENESS = 5  # a third of a worker's share where they compete


class Server(StreamServer):
    """Serves on the listeners until told to stop."""

    def __init__(self, service: Service, listeners: list[Listener], tls: TlsFiles | None, status: StatusWriter) -> None:
        """The listeners' sockets stay the caller's."""
        config = service.config
        super().__init__(
            service, listeners, tls, status, access_list=config.access_list, stop_timeout=config.stop_timeout
        )
        self._service = service
        self._workers_serve = trio.CancelScope()

    async def run(self) -> int:
        """The exit code."""
        code = await super().run()
        workers = self._service.workers
        return FAILED if workers is not None and workers.failure else code

    def start(self, chores: trio.Nursery, connections: trio.Nursery) -> None:
        """Starts the workers, too, and taking what they hand over."""
        super().start(chores, connections)
        workers = self._service.workers
        if workers is not None:
            self._start_workers(workers)
            connections.start_soon(self._take_handovers, workers, connections)

    def drain(self) -> None:
        """Closes what is idle, and every other connection after its reply."""
        super().drain()
        if self._service.workers is not None:
            self._service.workers.drain()

    def listens_here(self, listener: Listener) -> bool:
        """Whether it speaks TLS, or there are no workers."""
        return listener.secure or self._service.workers is None

    def totals(self) -> StreamCounters:
        """Of both paths."""
        return self._service.totals()

    async def serve(self, stream: trio.SocketStream, peer: bytes, tls: TlsFiles | None) -> None:
        """Serves a connection and closes it."""
        await serve_connection(self._service, stream, peer, tls=tls)

    def tend(self, budget: int) -> bool:
        """Looks whether so many records of the swarm are over; whether more is due."""
        return self._service.tracker.swarm.tend(budget=budget)

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

    async def use_access_list(self, access_list: AccessList) -> None:
        """Gives it to both paths."""
        self._service.tracker.access_list = access_list
        if self._service.workers is not None:
            await trio.to_thread.run_sync(self._service.workers.set_access_list, access_list)

    def purge(self, access_list: AccessList) -> Iterator[int]:
        """Removes torrents the new list forbids, a shard at a time."""
        return access_list.purge(self._service.tracker.swarm)

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
            self._service.log.error("a worker failed", reason=workers.failure)
            self.serving.cancel()

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
