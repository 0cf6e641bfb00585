"""`thalweg-udp --health`: asks the running service the way a client would.

For every address of the configuration: connect, announce, scrape, and a stopped announce that takes the trace away
again. A service whose access list denies the random info hash says so in an error packet, and is just as healthy.
"""

from __future__ import annotations

import os
import time

from thalweg_common.binding import ipv6_available, may_be_missing
from thalweg_common.command import Unhealthy
from thalweg_common.config import ConfigError, reason_of
from thalweg_common.endpoints import Endpoint
from thalweg_common.listen_config import endpoints
from thalweg_common.udp_client import UdpTrackerClient
from thalweg_common.udp_wire import Announce, Event, ReplyError, TrackerError

from thalweg_udp.config import UdpConfig

TIMEOUT = 2.0  # seconds for everything together
TRIES = 4  # a datagram may be lost, also here
DISCARD_PORT = 9  # a port where no peer is


def check_health(config: UdpConfig) -> str:
    """One line about a healthy service; Unhealthy with one line otherwise."""
    deadline = time.monotonic() + TIMEOUT
    wanted = endpoints(config.network)
    if any(endpoint.port == 0 for endpoint in wanted):
        raise ConfigError("network: expected fixed ports, port 0 can be anywhere")
    asked = [endpoint for endpoint in wanted if not may_be_missing(endpoint, wanted) or ipv6_available()]
    for endpoint in asked:
        try:
            _ask(endpoint, deadline, config.access_list.mode != "off")
        except (OSError, ReplyError) as error:
            raise Unhealthy(f"udp://{endpoint}: {reason_of(error)}") from error
    return "healthy: " + ", ".join(f"udp://{endpoint}" for endpoint in asked)


def _ask(endpoint: Endpoint, deadline: float, may_deny: bool) -> None:
    left = max(0.01, deadline - time.monotonic())
    with UdpTrackerClient(
        endpoint.reachable_here(), timeout=left / TRIES, tries=TRIES, family=endpoint.family
    ) as client:
        try:
            _announce_and_scrape(client)
        except TrackerError as error:
            if not may_deny:
                raise Unhealthy(f"udp://{endpoint}: {error}") from error


def _announce_and_scrape(client: UdpTrackerClient) -> None:
    info_hash = os.urandom(20)
    reply = client.announce(_announce(info_hash, Event.STARTED))
    rows = client.scrape([info_hash])
    client.announce(_announce(info_hash, Event.STOPPED))
    if len(rows) != 1 or reply.interval == 0:
        raise ReplyError(f"interval {reply.interval} and {len(rows)} rows in a scrape of 1")


def _announce(info_hash: bytes, event: Event) -> Announce:
    return Announce(
        info_hash=info_hash, peer_id=b"-TW0000-health-check", port=DISCARD_PORT, left=1, num_want=0, event=event
    )
