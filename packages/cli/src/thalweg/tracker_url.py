"""The announce URL of a tracker, as an operator types it."""

from __future__ import annotations

from collections.abc import Collection
from urllib.parse import SplitResult, quote, urlsplit

import msgspec

EXAMPLES = {
    "udp": "udp://HOST:PORT/announce",
    "http": "http://HOST/announce",
    "https": "https://HOST/announce",
    "ws": "ws://HOST:PORT",
    "wss": "wss://HOST",
}
"""How the URLs of each kind of tracker look."""
DEFAULT_PORTS = {"http": 80, "https": 443, "ws": 80, "wss": 443}
WEBTORRENT_SCHEMES = ("ws", "wss")
_KEPT_IN_PATHS = "/?&=%:@!$'()*+,;~[]"


class TrackerUrlError(ValueError):
    """The URL cannot be used; the text is one line that says why and what to write instead."""


class TrackerUrl(msgspec.Struct, frozen=True):
    """The parts of an announce URL; `host` is a name or an address without brackets."""

    text: str
    scheme: str
    host: str
    port: int
    path: str
    """Path and query: what is asked of an HTTP or WebTorrent tracker, and what a client puts into BEP 41's URLData."""


def parse_tracker_url(text: str, schemes: Collection[str] = tuple(EXAMPLES)) -> TrackerUrl:
    """Reads the announce URL of a tracker of one of these `schemes`; raises TrackerUrlError."""
    instead = "write " + " or ".join(EXAMPLES[scheme] for scheme in schemes)
    if not text.isprintable():
        raise TrackerUrlError(f"{text!a}: not the URL of a tracker; {instead}")
    try:
        parts = urlsplit(text)
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise TrackerUrlError(f"{text}: {error}") from None
    if parts.scheme in {*EXAMPLES} - {*schemes}:
        raise TrackerUrlError(f"{text}: {parts.scheme}:// trackers are not supported here; {instead}")
    if parts.scheme not in schemes:
        raise TrackerUrlError(f"{text}: not the URL of a tracker; {instead}")
    if not host:
        raise TrackerUrlError(f"{text}: the host is missing; {instead}")
    port = DEFAULT_PORTS.get(parts.scheme) if port is None else port
    if not port:
        raise TrackerUrlError(f"{text}: the port is missing; write {parts.scheme}://HOST:PORT/announce")
    return TrackerUrl(text=text, scheme=parts.scheme, host=host, port=port, path=_path(text, parts))


def _path(text: str, parts: SplitResult) -> str:
    """What is behind the host. UDP trackers do not need it; an HTTP tracker is asked for nothing else.

    WebTorrent trackers are published without one as often as with.
    """
    path = f"{parts.path}?{parts.query}" if parts.query else parts.path
    if parts.scheme == "udp":
        return path
    if parts.username is not None:
        raise TrackerUrlError(f"{text}: names and passwords are not sent; a key belongs into the path")
    if parts.scheme in WEBTORRENT_SCHEMES:
        path = path if parts.path else f"/{path}"
    elif not parts.path:
        raise TrackerUrlError(f"{text}: the path is missing; write {text.partition('?')[0]}/announce")
    return quote(path, safe=_KEPT_IN_PATHS)


def endpoint(address: str, port: int) -> str:
    """Address and port as URLs write them: 192.0.2.1:80, [2001:db8::1]:80."""
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"
