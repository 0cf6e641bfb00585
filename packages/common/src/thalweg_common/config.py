"""Configuration of a service: a TOML file, the environment over it, defaults below it.

    loaded = load(UdpConfig, file=Path("tracker.toml"), environment=os.environ, prefix="THALWEG_UDP")

Every mistake becomes one ConfigError whose text is a single line with the file (or variable), the key and what was
expected. Keys that another tracker's file carries and that have no meaning here are accepted when the caller names
them with a reason; they come back in `Loaded.ignored` to be logged.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Generic, TypeVar

import msgspec

from thalweg_common.options import Option, options_of

Config = TypeVar("Config", bound=msgspec.Struct)

MAX_SHOWN = 60  # characters of a wrong value that an error repeats


class ConfigError(Exception):
    """A configuration that cannot be used; the text is one line for the operator."""


class Loaded(msgspec.Struct, Generic[Config], frozen=True):
    """A configuration and the keys that were read but have no meaning here (key, why)."""

    config: Config
    ignored: list[tuple[str, str]]


def load(
    struct: type[Config],
    *,
    file: Path | None,
    environment: Mapping[str, str],
    prefix: str,
    ignored: Mapping[str, str] | None = None,
) -> Loaded[Config]:
    """Reads and checks a configuration; raises ConfigError.

    `ignored` maps keys ("network.ring_size", or a whole section "cpu_pinning") to why they have no meaning here.
    """
    options = {option.key: option for option in options_of(struct)}
    given = read_file(file) if file else {}
    values: dict[str, Any] = {}
    seen: dict[str, str] = {}
    sections = {key.rpartition(".")[0] for key in options}
    for key, value in _flatten(given, sections, str(file)):
        if ignored and (entry := _ignored_entry(key, ignored)):
            seen[entry] = ignored[entry]
        elif key not in options:
            raise ConfigError(f"{file}: unknown key {_printable(key)}{_suggestion(key, options)}")
        else:
            values[key] = _converted(options[key], value, str(file))
    values.update(_from_environment(options, environment, prefix))
    return Loaded(_build(struct, values), list(seen.items()))


def read_file(path: Path) -> dict[str, Any]:
    """A TOML file as nested dictionaries; ConfigError when it cannot be read or is not TOML."""
    import tomllib  # only services that have a file pay for it

    try:
        return tomllib.loads(read_text(path))
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path}: not TOML: {error}") from error


def read_text(path: Path) -> str:
    """A UTF-8 text file, with or without a byte order mark; ConfigError when that fails."""
    try:
        return path.read_text("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: not UTF-8 text: byte {error.start} is {error.object[error.start]:#04x}") from error
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path}: cannot read: {reason_of(error)}") from error


def reason_of(error: Exception) -> str:
    """What the system said, without Python's decoration: "No such file or directory"."""
    return (error.strerror if isinstance(error, OSError) else None) or str(error)


def _flatten(table: Mapping[str, Any], sections: set[str], file: str, above: str = "") -> Iterator[tuple[str, Any]]:
    """Keys with their sections, and their values. A section must be a table; other tables are values."""
    for name, value in table.items():
        key = f"{above}{name}"
        if key in sections and not isinstance(value, dict):
            raise ConfigError(f"{file}: {key}: expected a section ([{key}]), got {_shown(value)}")
        if isinstance(value, dict) and value and (key in sections or not above):
            yield from _flatten(value, sections, file, f"{key}.")
        elif key not in sections:
            yield key, value


def _from_environment(
    options: Mapping[str, Option], environment: Mapping[str, str], prefix: str
) -> Iterator[tuple[str, Any]]:
    """Values of variables that begin with the prefix; others of that beginning are mistakes."""
    names = {option.environment_name(prefix): option for option in options.values()}
    for name in sorted(environment):
        if not name.startswith(prefix + "__"):
            continue
        if name not in names:
            raise ConfigError(f"environment: unknown variable {_printable(name)}{_suggestion(name, names)}")
        option = names[name]
        try:
            yield option.key, option.convert_text(environment[name])
        except (ValueError, msgspec.ValidationError) as error:
            got = "" if option.is_secret else f", got {_shown(environment[name])}"
            raise ConfigError(f"environment: {name}: expected {option.expected}{got}") from error


def _converted(option: Option, value: Any, file: str) -> Any:
    try:
        return option.convert(value)
    except ValueError as error:
        got = "" if option.is_secret else f", got {_shown(value)}"
        raise ConfigError(f"{file}: {option.key}: expected {option.expected}{got}") from error


def _build(struct: type[Config], values: Mapping[str, Any], above: str = "") -> Config:
    """The struct with the given values, defaults for the rest."""
    fields: dict[str, Any] = {}
    for field in msgspec.structs.fields(struct):
        key = f"{above}{field.name}"
        if isinstance(field.type, type) and issubclass(field.type, msgspec.Struct):
            fields[field.name] = _build(field.type, values, f"{key}.")
        elif key in values:
            fields[field.name] = values[key]
    return struct(**fields)


def _ignored_entry(key: str, ignored: Mapping[str, str]) -> str | None:
    """The key itself or the section it is in, whichever is to be ignored."""
    return next((entry for entry in (key, key.partition(".")[0]) if entry in ignored), None)


def _suggestion(wrong: str, known: Mapping[str, object]) -> str:
    """The likeliest key meant: a small slip, or the right name in the wrong section."""
    import difflib  # only needed to fail

    close = difflib.get_close_matches(wrong, known, n=1, cutoff=0.8)
    close = close or [key for key in known if key.rpartition(".")[2] == wrong.rpartition(".")[2]]
    close = close or difflib.get_close_matches(wrong, known, n=1, cutoff=0.6)
    return f"; did you mean {close[0]}?" if close else "; --print-config shows every key"


def _shown(value: Any) -> str:
    text = f'"{value}"' if isinstance(value, str) else str(value).lower() if isinstance(value, bool) else str(value)
    return _printable(text)


def _printable(text: str) -> str:
    """Fit for one line of a terminal, whatever somebody wrote."""
    text = "".join(character if character.isprintable() else "?" for character in text)
    return text if len(text) <= MAX_SHOWN else text[: MAX_SHOWN - 1] + "…"
