"""thalweg-ws from its first to its last moment.

    arguments → configuration → start → serve → stop

One thread runs trio: it takes connections (listeners.py), serves them (connection.py, routes.py, websocket.py) and does
what is due every so often. Reading a list again has a thread of its own meanwhile.
"""

from __future__ import annotations

import gc
import os
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack

import trio
from thalweg_common.access_list import load_access_list
from thalweg_common.binding import BindError
from thalweg_common.command import FAILED, MISUSED, become_ordinary, complain, open_status, write_out
from thalweg_common.config import ConfigError
from thalweg_common.config_text import effective, sample
from thalweg_common.log import Log
from thalweg_common.web.listeners import connection_limit, listen
from thalweg_common.web.tls import TlsFiles, tls_files

from thalweg_ws.arguments import parse_arguments
from thalweg_ws.config import PREFIX, WsConfig, load_config
from thalweg_ws.server import Server
from thalweg_ws.service import Service

PROGRAM = "thalweg-ws"


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command; the exit code is in the help. One line on standard error for whatever goes wrong."""
    arguments = parse_arguments(argv)
    try:
        if arguments.print_config:
            return write_out(sample(WsConfig, PREFIX))
        loaded = load_config(arguments.config_file, os.environ)
        if arguments.check_config:
            return check(loaded.config)
        if arguments.health:
            return health(loaded.config)
        if arguments.print_effective:
            write_out(effective(loaded.config))
        return serve(loaded.config, loaded.ignored, arguments.status_fd)
    except ConfigError as error:
        return complain(PROGRAM, error, MISUSED)
    except (BindError, MemoryError) as error:
        return complain(PROGRAM, error, FAILED)


def check(config: WsConfig) -> int:
    """Reads what a start would read, and binds nothing."""
    tls_files(config.network)
    load_access_list(config.access_list)
    return write_out("configuration is good\n")


def health(config: WsConfig) -> int:
    """Asks the running service as a client would."""
    from thalweg_ws.health import Unhealthy, check_health

    try:
        return write_out(check_health(config) + "\n")
    except Unhealthy as finding:
        return complain(PROGRAM, finding, FAILED)


def serve(config: WsConfig, ignored: list[tuple[str, str]], status_fd: int | None) -> int:
    """The life of the service."""
    log = Log("ws", config.log_level, config.log_format)
    status = open_status(status_fd)
    with ExitStack() as closing:
        tls = tls_files(config.network)
        service = Service(config, log, connection_limit(config.limits.max_connections))
        closing.callback(service.tracker.swarm.__exit__)
        listeners = listen(config.network, log, ("ws", "wss"))
        for listener in listeners:
            closing.callback(listener.close)
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


def open_metrics(service: Service, tls: TlsFiles | None, closing: ExitStack) -> None:
    """Opens the Prometheus endpoint where it is wanted; only then its libraries are loaded."""
    settings = service.config.metrics
    if settings.run_prometheus_endpoint:
        from thalweg_common.web.metrics import serve_metrics

        from thalweg_ws.metrics import METRICS, Samples

        serve_metrics(service, settings, METRICS, Samples(service, tls, time.time()), closing)


if __name__ == "__main__":
    sys.exit(main())
