"""Options of a service, read off the msgspec structs that declare them.

An option is declared once, in its struct:

    interval: Annotated[int, Meta(ge=1, le=86400, description="Seconds between …")] = 1800

and from there come validation with a readable "expected …", the environment variable's name, the commented sample
and the reference page. `Meta(extra=…)` may carry
    kind      a Kind: what a text must look like, and how to say so
    secret    True: never printed
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Annotated, Any, Literal, get_args, get_origin

import msgspec
from msgspec import Meta

from thalweg_common.endpoints import is_endpoint, is_endpoint4, is_endpoint6


class Kind(msgspec.Struct, frozen=True):
    """A text with a form: what to call it in "expected …", and the test for it."""

    expected: str
    fits: Callable[[str], bool]


ENDPOINT = Kind("an address and port such as 0.0.0.0:3000 or [::]:3000", is_endpoint)
ENDPOINT_OR_NONE = Kind(f"{ENDPOINT.expected}, or nothing", lambda text: not text or is_endpoint(text))
ENDPOINT4 = Kind("an IPv4 address and port such as 0.0.0.0:3000", is_endpoint4)
ENDPOINT6 = Kind("an IPv6 address and port such as [::]:3000", is_endpoint6)


class Option(msgspec.Struct, frozen=True):
    """One key of a configuration file."""

    path: tuple[str, ...]
    type: Any
    default: Any
    meta: Meta

    @property
    def key(self) -> str:
        """The key with its section: `network.use_ipv4`."""
        return ".".join(self.path)

    @property
    def kind(self) -> Kind | None:
        """The form its texts must have."""
        return (self.meta.extra or {}).get("kind")

    @property
    def is_secret(self) -> bool:
        """Whether the value must not be shown."""
        return bool((self.meta.extra or {}).get("secret"))

    @property
    def expected(self) -> str:
        """What a good value is, to follow the word "expected"."""
        return _expected(self.type, self.meta, self.kind)

    def environment_name(self, prefix: str) -> str:
        """The environment variable that overrides it."""
        return "__".join((prefix, *self.path)).upper()

    def convert(self, value: Any) -> Any:
        """The value if it is a good one; ValueError if not."""
        try:
            converted = msgspec.convert(value, self._annotated)
        except msgspec.ValidationError as error:
            raise ValueError(value) from error
        texts = converted if isinstance(converted, list) else [converted]
        if self.kind and not all(self.kind.fits(text) for text in texts):
            raise ValueError(value)
        return converted

    def convert_text(self, text: str) -> Any:
        """The same from an environment variable: lists are separated by commas."""
        if get_origin(self.type) is list:
            return self.convert([part.strip() for part in text.split(",") if part.strip()])
        if self.type is bool:
            return self.convert(msgspec.convert(text.lower(), bool, strict=False))
        if self.type is int:
            return self.convert(msgspec.convert(text, int, strict=False))
        return self.convert(text)

    @property
    def _annotated(self) -> Any:
        return Annotated[self.type, self.meta]


def options_of(struct: type[msgspec.Struct], above: tuple[str, ...] = ()) -> Iterator[Option]:
    """Every option of a configuration struct, in the order of declaration."""
    for field in msgspec.structs.fields(struct):
        path = (*above, field.name)
        kind, *annotations = get_args(field.type) if get_origin(field.type) is Annotated else (field.type,)
        if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
            yield from options_of(kind, path)
        else:
            meta = next((entry for entry in annotations if isinstance(entry, Meta)), Meta())
            yield Option(path, kind, _default_of(field), meta)


def _default_of(field: msgspec.structs.FieldInfo) -> Any:
    return field.default if field.default is not msgspec.NODEFAULT else field.default_factory()


def _expected(kind_of_value: Any, meta: Meta, kind: Kind | None) -> str:
    if kind_of_value is bool:
        return "true or false"
    if kind_of_value is int:
        return f"a whole number from {meta.ge} to {meta.le}"
    if get_origin(kind_of_value) is Literal:
        return "one of " + ", ".join(f'"{choice}"' for choice in get_args(kind_of_value))
    text = kind.expected if kind else "a text"
    return f"a list of at most {meta.max_length}, each {text}" if get_origin(kind_of_value) is list else text
