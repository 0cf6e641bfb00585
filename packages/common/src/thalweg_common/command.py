"""What the commands of the services share: reading arguments, ending with one line, giving up root."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Generic, NoReturn

from msgspec import Struct

from thalweg_common import privileges
from thalweg_common.binding import BindError
from thalweg_common.config import Config, ConfigError, Loaded
from thalweg_common.config_text import effective, sample
from thalweg_common.log import Log
from thalweg_common.privileges import PrivilegesConfig
from thalweg_common.status import StatusWriter
from thalweg_common.version import core_version

STOPPED, FAILED, MISUSED = 0, 1, 2
"""Exit codes."""


class Unhealthy(Exception):  # noqa: N818 - a finding, not an error
    """A running service does not answer as it should; the text says how."""


class Actions(Struct, Generic[Config], frozen=True, kw_only=True):
    """What the command of a service can do."""

    options: type[Config]
    prefix: str
    """Of environment variables."""
    load: Callable[[Path | None, Mapping[str, str]], Loaded[Config]]
    check: Callable[[Config], None]
    """Reads what a start would read, and binds nothing. ConfigError."""
    health: Callable[[Config], str]
    """Asks the running service as a client would; one line, or Unhealthy."""
    serve: Callable[[Config, list[tuple[str, str]], int | None], int]
    """The life of the service: takes the ignored keys, and the descriptor for status lines; gives the exit code."""


class _Parser(argparse.ArgumentParser):
    """argparse, but the help is ours and mistakes take one line."""

    def __init__(self, program: str, help_text: str) -> None:
        super().__init__(prog=program, allow_abbrev=False)
        self._help_text = help_text

    def format_help(self) -> str:
        return self._help_text

    def error(self, message: str) -> NoReturn:
        sys.stderr.write(f"{self.prog}: {message}; see {self.prog} --help\n")
        sys.exit(MISUSED)


def parse_arguments(program: str, help_text: str, arguments: Sequence[str] | None) -> argparse.Namespace:
    """Reads a service's command line; exits with 2 for a wrong one, with 0 for help and version.

    Without -c the file is what the variable THALWEG_…_CONFIG_FILE of this program names.
    """
    parser = _Parser(program, help_text)
    config_file = os.environ.get(f"{program.upper().replace('-', '_')}_CONFIG_FILE")
    parser.add_argument("-c", "--config-file", type=Path, metavar="FILE", default=config_file and Path(config_file))
    parser.add_argument("-P", dest="print_effective", action="store_true")
    parser.add_argument("--status-fd", type=int, metavar="N")
    parser.add_argument("-v", "--version", action="version", version=f"{program} {core_version()}")
    instead = parser.add_mutually_exclusive_group()
    instead.add_argument("-p", "--print-config", action="store_true")
    instead.add_argument("--check-config", action="store_true")
    instead.add_argument("--health", action="store_true")
    return parser.parse_args(arguments)


def perform(program: str, arguments: argparse.Namespace, actions: Actions[Config]) -> int:
    """Does what the arguments ask for; the exit code. One line on standard error for whatever goes wrong."""
    try:
        if arguments.print_config:
            return write_out(sample(actions.options, actions.prefix))
        loaded = actions.load(arguments.config_file, os.environ)
        if arguments.check_config:
            actions.check(loaded.config)
            return write_out("configuration is good\n")
        if arguments.health:
            return write_out(actions.health(loaded.config) + "\n")
        if arguments.print_effective:
            write_out(effective(loaded.config))
        return actions.serve(loaded.config, loaded.ignored, arguments.status_fd)
    except ConfigError as error:
        return complain(program, error, MISUSED)
    except (BindError, MemoryError, Unhealthy) as error:
        return complain(program, error, FAILED)


def open_status(descriptor: int | None) -> StatusWriter:
    """The writer for --status-fd; ConfigError when nothing is open there."""
    try:
        return StatusWriter(-1 if descriptor is None else descriptor)
    except OSError as error:
        raise ConfigError(f"--status-fd {descriptor}: expected an open descriptor") from error


def become_ordinary(wanted: PrivilegesConfig, log: Log) -> None:
    """Gives up root where that is wanted; BindError when the system does not let us."""
    try:
        if privileges.drop(wanted):
            log.info("gave up root", user=wanted.user, group=wanted.group)
        elif wanted.drop_privileges:
            log.info("not started as root, nothing to give up")
    except OSError as error:
        raise BindError(f"cannot become user {wanted.user}, group {wanted.group}: {error.strerror}") from error


def write_out(text: str) -> int:
    """Writes to standard output; gives the exit code of success."""
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except BrokenPipeError:  # `| head` has seen enough; Python would complain once more when it flushes at exit
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return STOPPED


def complain(program: str, error: Exception, code: int) -> int:
    """Writes the one line of an error to standard error; gives the exit code."""
    sys.stderr.write(f"{program}: {error}\n")
    return code
