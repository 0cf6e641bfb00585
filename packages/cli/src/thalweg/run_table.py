"""What `thalweg run` shows: the announce URLs, the table of services and families, the last log lines. Pure text."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

import msgspec
from thalweg_common.status import FamilyStatus, Status

HEADINGS = ("service", "clients", "requests/s", "torrents", "peers", "seeders", "memory")
LOG_LINES_KEPT = 20
LOG_LINES_SHOWN = 4
HINT = "Ctrl-C stops."


class ServiceView(msgspec.Struct):
    """What is known of one running service."""

    name: str
    status: Status | None = None
    before: Status | None = None
    """The status line before, for rates."""
    log: deque[str] = msgspec.field(default_factory=lambda: deque(maxlen=LOG_LINES_KEPT))

    def take(self, status: Status) -> None:
        """Keeps a new status line."""
        self.before, self.status = self.status, status

    def rate(self, ip_version: str) -> float:
        """Requests per second of one family between the last two lines."""
        if self.status is None or self.before is None:
            return 0.0
        seconds = self.status.uptime_seconds - self.before.uptime_seconds
        requests = self.status.ip_version[ip_version].requests_total - self.before.ip_version[ip_version].requests_total
        return requests / seconds if seconds > 0 else 0.0


def table(views: Sequence[ServiceView]) -> list[str]:
    """The table: a heading, then one line per service and family."""
    rows = [list(HEADINGS), *(row for view in views for row in _rows(view))]
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEADINGS))]
    return [_align(row, widths) for row in rows]


def _rows(view: ServiceView) -> list[list[str]]:
    if view.status is None:
        return [[view.name, "starting", "", "", "", "", ""]]
    memory = f"{view.status.memory_bytes / 2**20:,.1f} MiB"
    rows: list[list[str]] = []
    for ip_version, family in sorted(view.status.ip_version.items()):
        service = ["", ""] if rows else [view.name, memory]
        rows.append([service[0], f"IPv{ip_version}", f"{view.rate(ip_version):,.0f}", *_counts(family), service[1]])
    return rows


def _counts(family: FamilyStatus) -> list[str]:
    return [f"{number:,}" for number in (family.torrents, family.peers, family.seeders)]


def _align(row: Sequence[str], widths: Sequence[int]) -> str:
    """Names to the left, numbers to the right."""
    cells = [
        cell.ljust(width) if column < 2 else cell.rjust(width)
        for column, (cell, width) in enumerate(zip(row, widths, strict=True))
    ]
    return "  ".join(cells).rstrip()


def frame(urls: Sequence[str], views: Sequence[ServiceView], columns: int, rows: int) -> list[str]:
    """One screen: at most `rows` lines of at most `columns` characters; where it is small, the table stays longest."""
    middle = table(views)
    log = [f"{view.name}: {line}" for view in views for line in view.log][-LOG_LINES_SHOWN:]
    top = ["Announce URLs:", *(f"  {url}" for url in urls), ""] if urls else []
    free = rows - len(middle)
    bottom = ["", HINT] if free >= 2 else []
    free -= len(bottom)
    if len(top) > free:
        top = [*top[: free - 1], ""] if free > 2 else []
    free -= len(top)
    log = ["", *log] if log and free > len(log) else []
    return [line[:columns] for line in [*top, *middle, *log, *bottom][:rows]]


def status_line(view: ServiceView) -> str:
    """One line about one service, for output that is not a terminal."""
    if view.status is None:
        return f"{view.name}: starting"
    families = [
        f"IPv{ip_version} {view.rate(ip_version):.0f} requests/s {family.torrents} torrents {family.peers} peers"
        for ip_version, family in sorted(view.status.ip_version.items())
    ]
    return f"{view.name}: {'; '.join(families)}; {view.status.memory_bytes / 2**20:.1f} MiB"
