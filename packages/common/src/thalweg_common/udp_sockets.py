"""Bound UDP sockets for the workers of a service.

Every worker gets its own socket for every address (SO_REUSEPORT: the kernel spreads clients over them). What the
kernel refuses becomes a BindError with one line that names the address and what to do.
"""

from __future__ import annotations

import contextlib
import socket
import struct

from msgspec import Struct

from thalweg_common.binding import cannot_listen, keeps_to_ipv6, listenable, set_only_ipv6
from thalweg_common.endpoints import Endpoint
from thalweg_common.log import Log

# Linux numbers that the socket module does not name.
_IP_MTU_DISCOVER, _IPV6_MTU_DISCOVER, _PMTUDISC_OMIT = 10, 23, 5
_IP_PKTINFO = 8
_SO_RCVBUFFORCE = 33
_SO_MEMINFO, _MEMINFO_FIELDS, _MEMINFO_DROPS = 55, 9, 8


class SocketOptions(Struct, frozen=True, kw_only=True):
    """What is set on every socket."""

    receive_buffer: int
    """Bytes the kernel may hold for a socket; 0: the system's default."""
    only_ipv6: bool
    """An IPv6 wildcard does not take IPv4 as well."""


class Listener(Struct, frozen=True):
    """One address and its sockets, one for each worker."""

    endpoint: Endpoint
    sockets: list[socket.socket]

    def kernel_drops(self) -> int:
        """Datagrams the kernel threw away since start because the workers did not fetch them in time."""
        return sum(_drops(sock) for sock in self.sockets)

    def close(self) -> None:
        """Closes the sockets."""
        for sock in self.sockets:
            sock.close()


def bind(endpoints: list[Endpoint], workers: int, options: SocketOptions, log: Log) -> list[Listener]:
    """Listens on every endpoint; BindError if one cannot be had.

    Only an IPv6 wildcard may be missing, with a warning, on a host without IPv6 when IPv4 is listened on as well.
    """
    with contextlib.ExitStack() as undo:
        listeners: list[Listener] = []
        for endpoint in listenable(endpoints, log):
            listener = _listen(endpoint, workers, _for_endpoint(options, endpoint, endpoints))
            undo.callback(listener.close)
            listeners.append(listener)
        _report_receive_buffer(listeners, options, log)
        undo.pop_all()
    return listeners


def _for_endpoint(options: SocketOptions, endpoint: Endpoint, endpoints: list[Endpoint]) -> SocketOptions:
    only_ipv6 = keeps_to_ipv6(endpoint, endpoints, options.only_ipv6)
    return SocketOptions(receive_buffer=options.receive_buffer, only_ipv6=only_ipv6)


def _listen(endpoint: Endpoint, workers: int, options: SocketOptions) -> Listener:
    """The sockets of one address. Port 0 becomes a free port, the same for all workers."""
    sockets: list[socket.socket] = []
    try:
        # Without SO_REUSEPORT first: with it, a second tracker would silently share the port and halve the swarm.
        with socket.socket(endpoint.family, socket.SOCK_DGRAM) as probe:
            set_only_ipv6(probe, options.only_ipv6)
            probe.bind((endpoint.host, endpoint.port))
            endpoint = endpoint._replace(port=probe.getsockname()[1])
        for _ in range(workers):
            sockets.append(_open(endpoint, options))  # noqa: PERF401 - those before a failure must be closed
    except OSError as error:
        for sock in sockets:
            sock.close()
        raise cannot_listen(endpoint, error) from error
    return Listener(endpoint, sockets)


def _open(endpoint: Endpoint, options: SocketOptions) -> socket.socket:
    sock = socket.socket(endpoint.family, socket.SOCK_DGRAM)
    try:
        sock.setblocking(False)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        set_only_ipv6(sock, options.only_ipv6)
        _set_receive_buffer(sock, options.receive_buffer)
        _set_packet_options(sock, endpoint)
        sock.bind((endpoint.host, endpoint.port))
    except OSError:
        sock.close()
        raise
    return sock


def _set_packet_options(sock: socket.socket, endpoint: Endpoint) -> None:
    """Replies leave from the address that was asked, and forged ICMP cannot shrink or split them."""
    if endpoint.ip_version == 4:
        sock.setsockopt(socket.IPPROTO_IP, _IP_MTU_DISCOVER, _PMTUDISC_OMIT)
    else:
        sock.setsockopt(socket.IPPROTO_IPV6, _IPV6_MTU_DISCOVER, _PMTUDISC_OMIT)
    if endpoint.is_wildcard and endpoint.ip_version == 4:
        sock.setsockopt(socket.IPPROTO_IP, _IP_PKTINFO, 1)
    elif endpoint.is_wildcard:
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVPKTINFO, 1)


def _set_receive_buffer(sock: socket.socket, size: int) -> None:
    """Past net.core.rmem_max where we may (CAP_NET_ADMIN), else up to it."""
    if not size:
        return
    try:
        sock.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, size)
    except PermissionError:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, size)


def _report_receive_buffer(listeners: list[Listener], options: SocketOptions, log: Log) -> None:
    """Linux doubles the number for its own bookkeeping, so half of what it tells is what it gave."""
    given = min(listener.sockets[0].getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF) // 2 for listener in listeners)
    if given < options.receive_buffer:
        log.info(
            "small receive buffer, bursts may be dropped",
            bytes=given,
            wanted=options.receive_buffer,
            remedy=f"sysctl -w net.core.rmem_max={options.receive_buffer}",
        )


def _drops(sock: socket.socket) -> int:
    """SO_MEMINFO's last field; 0 on kernels before 4.12, which do not tell."""
    try:
        meminfo = sock.getsockopt(socket.SOL_SOCKET, _SO_MEMINFO, _MEMINFO_FIELDS * 4)
    except OSError:
        return 0
    fields: tuple[int, ...] = struct.unpack(f"={len(meminfo) // 4}I", meminfo)
    return fields[_MEMINFO_DROPS] if len(fields) > _MEMINFO_DROPS else 0
