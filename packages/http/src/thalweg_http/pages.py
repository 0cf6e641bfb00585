"""What is not bencoded: the pages for people and programs, and a page for each of HTTP's own errors.

Nothing here is fetched from elsewhere, and no script runs. Pure: values in, a Page out.
"""

from __future__ import annotations

import html
import re
from collections.abc import Mapping, Sequence
from http import HTTPStatus

import msgspec
from thalweg_common.status import FamilyStatus

TEXT = b"text/plain; charset=utf-8"
HTML = b"text/html; charset=utf-8"
JSON = b"application/json"
XML = b"application/xml"

_HOST = re.compile(rb"[A-Za-z0-9.\-]{1,253}(:[0-9]{1,5})?|\[[0-9A-Fa-f:.]{2,45}\](:[0-9]{1,5})?")

ERRORS = {
    "malformed": (400, "This is not an HTTP request that can be read."),
    "method": (405, "Only GET and HEAD are answered here."),
    "not_found": (404, "There is nothing here. The tracker is at /announce and /scrape, and explains itself at /."),
    "body_too_large": (413, "A request needs no body here, and this one is too large to be ignored."),
    "target_too_long": (414, "The URL is longer than 8192 bytes. Scrape fewer info hashes at a time."),
    "head_too_large": (431, "The headers are larger than 32 KiB."),
    "timeout": (408, "The request took too long to arrive."),
    "tls_on_plain_port": (
        400,
        "This port speaks plain HTTP, and got a TLS hello. Use http://, or another port.",
    ),
    "plain_on_tls_port": (400, "This port speaks TLS, and got plain HTTP. Use https://, or another port."),
    "internal": (500, "The tracker failed to answer. This is a mistake of ours, and in its log."),
    "busy": (503, "Too many connections at this moment. Come back at your usual interval."),
    "stopping": (503, "The tracker is about to stop."),
}
"""Status and text by the reason under which an error is counted."""

PHRASES = {status.value: status.phrase.encode() for status in HTTPStatus}
RETRY_AFTER = b"300"  # seconds; never counted down, or everybody would come back in the same second

ROBOTS = "User-agent: *\nDisallow: /announce\nDisallow: /scrape\n"

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

_LANDING = """\
<p>This is a BitTorrent tracker. It tells clients that share the same torrent about each other, and holds no files.</p>
<p>To use it, give your client this announce URL when you make a torrent, or add it to the torrent's trackers:</p>
<ul>
{urls}
</ul>
<p>Numbers are on <a href="/stats">a page of their own</a>.</p>"""


class Page(msgspec.Struct, frozen=True):
    """A reply that is no tracker reply."""

    status: int
    content_type: bytes
    body: bytes
    reason: str | None = None
    """For errors: what it is counted as."""


class Figures(msgspec.Struct, frozen=True, kw_only=True):
    """What /stats shows."""

    version: str
    uptime_seconds: int
    connections: int
    accepted_connections_total: int
    requests_total: dict[str, int]
    ip_version: dict[str, FamilyStatus]
    downloads_total: int


def landing(urls: Sequence[str]) -> Page:
    """What a browser sees at /."""
    items = "\n".join(f"<li><code>{html.escape(url)}</code></li>" for url in urls)
    return _html("BitTorrent tracker", _LANDING.format(urls=items))


def announce_url(host: bytes, *, secure: bool) -> str | None:
    """The announce URL under the host name of a request; None when that is no host name."""
    if not _HOST.fullmatch(host):
        return None
    return f"{'https' if secure else 'http'}://{host.decode('ascii')}/announce"


def extra_headers(page: Page) -> list[tuple[bytes, bytes]]:
    """Beside Content-Type and Content-Length."""
    if page.content_type == HTML:
        return [
            (b"Content-Security-Policy", b"default-src 'none'; style-src 'unsafe-inline'"),
            (b"X-Content-Type-Options", b"nosniff"),
        ]
    return {405: [(b"Allow", b"GET, HEAD")], 503: [(b"Retry-After", RETRY_AFTER)]}.get(page.status, [])


def text(body: str) -> Page:
    """A plain text."""
    return Page(200, TEXT, body.encode())


def error(reason: str) -> Page:
    """The page of an error, by the reason it is counted under."""
    status, words = ERRORS[reason]
    return Page(status, TEXT, f"{words}\n".encode(), reason)


def stats_page(figures: Figures) -> Page:
    """Figures for people."""
    rows: list[tuple[str, str]] = [("uptime", f"{figures.uptime_seconds:,} s"), ("version", figures.version)]
    rows.append(("open connections", f"{figures.connections:,}"))
    rows += [(f"{kind} requests", f"{count:,}") for kind, count in figures.requests_total.items()]
    rows.append(("completed downloads", f"{figures.downloads_total:,}"))
    for version, family in figures.ip_version.items():
        values = {"torrents": family.torrents, "peers": family.peers, "seeders": family.seeders}
        rows += [(f"IPv{version} {name}", f"{value:,}") for name, value in values.items()]
    table = "\n".join(f"<tr><th>{html.escape(name)}</th><td>{html.escape(value)}</td></tr>" for name, value in rows)
    return _html("Tracker statistics", f"<table>\n{table}\n</table>\n<p><a href='/stats.json'>as JSON</a></p>")


def stats_json(figures: Figures) -> Page:
    """Figures for programs."""
    return Page(200, JSON, msgspec.json.encode(figures) + b"\n")


def stats_xml(figures: Figures, errors: Mapping[int, int]) -> Page:
    """Figures as opentracker's /stats?mode=everything writes them, for exporters made for it.

    `errors`: replies by status code. UDP and what opentracker alone has are zero.
    """
    families = figures.ip_version.values()
    codes = "".join(f'<count code="{code}">{count}</count>' for code, count in sorted(errors.items()))
    return Page(
        200,
        XML,
        f"""\
<?xml version="1.0" encoding="UTF-8"?>
<stats>
<tracker_id>0</tracker_id>
<version>thalweg-http {figures.version}</version>
<uptime>{figures.uptime_seconds}</uptime>
<torrents>
<count_mutex>{sum(family.torrents for family in families)}</count_mutex>
<count_iterator>{sum(family.torrents for family in families)}</count_iterator>
</torrents>
<peers><count>{sum(family.peers for family in families)}</count></peers>
<seeds><count>{sum(family.seeders for family in families)}</count></seeds>
<completed><count>{figures.downloads_total}</count></completed>
<connections>
<tcp><accept>{figures.accepted_connections_total}</accept>\
<announce>{figures.requests_total["announce"]}</announce><scrape>{figures.requests_total["scrape"]}</scrape></tcp>
<udp><overall>0</overall><connect>0</connect><announce>0</announce><scrape>0</scrape><missmatch>0</missmatch></udp>
<livesync><count>0</count></livesync>
</connections>
<debug><http_error>{codes}</http_error></debug>
</stats>
""".encode(),
    )


def _html(title: str, body: str) -> Page:
    return Page(200, HTML, _FRAME.format(title=html.escape(title), body=body).encode())
