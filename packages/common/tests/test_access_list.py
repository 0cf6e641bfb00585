"""Access list files: spellings, comments, and the line number of a mistake."""

import base64
import contextlib
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from thalweg_common.access_list import parse_info_hash, read_access_list
from thalweg_common.config import ConfigError

INFO_HASH = bytes(range(100, 120))
HEX = INFO_HASH.hex()


def test_all_spellings_comments_and_line_ends(tmp_path: Path) -> None:
    """Hexadecimal in either case, base32, v2 hashes cut to 20 bytes; comments and blank lines in between."""
    base32 = base64.b32encode(INFO_HASH).decode()
    lines = ["# a list", "", HEX, f"  {HEX.upper()}\t# mine", base32, base32.lower(), HEX + "ff" * 12, "   "]
    file = tmp_path / "list"
    file.write_bytes("\r\n".join(lines).encode())
    assert read_access_list(file) == INFO_HASH * 5


def test_an_empty_file_is_an_empty_list(tmp_path: Path) -> None:
    """Allowing nothing, or denying nothing, can be meant."""
    file = tmp_path / "list"
    file.write_text("")
    assert read_access_list(file) == b""


@pytest.mark.parametrize(
    "line",
    [HEX[:-1], HEX + "0", HEX[:-1] + "g", HEX[:19] + " " + HEX[20:], "0" * 31 + "!", "1" * 32, "hello", HEX + HEX],
)
def test_a_bad_line_is_named_with_its_number(tmp_path: Path, line: str) -> None:
    """The whole file is refused."""
    file = tmp_path / "list"
    file.write_text(f"{HEX}\n# next\n{line}\n{HEX}\n")
    with pytest.raises(ConfigError) as caught:
        read_access_list(file)
    assert str(caught.value).startswith(f"{file}: line 3: expected an info hash of 40 hexadecimal digits, got ")
    assert "\n" not in str(caught.value)


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    """With the system's reason."""
    with pytest.raises(ConfigError, match=r"^access_list\.path: cannot read .*/list: No such file or directory$"):
        read_access_list(tmp_path / "list")


@given(st.binary(min_size=20, max_size=20))
def test_every_info_hash_can_be_written_in_both_ways(info_hash: bytes) -> None:
    """Hexadecimal and base32 give the same bytes."""
    assert parse_info_hash(info_hash.hex()) == info_hash
    assert parse_info_hash(base64.b32encode(info_hash).decode()) == info_hash


@given(st.text(max_size=64))
def test_any_other_text_is_a_value_error(text: str) -> None:
    """Nothing else can happen."""
    with contextlib.suppress(ValueError):
        assert len(parse_info_hash(text)) == 20


def test_a_long_list_is_read_in_little_memory(tmp_path: Path) -> None:
    """Little more than the info hashes themselves."""
    file = tmp_path / "list"
    file.write_text(f"{HEX}\n" * 50_000)
    tracemalloc.start()
    try:
        assert len(read_access_list(file)) == 50_000 * 20
        assert tracemalloc.get_traced_memory()[1] < 3 * 50_000 * 20
    finally:
        tracemalloc.stop()
