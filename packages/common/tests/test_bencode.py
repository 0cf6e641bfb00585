"""Bencoding: what is exactly right, what only strict readers refuse, and what nobody can read."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from thalweg_common.bencode import DEEPEST, BencodeError, Value, decode, encode, read

VALUES: st.SearchStrategy[Value] = st.recursive(
    st.integers(-(2**100), 2**100) | st.binary(max_size=30),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.binary(max_size=6), inner, max_size=4),
    max_leaves=12,
)

EXACT: dict[bytes, Value] = {
    b"i0e": 0,
    b"i-42e": -42,
    b"0:": b"",
    b"4:spam": b"spam",
    b"le": [],
    b"li1e1:ae": [1, b"a"],
    b"de": {},
    b"d5:peers0:6:peers60:e": {b"peers": b"", b"peers6": b""},
}


@pytest.mark.parametrize("data", EXACT)
def test_exact_bytes(data: bytes) -> None:
    """Bytes that follow every rule have a value, and the value has these bytes."""
    assert decode(data) == EXACT[data]
    assert encode(EXACT[data]) == data


@given(VALUES)
def test_what_is_written_is_read(value: Value) -> None:
    """Every value comes back; without its last byte, or with one more, it does not."""
    data = encode(value)
    assert decode(data) == value
    with pytest.raises(BencodeError, match="cut short"):
        read(data[:-1])
    with pytest.raises(BencodeError, match="1 bytes behind the end"):
        decode(data + b"e")


@given(st.binary(max_size=60) | st.text("ilde0123456789:-", max_size=60).map(str.encode))
def test_any_bytes(data: bytes) -> None:
    """Strangers' bytes have a value or raise BencodeError, nothing else; what `decode` takes, `encode` gives."""
    try:
        reading = read(data)
    except BencodeError:
        return
    if reading.size == len(data) and not reading.faults:
        assert encode(reading.value) == data


@pytest.mark.parametrize(
    ("data", "value", "size", "fault"),
    [
        (b"d1:bi1e1:ai2ee", {b"a": 2, b"b": 1}, 14, "the key 'a' at byte 7 comes after 'b': not sorted"),
        (b"i007e", 7, 5, "the number 007 at byte 0 has zeros in front"),
        (b"i-0e", 0, 4, "the number -0 at byte 0 has zeros in front"),
        (b"l01:xe", [b"x"], 6, "the number 01 at byte 1 has zeros in front"),
    ],
)
def test_broken_rules_with_a_clear_meaning(data: bytes, value: Value, size: int, fault: str) -> None:
    """`read` gives the value and names the fault, for which `decode` refuses it."""
    reading = read(data + b"\r\n")
    assert (reading.value, reading.size, reading.faults) == (value, size, [fault])
    with pytest.raises(BencodeError, match=fault):
        decode(data)


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b"", "cut short: the end is missing after 0 bytes"),
        (b"d8:interval", "cut short: the end is missing after 11 bytes"),
        (b"i12", "cut short: the end is missing after 3 bytes"),
        (b"5:spam", "cut short: the string at byte 0 ends 1 bytes later"),
        (b"<html>", "'<' at byte 0, where a value begins"),
        (b"d4:spame", "'e' at byte 7, where a value begins"),
        (b"di1ei2ee", "'i' at byte 1, where a key begins"),
        (b"d1:ai1e1:ai2ee", "the key 'a' at byte 7 is there twice"),
        (b"ie", "not the integer at byte 0: 'ie'"),
        (b"i1.5e", "not the integer at byte 0: 'i1.5e'"),
        (b"i" + b"9" * 5000 + b"e", "not the integer at byte 0"),
        (b"9" * 5000 + b":", "not the length of a string at byte 0"),
        (b"l" * (DEEPEST + 1), "more than 20 lists and dictionaries within each other"),
        (b"l" * 100_000, "more than 20 lists and dictionaries within each other"),
    ],
)
def test_what_cannot_be_read(data: bytes, sentence: str) -> None:
    """The error says what is wrong and where; neither depth nor length is a danger."""
    with pytest.raises(BencodeError, match="^" + sentence.replace("(", r"\(")):
        read(data)
