"""The load generator for HTTP trackers (csrc/http_load.c)."""

from __future__ import annotations

import resource
from pathlib import Path
from typing import Any, ClassVar

from thalweg_common._core import ffi, lib
from thalweg_common.http_wire import scrape_path

from thalweg.load_generator import KINDS, Address, Generator, Traffic
from thalweg.load_population import BLOCK, Population
from thalweg.tracker_url import TrackerUrl, endpoint

_ROOM = 32
"""Descriptors beside those of the connections that this process may still need."""


class HttpTraffic(Traffic, frozen=True, kw_only=True):
    """How a client of HTTP asks.

    connection_per_request: close each connection after its reply, else keep it. pipeline: requests sent together on a
    connection before the first reply. idle_connections: kept open beside those that ask.
    """

    timeout: float = 5.0
    connection_per_request: bool = False
    pipeline: int = 1
    idle_connections: int = 0


class HttpGenerator(Generator):
    """Plays over HTTP/1.1 (BEP 3), on `traffic.in_flight` connections.

    OSError: the system does not allow that many. Peers keep their addresses and ports, so no more addresses are
    used than there are connections, and than there are blocks of peers.
    """

    kinds: ClassVar[tuple[str, ...]] = KINDS[1:]
    traffic: HttpTraffic

    def __init__(
        self, address: str, port: int, population: Population, traffic: HttpTraffic, url: TrackerUrl | None = None
    ) -> None:
        """Opens the sockets but connects none. `url`: what is asked for; http://ADDRESS:PORT/announce without it."""
        path = url.path if url else "/announce"
        host = endpoint(url.host, url.port) if url else endpoint(address, port)
        texts = (_query(path), _query(_scrape_path(path, traffic)), host)
        self._texts = [ffi.new("char[]", text.encode()) for text in texts]
        allow_descriptors(traffic.in_flight)
        super().__init__(address, port, population, traffic)

    def _most_sources(self) -> int:
        return min(self.traffic.sources, self.traffic.in_flight, -(-self.population.peers // BLOCK))

    def _make(self, ip: Address, options: Any, weights: Any) -> Any:
        announce_target, scrape_target, host = self._texts
        http = ffi.new(
            "tw_load_http_options *",
            {
                "announce_target": announce_target,
                "scrape_target": scrape_target,
                "host": host,
                "connection_per_request": self.traffic.connection_per_request,
                "pipeline": self.traffic.pipeline,
            },
        )
        return lib.tw_load_new_http(options, weights, http)


def _query(path: str) -> str:
    """Path and query, ready for more parameters."""
    return path + ("&" if "?" in path else "?")


def _scrape_path(path: str, traffic: HttpTraffic) -> str:
    """Where scrapes of this announce path are answered (BEP 48)."""
    found = scrape_path(path)
    if found is None and traffic.scrapes:
        raise ValueError(f"{path}: clients cannot scrape under this path (BEP 48); leave scrapes out with --mix 1:0:0")
    return found or path


def allow_descriptors(connections: int) -> None:
    """Lets this process open that many connections more. OSError when its limit is too low and cannot be raised."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = sum(1 for _ in Path("/proc/self/fd").iterdir()) + connections + _ROOM
    if wanted <= soft:
        return
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, max(hard, wanted)))
    except (ValueError, OSError):
        raise OSError(
            f"{connections:,} connections are too many for the limit of {hard:,} descriptors; raise it with ulimit -n"
        ) from None
