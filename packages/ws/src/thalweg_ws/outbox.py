"""What waits to be sent to one client, in order and bounded in bytes.

Where it is full, what matters least makes room: offers, which reach somebody else another time, before answers, and
these before replies. A client that does not read costs so many bytes and no more.
"""

from __future__ import annotations

from collections import deque
from typing import Literal

import trio
from msgspec import Struct

Kind = Literal["offer", "answer", "announce", "scrape", "failure", "control"]

_WEIGHT: dict[Kind, int] = {"offer": 0, "answer": 1, "announce": 2, "scrape": 2, "failure": 2, "control": 3}


class Waiting(Struct, frozen=True):
    """A frame, and what it is."""

    kind: Kind
    frame: bytes


class Outbox:
    """A queue for one writer. Belongs to trio's thread."""

    def __init__(self, limit: int) -> None:
        """`limit`: bytes of frames that wait or are being sent, at most."""
        self.size = 0
        self._limit = limit
        self._waiting: deque[Waiting] = deque()
        self._sending = 0
        self._filled = trio.Event()
        self._closed = False

    def put(self, kind: Kind, frame: bytes) -> list[Kind]:
        """Queues a frame; gives what was dropped for it, or itself if nothing lighter makes enough room."""
        dropped = self._make_room(_WEIGHT[kind], len(frame)) if self.size + len(frame) > self._limit else []
        if self.size + len(frame) > self._limit:
            return [*dropped, kind]
        self._waiting.append(Waiting(kind, frame))
        self.size += len(frame)
        self._filled.set()
        return dropped

    def close(self) -> None:
        """Nothing more will come: take() gives what is left, then nothing."""
        self._closed = True
        self._filled.set()

    async def take(self, most: int) -> list[Waiting]:
        """The next frames, together about `most` bytes; waits for one. None: closed and empty.

        They count as waiting until done() is called.
        """
        while not self._waiting and not self._closed:
            self._filled = trio.Event()
            await self._filled.wait()
        taken: list[Waiting] = []
        while self._waiting and self._sending < most:
            taken.append(self._waiting.popleft())
            self._sending += len(taken[-1].frame)
        return taken

    def done(self) -> None:
        """What was taken has been sent."""
        self.size -= self._sending
        self._sending = 0

    def _make_room(self, weight: int, needed: int) -> list[Kind]:
        """Drops what is lighter, the oldest of the lightest first."""
        dropped: list[Kind] = []
        for lighter in range(weight):
            kept: deque[Waiting] = deque()
            for waiting in self._waiting:
                if _WEIGHT[waiting.kind] == lighter and self.size + needed > self._limit:
                    self.size -= len(waiting.frame)
                    dropped.append(waiting.kind)
                else:
                    kept.append(waiting)
            self._waiting = kept
        return dropped
