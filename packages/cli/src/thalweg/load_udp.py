"""The load generator for UDP trackers (csrc/udp_load.c), with a socket of its own."""

from __future__ import annotations

import contextlib
import socket
from typing import Any

from thalweg_common._core import lib

from thalweg.load_generator import Address, Generator, Traffic
from thalweg.load_population import Population

_RECEIVE_BUFFER = 8 << 20
_SO_RCVBUFFORCE = 33


class UdpTraffic(Traffic, frozen=True, kw_only=True):
    """`segmentation`: hand the kernel many requests as one buffer."""

    segmentation: bool = True


class UdpGenerator(Generator):
    """Plays over UDP (BEP 15)."""

    traffic: UdpTraffic

    def __init__(self, address: str, port: int, population: Population, traffic: UdpTraffic) -> None:
        """Opens the socket; sends nothing yet."""
        self._socket: socket.socket | None = None
        try:
            super().__init__(address, port, population, traffic)
        except BaseException:
            self._close_socket()
            raise

    def _make(self, ip: Address, options: Any, weights: Any) -> Any:
        self._socket = _open_socket(ip.version)
        return lib.tw_load_new_udp(options, weights, self._socket.fileno())

    def _transport_options(self) -> dict[str, object]:
        return {"use_segmentation": self.traffic.segmentation}

    def close(self) -> None:
        """Frees everything; the generator must not be used after it."""
        super().close()
        self._close_socket()

    def _close_socket(self) -> None:
        if self._socket:
            self._socket.close()


def _open_socket(ip_version: int) -> socket.socket:
    family = socket.AF_INET if ip_version == 4 else socket.AF_INET6
    opened = socket.socket(family, socket.SOCK_DGRAM)
    opened.setblocking(False)
    opened.bind(("", 0))
    opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BUFFER)
    with contextlib.suppress(PermissionError):  # beyond the system's limit: only with privileges
        opened.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, _RECEIVE_BUFFER)
    return opened
