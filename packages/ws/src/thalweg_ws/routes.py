"""From a request to what comes of it: a WebSocket at any path, or a page. Pure but for counters.

/, …/announce                  a page for people who open the announce URL
/health, /robots.txt           texts for programs
"""

from __future__ import annotations

import encodings.idna  # noqa: F401 - wsproto reads Host by it: loaded while root may still read every file
from collections.abc import Sequence

from msgspec import Struct
from thalweg_common.web.address import BadForwarded, forwarded_address_untrusted
from thalweg_common.web.pages import Page, text_page
from wsproto import ConnectionType, WSConnection
from wsproto.events import AcceptConnection, RejectConnection
from wsproto.events import Request as Handshake
from wsproto.utilities import RemoteProtocolError

from thalweg_ws import pages
from thalweg_ws.service import Service


class Request(Struct, frozen=True):
    """What of a request matters."""

    method: bytes
    target: bytes
    version: bytes
    """Of HTTP: "1.1"."""
    headers: Sequence[tuple[bytes, bytes]]
    """Names in lower case."""
    head: bytes
    """All of it."""
    address: bytes
    """Of the socket, or what the PROXY protocol said; 4 or 16 bytes."""
    from_proxy: bool
    """The socket belongs to a trusted proxy that says in a header whose request this is."""
    secure: bool

    def values(self, name: bytes) -> list[bytes]:
        """All values of a header."""
        return [value for key, value in self.headers if key == name]

    @property
    def wants_websocket(self) -> bool:
        """Whether it asks for an upgrade, rightly or not."""
        return any(b"websocket" in value.lower() for value in self.values(b"upgrade"))


class Upgraded(Struct, frozen=True):
    """A WebSocket that is open, once `accepted` has been sent."""

    protocol: WSConnection
    accepted: bytes
    address: bytes
    """The client's."""


def respond(service: Service, request: Request) -> Upgraded | Page:
    """What comes of a request, already counted."""
    reply = _upgrade(service, request) if request.wants_websocket else _page(service, request)
    family = service.counters.of(reply.address if isinstance(reply, Upgraded) else request.address)
    family.requests["upgrade" if request.wants_websocket else "page"] += 1
    if isinstance(reply, Upgraded):
        family.replies["upgrade"] += 1
    elif reply.reason is None:
        family.replies["page"] += 1
    else:
        family.count_error(reply.reason)
    return reply


def _upgrade(service: Service, request: Request) -> Upgraded | Page:
    if service.stopping:
        return pages.error("stopping")
    if not service.admits(request.values(b"origin")):
        return pages.error("origin")
    address = request.address
    try:
        if request.from_proxy:
            values = request.values(service.forwarded_name.encode("ascii", "replace"))
            address = forwarded_address_untrusted(service.forwarded_name, values, service.trusted)
        elif service.reads_forwarded and request.values(service.forwarded_name.encode("ascii", "replace")):
            service.counters.ignored_forwarded += 1
    except BadForwarded as error:
        return pages.error("proxy", str(error))
    if request.version < b"1.1":
        return pages.error("handshake", "HTTP/1.1 is needed")
    protocol = WSConnection(ConnectionType.SERVER)
    try:
        protocol.receive_data(request.head)
        (event,) = protocol.events()
        assert isinstance(event, Handshake)
        return Upgraded(protocol, protocol.send(AcceptConnection()), address)
    except RemoteProtocolError as error:
        hint = error.event_hint
        outdated = isinstance(hint, RejectConnection) and hint.status_code == 426
        return pages.error("version" if outdated else "handshake", str(error))
    except UnicodeError:
        return pages.error("handshake", "Host is no name")


def _page(service: Service, request: Request) -> Page:
    if request.method not in (b"GET", b"HEAD"):
        return pages.error("method")
    path = request.target.partition(b"?")[0].rstrip(b"/")
    if path == b"/health":
        return pages.error("stopping") if service.stopping else text_page("healthy\n")
    if path == b"/robots.txt":
        return text_page(pages.ROBOTS)
    if not path or path.endswith(b"/announce"):
        return pages.landing(service.announce_urls("wss" if request.secure else "ws", request.values(b"host")))
    return pages.error("not_found")
