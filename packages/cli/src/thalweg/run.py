"""`thalweg run`: the installed services on this machine, in the foreground, until Ctrl-C."""

from __future__ import annotations

import argparse
import ipaddress
import os
import signal
import sys
from collections.abc import Iterable, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import urlsplit, urlunsplit

import trio

from thalweg.addresses import FIRST_PORT, WILDCARDS, PortError, Transport, choose_port, reachable_as, usable
from thalweg.run_table import HEADINGS, ServiceView, frame, status_line
from thalweg.screen import Screen, is_screen
from thalweg.services import SERVICES, Service, installed_services, start_command
from thalweg.supervisor import supervise
from thalweg.tracker_url import endpoint

SUMMARY = "run the installed tracker services here, in the foreground, with a live table"
EXAMPLES = f"""\
examples:
  thalweg run
      on all addresses of this machine, port {FIRST_PORT} or the next free one; WebTorrent one behind HTTP
  thalweg run --bind 127.0.0.1 --port 8000
      for this machine only, on another port
  thalweg run --config-udp /etc/thalweg/udp.toml
      with a configuration file of your own, which then says where to listen

The announce URLs are printed first. On a terminal a table is redrawn every second; otherwise there is a line every
two seconds. Ctrl-C stops everything within two seconds.

exit codes:
  0  stopped by Ctrl-C, SIGTERM or SIGHUP, or because nobody reads its output any more
  1  a service ended by itself; its last log lines are shown
  2  wrong usage or configuration
"""

REDRAW_SECONDS = 1.0
LINE_SECONDS = 2.0
READY_POLL_SECONDS = 0.05
STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class UsageError(Exception):
    """The command line asks for something impossible; the text is one line."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the options."""
    parser.add_argument(
        "--port", type=int, metavar="PORT", help=f"listen there (default {FIRST_PORT} or the next free one; 0: any)"
    )
    parser.add_argument(
        "--bind",
        action="append",
        metavar="ADDRESS",
        help="listen on this address only; may be repeated (default: all addresses)",
    )
    for service in SERVICES:
        parser.add_argument(
            f"--config-{service.name}",
            type=Path,
            metavar="FILE",
            help=f"configuration file for {service.script}, instead of --port and --bind",
        )


def run(arguments: argparse.Namespace) -> int:
    """Runs until stopped; gives the exit code."""
    with TemporaryDirectory(prefix="thalweg-run-") as folder:
        try:
            plan = _plan(arguments, Path(folder))
        except (UsageError, PortError) as error:
            print(f"thalweg run: {error}", file=sys.stderr)
            return 2
        return trio.run(Run(plan).run)


def _plan(arguments: argparse.Namespace, folder: Path) -> dict[str, list[str]]:
    """The command of each service to start, by its name."""
    services = installed_services()
    if not services:
        raise UsageError("no service is installed; install thalweg-udp, thalweg-http or thalweg-ws")
    given: dict[Transport, set[int]] = {"TCP": set(), "UDP": set()}
    return {
        service.name: [*start_command(service), *_options(service, arguments, folder, given[service.transport])]
        for service in services
    }


def _options(service: Service, arguments: argparse.Namespace, folder: Path, given: set[int]) -> list[str]:
    """The service's own options: the operator's configuration file, or one made from --port and --bind."""
    own: Path | None = getattr(arguments, f"config_{service.name}")
    if own is not None:
        if arguments.port is not None or arguments.bind:
            raise UsageError(f"--config-{service.name} says where to listen; leave out --port and --bind")
        return ["-c", str(own)]
    addresses = _listen_addresses(arguments.bind)
    port = choose_port(addresses, _checked_port(arguments.port), service.transport, given)
    if arguments.port is None and port != FIRST_PORT + len(given):
        print(f"{service.transport} port {FIRST_PORT + len(given)} is taken, using {port}.", flush=True)
    given.add(port)
    made = folder / f"{service.name}.toml"
    made.write_text(service.configure(addresses, port))
    return ["-c", str(made)]


