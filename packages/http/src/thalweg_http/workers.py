"""The fast path's threads: they serve plain HTTP in C, and hand over connections whose requests they leave to Python.

    swarm, limits ← C service ← workers ← sockets        (each borrows what stands left of it)

Workers run from start to stop and never hold the interpreter. The control thread makes and frees everything here.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Any

from msgspec import Struct
from thalweg_common._core import ffi, lib
from thalweg_common.ownership import owned
from thalweg_common.swarm import AccessList
from thalweg_common.web.listeners import Listener
from thalweg_common.worker_threads import WorkerThreads

from thalweg_http import pages
from thalweg_http.config import HttpConfig
from thalweg_http.counters import Counters
from thalweg_http.fast_path import c_rules
from thalweg_http.service import Service

HANDOVERS_WAITING = 1024

# In the order of the C core's indices (api.h).
CLOSE_REASONS = ("ended", "idle", "request_time", "write_time", "broken", "refused", "stopping", "displaced")
REFUSE_REASONS = ("connections", "address_connections", "whole_path", "memory")
IP_VERSIONS = (4, 6)


class Handover(Struct, frozen=True):
    """A connection that is Python's from now on; counted in the limits, by its address if `counted`."""

    socket: int
    """A descriptor."""
    peer: bytes
    source: bytes | None
    """Whom the PROXY protocol named; None when no header was read."""
    counted: bool
    data: bytes
    """What came and was not answered."""


class Workers:
    """The C service and its workers, one thread and one socket of each listener for each worker."""

    def __init__(self, service: Service, listeners: Sequence[Listener], count: int) -> None:
        """Makes everything, runs nothing. MemoryError."""
        forwarded_name = service.forwarded_name if service.reads_forwarded else ""
        rules = c_rules(service.tracker.rules, forwarded_name, service.trusted)
        swarm, limits = service.tracker.swarm.cdata, service.connections.cdata
        made = lib.tw_http_service_new(swarm, rules, _options(service.config, service.reads_forwarded), limits)
        self._service = owned(made, lib.tw_http_service_free, swarm, limits)
        self._access_list: AccessList | None = None
        self.set_access_list(service.tracker.access_list)
        self._workers = [self._make_worker(listeners, number) for number in range(count)]
        self._threads = WorkerThreads(lib.tw_http_worker_run, self._workers)

    @property
    def bell(self) -> int:
        """A descriptor that is readable while take() has something to give."""
        return lib.tw_http_service_handover_fd(self._service)

    @property
    def failure(self) -> str | None:
        """Why a worker ended by itself."""
        return self._threads.failure

    def start(self, on_end: Callable[[], None]) -> None:
        """Starts the workers. `on_end` is called in the thread of the last one when all have ended, or one failed."""

        def ended() -> None:
            if self.failure or not self._threads.is_serving():
                on_end()

        self._threads.start(ended)

    def set_access_list(self, access_list: AccessList | None) -> None:
        """Lets all workers use another list and forgets the old one. May take a second; one thread at a time."""
        cdata = access_list.cdata if access_list is not None else ffi.NULL  # an empty list is a list
        lib.tw_http_service_set_access_list(self._service, cdata)
        self._access_list = access_list

    def take(self) -> Handover | None:
        """The next connection that the workers hand over; None when there is none."""
        taken = ffi.new("tw_http_handover *")
        if not lib.tw_http_service_take(self._service, taken):
            return None
        data = bytes(ffi.buffer(taken.data, taken.size))
        lib.tw_http_handover_clear(taken)
        return Handover(taken.socket, _address(taken.peer) or b"", _address(taken.source), taken.counted, data)

    def drain(self) -> None:
        """Tells the workers to take no more connections and to end with the last one. Returns at once."""
        self._threads.expect_end()
        for worker in self._workers:
            lib.tw_http_worker_drain(worker)

    def stop(self) -> None:
        """Ends the workers, whatever they do, and waits for it."""
        self._threads.expect_end()
        for worker in self._workers:
            lib.tw_http_worker_stop(worker)
        self._threads.join()

    def add_to(self, counters: Counters) -> None:
        """Adds what the workers have counted."""
        for worker in self._workers:
            _add_answers(counters, lib.tw_http_worker_counters(worker))
            _add_stream(counters, lib.tw_http_worker_stream(worker))

    def close(self) -> None:
        """Frees everything; stopped before."""
        for worker in self._workers:
            ffi.release(worker)
        ffi.release(self._service)

    def _make_worker(self, listeners: Sequence[Listener], number: int) -> Any:
        sockets = [listener.sockets[number].fileno() for listener in listeners]
        made = lib.tw_http_worker_new(self._service, sockets, len(sockets), os.urandom(32))
        return owned(made, lib.tw_http_worker_free, self._service)


def _options(config: HttpConfig, names_client: bool) -> Any:
    options = ffi.new("tw_http_options *")
    options.idle_ms = config.cleaning.max_connection_idle * 1000
    options.request_ms = config.cleaning.max_request_time * 1000
    options.write_ms = config.cleaning.max_write_time * 1000
    options.handovers = HANDOVERS_WAITING
    options.keep_alive = config.network.keep_alive
    options.proxy_protocol = config.network.proxy_protocol
    options.names_client = names_client
    for name, reason in (("busy", "busy"), ("late", "timeout")):
        reply = pages.as_bytes(pages.error(reason))
        ffi.memmove(getattr(options, name), reply, len(reply))
        setattr(options, f"{name}_size", len(reply))
    return options


def _address(address: Any) -> bytes | None:
    size = {4: 4, 6: 16}.get(address.ip_version)
    return bytes(address.bytes)[:size] if size else None


def _add_answers(counters: Counters, answers: Any) -> None:
    counters.ignored_forwarded += answers.ignored_forwarded
    for index, version in enumerate(IP_VERSIONS):
        family = counters.families[version]
        announces, scrapes, denied = answers.announces[index], answers.scrapes[index], answers.denied[index]
        family.requests["announce"] += announces
        family.requests["scrape"] += scrapes
        family.replies["announce"] += announces - denied
        family.replies["scrape"] += scrapes
        family.replies["failure"] += denied
        family.failures["denied"] += denied


def _add_stream(counters: Counters, stream: Any) -> None:
    counters.accepted += stream.accepted
    counters.accept_failures += stream.accept_failures
    counters.handed_over += stream.handed_over
    counters.batches += stream.batches
    counters.latency_us += stream.latency_us
    counters.latency = [sum(pair) for pair in zip(counters.latency, stream.latency, strict=True)]
    for reason, count in zip(CLOSE_REASONS, stream.closed, strict=True):
        counters.closed[reason] += count
    for reason, count in zip(REFUSE_REASONS, stream.refused, strict=True):
        counters.refused[reason] += count
    for index, version in enumerate(IP_VERSIONS):
        counters.received_bytes[version] += stream.received_bytes[index]
        counters.sent_bytes[version] += stream.sent_bytes[index]
        for reason, count in (("busy", stream.busy[index]), ("timeout", stream.late[index])):
            counters.families[version].errors[reason] += count
            counters.families[version].replies["error"] += count
