"""What the service tells of itself while it runs: status lines for a supervisor, statistics for people."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from thalweg_common.config import reason_of
from thalweg_common.export import write_atomically
from thalweg_common.log import Log
from thalweg_common.memory import resident_bytes
from thalweg_common.status import FamilyStatus, Status
from thalweg_common.version import core_version

from thalweg_udp.config import StatisticsConfig
from thalweg_udp.counters import FamilyCounters, client_announces, take_snapshot
from thalweg_udp.maintenance import Maintenance
from thalweg_udp.statistics import Report, as_page, as_text, make_report
from thalweg_udp.tracker import Tracker


class Reports:
    """Reports on one tracker, from the control thread."""

    def __init__(self, tracker: Tracker, maintenance: Maintenance, config: StatisticsConfig, log: Log) -> None:
        """Rates begin here."""
        self._tracker = tracker
        self._maintenance = maintenance
        self._config = config
        self._log = log
        self._started = self._last = time.monotonic()
        self._before = take_snapshot(tracker)

    def status(self, *, ready: bool) -> Status:
        """The state of the service now."""
        families = take_snapshot(self._tracker).families
        return Status(
            service="udp",
            version=core_version(),
            ready=ready,
            uptime_seconds=round(time.monotonic() - self._started, 3),
            addresses=self._tracker.urls(),
            memory_bytes=resident_bytes(),
            ip_version={str(version): _family_status(family) for version, family in families.items()},
        )

    def write_statistics(self) -> None:
        """Writes a report where the configuration wants it."""
        report = self._next_report()
        if self._config.print_to_stdout:
            with contextlib.suppress(OSError):  # nobody reads: serving matters more
                sys.stdout.write("".join(as_text(report)))
                sys.stdout.flush()
        if self._config.write_html_to_file:
            self._write_page(as_page(report))

    def _next_report(self) -> Report:
        now, snapshot = time.monotonic(), take_snapshot(self._tracker)
        clients = client_announces(self._tracker)[0] if self._config.peer_clients else {}
        sizes = dict(self._maintenance.peers_per_torrent)
        report = make_report(self._before, snapshot, max(now - self._last, 0.001), sizes, clients)
        self._before, self._last = snapshot, now
        return report

    def _write_page(self, page: Iterator[str]) -> None:
        path = Path(self._config.html_file_path)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(path, page)
        except OSError as error:
            self._log.error("statistics page not written", file=path, reason=reason_of(error))


def _family_status(family: FamilyCounters) -> FamilyStatus:
    return FamilyStatus(
        requests_total=sum(family.requests),
        replies_total=sum(family.replies),
        torrents=family.swarm.torrents,
        peers=family.swarm.peers,
        seeders=family.swarm.seeders,
    )
