"""A terminal whose whole screen is redrawn in place, and given back as it was."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from typing import Self, TextIO

_ENTER = "\x1b[?1049h\x1b[?25l"  # alternate screen, no cursor
_LEAVE = "\x1b[?25h\x1b[?1049l"
_HOME = "\x1b[H"
_CLEAR_LINE = "\x1b[K"
_CLEAR_BELOW = "\x1b[J"
_BOLD, _PLAIN = "\x1b[1m", "\x1b[0m"


def is_screen(stream: TextIO) -> bool:
    """Whether `stream` is a terminal that understands cursor movement."""
    return stream.isatty() and os.environ.get("TERM", "dumb") != "dumb"


class Screen:
    """Draws frames on a terminal; a context manager that restores it."""

    def __init__(self, stream: TextIO) -> None:
        """Draws on `stream`; without bold text when NO_COLOR is set."""
        self._stream = stream
        self._bold = not os.environ.get("NO_COLOR")

    def __enter__(self) -> Self:
        """Switches to a screen of our own."""
        self._write(_ENTER)
        return self

    def __exit__(self, *_: object) -> None:
        """Gives the terminal back."""
        self._write(_LEAVE)

    @staticmethod
    def size() -> tuple[int, int]:
        """Columns and rows to draw on, asked anew each time because windows change.

        The last column stays free: after a character there, clearing the rest of the line takes it away again.
        """
        size = shutil.get_terminal_size()
        return max(size.columns - 1, 1), size.lines

    def draw(self, lines: Sequence[str], bold: Sequence[str] = ()) -> None:
        """Replaces what is shown by `lines`; those that begin with one of `bold` stand out."""
        styled = [f"{_BOLD}{line}{_PLAIN}" if self._bold and line.startswith(tuple(bold)) else line for line in lines]
        self._write(_HOME + "\r\n".join(line + _CLEAR_LINE for line in styled) + _CLEAR_BELOW)

    def _write(self, text: str) -> None:
        self._stream.write(text)
        self._stream.flush()
