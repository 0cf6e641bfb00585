"""What all connections of a running service over TCP share: limits, counters, whom it trusts, and whether it stops."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Literal

import trio

from thalweg_common.connection_limits import ConnectionLimits
from thalweg_common.log import Log
from thalweg_common.web.address import Networks
from thalweg_common.web.config import StreamConfig
from thalweg_common.web.counters import StreamCounters
from thalweg_common.web.pages import announce_url

Refusal = Literal["busy", "plain_on_tls_port", "proxy"]


class StreamService(ABC):
    """One running service. Belongs to trio's thread."""

    def __init__(
        self,
        network: StreamConfig,
        log: Log,
        counters: StreamCounters,
        connections: ConnectionLimits,
        max_request_time: float,
    ) -> None:
        """`max_request_time`: seconds for what goes before the first request."""
        self.log = log
        self.counters = counters
        self.connections = connections
        self.trusted = Networks(network.trusted_proxies)
        self.proxy_protocol = network.proxy_protocol
        self.reads_forwarded = network.runs_behind_reverse_proxy and not network.proxy_protocol
        self.forwarded_name = network.reverse_proxy_ip_header_name.lower()
        self.max_request_time = max_request_time
        self._announce_urls = network.announce_urls
        self.started = time.monotonic()
        self.urls: list[str] = []
        """Where it listens, as announce URLs."""
        self.idle: set[trio.CancelScope] = set()
        """Of connections that may be closed at once when the service stops: nothing was asked on them."""
        self.stopping = False

    @abstractmethod
    def refusal(self, address: bytes, reason: Refusal, text: str = "") -> bytes:
        """The last reply on a connection that gets no further, counted. `text`: what a proxy did wrong."""

    def stop(self) -> None:
        """Closes what is idle, and every other connection after its reply."""
        self.stopping = True
        for scope in list(self.idle):
            scope.cancel()

    @contextmanager
    def ended_when_stopping(self, seconds: float) -> Iterator[trio.CancelScope]:
        """A scope that ends after so many seconds, or when the service stops."""
        with trio.move_on_after(0 if self.stopping else seconds) as scope:
            self.idle.add(scope)
            try:
                yield scope
            finally:
                self.idle.discard(scope)

    def announce_urls(self, scheme: str, hosts: Sequence[bytes]) -> list[str]:
        """What to tell whoever asked for this host: as configured, or under that name, or by address."""
        if self._announce_urls:
            return self._announce_urls
        url = announce_url(scheme, hosts[0]) if hosts else None
        return [url] if url else self.urls

    def uptime(self) -> float:
        """Seconds since the start."""
        return time.monotonic() - self.started
