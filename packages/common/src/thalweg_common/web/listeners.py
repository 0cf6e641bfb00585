"""Listening sockets, and taking connections from them for as long as the service runs.

Running out of file descriptors ends nothing: connections wait with the kernel until descriptors return.
"""

from __future__ import annotations

import errno
import resource
import socket
from collections.abc import Awaitable, Callable
from contextlib import ExitStack, suppress

import trio
from msgspec import Struct

from thalweg_common.binding import cannot_listen, keeps_to_ipv6, listenable, set_only_ipv6
from thalweg_common.endpoints import Endpoint
from thalweg_common.listen_config import only_ipv6
from thalweg_common.log import Log
from thalweg_common.web import pages
from thalweg_common.web.config import StreamConfig, plain_endpoints, tls_endpoints
from thalweg_common.web.service import StreamService
from thalweg_common.web.streams import last_words

RETRY_SECONDS = 0.1
TAKEN_AT_ONCE = 256
TURNED_AWAY_AT_ONCE = 32
OTHER_DESCRIPTORS = 128  # beside connections: listeners, metrics, files, the interpreter's own
EXHAUSTED = {errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOBUFS}
Handle = Callable[[trio.SocketStream, bytes], Awaitable[None]]
"""Serves a connection from this address and closes it."""


class Listener(Struct, frozen=True):
    """One address that is listened on, and its sockets: one for each worker, or one for Python."""

    endpoint: Endpoint
    sockets: list[socket.socket]
    scheme: str
    secure: bool

    def close(self) -> None:
        """Closes the sockets."""
        for sock in self.sockets:
            sock.close()

    @property
    def url(self) -> str:
        """As an announce URL."""
        return f"{self.scheme}://{self.endpoint}/announce"


def listen(network: StreamConfig, log: Log, schemes: tuple[str, str], workers: int = 0) -> list[Listener]:
    """Listens on every configured address; BindError if one cannot be had.

    `schemes`: of URLs without TLS and with it. `workers`: that plain connections are for; 0: they are Python's.
    """
    wanted = [(endpoint, False) for endpoint in plain_endpoints(network)]
    wanted += [(endpoint, True) for endpoint in tls_endpoints(network)]
    endpoints = [endpoint for endpoint, _ in wanted]
    possible = listenable(endpoints, log)
    with ExitStack() as undo:
        listeners = []
        for endpoint, secure in wanted:
            if endpoint in possible:
                alone = keeps_to_ipv6(endpoint, endpoints, only_ipv6(network))
                sockets = _listen(endpoint, alone, network.tcp_backlog, 1 if secure else max(1, workers))
                endpoint = endpoint._replace(port=sockets[0].getsockname()[1])
                listeners.append(Listener(endpoint, sockets, schemes[secure], secure))
                undo.callback(listeners[-1].close)
        undo.pop_all()
    return listeners


def descriptor_limit() -> int:
    """How many files this process may have open; raised as far as the system allows."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        with suppress(OSError, ValueError):  # some systems have hard limits that are no good as soft ones
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]


def connection_limit(configured: int) -> int:
    """How many connections there may be: as configured, and no more than there are descriptors for."""
    possible = max(1, descriptor_limit() - OTHER_DESCRIPTORS)
    return min(configured, possible) if configured else possible


async def accept_forever(service: StreamService, listener: Listener, handle: Handle, nursery: trio.Nursery) -> None:
    """Takes connections and starts a task for each, until cancelled.

    Many at a time: however busy those are that have been taken, the others do not wait for as many turns as they are.
    """
    turning_away = trio.CapacityLimiter(TURNED_AWAY_AT_ONCE)
    (sock,) = listener.sockets
    while True:
        await trio.lowlevel.wait_readable(sock)
        for _ in range(TAKEN_AT_ONCE):
            try:
                accepted, address = sock.accept()
            except BlockingIOError:
                break
            except OSError as error:
                if error.errno in EXHAUSTED:
                    service.counters.accept_failures += 1
                    await trio.sleep(RETRY_SECONDS)
                continue  # otherwise the client was gone before it was taken
            connection = trio.socket.from_stdlib_socket(accepted)
            service.counters.accepted += 1
            if service.connections.enter():
                nursery.start_soon(_serve, service, connection, address[0], handle)
            else:
                service.counters.refused["connections"] += 1
                nursery.start_soon(_turn_away, turning_away, connection)


async def _serve(service: StreamService, connection: trio.socket.SocketType, host: str, handle: Handle) -> None:
    try:
        stream = trio.SocketStream(connection)  # sets TCP_NODELAY
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        await handle(stream, socket.inet_pton(family, host.partition("%")[0]))
    finally:
        connection.close()
        service.connections.leave()


async def _turn_away(turning_away: trio.CapacityLimiter, connection: trio.socket.SocketType) -> None:
    """Says why, to as many at a time as may be waited for; the others see their connection end."""
    with connection, suppress(trio.WouldBlock, trio.BrokenResourceError):
        turning_away.acquire_nowait()
        try:
            await last_words(trio.SocketStream(connection), pages.as_bytes(pages.error_page("busy")))
        finally:
            turning_away.release()


def _listen(endpoint: Endpoint, alone: bool, backlog: int, count: int) -> list[socket.socket]:
    """So many sockets that share the address. Port 0 becomes a free port, the same for all of them."""
    with ExitStack() as undo:
        try:
            # Without SO_REUSEPORT first: with it, a second tracker would silently share the port and halve the swarm.
            with _bind(endpoint, alone, shared=False) as probe:
                endpoint = endpoint._replace(port=probe.getsockname()[1])
            sockets = [undo.enter_context(_bind(endpoint, alone, shared=count > 1)) for _ in range(count)]
            for sock in sockets:
                sock.listen(backlog)
        except OSError as error:
            raise cannot_listen(endpoint, error) from error
        undo.pop_all()
    return sockets


def _bind(endpoint: Endpoint, alone: bool, *, shared: bool) -> socket.socket:
    sock = socket.socket(endpoint.family, socket.SOCK_STREAM)
    try:
        sock.setblocking(False)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, shared)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # connections inherit it
        set_only_ipv6(sock, alone)
        sock.bind((endpoint.host, endpoint.port))
    except OSError:
        sock.close()
        raise
    return sock
