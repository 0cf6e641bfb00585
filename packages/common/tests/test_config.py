"""Loading configuration: what is accepted, and the one line for what is not."""

import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from msgspec import Meta, Struct, field
from thalweg_common.config import ConfigError, load
from thalweg_common.config_text import effective, reference, sample
from thalweg_common.options import ENDPOINT


class NetConfig(Struct, frozen=True):
    """Where to listen."""

    address: Annotated[str, Meta(description="The address.", extra={"kind": ENDPOINT})] = "0.0.0.0:3000"
    more: Annotated[list[str], Meta(description="More.", max_length=2, extra={"kind": ENDPOINT})] = field(
        default_factory=list
    )
    use_ipv6: Annotated[bool, Meta(description="Serve IPv6.")] = True


class ExampleConfig(Struct, frozen=True):
    """Configuration of an example."""

    workers: Annotated[int, Meta(ge=0, le=8, description="How many.")] = 1
    mode: Annotated[Literal["off", "on"], Meta(description="Whether.")] = "off"
    password: Annotated[str, Meta(description="Hidden.", extra={"secret": True})] = ""
    net: NetConfig = field(default_factory=NetConfig)


IGNORED = {"net.ring": "no ring here", "pinning": "not here"}


def loaded(folder: Path, text: str, **environment: str) -> ExampleConfig:
    """The configuration of a file with this text."""
    file = folder / "x.toml"
    file.write_text(text)
    return load(ExampleConfig, file=file, environment=environment, prefix="EXAMPLE", ignored=IGNORED).config


def error_line(folder: Path, text: str, **environment: str) -> str:
    """What the operator reads, without the folder."""
    with pytest.raises(ConfigError) as caught:
        loaded(folder, text, **environment)
    line = str(caught.value).replace(f"{folder}/", "")
    assert "\n" not in line
    return line


def test_defaults_file_environment_in_rising_order(tmp_path: Path) -> None:
    """The environment goes before the file, the file before the defaults."""
    text = 'workers = 2\nmode = "on"\n[net]\naddress = "127.0.0.1:1"\n'
    config = loaded(tmp_path, text, EXAMPLE__WORKERS="3", EXAMPLE__NET__USE_IPV6="False", EXAMPLE_UNRELATED="1")
    assert config == ExampleConfig(workers=3, mode="on", net=NetConfig(address="127.0.0.1:1", use_ipv6=False))


def test_lists_in_the_environment_are_separated_by_commas(tmp_path: Path) -> None:
    """Blanks around the commas do not count."""
    config = loaded(tmp_path, "", EXAMPLE__NET__MORE="127.0.0.1:1, [::1]:2")
    assert config.net.more == ["127.0.0.1:1", "[::1]:2"]


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("worker = 2", "x.toml: unknown key worker; did you mean workers?"),
        ("[net]\nadress = '1'", "x.toml: unknown key net.adress; did you mean net.address?"),
        ("address = '127.0.0.1:1'", "x.toml: unknown key address; did you mean net.address?"),
        ("[nett]\naddress = '127.0.0.1:1'", "x.toml: unknown key nett.address; did you mean net.address?"),
        ("zzz = 1", "x.toml: unknown key zzz; --print-config shows every key"),
        ('"a\\nb" = 1', "x.toml: unknown key a?b; --print-config shows every key"),
        ("workers = 'many'", 'x.toml: workers: expected a whole number from 0 to 8, got "many"'),
        ("workers = 9", "x.toml: workers: expected a whole number from 0 to 8, got 9"),
        ("workers = true", "x.toml: workers: expected a whole number from 0 to 8, got true"),
        ("workers = 1.5", "x.toml: workers: expected a whole number from 0 to 8, got 1.5"),
        ("mode = 'maybe'", 'x.toml: mode: expected one of "off", "on", got "maybe"'),
        ("[net]\nuse_ipv6 = 1", "x.toml: net.use_ipv6: expected true or false, got 1"),
        (
            "[net]\naddress = 'localhost'",
            'x.toml: net.address: expected an address and port such as 0.0.0.0:3000 or [::]:3000, got "localhost"',
        ),
        (
            "[net]\nmore = ['127.0.0.1:1', '127.0.0.1:2', '127.0.0.1:3']",
            "x.toml: net.more: expected a list of at most 2, each an address and port such as 0.0.0.0:3000 or "
            "[::]:3000, got ['127.0.0.1:1', '127.0.0.1:2', '127.0.0.1:3']",
        ),
        ("net = 1", "x.toml: net: expected a section ([net]), got 1"),
        ("password = 1", "x.toml: password: expected a text"),
    ],
)
def test_a_mistake_in_the_file_is_one_line(tmp_path: Path, text: str, line: str) -> None:
    """It names the file, the key and what was expected; secrets are not repeated."""
    assert error_line(tmp_path, text) == line


