"""What the fast path in C is told: the rules of answer.py, in the form of csrc/api.h."""

from __future__ import annotations

from typing import Any

from thalweg_common._core import ffi, lib
from thalweg_common.web.address import Networks

from thalweg_http.answer import Rules, denied
from thalweg_http.wire import dictionary, string


def c_rules(rules: Rules, forwarded_name: str, trusted: Networks) -> Any:
    """A tw_http_rules. `forwarded_name`: in lower case; empty where no proxy names clients.

    The header of RFC 7239 has a syntax that C does not read: it is told no name, and hands its requests over.
    """
    found = ffi.new("tw_http_rules *")
    found.interval = rules.interval
    found.interval_jitter = rules.interval_jitter
    found.min_interval = rules.min_interval
    found.default_peers = rules.default_peers
    found.max_peers = rules.max_peers
    found.max_scrape = min(rules.max_scrape, lib.TW_HTTP_SCRAPE_MAX)
    found.external_ip = rules.external_ip
    found.both_families = rules.both_families
    found.forwarded_name = b"" if forwarded_name == "forwarded" else forwarded_name.encode("ascii", "replace")
    _set_bytes(found, "denied", denied(rules).body)
    _set_bytes(found, "warning", _warning(rules))
    _set_networks(found.trusted, trusted)
    return found


def _warning(rules: Rules) -> bytes:
    """Key and value as they stand in a dictionary; nothing without a message."""
    if not rules.warning_message:
        return b""
    return dictionary([(b"warning message", string(rules.warning_message))])[1:-1]


def _set_bytes(to: Any, name: str, value: bytes) -> None:
    room = getattr(to, name)
    ffi.memmove(room, value, len(value))
    setattr(to, f"{name}_size", len(value))


def _set_networks(to: Any, networks: Networks) -> None:
    prefixes = networks.prefixes()
    to.count = len(prefixes)
    for index, (prefix, bits) in enumerate(prefixes):
        network = to.networks[index]
        network.prefix.ip_version = 4 if len(prefix) == 4 else 6
        network.prefix.bytes = prefix
        network.bits = bits
