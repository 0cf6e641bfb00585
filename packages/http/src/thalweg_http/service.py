"""What all connections of a running service share: the tracker, its limits and its counters."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy
from typing import TYPE_CHECKING

import trio
from thalweg_common._core import lib
from thalweg_common.access_list import load_access_list
from thalweg_common.connection_limits import ConnectionLimits
from thalweg_common.log import Log
from thalweg_common.swarm_config import make_swarm

from thalweg_http.address import Networks
from thalweg_http.answer import Answer, Rules, Tracker
from thalweg_http.config import HttpConfig, min_interval
from thalweg_http.counters import Counters
from thalweg_http.pages import Page

if TYPE_CHECKING:
    from thalweg_http.workers import Workers


class Service:
    """One running service. Belongs to trio's thread."""

    def __init__(self, config: HttpConfig, log: Log, max_connections: int) -> None:
        """Reads the access list and makes the swarm; ConfigError."""
        self.config = config
        self.log = log
        swarm = make_swarm(
            config.limits,
            max_peer_age=config.cleaning.max_peer_age,
            clean_interval=config.cleaning.torrent_cleaning_interval,
            filter_addresses=config.protocol.filter_addresses,
        )
        self.tracker = Tracker(swarm, rules_of(config), load_access_list(config.access_list))
        self.trusted = Networks(config.network.trusted_proxies)
        self.reads_forwarded = config.network.runs_behind_reverse_proxy and not config.network.proxy_protocol
        self.forwarded_name = config.network.reverse_proxy_ip_header_name.lower()
        self.counters = Counters()
        self.connections = ConnectionLimits(max_connections, config.limits.max_connections_per_address)
        self.started = time.monotonic()
        self.urls: list[str] = []
        """Where it listens, as announce URLs."""
        self.idle: set[trio.CancelScope] = set()
        """Of connections that may be closed at once when the service stops: nothing was asked on them."""
        self.stopping = False
        self.workers: Workers | None = None
        """The fast path, where it is on."""

    def totals(self) -> Counters:
        """What both paths have counted. The fast path goes on counting meanwhile: sums may be off by a batch."""
        counters = deepcopy(self.counters)
        if self.workers is not None:
            self.workers.add_to(counters)
        return counters

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

    def count_unasked(self, address: bytes, reply: Answer | Page) -> None:
        """Counts a reply to what was no proper request."""
        counters = self.counters.of(address)
        if isinstance(reply, Answer):
            counters.replies[reply.kind] += 1
            counters.failures[reply.reason or "malformed"] += 1
        else:
            counters.count_error(reply.reason or "internal")

    def uptime(self) -> float:
        """Seconds since the start."""
        return time.monotonic() - self.started


def rules_of(config: HttpConfig) -> Rules:
    """What clients are told, as configured."""
    protocol = config.protocol
    max_peers = min(protocol.max_peers, lib.TW_NUMWANT_MAX)
    return Rules(
        interval=protocol.peer_announce_interval,
        interval_jitter=protocol.interval_jitter,
        min_interval=min_interval(protocol),
        default_peers=min(protocol.default_peers, max_peers),
        max_peers=max_peers,
        max_scrape=protocol.max_scrape_torrents,
        external_ip=protocol.external_ip,
        both_families=protocol.both_families,
        warning_message=protocol.warning_message.encode(),
        denied_for_good=config.access_list.mode == "deny",
    )
