"""Replies of HTTP that are no tracker's: pages for people and programs, and a page for each of HTTP's own errors.

Nothing here is fetched from elsewhere, and no script runs. Pure: values in, a Page or its bytes out.
"""

from __future__ import annotations

import html
import re
from http import HTTPStatus

import h11
from msgspec import Struct

TEXT = b"text/plain; charset=utf-8"
HTML = b"text/html; charset=utf-8"

ERRORS = {
    "malformed": (400, "This is not an HTTP request that can be read."),
    "method": (405, "Only GET and HEAD are answered here."),
    "target_too_long": (414, "The URL is longer than 8192 bytes. Scrape fewer info hashes at a time."),
    "head_too_large": (431, "The headers are larger than 32 KiB."),
    "timeout": (408, "The request took too long to arrive."),
    "tls_on_plain_port": (
        400,
        "This port speaks plain HTTP, and got a TLS hello. Use http:// or ws://, or another port.",
    ),
    "plain_on_tls_port": (400, "This port speaks TLS, and got plain HTTP. Use https:// or wss://, or another port."),
    "internal": (500, "The tracker failed to answer. This is a mistake of ours, and in its log."),
    "busy": (503, "Too many connections at this moment. Come back at your usual interval."),
    "stopping": (503, "The tracker is about to stop."),
}
"""Status and text by the reason under which an error is counted: those that every service has."""

PHRASES = {status.value: status.phrase.encode() for status in HTTPStatus}
RETRY_AFTER = b"300"  # seconds; never counted down, or everybody would come back in the same second

_HOST = re.compile(rb"[A-Za-z0-9.\-]{1,253}(:[0-9]{1,5})?|\[[0-9A-Fa-f:.]{2,45}\](:[0-9]{1,5})?")

_FRAME = """\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>{title}</title>
<style>
:root {{ color-scheme: light dark; }}
body {{ font: 1rem/1.5 sans-serif; max-width: 42rem; margin: 2rem auto; padding: 0 1rem; }}
code {{ overflow-wrap: anywhere; user-select: all; }}
th {{ text-align: left; font-weight: normal; }} td {{ text-align: right; padding-left: 2rem; }}
</style>
</head>
<body>
<h1>{title}</h1>
{body}
</body>
</html>
"""


class Page(Struct, frozen=True):
    """A reply."""

    status: int
    content_type: bytes
    body: bytes
    reason: str | None = None
    """For errors: what it is counted as."""


def html_page(title: str, body: str) -> Page:
    """A page for people. `title` is text, `body` HTML."""
    return Page(200, HTML, _FRAME.format(title=html.escape(title), body=body).encode())


def text_page(body: str) -> Page:
    """A plain text."""
    return Page(200, TEXT, body.encode())


def error_page(reason: str, errors: dict[str, tuple[int, str]] = ERRORS) -> Page:
    """The page of an error, by the reason it is counted under."""
    status, words = errors[reason]
    return Page(status, TEXT, f"{words}\n".encode(), reason)


def url_list(urls: list[str]) -> str:
    """URLs as a list in HTML."""
    items = "\n".join(f"<li><code>{html.escape(url)}</code></li>" for url in urls)
    return f"<ul>\n{items}\n</ul>"


def announce_url(scheme: str, host: bytes) -> str | None:
    """The announce URL under the host name of a request; None when that is no host name."""
    return f"{scheme}://{host.decode('ascii')}/announce" if _HOST.fullmatch(host) else None


def as_bytes(page: Page, http: h11.Connection | None = None, *, close: bool = True, method: bytes = b"GET") -> bytes:
    """A reply on the wire. Without `http`: outside of any exchange, after which the connection is closed."""
    http = http or h11.Connection(h11.SERVER)
    headers = [(b"Content-Type", page.content_type), (b"Content-Length", b"%d" % len(page.body)), *_more_headers(page)]
    if close:
        headers.append((b"Connection", b"close"))
    parts = [http.send(h11.Response(status_code=page.status, headers=headers, reason=PHRASES[page.status]))]
    if method != b"HEAD":
        parts.append(http.send(h11.Data(data=page.body)))
    parts.append(http.send(h11.EndOfMessage()))
    return b"".join(part for part in parts if part)


def _more_headers(page: Page) -> list[tuple[bytes, bytes]]:
    if page.content_type == HTML:
        return [
            (b"Content-Security-Policy", b"default-src 'none'; style-src 'unsafe-inline'"),
            (b"X-Content-Type-Options", b"nosniff"),
        ]
    return {
        405: [(b"Allow", b"GET, HEAD")],
        426: [(b"Upgrade", b"websocket"), (b"Sec-WebSocket-Version", b"13")],
        503: [(b"Retry-After", RETRY_AFTER)],
    }.get(page.status, [])
