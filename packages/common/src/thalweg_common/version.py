"""The version of this distribution, as compiled into the core: a stale build shows."""

from __future__ import annotations

from thalweg_common._core import ffi, lib


def core_version() -> str:
    """Such as "0.1.0"."""
    return ffi.string(lib.tw_core_version()).decode("ascii")
