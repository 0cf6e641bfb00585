"""What a service does every so many seconds, on its control thread."""

from __future__ import annotations

import time
from collections.abc import Callable

FOREVER = 3600.0  # how long to sleep when nothing is due


class Timers:
    """Actions that repeat. Late ones are not made up for: a machine that slept does each once."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """`clock` gives seconds that never fall."""
        self._clock = clock
        self._entries: list[tuple[float, float, Callable[[], None]]] = []

    def every(self, seconds: float, action: Callable[[], None], first: float | None = None) -> None:
        """Calls the action every so many seconds, the first time after `first` (or after the same time)."""
        self._entries.append((self._clock() + (seconds if first is None else first), seconds, action))

    def until_next(self) -> float:
        """Seconds until something is due."""
        return max(0.0, min((due for due, *_ in self._entries), default=self._clock() + FOREVER) - self._clock())

    def run_due(self) -> None:
        """Calls everything that is due."""
        now = self._clock()
        for place, (due, seconds, action) in enumerate(self._entries):
            if due <= now:
                self._entries[place] = (due + seconds if due + seconds > now else now + seconds, seconds, action)
                action()
