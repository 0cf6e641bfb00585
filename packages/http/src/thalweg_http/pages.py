"""Replies: the pages for people and programs, one for each of HTTP's own errors, and any reply as bytes.

Pure: values in, a Page or its bytes out.
"""

from __future__ import annotations

import html
from collections.abc import Mapping

import h11
import msgspec
from thalweg_common.status import FamilyStatus
from thalweg_common.web import pages
from thalweg_common.web.pages import Page, error_page, html_page, url_list

from thalweg_http.answer import Answer

JSON = b"application/json"
XML = b"application/xml"
TRACKER_REPLY = b"text/plain"

ERRORS = {
    **pages.ERRORS,
    "not_found": (404, "There is nothing here. The tracker is at /announce and /scrape, and explains itself at /."),
    "body_too_large": (413, "A request needs no body here, and this one is too large to be ignored."),
}
"""Status and text by the reason under which an error is counted."""

ROBOTS = "User-agent: *\nDisallow: /announce\nDisallow: /scrape\n"

_LANDING = """\
<p>This is a BitTorrent tracker. It tells clients that share the same torrent about each other, and holds no files.</p>
<p>To use it, give your client this announce URL when you make a torrent, or add it to the torrent's trackers:</p>
{urls}
<p>Numbers are on <a href="/stats">a page of their own</a>.</p>"""


class Figures(msgspec.Struct, frozen=True, kw_only=True):
    """What /stats shows."""

    version: str
    uptime_seconds: int
    connections: int
    accepted_connections_total: int
    requests_total: dict[str, int]
    ip_version: dict[str, FamilyStatus]
    downloads_total: int


def landing(urls: list[str]) -> Page:
    """What a browser sees at /."""
    return html_page("BitTorrent tracker", _LANDING.format(urls=url_list(urls)))


def error(reason: str) -> Page:
    """The page of an error, by the reason it is counted under."""
    return error_page(reason, ERRORS)


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
    return html_page("Tracker statistics", f"<table>\n{table}\n</table>\n<p><a href='/stats.json'>as JSON</a></p>")


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


def as_bytes(
    reply: Answer | Page, http: h11.Connection | None = None, *, close: bool = True, method: bytes = b"GET"
) -> bytes:
    """A reply on the wire; arguments as in thalweg_common.web.pages."""
    page = Page(200, TRACKER_REPLY, reply.body) if isinstance(reply, Answer) else reply
    return pages.as_bytes(page, http, close=close, method=method)
