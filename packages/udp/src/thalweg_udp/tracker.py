"""The running tracker: the C objects of the service, who owns them, and the threads that serve.

    swarm ← service ← workers ← sockets        (each borrows what stands left of it)

The control thread makes and frees everything here. Workers run in C from start to stop and never hold the
interpreter; one failing ends the service. The lists may be changed from one other thread (maintenance.py).
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Self

from thalweg_common._core import ffi, lib
from thalweg_common.ownership import owned
from thalweg_common.swarm import AccessList
from thalweg_common.swarm_config import make_swarm
from thalweg_common.udp_sockets import Listener
from thalweg_common.worker_threads import WorkerThreads

from thalweg_udp.config import UdpConfig


class Tracker:
    """Serves on the listeners' sockets from start() to stop()."""

    def __init__(self, config: UdpConfig, secret: bytes, listeners: list[Listener], workers: int) -> None:
        """Makes everything, runs nothing. `secret`: 16 bytes. ConfigError when the memory is not to be had."""
        self.listeners = listeners
        self.swarm = make_swarm(
            config.limits,
            max_peer_age=config.cleaning.max_peer_age,
            clean_interval=config.cleaning.torrent_cleaning_interval,
            filter_addresses=config.protocol.filter_addresses,
        )
        self.access_list: AccessList | None = None
        self._rules = _rules(config, secret)
        made = lib.tw_udp_service_new(self.swarm.cdata, self._rules, config.cleaning.max_connection_age)
        self._service = owned(made, lib.tw_udp_service_free, self.swarm.cdata)
        self.workers = [self._make_worker(number) for number in range(workers)]
        self._threads = WorkerThreads(lib.tw_udp_worker_run, self.workers)

    def urls(self) -> list[str]:
        """Where it listens, as announce URLs."""
        return [f"udp://{listener.endpoint}/announce" for listener in self.listeners]

    def start(self, on_end: Callable[[], None]) -> None:
        """Starts the workers. `on_end` is called in a worker's thread when it has ended, asked or by itself."""
        self._threads.start(on_end)

    def set_access_list(self, access_list: AccessList | None) -> None:
        """Lets all workers use another list and forgets the old one. May take a second; one thread at a time."""
        cdata = access_list.cdata if access_list is not None else ffi.NULL  # an empty list is a list
        lib.tw_udp_service_set_access_list(self._service, cdata)
        self.access_list = access_list

    def stop(self) -> None:
        """Tells the workers to finish; returns at once."""
        self._threads.expect_end()
        for worker in self.workers:
            lib.tw_udp_worker_stop(worker)

    def is_serving(self) -> bool:
        """Whether a worker still runs."""
        return self._threads.is_serving()

    @property
    def failure(self) -> str | None:
        """Why a worker ended by itself."""
        return self._threads.failure

    def __enter__(self) -> Self:
        """Itself; leaving stops and frees it."""
        return self

    def __exit__(self, *_: object) -> None:
        """Frees everything, workers before what they borrow. No other thread may be in a call of the core."""
        self.stop()
        self._threads.join()
        for worker in self.workers:
            ffi.release(worker)
        ffi.release(self._service)
        self.swarm.__exit__()
        for listener in self.listeners:
            listener.close()

    def _make_worker(self, number: int) -> object:
        sockets = [listener.sockets[number].fileno() for listener in self.listeners]
        made = lib.tw_udp_worker_new(self._service, sockets, len(sockets), os.urandom(32))
        return owned(made, lib.tw_udp_worker_free, self._service)


def _rules(config: UdpConfig, secret: bytes) -> object:
    protocol = config.protocol
    rules = ffi.new("tw_udp_rules *")
    rules.interval = protocol.peer_announce_interval
    rules.interval_jitter = protocol.interval_jitter
    rules.max_peers = protocol.max_response_peers
    rules.default_peers = min(protocol.default_response_peers, protocol.max_response_peers)
    rules.max_scrape = min(protocol.max_scrape_torrents, lib.TW_UDP_SCRAPE_MAX)
    rules.epochs_accepted = protocol.accepted_connection_epochs
    rules.secret = secret
    rules.count_clients = config.statistics.peer_clients
    return rules
