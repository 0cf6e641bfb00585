"""Child processes of `thalweg run`: each with a pipe for its status lines and one for its log, stopped in time."""

from __future__ import annotations

import os
import subprocess
from collections.abc import AsyncIterator, Callable, Sequence
from functools import partial

import msgspec
import trio
from thalweg_common.status import parse_status

from thalweg.run_table import ServiceView

STOP_SECONDS = 1.5
"""From SIGTERM to SIGKILL: all is over within two seconds of Ctrl-C."""


async def supervise(view: ServiceView, command: Sequence[str], log: Callable[[str], None]) -> int:
    """Runs a service until it ends, keeping `view` up to date; gives its exit code. Cancelling stops the service.

    `log` is called with every line that the service prints. The command gets `--status-fd N` appended.
    """
    status_end, service_end = os.pipe()
    async with trio.lowlevel.FdStream(status_end) as statuses, trio.open_nursery() as nursery:
        process: trio.Process = await nursery.start(
            partial(
                trio.run_process,
                [*command, "--status-fd", str(service_end)],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                check=False,
                deliver_cancel=_stop,
                pass_fds=[service_end],
                process_group=0,  # the terminal's Ctrl-C is ours alone
            )
        )
        os.close(service_end)
        nursery.start_soon(_follow_status, statuses, view)
        assert process.stdout is not None
        nursery.start_soon(_follow_log, process.stdout, view, log)
    return process.returncode or 0


async def _stop(process: trio.Process) -> None:
    process.terminate()
    await trio.sleep(STOP_SECONDS)
    process.kill()


async def _follow_status(stream: trio.abc.ReceiveStream, view: ServiceView) -> None:
    async for line in _lines(stream):
        try:
            view.take(parse_status(line))
        except msgspec.DecodeError as error:
            view.log.append(f"unreadable status line: {error}")


async def _follow_log(stream: trio.abc.ReceiveStream, view: ServiceView, log: Callable[[str], None]) -> None:
    async for line in _lines(stream):
        text = line.decode(errors="replace")
        view.log.append(text)
        log(text)


async def _lines(stream: trio.abc.ReceiveStream) -> AsyncIterator[bytes]:
    """Lines as they become complete, without their ends; an unfinished one last."""
    rest = b""
    async for chunk in stream:
        *complete, rest = (rest + chunk).split(b"\n")
        for line in complete:
            yield line
    if rest:
        yield rest
