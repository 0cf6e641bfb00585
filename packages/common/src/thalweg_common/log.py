"""Log lines on standard error: one per event, for people or as JSON, and never a flood.

    log = Log("udp", level="info", form="human")
    log.info("listening", addresses=["udp://0.0.0.0:3000/announce"], workers=2)

    2026-01-31T12:00:00Z info  listening addresses=udp://0.0.0.0:3000/announce workers=2
    {"time":"2026-01-31T12:00:00Z","level":"info","service":"udp","event":"listening","addresses":[…],"workers":2}

The event is a fixed text, what varies goes into the fields: so equal events can be told, and each is written at most
BURST times per WINDOW; the next line after that says how many were left out. Info hashes and addresses of clients
are for debug level only.

This is not the standard library's logging: that takes a megabyte, and what is needed here is a page.
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Callable
from typing import Any, Literal

import msgspec

Level = Literal["off", "error", "warn", "info", "debug", "trace"]
Form = Literal["human", "json"]

LEVELS: tuple[Level, ...] = ("off", "error", "warn", "info", "debug", "trace")
BURST = 10  # equal events written …
WINDOW = 60.0  # … in this many seconds


class Log:
    """Writes events of one service to a descriptor. Any thread."""

    def __init__(
        self,
        service: str,
        level: Level = "info",
        form: Form = "human",
        descriptor: int = 2,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`level`: the most talkative one that is written; `descriptor`: 2 is standard error; `clock`: seconds."""
        self._service = service
        self._limit = LEVELS.index(level)
        self._form = form
        self._descriptor = descriptor
        self._clock = clock
        self._lock = threading.Lock()
        self._windows: dict[str, tuple[float, int]] = {}

    def error(self, event: str, **fields: object) -> None:
        """Something failed."""
        self._write("error", event, fields)

    def warn(self, event: str, **fields: object) -> None:
        """Something works otherwise than was asked."""
        self._write("warn", event, fields)

    def info(self, event: str, **fields: object) -> None:
        """The life of the service: start, reload, stop."""
        self._write("info", event, fields)

    def debug(self, event: str, **fields: object) -> None:
        """Details for finding faults."""
        self._write("debug", event, fields)

    def _write(self, level: Level, event: str, fields: dict[str, object]) -> None:
        if LEVELS.index(level) > self._limit:
            return
        with self._lock:
            allowed, left_out = self._admit(event)
        if not allowed:
            return
        if left_out:
            fields = {**fields, "left_out": left_out}
        line = human_line(level, event, fields) if self._form == "human" else self._json_line(level, event, fields)
        with contextlib.suppress(OSError):  # nobody reads the log: serving matters more
            os.write(self._descriptor, line.encode("utf-8", "replace"))

    def _admit(self, event: str) -> tuple[bool, int]:
        """Whether one more of this event may be written, and how many were not since the last window."""
        now = self._clock()
        start, count = self._windows.get(event, (now, 0))
        if now - start < WINDOW:
            self._windows[event] = (start, count + 1)
            return count < BURST, 0
        self._windows[event] = (now, 1)
        return True, max(0, count - BURST)

    def _json_line(self, level: Level, event: str, fields: dict[str, object]) -> str:
        line = {"time": _now(), "level": level, "service": self._service, "event": event, **fields}
        return msgspec.json.encode(line, enc_hook=str).decode() + "\n"


def human_line(level: Level, event: str, fields: dict[str, object]) -> str:
    """`time level event key=value …`; texts with blanks are quoted."""
    words = [f"{key}={_value(value)}" for key, value in fields.items()]
    return " ".join([_now(), f"{level:5}", event, *words]) + "\n"


def _value(value: Any) -> str:
    if isinstance(value, list | tuple):
        return ",".join(_value(item) for item in value)
    text = str(value)
    plain = text.isprintable() and text and not any(mark in text for mark in ' "=')
    return text if plain else msgspec.json.encode(text).decode()


def _now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
