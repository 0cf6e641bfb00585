"""Full-scrape exports: every torrent with its counts in a text file.

A line is `4|6 INFO_HASH SEEDERS LEECHERS`, info hash in lower-case hexadecimal, torrents without peers left out: the
form "aquatic". The form "full" adds partial seeds (part of leechers) and completed downloads, below a header comment.
The file is written aside, flushed to disk and renamed, so that readers see the old export or the new one, never half.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from thalweg_common.swarm import Row, Swarm

ExportForm = Literal["aquatic", "full"]

HEADER = "# ip_version info_hash seeders leechers partial_seeds downloads\n"


class Abandoned(Exception):  # noqa: N818 - a decision, not an error
    """The export was given up because the service stops."""


def write_export(swarm: Swarm, path: Path, form: ExportForm, is_stopping: Callable[[], bool]) -> int:
    """Writes an export; the number of torrents in it. OSError when the disk says no, Abandoned when stopping."""
    return write_atomically(path, _lines(swarm, form, is_stopping)) - (form == "full")


def write_atomically(path: Path, lines: Iterator[str]) -> int:
    """Writes lines to a file that appears complete or not at all; gives their number."""
    aside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with aside.open("w", encoding="utf-8") as file:
            written = sum(1 for line in lines if file.write(line))
            file.flush()
            os.fsync(file.fileno())
        aside.replace(path)
    finally:
        aside.unlink(missing_ok=True)
    return written


def _lines(swarm: Swarm, form: ExportForm, is_stopping: Callable[[], bool]) -> Iterator[str]:
    line = _full_line if form == "full" else _aquatic_line
    if form == "full":
        yield HEADER
    for ip_version in (4, 6):
        for row in swarm.rows(ip_version):
            if is_stopping():
                raise Abandoned
            yield line(ip_version, row)


def _aquatic_line(ip_version: int, row: Row) -> str:
    return f"{ip_version} {row.info_hash.hex()} {row.counts.seeders} {row.counts.leechers}\n"


def _full_line(ip_version: int, row: Row) -> str:
    counts = row.counts
    return (
        f"{ip_version} {row.info_hash.hex()} {counts.seeders} {counts.leechers} "
        f"{counts.partial_seeds} {counts.downloads}\n"
    )
