"""What is counted of connections. Plain integers, raised in trio's thread."""

from __future__ import annotations

from collections.abc import Sequence

IP_VERSIONS = (4, 6)

OPENING_REASONS = ("ended", "request_time", "broken", "tls_handshake", "proxy_protocol", "refused", "stopping")
"""Why a connection can be over before its first request."""


class StreamCounters:
    """Of all connections of a service, since start."""

    def __init__(self, close_reasons: Sequence[str], refuse_reasons: Sequence[str]) -> None:
        """All at zero. `close_reasons` has OPENING_REASONS; `refuse_reasons` has connections, address_connections."""
        self.received_bytes = dict.fromkeys(IP_VERSIONS, 0)
        self.sent_bytes = dict.fromkeys(IP_VERSIONS, 0)
        self.accepted = 0
        self.closed = dict.fromkeys(close_reasons, 0)
        self.refused = dict.fromkeys(refuse_reasons, 0)
        self.accept_failures = 0
        self.ignored_forwarded = 0
        """Requests in which somebody who is no trusted proxy named another client."""
        self.certificate_reloads = {"ok": 0, "failed": 0}
        self.access_list_reloads = {"ok": 0, "failed": 0}
        self.purged_torrents = 0
