"""Configuration as text: the commented sample, the values in effect, and the reference page.

All three are written from the structs that declare the options (options.py).
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping
from itertools import groupby
from typing import Any

import msgspec

from thalweg_common.options import Option, options_of

WIDTH = 100


def sample(struct: type[msgspec.Struct], prefix: str) -> str:
    """A complete configuration file with every option at its default, commented, ready to be edited."""
    head = [
        *_comment(_paragraph(struct)),
        "#",
        *_comment("Every value below is the default; a file needs only what differs."),
        *_comment(f"The environment goes before the file: {prefix}__SECTION__KEY=value"),
    ]
    body = [line for section, options in _sections(struct) for line in _sample_section(struct, section, options)]
    return "\n".join([*head, *body]) + "\n"


def effective(config: msgspec.Struct) -> str:
    """The values of a configuration as TOML, secrets hidden."""
    lines: list[str] = []
    for section, options in _sections(type(config)):
        lines += ["", f"[{section}]"] if section else []
        lines += [f"{option.path[-1]} = {_toml(_shown_value(config, option))}" for option in options]
    return "\n".join(lines) + "\n"


def reference(struct: type[msgspec.Struct], prefix: str, ignored: Mapping[str, str]) -> str:
    """The options part of a reference page in Markdown; `ignored` as in config.load."""
    lines: list[str] = []
    for section, options in _sections(struct):
        title = f"`[{section}]`" if section else "Top level"
        lines += [f"## {title}", "", *([_paragraph(_struct_of(struct, section)), ""] if section else [])]
        for option in options:
            lines += [*_reference_entry(option, prefix), ""]
    if ignored:
        lines += ["## Accepted and ignored", "", "| key | why |", "|---|---|"]
        lines += [f"| `{key}` | {reason} |" for key, reason in ignored.items()]
    return "\n".join(lines).strip() + "\n"


def _reference_entry(option: Option, prefix: str) -> list[str]:
    return [
        f"### `{option.key}`",
        "",
        option.meta.description or "",
        "",
        f"* Default: `{_toml(option.default)}`. Expected: {option.expected}.",
        f"* Environment: `{option.environment_name(prefix)}`",
    ]


def _sample_section(struct: type[msgspec.Struct], section: str, options: Iterator[Option]) -> Iterator[str]:
    if section:
        yield ""
        yield from _comment(_paragraph(_struct_of(struct, section)))
        yield f"[{section}]"
    for option in options:
        yield ""
        yield from _comment(option.meta.description or "")
        yield f"{option.path[-1]} = {_toml(option.default)}"


def _sections(struct: type[msgspec.Struct]) -> Iterator[tuple[str, Iterator[Option]]]:
    return groupby(options_of(struct), key=lambda option: ".".join(option.path[:-1]))


def _struct_of(struct: type[msgspec.Struct], section: str) -> type[msgspec.Struct]:
    for name in section.split("."):
        struct = next(field.type for field in msgspec.structs.fields(struct) if field.name == name)
    return struct


def _shown_value(config: msgspec.Struct, option: Option) -> Any:
    value: Any = config
    for name in option.path:
        value = getattr(value, name)
    return "(hidden)" if option.is_secret and value else value


def _toml(value: Any) -> str:
    """One value as TOML; JSON's texts, numbers, lists and booleans are TOML's too."""
    return msgspec.json.encode(value).decode().replace('","', '", "')


def _paragraph(struct: type[msgspec.Struct]) -> str:
    return " ".join((struct.__doc__ or "").split())


def _comment(text: str) -> list[str]:
    return [f"# {line}" for line in textwrap.wrap(text, WIDTH - 2)]
