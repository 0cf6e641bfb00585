"""C workers in threads of their own: they run from start to stop in one call and never hold the interpreter."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence
from typing import Any

from thalweg_common.signals import leave_to_main_thread


class WorkerThreads:
    """One thread for each worker. `run(worker)` is a call of the core that gives 0, or an errno."""

    def __init__(self, run: Callable[[Any], int], workers: Sequence[Any]) -> None:
        """Runs nothing yet."""
        self.failure: str | None = None
        """Why a worker ended by itself."""
        self._run = run
        self._workers = workers
        self._threads: list[threading.Thread] = []
        self._serving: set[int] = set()
        self._end_expected = False

    def start(self, on_end: Callable[[], None]) -> None:
        """Starts all. `on_end` is called in a worker's thread whenever one has ended, asked or by itself."""
        self._serving = set(range(len(self._workers)))
        self._threads = [
            threading.Thread(target=self._serve, args=(number, on_end), name=f"worker-{number}", daemon=True)
            for number in self._serving
        ]
        for thread in self._threads:
            thread.start()

    def expect_end(self) -> None:
        """From now on a worker that ends is no failure: it was asked to."""
        self._end_expected = True

    def is_serving(self) -> bool:
        """Whether a worker still runs."""
        return bool(self._serving)

    def join(self) -> None:
        """Waits for all that were started."""
        for thread in self._threads:
            thread.join()

    def _serve(self, number: int, on_end: Callable[[], None]) -> None:
        leave_to_main_thread()
        error = self._run(self._workers[number])
        if not self._end_expected:
            self.failure = os.strerror(error) if error else "ended without being asked"
        self._serving.discard(number)
        on_end()
