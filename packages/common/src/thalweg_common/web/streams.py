"""Streams: looking at the first bytes and reading them again, and closing so that a last reply arrives."""

from __future__ import annotations

import trio

LINGER_SECONDS = 2.0
GOODBYE_SECONDS = 1.0
RECEIVE_SIZE = 16_384


class Rewound(trio.abc.Stream):
    """Another stream, with bytes in front of it that had been taken from it."""

    def __init__(self, stream: trio.abc.Stream, taken: bytes = b"") -> None:
        """`stream` is closed with this one."""
        self.stream = stream
        self._taken = taken

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        """The bytes in front first, then those of the stream."""
        if not self._taken:
            return bytes(await self.stream.receive_some(max_bytes))
        size = len(self._taken) if max_bytes is None else max_bytes
        data, self._taken = self._taken[:size], self._taken[size:]
        return data

    async def peek(self, more: bool = False) -> bytes:
        """What comes next, left where it is: what there is, or some `more` than that; empty at the end."""
        if more or not self._taken:
            data = await self.stream.receive_some(4096)
            if not data:
                return b""
            self._taken += data
        return self._taken

    def skip(self, size: int) -> None:
        """Forgets bytes that were seen by peek()."""
        self._taken = self._taken[size:]

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        """To the stream."""
        await self.stream.send_all(data)

    async def wait_send_all_might_not_block(self) -> None:
        """As the stream."""
        await self.stream.wait_send_all_might_not_block()

    async def aclose(self) -> None:
        """Closes the stream."""
        await self.stream.aclose()


async def send_eof(stream: trio.abc.Stream) -> None:
    """Ends the sending side, where the stream can do that by itself (TLS cannot)."""
    while isinstance(stream, Rewound):
        stream = stream.stream
    if isinstance(stream, trio.abc.HalfCloseableStream):
        await stream.send_eof()


async def last_words(stream: trio.abc.Stream, reply: bytes) -> None:
    """Sends a reply outside of any exchange, and gives the client a moment to read it."""
    with trio.move_on_after(GOODBYE_SECONDS) as sending:
        await stream.send_all(reply)
    if not sending.cancelled_caught:
        await linger(stream)


async def linger(stream: trio.abc.Stream) -> None:
    """Throws away what still comes in: a socket closed over unread bytes takes the reply with it."""
    with trio.move_on_after(LINGER_SECONDS):
        await send_eof(stream)
        while await stream.receive_some(RECEIVE_SIZE):
            pass
