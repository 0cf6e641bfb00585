"""The `thalweg` command: one subcommand per task of an operator."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from types import ModuleType
from typing import TypeAlias

from thalweg import check, load, run

COMMANDS: dict[str, ModuleType] = {"run": run, "check": check, "load": load}
"""Each module has SUMMARY, EXAMPLES, add_arguments(parser) and run(arguments) -> exit code."""

Subparsers: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"

INTERRUPTED = 130
"""Exit code after Ctrl-C, as shells have it; `run` ends with 0, for there Ctrl-C is the proper end."""

UNREAD = 1
"""Exit code when the reader of standard output went away before all was written."""

DESCRIPTION = "Run BitTorrent trackers here, check trackers anywhere, and put them under load."
EPILOG = """\
examples:
  thalweg run                                    a tracker on this machine, until Ctrl-C
  thalweg check udp://127.0.0.1:6969/announce    ask it what newTrackon would ask
  thalweg load udp://127.0.0.1:6969/announce     see how much it can answer

`thalweg COMMAND --help` explains a command. All commands give exit code 0 when all went well, 2 for wrong usage or
configuration, and 1 for what went wrong otherwise.
"""


def build_parser() -> argparse.ArgumentParser:
    """The parser of the whole command line."""
    parser = argparse.ArgumentParser(
        "thalweg", description=DESCRIPTION, epilog=EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--version", action="version", version=f"thalweg {version('thalweg')}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name, module in COMMANDS.items():
        add_command(commands, name, module)
    return parser


def add_command(commands: Subparsers, name: str, module: ModuleType) -> argparse.ArgumentParser:
    """Adds one subcommand; gives its parser."""
    description = f"{module.SUMMARY[0].upper()}{module.SUMMARY[1:]}."
    command = commands.add_parser(
        name,
        help=module.SUMMARY,
        description=description,
        epilog=module.EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    module.add_arguments(command)
    return command


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command line; gives the exit code."""
    parsed = build_parser().parse_args(arguments)
    try:
        code: int = COMMANDS[parsed.command].run(parsed)
    except* KeyboardInterrupt:
        code = INTERRUPTED
    except* BrokenPipeError:
        _write_nowhere()
        code = UNREAD
    return code


def _write_nowhere() -> None:
    """Standard output's reader is gone: what is still in the buffer must not become an error at exit."""
    with Path(os.devnull).open("w") as nowhere:
        os.dup2(nowhere.fileno(), sys.stdout.fileno())


if __name__ == "__main__":
    sys.exit(main())
