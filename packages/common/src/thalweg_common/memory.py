"""How much memory there is to use, and how much this process uses."""

from __future__ import annotations

import os
from pathlib import Path

_STATM = os.open("/proc/self/statm", os.O_RDONLY | os.O_CLOEXEC)
_CGROUP_LIMITS = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")


def available_memory() -> int:
    """Bytes of this machine, or of the container's limit where that is less."""
    machine = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return min([machine, *filter(None, map(_limit, _CGROUP_LIMITS))])


def resident_bytes() -> int:
    """The resident size of this process. Opens nothing: it is asked for where descriptors have run out, too."""
    pages = os.pread(_STATM, 128, 0).split()[1]
    return int(pages) * os.sysconf("SC_PAGE_SIZE")


def _limit(file: str) -> int | None:
    """The limit a cgroup file tells; None without the file, and for "max"."""
    try:
        text = Path(file).read_text("ascii").strip()
    except OSError:
        return None
    return int(text) if text.isdigit() else None
