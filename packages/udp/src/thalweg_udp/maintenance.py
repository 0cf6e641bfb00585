"""Slow work beside the traffic: reloading the access list, exports, counting peers per torrent.

One thread, one job at a time, and a job asked for again while it waits is done once: ten SIGHUPs read the file once
or twice. The control thread stays free to stop the service meanwhile; a job looks at `stopping` between its pieces.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Self

from thalweg_common.access_list import load_access_list
from thalweg_common.config import ConfigError, reason_of
from thalweg_common.export import Abandoned, write_export
from thalweg_common.log import Log
from thalweg_common.signals import leave_to_main_thread
from thalweg_common.swarm import AccessList

from thalweg_udp.config import UdpConfig
from thalweg_udp.tracker import Tracker


class Maintenance:
    """Jobs in the order they were asked for, each waiting at most once."""

    def __init__(self, tracker: Tracker, config: UdpConfig, log: Log) -> None:
        """Starts the thread; it sleeps until there is a job."""
        self.peers_per_torrent: dict[int, Counter[int]] = {}
        """For each family, how many torrents have so many peers; of the last count."""
        self.reloads = {"ok": 0, "failed": 0}
        self.exports = {"ok": 0, "failed": 0}
        self.purged_torrents = 0
        self._tracker = tracker
        self._config = config
        self._log = log
        self._jobs: list[Callable[[], None]] = []
        self._stopping = False
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._run, name="maintenance", daemon=True)
        self._thread.start()

    def __enter__(self) -> Self:
        """Itself; leaving ends the thread when its job is done."""
        return self

    def __exit__(self, *_: object) -> None:
        """Waits for the job it is at; it looks often whether it should end."""
        self.stop(None)

    def reload(self) -> None:
        """Asks for the access list to be read again."""
        self._ask(self._reload)

    def export(self) -> None:
        """Asks for a scrape export."""
        self._ask(self._export)

    def count_peers(self) -> None:
        """Asks for the peers of every torrent to be counted."""
        self._ask(self._count_peers)

    def stop(self, seconds: float | None) -> bool:
        """Gives up what can be given up; False when a job still runs after so many seconds."""
        with self._changed:
            self._stopping = True
            self._changed.notify()
        self._thread.join(None if seconds is None else max(0.0, seconds))
        return not self._thread.is_alive()

    def _ask(self, job: Callable[[], None]) -> None:
        with self._changed:
            if job not in self._jobs:
                self._jobs.append(job)
            self._changed.notify()

    def _run(self) -> None:
        leave_to_main_thread()
        while job := self._next():
            try:
                job()
            except Exception as error:
                self._log.error("a job failed", job=job.__name__, reason=repr(error))

    def _next(self) -> Callable[[], None] | None:
        with self._changed:
            self._changed.wait_for(lambda: self._jobs or self._stopping)
            return None if self._stopping else self._jobs.pop(0)

    def _reload(self) -> None:
        if self._config.access_list.mode == "off":
            self._log.info("nothing to reload, the access list is off")
            return
        try:
            access_list = load_access_list(self._config.access_list)
        except (ConfigError, MemoryError) as error:
            self.reloads["failed"] += 1
            self._log.error("access list not reloaded, the old one stays", reason=error)
            return
        assert access_list is not None
        self._tracker.set_access_list(access_list)
        self.reloads["ok"] += 1
        self._log.info("access list reloaded", info_hashes=len(access_list))
        self._purge(access_list)

    def _purge(self, access_list: AccessList) -> None:
        """Removes torrents the new list forbids, a shard at a time."""
        for removed in access_list.purge(self._tracker.swarm):
            self.purged_torrents += removed
            if self._stopping:
                return

    def _export(self) -> None:
        settings = self._config.scrape_exports
        began = time.monotonic()
        try:
            torrents = write_export(self._tracker.swarm, Path(settings.path), settings.format, lambda: self._stopping)
        except Abandoned:
            return
        except OSError as error:
            self.exports["failed"] += 1
            self._log.error("scrape export failed", file=settings.path, reason=reason_of(error))
        else:
            self.exports["ok"] += 1
            seconds = round(time.monotonic() - began, 3)
            self._log.info("scrape export written", file=settings.path, torrents=torrents, seconds=seconds)

    def _count_peers(self) -> None:
        for ip_version in (4, 6):
            sizes: Counter[int] = Counter()
            for row in self._tracker.swarm.rows(ip_version):
                if self._stopping:
                    return
                sizes[row.counts.seeders + row.counts.leechers] += 1
            self.peers_per_torrent[ip_version] = sizes
