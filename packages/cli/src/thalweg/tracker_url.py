"""The announce URL of a tracker, as an operator types it."""

from __future__ import annotations

from urllib.parse import urlsplit

import msgspec

SUPPORTED_SCHEMES = ("udp",)
OTHER_TRACKER_SCHEMES = ("http", "https", "ws", "wss")


class TrackerUrlError(ValueError):
    """The URL cannot be used; the text is one line that says why and what to write instead."""


class TrackerUrl(msgspec.Struct, frozen=True):
    """The parts of an announce URL; `host` is a name or an address without brackets."""

    text: str
    scheme: str
    host: str
    port: int
    path: str
    """Path and query: what a client puts into BEP 41's URLData."""


def parse_tracker_url(text: str) -> TrackerUrl:
    """Reads udp://HOST:PORT/PATH; raises TrackerUrlError."""
    if not text.isprintable():
        raise TrackerUrlError(f"{text!a}: not the URL of a tracker; write udp://HOST:PORT/announce")
    try:
        parts = urlsplit(text)
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise TrackerUrlError(f"{text}: {error}") from None
    _check_scheme(text, parts.scheme)
    if not host:
        raise TrackerUrlError(f"{text}: the host is missing; write udp://HOST:PORT/announce")
    if not port:
        raise TrackerUrlError(f"{text}: the port is missing; a UDP tracker has none by default, write udp://HOST:PORT")
    path = f"{parts.path}?{parts.query}" if parts.query else parts.path
    return TrackerUrl(text=text, scheme=parts.scheme, host=host, port=port, path=path)


def _check_scheme(text: str, scheme: str) -> None:
    if scheme in OTHER_TRACKER_SCHEMES:
        raise TrackerUrlError(f"{text}: {scheme}:// trackers are not supported by this version; udp:// is")
    if scheme not in SUPPORTED_SCHEMES:
        raise TrackerUrlError(f"{text}: not the URL of a tracker; write udp://HOST:PORT/announce")


def endpoint(address: str, port: int) -> str:
    """Address and port as URLs write them: 192.0.2.1:80, [2001:db8::1]:80."""
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"
