"""The running service: what of its life is this service's own (thalweg_common.web.server has the rest)."""

from __future__ import annotations

from collections.abc import Iterator

import trio
from thalweg_common.memory import resident_bytes
from thalweg_common.status import Status, StatusWriter
from thalweg_common.swarm import AccessList
from thalweg_common.version import core_version
from thalweg_common.web.listeners import Listener
from thalweg_common.web.server import StreamServer
from thalweg_common.web.tls import TlsFiles
from wsproto.frame_protocol import CloseReason

from thalweg_ws.connection import serve_connection
from thalweg_ws.service import Service


class Server(StreamServer):
    """Serves on the listeners until told to stop."""

    def __init__(self, service: Service, listeners: list[Listener], tls: TlsFiles | None, status: StatusWriter) -> None:
        """The listeners' sockets stay the caller's."""
        config = service.config
        stop_timeout = config.drain_time + config.stop_timeout
        super().__init__(service, listeners, tls, status, access_list=config.access_list, stop_timeout=stop_timeout)
        self._service = service
        self._draining = trio.Event()

    def start(self, chores: trio.Nursery, connections: trio.Nursery) -> None:
        """Starts what will close the WebSockets, too."""
        super().start(chores, connections)
        connections.start_soon(self._close_sockets)

    def drain(self) -> None:
        """Closes what is idle, and begins to close WebSockets."""
        super().drain()
        self._draining.set()

    async def _close_sockets(self) -> None:
        """One after the other over drain_time: their clients come back as they are sent away."""
        await self._draining.wait()
        begun, sockets = trio.current_time(), list(self._service.sockets.values())
        for number, socket in enumerate(sockets):
            await trio.sleep_until(begun + self._service.config.drain_time * number / len(sockets))
            socket.close(CloseReason.GOING_AWAY, "stopping")

    async def serve(self, stream: trio.SocketStream, peer: bytes, tls: TlsFiles | None) -> None:
        """Serves a connection and closes it."""
        await serve_connection(self._service, stream, peer, tls=tls)

    def tend(self, budget: int) -> bool:
        """Looks whether so many records of the swarm are over; whether more is due."""
        return self._service.tracker.swarm.tend(budget=budget)

    def status(self, *, ready: bool) -> Status:
        """The state of the service now."""
        return Status(
            service="ws",
            version=core_version(),
            ready=ready,
            uptime_seconds=round(self._service.uptime(), 3),
            addresses=self._service.urls,
            memory_bytes=resident_bytes(),
            ip_version=self._service.family_status(),
        )

    async def use_access_list(self, access_list: AccessList) -> None:
        """Answers by another list from now on."""
        self._service.tracker.access_list = access_list

    def purge(self, access_list: AccessList) -> Iterator[int]:
        """Removes torrents that the list forbids, a shard at each step; how many."""
        return self._service.tracker.swarm.purge(access_list)