def test_a_file_that_is_not_toml_is_one_line(tmp_path: Path) -> None:
    """With the place, as far as it is known."""
    assert error_line(tmp_path, "workers = 1\nmode = = 1").startswith("x.toml: not TOML: ")
    assert "line 2" in error_line(tmp_path, "workers = 1\nmode = = 1")


@pytest.mark.parametrize(
    ("name", "value", "line"),
    [
        ("EXAMPLE__WORKERS", "x", 'environment: EXAMPLE__WORKERS: expected a whole number from 0 to 8, got "x"'),
        ("EXAMPLE__NET__USE_IPV6", "", 'environment: EXAMPLE__NET__USE_IPV6: expected true or false, got ""'),
        ("EXAMPLE__WORKRES", "1", "environment: unknown variable EXAMPLE__WORKRES; did you mean EXAMPLE__WORKERS?"),
    ],
)
def test_a_mistake_in_the_environment_is_one_line(tmp_path: Path, name: str, value: str, line: str) -> None:
    """It names the variable."""
    assert error_line(tmp_path, "", **{name: value}) == line


def test_keys_without_meaning_are_accepted_and_told(tmp_path: Path) -> None:
    """Single keys and whole sections, whatever their values."""
    file = tmp_path / "x.toml"
    file.write_text("[net]\nring = 'x'\n[pinning]\nactive = true\n[pinning.deep]\nx = 1\n")
    result = load(ExampleConfig, file=file, environment={}, prefix="EXAMPLE", ignored=IGNORED)
    assert result.ignored == [("net.ring", "no ring here"), ("pinning", "not here")]
    assert result.config == ExampleConfig()


@pytest.mark.parametrize(
    ("content", "line"),
    [(None, "cannot read: No such file or directory"), (b"workers = 1 # \xff\n", "not UTF-8 text: byte 14 is 0xff")],
)
def test_unreadable_files(tmp_path: Path, content: bytes | None, line: str) -> None:
    """The system's reason is given."""
    file = tmp_path / "x.toml"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(ConfigError) as caught:
        load(ExampleConfig, file=file, environment={}, prefix="EXAMPLE")
    assert str(caught.value) == f"{file}: {line}"


def test_a_directory_is_not_a_file(tmp_path: Path) -> None:
    """Also the folder that somebody mounts where the file should be."""
    with pytest.raises(ConfigError, match="cannot read: Is a directory"):
        load(ExampleConfig, file=tmp_path, environment={}, prefix="EXAMPLE")


@pytest.mark.parametrize("content", [b"\xef\xbb\xbfworkers = 2\n", b"workers = 2\r\nmode = 'on'\r\n", b"workers = 2"])
def test_files_of_other_editors(tmp_path: Path, content: bytes) -> None:
    """A byte order mark, CR LF and a missing last line end are fine."""
    file = tmp_path / "x.toml"
    file.write_bytes(content)
    assert load(ExampleConfig, file=file, environment={}, prefix="EXAMPLE").config.workers == 2


def test_the_sample_is_complete_and_means_the_defaults(tmp_path: Path) -> None:
    """It names every key with its description, and reading it changes nothing."""
    text = sample(ExampleConfig, "EXAMPLE")
    assert "# How many.\nworkers = 1\n" in text
    assert "# Where to listen.\n[net]\n" in text
    assert set(tomllib.loads(text)) == {"workers", "mode", "password", "net"}
    assert loaded(tmp_path, text) == ExampleConfig()


def test_the_values_in_effect_read_back_without_the_secret(tmp_path: Path) -> None:
    """What -P prints is a configuration, except that secrets are hidden."""
    config = ExampleConfig(workers=3, password="open sesame", net=NetConfig(more=["127.0.0.1:1", "127.0.0.1:2"]))
    text = effective(config)
    assert "open sesame" not in text
    values: dict[str, Any] = {"workers": 3, "net": config.net}
    assert loaded(tmp_path, text) == ExampleConfig(**values, password="(hidden)")


def test_the_reference_has_every_key_and_its_variable() -> None:
    """One entry for each option, and the table of ignored keys."""
    text = reference(ExampleConfig, "EXAMPLE", IGNORED)
    assert "### `net.use_ipv6`\n\nServe IPv6.\n\n* Default: `true`. Expected: true or false.\n" in text
    assert "`EXAMPLE__NET__USE_IPV6`" in text
    assert "| `net.ring` | no ring here |" in text
