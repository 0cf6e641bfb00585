"""What all connections of a running service share: the tracker, its limits and its counters."""

from __future__ import annotations

from copy import deepcopy
from typing import TYPE_CHECKING

from thalweg_common._core import lib
from thalweg_common.access_list import load_access_list
from thalweg_common.connection_limits import ConnectionLimits
from thalweg_common.log import Log
from thalweg_common.swarm_config import make_swarm
from thalweg_common.web.pages import Page
from thalweg_common.web.service import Refusal, StreamService

from thalweg_http import pages
from thalweg_http.answer import Answer, Rules, Tracker, failure
from thalweg_http.config import HttpConfig, min_interval
from thalweg_http.counters import Counters

if TYPE_CHECKING:
    from thalweg_http.workers import Workers


class Service(StreamService):
    """One running service. Belongs to trio's thread."""

    def __init__(self, config: HttpConfig, log: Log, max_connections: int) -> None:
        """Reads the access list and makes the swarm; ConfigError."""
        counters = Counters()
        connections = ConnectionLimits(max_connections, config.limits.max_connections_per_address)
        super().__init__(config.network, log, counters, connections, config.cleaning.max_request_time)
        self.config = config
        self.counters: Counters = counters
        swarm = make_swarm(
            config.limits,
            max_peer_age=config.cleaning.max_peer_age,
            clean_interval=config.cleaning.torrent_cleaning_interval,
            filter_addresses=config.protocol.filter_addresses,
        )
        self.tracker = Tracker(swarm, rules_of(config), load_access_list(config.access_list))
        self.workers: Workers | None = None
        """The fast path, where it is on."""

    def totals(self) -> Counters:
        """What both paths have counted. The fast path goes on counting meanwhile: sums may be off by a batch."""
        counters = deepcopy(self.counters)
        if self.workers is not None:
            self.workers.add_to(counters)
        return counters

    def refusal(self, address: bytes, reason: Refusal, text: str = "") -> bytes:
        """The last reply on a connection that gets no further, counted. `text`: what a proxy did wrong."""
        reply: Answer | Page
        if reason == "proxy":
            reply = failure(self.tracker.rules, "proxy", f"misconfigured proxy: {text}".encode())
        else:
            reply = pages.error(reason)
        self.count_unasked(address, reply)
        return pages.as_bytes(reply)

    def count_unasked(self, address: bytes, reply: Answer | Page) -> None:
        """Counts a reply to what was no proper request."""
        counters = self.counters.of(address)
        if isinstance(reply, Answer):
            counters.replies[reply.kind] += 1
            counters.failures[reply.reason or "malformed"] += 1
        else:
            counters.count_error(reply.reason or "internal")


def rules_of(config: HttpConfig) -> Rules:
    """What clients are told, as configured."""
    protocol = config.protocol
    max_peers = min(protocol.max_peers, lib.TW_NUMWANT_MAX)
    return Rules(
        interval=protocol.peer_announce_interval,
        interval_jitter=protocol.interval_jitter,
        min_interval=min_interval(protocol),
        default_peers=min(protocol.default_peers, max_peers),
        max_peers=max_peers,
        max_scrape=protocol.max_scrape_torrents,
        external_ip=protocol.external_ip,
        both_families=protocol.both_families,
        warning_message=protocol.warning_message.encode(),
        denied_for_good=config.access_list.mode == "deny",
    )
