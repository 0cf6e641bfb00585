"""docs/reference/thalweg.md, from the command line's own declarations.

    python -m thalweg.reference_page > docs/reference/thalweg.md

writes it anew; a test compares the two.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator

from thalweg.main import COMMANDS, add_command, build_parser

HEAD = """\
# thalweg

The operator's command. This page is made from `thalweg --help` and its commands'
(`python -m thalweg.reference_page > docs/reference/thalweg.md`).
"""


def render() -> str:
    """The whole page, in Markdown."""
    lines = [HEAD, *_command("thalweg", build_parser(), heading=None)]
    for name, module in COMMANDS.items():
        parser = add_command(argparse.ArgumentParser().add_subparsers(), name, module)
        lines += ["", *_command(f"thalweg {name}", parser, heading=f"## thalweg {name}")]
    return "\n".join(lines) + "\n"


def _command(name: str, parser: argparse.ArgumentParser, heading: str | None) -> Iterator[str]:
    if heading:
        yield from (heading, "")
    yield from (parser.description or "", "")
    yield from ("```text", _usage(name, parser), "```", "")
    yield from ("| argument | meaning |", "|---|---|")
    for action in parser._actions:
        yield from _rows(action)
    yield from ("", "```text", (parser.epilog or "").rstrip(), "```")


def _rows(action: argparse.Action) -> Iterator[str]:
    """One row of the table; for the choice of a command, one for each command."""
    if isinstance(action, argparse._SubParsersAction):
        yield from (f"| [`{name}`](#thalweg-{name}) | {module.SUMMARY} |" for name, module in COMMANDS.items())
    else:
        yield f"| `{_cell(_spelling(action))}` | {_cell(action.help or '')} |"


def _usage(name: str, parser: argparse.ArgumentParser) -> str:
    """One line: the name, `[options]`, and what stands without a dash."""
    operands = [action for action in parser._actions if not action.option_strings]
    return " ".join([name, "[options]", *(f"{action.metavar}{_more(action)}" for action in operands)])


def _more(action: argparse.Action) -> str:
    return {"+": "…", argparse.PARSER: " …"}.get(str(action.nargs), "")


def _spelling(action: argparse.Action) -> str:
    """As it is typed: `-4, --ipv4` or `--port PORT` or `--workload full|wide` or an operand's name."""
    if not action.option_strings:
        return str(action.metavar or action.dest)
    if action.nargs == 0:
        value = ""
    elif action.choices:
        value = " " + "|".join(map(str, action.choices))
    else:
        value = f" {action.metavar or action.dest.upper()}"
    return ", ".join(action.option_strings) + value


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("%%", "%")


if __name__ == "__main__":
    print(render(), end="")
