"""The options of thalweg-ws, each declared and documented once.

Sections and keys are aquatic_ws's wherever the meaning is the same, so that its file works here unchanged; keys of
its releases 0.8 and 0.9 and of its development branch that have no meaning here are in IGNORED.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

from msgspec import Meta, Struct, field
from thalweg_common import privileges
from thalweg_common.access_list import AccessListConfig
from thalweg_common.config import ConfigError, Loaded, load
from thalweg_common.log import Form, Level
from thalweg_common.options import ENDPOINT
from thalweg_common.privileges import PrivilegesConfig
from thalweg_common.web import config
from thalweg_common.web.config import (
    CleaningInterval,
    Interval,
    IntervalJitter,
    MaxConnections,
    MaxConnectionsPerAddress,
    MinInterval,
    StreamConfig,
    check_network,
    min_interval_of,
)
from thalweg_common.ws_swarm import MAX_OFFERS

PREFIX = "THALWEG_WS"

MINUTES = 60
HOURS = 60 * MINUTES
DAYS = 24 * HOURS
KIB = 1024

IGNORED = {
    "socket_workers": "one thread serves all connections",
    "swarm_workers": "there is one swarm",
    "network.websocket_write_buffer_size": "limits.max_queued_bytes bounds what waits for a client",
    "network.enable_http_health_checks": "/health is always answered, with TLS too",
    "cleaning.connection_cleaning_interval": "a connection is closed when its time has come",
    "cleaning.close_after_tls_update_grace_period": "connections go on with the certificate they began with",
    "metrics.torrent_count_update_interval": "torrents are counted when the metrics are read",
    "metrics.peer_clients": "clients are not told apart",
    "metrics.peer_id_prefixes": "clients are not told apart",
    "privileges.chroot_path": "the service does not change its root; use a container or systemd's RootDirectory=",
    "cpu_pinning": "use taskset or systemd's CPUAffinity=",
}


class NetworkConfig(StreamConfig, frozen=True):
    """Addresses, TLS, proxies, and who may connect."""

    websocket_max_message_size: Annotated[
        int,
        Meta(
            ge=1 * KIB,
            le=1024 * KIB,
            description="Bytes of a message; a longer one closes its connection with 1009. Ten offers take 30,000.",
        ),
    ] = 64 * KIB
    websocket_max_frame_size: Annotated[
        int,
        Meta(
            ge=1 * KIB,
            le=1024 * KIB,
            description="Bytes of a frame; a longer one closes its connection with 1009. Browsers send each message in "
            "one frame.",
        ),
    ] = 64 * KIB
    allowed_origins: Annotated[
        list[str],
        Meta(
            description="Pages that may connect, by their Origin such as https://example.org. Empty: all. Clients that "
            "are no browsers send none, and may connect either way.",
            max_length=1024,
        ),
    ] = field(default_factory=list)
    denied_origins: Annotated[
        list[str], Meta(description="Pages that may not connect, by their Origin.", max_length=1024)
    ] = field(default_factory=list)


class ProtocolConfig(Struct, frozen=True):
    """What clients are told, and what is relayed for them."""

    max_scrape_torrents: Annotated[
        int, Meta(ge=1, le=1_000_000, description="Info hashes answered in a scrape, further ones are left out.")
    ] = 255
    max_offers: Annotated[
        int,
        Meta(ge=0, le=1_000_000, description=f"Offers relayed for one announce at most; never more than {MAX_OFFERS}."),
    ] = 10
    peer_announce_interval: Interval = 2 * MINUTES
    interval_jitter: IntervalJitter = 10
    min_interval: MinInterval = 0


class LimitsConfig(Struct, frozen=True):
    """Caps on the swarm, on connections, and on what each of these may do. At a cap the service answers on."""

    max_memory_mib: Annotated[
        int,
        Meta(
            ge=0,
            le=65536,
            description="MiB for torrents, peers and offers that await an answer. 0: half of what this machine or its "
            "container has.",
        ),
    ] = 0
    max_torrents: Annotated[
        int, Meta(ge=0, le=1 << 32, description="Torrents; further ones are refused. 0: no cap.")
    ] = 0
    max_peers_per_torrent: Annotated[
        int, Meta(ge=1, le=1_000_000, description="Peers of one torrent; a newcomer takes the place of a silent one.")
    ] = 100_000
    max_connections: MaxConnections = 0
    max_connections_per_address: MaxConnectionsPerAddress = 200
    max_torrents_per_connection: Annotated[
        int,
        Meta(
            ge=1,
            le=1_000_000,
            description="Torrents that one connection may announce, counted once more for each further peer_id there.",
        ),
    ] = 1000
    max_offers_per_minute: Annotated[
        int,
        Meta(
            ge=0,
            le=10_000_000,
            description="Offers relayed for one connection in a minute; its announces are answered all the same. "
            "0: no limit.",
        ),
    ] = 3000
    max_queued_bytes: Annotated[
        int,
        Meta(
            ge=16 * KIB,
            le=65536 * KIB,
            description="Bytes that wait for one client to read them. Beyond, offers to it are dropped first, then "
            "answers, then replies.",
        ),
    ] = 256 * KIB


class CleaningConfig(Struct, frozen=True):
    """When peers expire and connections are closed. A peer leaves at once when its connection ends."""

    torrent_cleaning_interval: CleaningInterval = 30
    max_peer_age: Annotated[
        int, Meta(ge=1, le=1_000_000, description="Seconds after its last announce until a peer is forgotten.")
    ] = 4 * MINUTES
    max_offer_age: Annotated[
        int,
        Meta(
            ge=1,
            le=1_000_000,
            description="Seconds in which an offer may be answered. The common client gives up after 50.",
        ),
    ] = 1 * MINUTES
    ping_interval: Annotated[
        int,
        Meta(
            ge=1,
            le=DAYS,
            description="Seconds without a sign of life until a client is sent a ping.",
        ),
    ] = 45
    max_connection_idle: Annotated[
        int,
        Meta(
            ge=1,
            le=DAYS,
            description="Seconds without a sign of life until a connection is closed; every frame is one, the pong to "
            "a ping included.",
        ),
    ] = 3 * MINUTES
    max_request_time: Annotated[
        int, Meta(ge=1, le=HOURS, description="Seconds from a connection's first byte to the end of its request.")
    ] = 10
    max_write_time: Annotated[
        int, Meta(ge=1, le=HOURS, description="Seconds for a client to take what is sent; then the connection is cut.")
    ] = 10


class MetricsConfig(config.MetricsConfig, frozen=True):
    """Numbers for Prometheus."""

    prometheus_endpoint_address: Annotated[
        str,
        Meta(description="Address and port of the metrics. Not for the public.", extra={"kind": ENDPOINT}),
    ] = "127.0.0.1:9002"


class WsConfig(Struct, frozen=True):
    """Configuration of thalweg-ws, a WebTorrent tracker over WebSocket."""

    log_level: Annotated[Level, Meta(description="The least important messages that are written.")] = "info"
    log_format: Annotated[Form, Meta(description="Log lines for people, or as JSON objects.")] = "human"
    drain_time: Annotated[
        int,
        Meta(
            ge=0,
            le=600,
            description="Seconds over which connections are closed (1001) when the service is told to stop, so that "
            "their clients do not come back all at once.",
        ),
    ] = 1
    stop_timeout: Annotated[
        int, Meta(ge=1, le=600, description="Seconds that stopping may take beyond drain_time.")
    ] = 5
    network: NetworkConfig = field(default_factory=NetworkConfig)
    protocol: ProtocolConfig = field(default_factory=ProtocolConfig)
    limits: LimitsConfig = field(default_factory=LimitsConfig)
    cleaning: CleaningConfig = field(default_factory=CleaningConfig)
    access_list: AccessListConfig = field(default_factory=AccessListConfig)
    privileges: PrivilegesConfig = field(default_factory=PrivilegesConfig)
    metrics: MetricsConfig = field(default_factory=MetricsConfig)


def load_config(file: Path | None, environment: Mapping[str, str]) -> Loaded[WsConfig]:
    """The configuration in effect; ConfigError with one line when there is a mistake in it."""
    loaded = load(WsConfig, file=file, environment=environment, prefix=PREFIX, ignored=IGNORED)
    try:
        check_network(loaded.config.network)
        privileges.check(loaded.config.privileges)
    except ConfigError as error:
        raise ConfigError(f"{file or 'configuration'}: {error}") from error
    return loaded


def min_interval(protocol: ProtocolConfig) -> int:
    """Seconds; half of the interval unless configured."""
    return min_interval_of(protocol.peer_announce_interval, protocol.min_interval)
