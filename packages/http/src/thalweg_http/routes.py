"""From a request to its reply: which path is asked for, whose address it is, and what answers. Pure but for counters.

…/announce, …/announce.php, …/announce/KEY      an announce; also with doubled slashes or one at the end
…/scrape, …                                     a scrape (BEP 48: the announce URL with one word changed)
/, /health, /stats, /stats.json, /robots.txt    pages
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from urllib.parse import unquote_to_bytes

from msgspec import Struct
from thalweg_common._core import lib
from thalweg_common.status import FamilyStatus
from thalweg_common.version import core_version
from thalweg_common.web.address import BadForwarded, forwarded_address_untrusted
from thalweg_common.web.pages import Page, text_page

from thalweg_http import pages
from thalweg_http.answer import Answer, answer_announce_untrusted, answer_scrape_untrusted, failure
from thalweg_http.service import Service
from thalweg_http.wire import parse_query_untrusted

_ABSOLUTE = re.compile(rb"\A[A-Za-z][A-Za-z0-9+.\-]*://[^/?]*")
_SLASHES = re.compile(rb"/{2,}")


class Request(Struct, frozen=True):
    """What of a request matters."""

    method: bytes
    target: bytes
    headers: Sequence[tuple[bytes, bytes]]
    """Names in lower case."""
    address: bytes
    """Of the socket, or what the PROXY protocol said; 4 or 16 bytes."""
    from_proxy: bool
    """The socket belongs to a trusted proxy that says in a header whose request this is."""
    secure: bool

    def values(self, name: bytes) -> list[bytes]:
        """All values of a header."""
        return [value for key, value in self.headers if key == name]


def respond(service: Service, request: Request, now_ms: int) -> Answer | Page:
    """The reply to one request, already counted. `now_ms`: monotonic milliseconds."""
    path, _, query = _ABSOLUTE.sub(b"", request.target, count=1).partition(b"?")
    path = normal_path(path)
    kind = tracker_path(path)
    if request.method not in (b"GET", b"HEAD"):
        return _counted_page(service, request.address, pages.error("method"))
    if kind is None:
        return _counted_page(service, request.address, _page(service, request, path, query))
    return _tracker_answer(service, request, kind, query, now_ms)


def normal_path(path: bytes) -> bytes:
    """A path without escapes, doubled slashes and a slash at the end."""
    if b"%" in path:
        path = unquote_to_bytes(path)
    return _SLASHES.sub(b"/", b"/" + path).rstrip(b"/") or b"/"


def tracker_path(path: bytes) -> str | None:
    """Whether a normal path is for announces or scrapes; a key may stand in front or behind."""
    for component in path.split(b"/")[-2:]:
        name = component.partition(b".")[0]
        if name in (b"announce", b"scrape"):
            return name.decode("ascii")
    return None


def _tracker_answer(service: Service, request: Request, kind: str, query: bytes, now_ms: int) -> Answer:
    address = request.address
    try:
        if request.from_proxy:
            values = request.values(service.forwarded_name.encode("ascii", "replace"))
            address = forwarded_address_untrusted(service.forwarded_name, values, service.trusted)
        elif service.reads_forwarded and request.values(service.forwarded_name.encode("ascii", "replace")):
            service.counters.ignored_forwarded += 1
    except BadForwarded as error:
        answer = failure(service.tracker.rules, "proxy", f"misconfigured proxy: {error}".encode())
    else:
        if kind == "announce":
            answer = answer_announce_untrusted(service.tracker, query, address, now_ms)
        else:
            answer = answer_scrape_untrusted(service.tracker, query, address)
    service.counters.of(address).count_answer(kind, answer)
    return answer


def _counted_page(service: Service, address: bytes, page: Page) -> Page:
    counters = service.counters.of(address)
    counters.requests["page"] += 1
    if page.reason is None:
        counters.replies["page"] += 1
    else:
        counters.count_error(page.reason)
    return page


def _page(service: Service, request: Request, path: bytes, query: bytes) -> Page:
    match path:
        case b"/":
            return pages.landing(service.announce_urls("https" if request.secure else "http", request.values(b"host")))
        case b"/health":
            return pages.error("stopping") if service.stopping else text_page("healthy\n")
        case b"/stats":
            return _stats(service, query)
        case b"/stats.json":
            return pages.stats_json(figures(service))
        case b"/robots.txt":
            return text_page(pages.ROBOTS)
        case _:
            return pages.error("not_found")


def _stats(service: Service, query: bytes) -> Page:
    asked = parse_query_untrusted(query).first
    if asked.get(b"mode") == b"everything":
        return pages.stats_xml(figures(service), _errors_by_status(service))
    if asked.get(b"format") == b"json":
        return pages.stats_json(figures(service))
    return pages.stats_page(figures(service))


def figures(service: Service) -> pages.Figures:
    """What /stats shows, at this moment."""
    totals = service.totals()
    families = totals.families
    kinds = ("announce", "scrape")
    return pages.Figures(
        version=core_version(),
        uptime_seconds=int(service.uptime()),
        connections=service.connections.open,
        accepted_connections_total=totals.accepted,
        requests_total={kind: sum(family.requests[kind] for family in families.values()) for kind in kinds},
        ip_version=family_status(service),
        downloads_total=sum(service.tracker.swarm.totals(version).downloads for version in families),
    )


def family_status(service: Service) -> dict[str, FamilyStatus]:
    """What each family did and holds, for /stats and for status lines."""
    found = {}
    for version, counted in service.totals().families.items():
        totals = service.tracker.swarm.totals(version)
        found[str(version)] = FamilyStatus(
            requests_total=sum(counted.requests.values()),
            replies_total=sum(counted.replies.values()),
            torrents=totals.torrents,
            peers=totals.peers,
            seeders=totals.seeders,
        )
    return found


def _errors_by_status(service: Service) -> dict[int, int]:
    found: dict[int, int] = {}
    for family in service.totals().families.values():
        for reason, count in family.errors.items():
            status = pages.ERRORS[reason][0]
            found[status] = found.get(status, 0) + count
    return found


def now_ms() -> int:
    """Monotonic milliseconds."""
    return lib.tw_monotonic_ms()
