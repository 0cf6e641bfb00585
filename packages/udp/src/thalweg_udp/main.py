"""thalweg-udp from its first to its last moment.

    arguments → configuration → start → control → stop

The main thread holds the controls: it waits for signals and does what is due every so often. Requests never come
near it: they are answered by the workers, in C (tracker.py). Slow jobs have a thread of their own (maintenance.py).
There is no event loop: waiting for one pipe needs none, and trio would add 16 MB to a process of 20.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack

from thalweg_common import readiness, udp_sockets
from thalweg_common.access_list import load_access_list
from thalweg_common.binding import BindError
from thalweg_common.command import FAILED, STOPPED, Actions, become_ordinary, open_status, perform
from thalweg_common.endpoints import parse_endpoint
from thalweg_common.listen_config import endpoints, only_ipv6
from thalweg_common.log import Log
from thalweg_common.signals import Event, Signals
from thalweg_common.status import StatusWriter
from thalweg_common.timers import Timers
from thalweg_common.udp_sockets import SocketOptions
from thalweg_common.version import core_version

from thalweg_udp.arguments import parse_arguments
from thalweg_udp.config import PREFIX, UdpConfig, load_config, worker_count
from thalweg_udp.maintenance import Maintenance
from thalweg_udp.reports import Reports
from thalweg_udp.secret import connection_secret
from thalweg_udp.tracker import Tracker

PROGRAM = "thalweg-udp"


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command; the exit code is in the help."""
    actions = Actions(options=UdpConfig, prefix=PREFIX, load=load_config, check=check, health=health, serve=serve)
    return perform(PROGRAM, parse_arguments(argv), actions)


def check(config: UdpConfig) -> None:
    """Reads what a start would read, and binds nothing."""
    connection_secret(config.protocol, Log("udp", config.log_level, config.log_format))
    load_access_list(config.access_list)


def health(config: UdpConfig) -> str:
    """Asks the running service as a client would."""
    from thalweg_udp.health import check_health

    return check_health(config)


def serve(config: UdpConfig, ignored: list[tuple[str, str]], status_fd: int | None) -> int:
    """The life of the service."""
    log = Log("udp", config.log_level, config.log_format)
    status = open_status(status_fd)
    with Signals() as signals, ExitStack() as closing:
        tracker = closing.enter_context(start(config, log))
        maintenance = closing.enter_context(Maintenance(tracker, config, log))
        reports = Reports(tracker, maintenance, config.statistics, log)
        serve_metrics(config, tracker, maintenance, closing, log)
        become_ordinary(config.privileges, log)

        tracker.start(on_end=signals.wake)
        log.info("serving", addresses=tracker.urls(), workers=len(tracker.workers), version=core_version())
        for key, reason in ignored:
            log.info(f"ignored {key}", reason=reason)
        status.write(reports.status(ready=True))
        readiness.notify("READY=1")

        timers = _timers(config, maintenance, reports, status)
        code = control(signals, timers, tracker, maintenance, log)

        readiness.notify("STOPPING=1")
        status.write(reports.status(ready=False))
        stop(config.stop_timeout, signals, tracker, maintenance, log)
    log.info("stopped")
    return code


def start(config: UdpConfig, log: Log) -> Tracker:
    """Reads secret and access list, binds, and makes the tracker: all that may need more rights than serving."""
    secret = connection_secret(config.protocol, log)
    access_list = load_access_list(config.access_list)
    workers = worker_count(config)
    network = config.network
    options = SocketOptions(receive_buffer=network.socket_recv_buffer_size, only_ipv6=only_ipv6(network))
    with ExitStack() as undo:
        listeners = udp_sockets.bind(endpoints(network), workers, options, log)
        for listener in listeners:
            undo.callback(listener.close)
        tracker = Tracker(config, secret, listeners, workers)
        undo.pop_all()
    if access_list is not None:
        tracker.set_access_list(access_list)
        log.info("access list read", mode=config.access_list.mode, info_hashes=len(access_list))
    return tracker


def serve_metrics(config: UdpConfig, tracker: Tracker, maintenance: Maintenance, closing: ExitStack, log: Log) -> None:
    """Opens the Prometheus endpoint where it is wanted; only then its libraries are loaded."""
    statistics = config.statistics
    if not (statistics.run_prometheus_endpoint and statistics.interval):
        return
    from thalweg_common import metrics

    from thalweg_udp.metrics import METRICS, Samples

    collection = metrics.Collection(Samples(tracker, maintenance, config, time.time()))
    closing.callback(collection.close)
    try:
        endpoint = metrics.serve(parse_endpoint(statistics.prometheus_endpoint_address), METRICS, collection)
    except metrics.MetricsError as error:
        raise BindError(str(error)) from error
    log.info("serving metrics", url=f"http://{endpoint}/metrics")


def control(signals: Signals, timers: Timers, tracker: Tracker, maintenance: Maintenance, log: Log) -> int:
    """Waits for signals and does what is due, until it is time to stop."""
    while True:
        event = signals.wait(timers.until_next())
        if tracker.failure:
            log.error("a worker failed", reason=tracker.failure)
            return FAILED
        if event is Event.STOP:
            return STOPPED
        if event is Event.RELOAD:
            maintenance.reload()
        elif event is Event.EXPORT:
            maintenance.export()
        timers.run_due()


def stop(seconds: float, signals: Signals, tracker: Tracker, maintenance: Maintenance, log: Log) -> None:
    """Lets the workers finish what they have begun; ends the process at once when asked again or when it takes long."""
    log.info("stopping", within_seconds=seconds)
    deadline = time.monotonic() + seconds
    tracker.stop()
    while tracker.is_serving():
        if signals.wait(deadline - time.monotonic()) in (Event.STOP, Event.TIMEOUT):
            log.warn("stopped at once")
            os._exit(FAILED)
    if not maintenance.stop(deadline - time.monotonic()):
        log.info("stopped, a job was given up")
        os._exit(STOPPED)  # the job is in the core still; what it uses must not be freed under it


def _timers(config: UdpConfig, maintenance: Maintenance, reports: Reports, status: StatusWriter) -> Timers:
    """What is done every so many seconds."""
    timers = Timers()
    statistics, exports = config.statistics, config.scrape_exports
    cleaning = config.cleaning.torrent_cleaning_interval
    if status.is_open:
        timers.every(1.0, lambda: status.write(reports.status(ready=True)))
    if statistics.interval and (statistics.print_to_stdout or statistics.write_html_to_file):
        timers.every(statistics.interval, reports.write_statistics)
    if statistics.torrent_peer_histograms:
        timers.every(cleaning, maintenance.count_peers)
    if exports.enable_scrape_exports:
        timers.every(cleaning * exports.frequency, maintenance.export, first=cleaning)
    return timers


if __name__ == "__main__":
    sys.exit(main())
