"""How far a load run is: a bar that redraws itself on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import sys
import time
from typing import TextIO

_WIDTH = 24
_LINE_SECONDS = 5.0


class Progress:
    """Shows one phase. `update` may be called as often as one likes."""

    def __init__(self, title: str, stream: TextIO = sys.stderr) -> None:
        """Starts at zero; `title` stands before the bar."""
        self._title = title
        self._stream = stream
        self._terminal = stream.isatty()
        self._share = 0.0
        self._replies = 0
        self._since = self._shown = time.monotonic()

    def update(self, share: float, replies: int, lost: int) -> None:
        """`share` of the phase is done (0 … 1); replies and lost requests are counted from its start."""
        now = time.monotonic()
        self._share = share
        if not self._terminal and now - self._shown < _LINE_SECONDS:
            return
        self._shown = now
        rate = (replies - self._replies) / max(now - self._since, 1e-9)
        self._replies, self._since = replies, now
        self._write(share, f"{rate:,.0f} replies/s, {lost:,} lost")

    def finish(self, replies: int, lost: int, *, complete: bool = True) -> None:
        """The last state; later output begins on a new line."""
        self._write(1.0 if complete else self._share, f"{replies:,} replies, {lost:,} lost")
        if self._terminal:
            self._stream.write("\n")
            self._stream.flush()

    def _write(self, share: float, text: str) -> None:
        share = min(max(share, 0.0), 1.0)
        if self._terminal:
            full = round(share * _WIDTH)
            bar = "█" * full + "░" * (_WIDTH - full)
            self._stream.write(f"\r{self._title:<8} {bar} {share:4.0%}  {text}\x1b[K")
        else:
            self._stream.write(f"{self._title:<8} {share:4.0%}  {text}\n")
        self._stream.flush()
