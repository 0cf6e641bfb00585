"""What all connections of a running service share: the tracker, its limits and counters, and who is connected."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import TYPE_CHECKING

from thalweg_common._core import lib
from thalweg_common.access_list import load_access_list
from thalweg_common.connection_limits import ConnectionLimits
from thalweg_common.log import Log
from thalweg_common.status import FamilyStatus
from thalweg_common.swarm_config import memory_for, no_memory
from thalweg_common.web.pages import as_bytes
from thalweg_common.web.service import Refusal, StreamService
from thalweg_common.ws_swarm import WsSwarm

from thalweg_ws import pages
from thalweg_ws.answer import Outgoing, Rules, Sender, Tracker, answer_untrusted
from thalweg_ws.config import WsConfig, min_interval
from thalweg_ws.counters import Counters

if TYPE_CHECKING:
    from thalweg_ws.websocket import WebSocket

MAX_OFFERS_PER_PEER = 64  # that await an answer at a time


class Service(StreamService):
    """One running service. Belongs to trio's thread."""

    def __init__(self, config: WsConfig, log: Log, max_connections: int) -> None:
        """Reads the access list and makes the swarm; ConfigError."""
        counters = Counters()
        connections = ConnectionLimits(max_connections, config.limits.max_connections_per_address)
        super().__init__(config.network, log, counters, connections, config.cleaning.max_request_time)
        self.config = config
        self.counters: Counters = counters
        self.tracker = Tracker(make_swarm(config), rules_of(config), load_access_list(config.access_list))
        self.sockets: dict[int, WebSocket] = {}
        """Those that are open, by the number of their connection."""
        self.queued_bytes = 0
        """That wait for all clients together."""
        self._numbers = itertools.count(1)
        self._allowed_origins = _origins(config.network.allowed_origins)
        self._denied_origins = _origins(config.network.denied_origins)

    def admits(self, origins: Sequence[bytes]) -> bool:
        """Whether a page of this origin may connect; clients that are no browsers have none."""
        found = {origin.strip().lower() for origin in origins}
        if found & self._denied_origins:
            return False
        return not found or not self._allowed_origins or found <= self._allowed_origins

    def enter(self, socket: WebSocket) -> Sender:
        """One more WebSocket; gives it a number that no other ever had."""
        sender = Sender(next(self._numbers))
        self.sockets[sender.connection] = socket
        return sender

    def leave(self, sender: Sender) -> None:
        """It is closed: its peers leave all torrents at once."""
        del self.sockets[sender.connection]
        self.tracker.swarm.forget(sender.connection)

    def take_message(self, sender: Sender, address: bytes, data: bytes) -> None:
        """Answers a message, and sends what comes of it to whom it is for."""
        answer = answer_untrusted(self.tracker, sender, data, lib.tw_monotonic_ms())
        self.counters.count_answered(self.counters.of(address), answer)
        for message in answer.messages:
            self._deliver(message)

    def _deliver(self, message: Outgoing) -> None:
        socket = self.sockets.get(message.connection)
        if socket is None:
            self.counters.dropped[message.kind, "gone"] += 1
        else:
            socket.send_message(message.kind, message.text)

    def refusal(self, address: bytes, reason: Refusal, text: str = "") -> bytes:
        """The last reply on a connection that gets no further, counted. `text`: what a proxy did wrong."""
        self.counters.of(address).count_error(reason)
        return as_bytes(pages.error(reason, text))

    def family_status(self) -> dict[str, FamilyStatus]:
        """What each family did. The swarm is one for both, and stands in both."""
        totals = self.tracker.swarm.totals()
        return {
            str(version): FamilyStatus(
                requests_total=sum(family.requests.values()),
                replies_total=sum(family.replies.values()),
                torrents=totals.torrents,
                peers=totals.peers,
                seeders=totals.seeders,
            )
            for version, family in self.counters.families.items()
        }


def make_swarm(config: WsConfig) -> WsSwarm:
    """An empty swarm with the configured caps; ConfigError when the memory is not to be had."""
    limits, cleaning = config.limits, config.cleaning
    max_bytes = memory_for(limits.max_memory_mib)
    try:
        return WsSwarm(
            max_peer_age=cleaning.max_peer_age,
            max_offer_age=cleaning.max_offer_age,
            clean_interval=min(cleaning.torrent_cleaning_interval, cleaning.max_peer_age),
            max_torrents=limits.max_torrents,
            max_peers_per_torrent=limits.max_peers_per_torrent,
            max_peers_per_connection=limits.max_torrents_per_connection,
            max_offers_per_peer=MAX_OFFERS_PER_PEER,
            max_bytes=max_bytes,
        )
    except MemoryError as error:
        raise no_memory(max_bytes) from error


def rules_of(config: WsConfig) -> Rules:
    """What clients are told, as configured."""
    protocol = config.protocol
    return Rules(
        interval=protocol.peer_announce_interval,
        interval_jitter=protocol.interval_jitter,
        min_interval=min_interval(protocol),
        max_offers=protocol.max_offers,
        max_scrape=protocol.max_scrape_torrents,
        max_offers_per_minute=config.limits.max_offers_per_minute,
    )


def _origins(texts: Sequence[str]) -> set[bytes]:
    return {text.rstrip("/").lower().encode() for text in texts}
