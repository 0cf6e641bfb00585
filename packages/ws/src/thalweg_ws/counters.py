"""What is counted. Plain integers, raised in trio's thread."""

from __future__ import annotations

from thalweg_common.web.counters import IP_VERSIONS, OPENING_REASONS, StreamCounters

from thalweg_ws.answer import Answer
from thalweg_ws.outbox import Kind

REQUEST_TYPES = ("announce", "answer", "scrape", "unreadable", "upgrade", "page")
REPLY_TYPES = ("announce", "scrape", "failure", "upgrade", "page", "error")
FAILURE_REASONS = ("malformed", "denied", "full_scrape", "owned", "connection_full", "full", "no_offer")
RELAYED_TYPES = ("offer", "answer")
DROPPED = {
    "offer": ("queue", "rate", "gone"),
    "answer": ("queue", "gone"),
    "announce": ("queue",),
    "scrape": ("queue",),
    "failure": ("queue",),
    "control": ("queue",),
}
"""What may not reach a client, and why: its queue is full, its sender has sent too many, it is not there any more."""
ERROR_REASONS = (
    "malformed",
    "method",
    "not_found",
    "target_too_long",
    "head_too_large",
    "timeout",
    "tls_on_plain_port",
    "plain_on_tls_port",
    "handshake",
    "version",
    "origin",
    "proxy",
    "internal",
    "busy",
    "stopping",
)
CLOSE_REASONS = (*OPENING_REASONS, "client", "protocol", "too_big", "internal", "idle", "write_time")
REFUSE_REASONS = ("connections", "address_connections")


class FamilyCounters:
    """Of clients of one address family, since start."""

    def __init__(self) -> None:
        """All at zero."""
        self.requests = dict.fromkeys(REQUEST_TYPES, 0)
        self.replies = dict.fromkeys(REPLY_TYPES, 0)
        self.relayed = dict.fromkeys(RELAYED_TYPES, 0)
        self.failures = dict.fromkeys(FAILURE_REASONS, 0)
        self.errors = dict.fromkeys(ERROR_REASONS, 0)
        self.unanswered = 0
        """Messages with a mistake that nobody could be told of."""
        self.sockets = 0
        """WebSockets that are open now."""

    def count_sent(self, kind: Kind) -> None:
        """A message that is on its way to a client."""
        if kind == "offer" or kind == "answer":
            self.relayed[kind] += 1
        elif kind != "control":
            self.replies[kind] += 1

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
        self.dropped = {(kind, reason): 0 for kind, reasons in DROPPED.items() for reason in reasons}

    def of(self, address: bytes) -> FamilyCounters:
        """The counters of a client's family."""
        return self.families[4 if len(address) == 4 else 6]

    def count_answered(self, family: FamilyCounters, answer: Answer) -> None:
        """A message and what came of it, but for what is sent."""
        family.requests[answer.request] += 1
        family.unanswered += answer.unanswered
        self.dropped["offer", "rate"] += answer.offers_over_limit
        self.dropped["answer", "gone"] += answer.target_gone
        for message in answer.messages:
            if message.reason is not None:
                family.failures[message.reason] += 1
