"""Query strings as clients write them, numbers, and bencoding."""

import pytest
from thalweg_http.wire import (
    INT64_MAX,
    cut_info_hash,
    dictionary,
    integer,
    parse_number,
    parse_query_untrusted,
    peer_dictionaries,
    string,
)


@pytest.mark.parametrize(
    ("query", "name", "value"),
    [
        (b"key=%2b%2B", b"key", b"++"),
        (b"key=a+b", b"key", b"a+b"),
        (b"key=a%20b", b"key", b"a b"),
        (b"key=%", b"key", b"%"),
        (b"key=%4", b"key", b"%4"),
        (b"key=%zz%41", b"key", b"%zzA"),
        (b"key=%00%ff", b"key", b"\0\xff"),
        (b"key=\x80\xff", b"key", b"\x80\xff"),
        (b"key=()!*'~$,:", b"key", b"()!*'~$,:"),
        (b"key=a=b=", b"key", b"a=b="),
        (b"key=", b"key", b""),
        (b"key", b"key", b""),
        (b"a=1;key=2", b"key", b"2"),
        (b"a=1;2&key=3", b"a", b"1;2"),
        (b"a=1?key=2", b"key", b"2"),
        (b"a=?&key=2", b"a", b"?"),
        (b"??key=1", b"key", b"1"),
        (b"a=1&amp;key=2", b"key", b"2"),
        (b"&&key=1&&", b"key", b"1"),
        (b"key=1&key=2", b"key", b"1"),
        (b"%6bey=1", b"key", b"1"),
        (b"=1&key=2", b"key", b"2"),
    ],
)
def test_parameters_are_found(query: bytes, name: bytes, value: bytes) -> None:
    """However they are separated and escaped; the first of several counts."""
    assert parse_query_untrusted(query).first[name] == value


def test_every_info_hash_counts() -> None:
    """A scrape repeats the name; order stays."""
    assert parse_query_untrusted(b"info_hash=a&x=1&info_hash=%62").info_hashes == [b"a", b"b"]


@pytest.mark.parametrize(
    ("text", "number"),
    [
        (b"0", 0),
        (b"007", 7),
        (b"-1", -1),
        (b"4294967296", 1 << 32),
        (b"9223372036854775807", INT64_MAX),
        (b"9223372036854775808", INT64_MAX),
        (b"9" * 5000, INT64_MAX),
        (b"0" * 5000 + b"1", 1),
        (b"-" + b"9" * 5000, -INT64_MAX),
        (b"", None),
        (b"-", None),
        (b"+1", None),
        (b" 1", None),
        (b"1_0", None),
        (b"1.5", None),
        (b"0x10", None),
        (b"ten", None),
        ("\u0661".encode(), None),
        (b"1\n", None),
    ],
)
def test_numbers_saturate_and_the_rest_is_none(text: bytes, number: int | None) -> None:
    """64 bits, as long as it is decimal; a multiple of 2**32 is not 0."""
    assert parse_number(text) == number


@pytest.mark.parametrize(("size", "known"), [(20, 20), (32, 20), (19, None), (21, None), (40, None), (0, None)])
def test_only_info_hashes_are_info_hashes(size: int, known: int | None) -> None:
    """20 bytes, or the 32 of version 2, cut; forty hexadecimal digits are a client's mistake."""
    cut = cut_info_hash(bytes(size))
    assert (None if cut is None else len(cut)) == known


def test_bencoding() -> None:
    """Integers, byte strings and dictionaries."""
    assert dictionary([(b"a", integer(-3)), (b"b", string(b"xy"))]) == b"d1:ai-3e1:b2:xye"


def test_peers_as_dictionaries() -> None:
    """Addresses are text in both families, keys in order."""
    peers = [bytes([192, 0, 2, 1, 0x1A, 0xE1]), bytes([0x20, 1, 0xD, 0xB8, *bytes(11), 1, 0, 80])]
    assert peer_dictionaries(peers) == b"ld2:ip9:192.0.2.14:porti6881eed2:ip11:2001:db8::14:porti80eee"
