"""thalweg-http from its first to its last moment.

    arguments → configuration → start → serve → stop

The threads of the fast path take plain connections and answer what is common (workers.py). One thread runs trio: it
takes connections with TLS, serves them and those that are handed over (connection.py, requests.py, routes.py), and does
what is due every so often. Reading a list again has a thread of its own meanwhile.
"""

from __future__ import annotations

import gc
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack

import trio
from thalweg_common.access_list import load_access_list
from thalweg_common.command import Actions, become_ordinary, open_status, perform
from thalweg_common.log import Log
from thalweg_common.web.listeners import Listener, connection_limit, listen
from thalweg_common.web.tls import TlsFiles, tls_files

from thalweg_http.arguments import parse_arguments
from thalweg_http.config import PREFIX, HttpConfig, load_config, worker_count
from thalweg_http.server import Server
from thalweg_http.service import Service
from thalweg_http.workers import Workers

PROGRAM = "thalweg-http"


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command; the exit code is in the help."""
    actions = Actions(options=HttpConfig, prefix=PREFIX, load=load_config, check=check, health=health, serve=serve)
    return perform(PROGRAM, parse_arguments(argv), actions)


def check(config: HttpConfig) -> None:
    """Reads what a start would read, and binds nothing."""
    tls_files(config.network)
    load_access_list(config.access_list)


def health(config: HttpConfig) -> str:
    """Asks the running service as a client would."""
    from thalweg_http.health import check_health

    return check_health(config)


def serve(config: HttpConfig, ignored: list[tuple[str, str]], status_fd: int | None) -> int:
    """The life of the service."""
    log = Log("http", config.log_level, config.log_format)
    status = open_status(status_fd)
    with ExitStack() as closing:
        tls = tls_files(config.network)
        service = Service(config, log, connection_limit(config.limits.max_connections))
        closing.callback(service.tracker.swarm.__exit__)
        workers = worker_count(config)
        listeners = listen(config.network, log, ("http", "https"), workers)
        for listener in listeners:
            closing.callback(listener.close)
        make_fast_path(service, listeners, workers, closing)
        service.urls = [listener.url for listener in listeners]
        open_metrics(service, tls, closing)
        become_ordinary(config.privileges, log)
        for key, reason in ignored:
            log.info(f"ignored {key}", reason=reason)
        gc.collect()
        gc.freeze()  # what is here by now stays: looking through it again and again took a hundredth of a CPU
        code = trio.run(Server(service, listeners, tls, status).run)
    log.info("stopped")
    return code


def make_fast_path(service: Service, listeners: list[Listener], count: int, closing: ExitStack) -> None:
    """The workers for plain HTTP, if there shall be some; freed when no thread uses them any more."""
    plain = [listener for listener in listeners if not listener.secure]
    if count and plain:
        service.workers = Workers(service, plain, count)
        closing.callback(service.workers.close)
        closing.callback(service.workers.stop)


def open_metrics(service: Service, tls: TlsFiles | None, closing: ExitStack) -> None:
    """Opens the Prometheus endpoint where it is wanted; only then its libraries are loaded."""
    settings = service.config.metrics
    if settings.run_prometheus_endpoint:
        from thalweg_common.web.metrics import serve_metrics

        from thalweg_http.metrics import METRICS, Samples

        serve_metrics(service, settings, METRICS, Samples(service, tls, time.time()), closing)


if __name__ == "__main__":
    sys.exit(main())