def _listen_addresses(bind: Sequence[str] | None) -> list[str]:
    if not bind:
        return [address for address in WILDCARDS if usable(address)]
    try:
        return [str(ipaddress.ip_address(text.strip("[]"))) for text in bind]
    except ValueError as error:
        raise UsageError(f"--bind: {error}") from None


def _checked_port(port: int | None) -> int | None:
    if port is not None and not 0 <= port <= 65535:
        raise UsageError(f"--port {port}: expected 0 to 65535")
    return port


class Run:
    """One run of all services: starts them, shows them, and knows when it is over."""

    def __init__(self, plan: dict[str, list[str]]) -> None:
        """Takes the command of each service."""
        self.plan = plan
        self.views = {name: ServiceView(name) for name in plan}
        self.urls: list[str] = []
        self.on_screen = is_screen(sys.stdout)
        self.failure: tuple[str, int] | None = None

    async def run(self) -> int:
        """Runs until a signal or until a service ends; gives the exit code."""
        with trio.open_signal_receiver(*STOP_SIGNALS) as signals:
            async with trio.open_nursery() as nursery:
                for name in self.plan:
                    nursery.start_soon(self._keep, name, nursery.cancel_scope)
                nursery.start_soon(self._show_while_watched, nursery.cancel_scope)
                async for _ in signals:
                    nursery.cancel_scope.cancel()
        return self._report()

    async def _keep(self, name: str, everything: trio.CancelScope) -> None:
        """Runs one service; when it ends by itself, everything ends."""
        code = await supervise(self.views[name], self.plan[name], lambda line: self._log(name, line))
        if not everything.cancel_called:
            self.failure = (name, code)
            everything.cancel()

    def _log(self, name: str, line: str) -> None:
        if not self.on_screen:
            with suppress(OSError):
                print(f"{name}: {line}", file=sys.stderr, flush=True)

    async def _show_while_watched(self, everything: trio.CancelScope) -> None:
        """Shows; when the terminal or the pipe's reader goes away, everything ends."""
        try:
            await self._show()
        except OSError:
            with Path(os.devnull).open("w") as nowhere:
                os.dup2(nowhere.fileno(), sys.stdout.fileno())
            everything.cancel()

    async def _show(self) -> None:
        while any(view.status is None for view in self.views.values()):
            await trio.sleep(READY_POLL_SECONDS)
        self.urls = announce_urls(self.views.values())
        print("\n".join(["Announce URLs:", *(f"  {url}" for url in self.urls)]), flush=True)
        with ExitStack() as stack:
            screen = stack.enter_context(Screen(sys.stdout)) if self.on_screen else None
            while True:
                self._show_once(screen)
                await trio.sleep(REDRAW_SECONDS if screen else LINE_SECONDS)

    def _show_once(self, screen: Screen | None) -> None:
        if screen is None:
            print("\n".join(status_line(view) for view in self.views.values()), flush=True)
        else:
            screen.draw(frame(self.urls, list(self.views.values()), *screen.size()), bold=[HEADINGS[0]])

    def _report(self) -> int:
        """Says how it ended; gives the exit code."""
        if self.failure is None:
            print("Stopped.")
            return 0
        name, code = self.failure
        how = f"was ended by signal {-code}" if code < 0 else f"ended with exit code {code}"
        lines = [f"thalweg run: the {name} service {how}", *(self.views[name].log if self.on_screen else ())]
        print("\n  ".join(lines), file=sys.stderr)
        return 2 if code == 2 else 1


def announce_urls(views: Iterable[ServiceView]) -> list[str]:
    """The URLs to give to clients: those of this machine's addresses where a service listens on all."""
    listening = [urlsplit(url) for view in views if view.status for url in view.status.addresses]
    return [
        urlunsplit(parts._replace(netloc=endpoint(address, parts.port or 0)))
        for parts in listening
        for address in reachable_as(parts.hostname or "")
    ]
