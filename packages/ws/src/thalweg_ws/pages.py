"""What is no WebSocket: the page for people, texts for programs, and a page for each error before the upgrade.

Pure: values in, a Page out.
"""

from __future__ import annotations

from thalweg_common.web import pages
from thalweg_common.web.pages import Page, error_page, html_page, url_list

ERRORS = {
    **pages.ERRORS,
    "not_found": (404, "There is nothing here. The tracker takes WebSockets at any path, and explains itself at /."),
    "handshake": (400, "This is not how a WebSocket is opened (RFC 6455)."),
    "version": (426, "Only version 13 of WebSocket is spoken here (RFC 6455)."),
    "origin": (403, "Pages of this origin may not use this tracker."),
    "proxy": (400, "The proxy in front of this tracker does not say whose request it passes on."),
}
"""Status and text by the reason under which an error is counted."""

ROBOTS = "User-agent: *\nDisallow: /\n"

_LANDING = """\
<p>This is a WebTorrent tracker. It introduces browsers that share the same torrent to each other, and holds no
files.</p>
<p>To use it, give your client this announce URL when you make a torrent, or add it to the torrent's trackers:</p>
{urls}
<p>It speaks WebSocket; what you see is all there is to see in a browser.</p>"""


def landing(urls: list[str]) -> Page:
    """What people see who open the announce URL."""
    return html_page("WebTorrent tracker", _LANDING.format(urls=url_list(urls)))


def error(reason: str, detail: str = "") -> Page:
    """The page of an error, by the reason it is counted under. `detail`: one more line."""
    page = error_page(reason, ERRORS)
    return Page(page.status, page.content_type, page.body + f"{detail}\n".encode(), reason) if detail else page
