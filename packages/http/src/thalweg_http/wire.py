"""The format of tracker requests and replies over HTTP: query strings in, bencoded dictionaries out. Bytes only.

Clients write query strings as they like (BEP 3 only says "percent-encoded"), and no byte of a value is fatal here:

    &, &amp;              separate parameters; so do ; and ? where a name and = follow
    %2b, %2B              escapes in either case; a % without two digits behind it is a %
    +                     is a plus, never a blank: info hashes and peer ids are bytes, not forms
    port, port=, port=1=2 parameters without a value, and values with a =
    port=1&port=2         the first one counts, except info_hash, of which scrapes carry many (BEP 48)

Replies have their keys in the order of their bytes, as bencoding wants.
"""

from __future__ import annotations

import re
import socket
from urllib.parse import unquote_to_bytes

from msgspec import Struct

INFO_HASH_SIZE = 20
V2_INFO_HASH_SIZE = 32  # cut to 20 by those who follow BEP 52, and by us for those who do not
PEER_ID_SIZE = 20
INT64_MAX = (1 << 63) - 1
ANY_NUMWANT = 0xFFFFFFFF  # -1 for those who print it unsigned

_SEPARATOR = re.compile(rb"&(?:amp;)?|[;?](?=[A-Za-z_]+=)")
_NUMBER = re.compile(rb"-?[0-9]+")

Dictionary = list[tuple[bytes, bytes]]
"""Keys in order, and their values, already bencoded."""


class BadRequest(Exception):  # noqa: N818 - what a client did, not a fault of ours
    """A request that cannot be served; the text tells the client why."""


class Query(Struct, frozen=True):
    """The parameters of a query string: first values by name, and every info hash."""

    first: dict[bytes, bytes]
    info_hashes: list[bytes]

    def number(self, name: bytes) -> int | None:
        """A decimal number, kept within 64 bits; None when it is absent or not one."""
        return parse_number(self.first.get(name, b""))


def parse_query_untrusted(query: bytes) -> Query:
    """Takes a query string apart; never fails."""
    first: dict[bytes, bytes] = {}
    info_hashes: list[bytes] = []
    for part in _SEPARATOR.split(query.lstrip(b"?&;")):
        name, _, value = part.partition(b"=")
        if b"%" in name:
            name = unquote_to_bytes(name)
        if b"%" in value:
            value = unquote_to_bytes(value)
        if name == b"info_hash":
            info_hashes.append(value)
        else:
            first.setdefault(name, value)
    return Query(first, info_hashes)


def parse_number(text: bytes) -> int | None:
    """A decimal number with or without a minus, kept within 64 bits; None for anything else."""
    if not _NUMBER.fullmatch(text):
        return None
    digits = text.removeprefix(b"-").lstrip(b"0")
    number = INT64_MAX if len(digits) > 19 else min(int(digits or b"0"), INT64_MAX)  # Python refuses thousands
    return -number if text[:1] == b"-" else number


def cut_info_hash(value: bytes) -> bytes | None:
    """The 20 bytes trackers know a torrent by; None when the value is no info hash."""
    if len(value) == V2_INFO_HASH_SIZE:
        return value[:INFO_HASH_SIZE]
    return value if len(value) == INFO_HASH_SIZE else None


def integer(number: int) -> bytes:
    """A bencoded integer."""
    return b"i%de" % number


def string(value: bytes) -> bytes:
    """A bencoded byte string."""
    return b"%d:%b" % (len(value), value)


def dictionary(items: Dictionary) -> bytes:
    """A bencoded dictionary; the keys are in order already."""
    return b"d%be" % b"".join([string(key) + value for key, value in items])


def peer_dictionaries(peers: list[bytes]) -> bytes:
    """The list of BEP 3's first days: a dictionary for each peer, addresses as text. Peer ids are not kept."""
    return b"l%be" % b"".join([_peer_dictionary(peer) for peer in peers])


def _peer_dictionary(peer: bytes) -> bytes:
    address, port = peer[:-2], int.from_bytes(peer[-2:], "big")
    family = socket.AF_INET if len(address) == 4 else socket.AF_INET6
    text = socket.inet_ntop(family, address).encode("ascii")
    return dictionary([(b"ip", string(text)), (b"port", integer(port))])
