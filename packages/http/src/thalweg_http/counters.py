"""What is counted. Plain integers: the whole path raises its own in trio's thread; those of the fast path are added
when somebody asks (Service.totals).
"""

from __future__ import annotations

from thalweg_common._core import lib
from thalweg_common.web.counters import IP_VERSIONS, StreamCounters

from thalweg_http.answer import Answer

REQUEST_TYPES = ("announce", "scrape", "page")
REPLY_TYPES = ("announce", "scrape", "failure", "page", "error")
FAILURE_REASONS = ("malformed", "denied", "full_scrape", "proxy")
ERROR_REASONS = (
    "malformed",
    "method",
    "not_found",
    "body_too_large",
    "target_too_long",
    "head_too_large",
    "timeout",
    "tls_on_plain_port",
    "plain_on_tls_port",
    "internal",
    "busy",
    "stopping",
)
CLOSE_REASONS = (
    "ended",
    "idle",
    "request_time",
    "write_time",
    "broken",
    "tls_handshake",
    "proxy_protocol",
    "refused",
    "stopping",
    "displaced",
)
REFUSE_REASONS = ("connections", "address_connections", "whole_path", "memory")


class FamilyCounters:
    """Of clients of one address family, since start."""

    def __init__(self) -> None:
        """All at zero."""
        self.requests = dict.fromkeys(REQUEST_TYPES, 0)
        self.replies = dict.fromkeys(REPLY_TYPES, 0)
        self.failures = dict.fromkeys(FAILURE_REASONS, 0)
        self.errors = dict.fromkeys(ERROR_REASONS, 0)

    def count_answer(self, asked: str, answer: Answer) -> None:
        """An announce or scrape and what it got."""
        self.requests[asked] += 1
        self.replies[answer.kind] += 1
        if answer.reason is not None:
            self.failures[answer.reason] += 1

    def count_error(self, reason: str) -> None:
        """A reply with a status of HTTP's own."""
        self.replies["error"] += 1
        self.errors[reason] += 1


class Counters(StreamCounters):
    """Of everybody."""

    def __init__(self) -> None:
        """All at zero."""
        super().__init__(CLOSE_REASONS, REFUSE_REASONS)
        self.families = {version: FamilyCounters() for version in IP_VERSIONS}
        self.handed_over = 0
        self.batches = 0
        self.latency = [0] * lib.TW_LATENCY_BUCKETS
        """Bucket i: sampled batches that took less than 2**i microseconds and not less than half of that."""
        self.latency_us = 0

    def of(self, address: bytes) -> FamilyCounters:
        """The counters of a client's family."""
        return self.families[4 if len(address) == 4 else 6]
