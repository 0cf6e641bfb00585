"""What a server process costs: CPU time and memory, from the kernel's own books (/proc, Linux)."""

from __future__ import annotations

from pathlib import Path

import msgspec


class Memory(msgspec.Struct, frozen=True, kw_only=True):
    """Resident bytes: in all, and the part that is the process's own and the part that is mapped from files."""

    rss_bytes: int
    anonymous_bytes: int
    file_bytes: int


class ProcessGoneError(Exception):
    """There is no such process, or it is none of ours to look at."""


def cpu_seconds(pid: int) -> float:
    """CPU time of all threads that run now, in seconds, with the scheduler's nanosecond precision.

    Time that the kernel spends for the process in system calls is in it. Threads that ended are not: take differences
    only over spans in which the server keeps its threads.
    """
    try:
        tasks = list(Path(f"/proc/{pid}/task").iterdir())
        return sum(int((task / "schedstat").read_text().split()[0]) for task in tasks) / 1e9
    except (FileNotFoundError, ProcessLookupError, PermissionError) as error:
        raise ProcessGoneError(f"process {pid}: {error.strerror}") from None


def memory(pid: int) -> Memory:
    """Resident memory as it is now."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except (FileNotFoundError, ProcessLookupError, PermissionError) as error:
        raise ProcessGoneError(f"process {pid}: {error.strerror}") from None
    fields = dict(line.split(":", 1) for line in lines)
    return Memory(
        rss_bytes=_kilobytes(fields, "VmRSS"),
        anonymous_bytes=_kilobytes(fields, "RssAnon"),
        file_bytes=_kilobytes(fields, "RssFile") + _kilobytes(fields, "RssShmem"),
    )


def _kilobytes(fields: dict[str, str], name: str) -> int:
    return int(fields.get(name, "0 kB").split()[0]) * 1024
