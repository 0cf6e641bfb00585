"""The options of thalweg-http, each declared and documented once.

Sections and keys are aquatic_http's wherever the meaning is the same, so that its file works here unchanged; keys of
its releases 0.8 and 0.9 and of its development branch that have no meaning here are in IGNORED.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

from msgspec import Meta, Struct, field
from thalweg_common import privileges, swarm_config
from thalweg_common.access_list import AccessListConfig
from thalweg_common.config import ConfigError, Loaded, load
from thalweg_common.log import Form, Level
from thalweg_common.privileges import PrivilegesConfig
from thalweg_common.web.config import (
    CleaningInterval,
    Interval,
    IntervalJitter,
    MaxConnections,
    MaxConnectionsPerAddress,
    MetricsConfig,
    MinInterval,
    StreamConfig,
    check_network,
    min_interval_of,
    plain_endpoints,
)

PREFIX = "THALWEG_HTTP"

MINUTES = 60
HOURS = 60 * MINUTES
DAYS = 24 * HOURS

IGNORED = {
    "swarm_workers": "every worker reaches the whole swarm",
    "cleaning.connection_cleaning_interval": "a connection is closed when its time has come",
    "metrics.torrent_count_update_interval": "torrents are counted when the metrics are read",
    "privileges.chroot_path": "the service does not change its root; use a container or systemd's RootDirectory=",
    "cpu_pinning": "use taskset or systemd's CPUAffinity=",
}


class NetworkConfig(StreamConfig, frozen=True):
    """Addresses, TLS and proxies."""

    fast_path: Annotated[
        bool,
        Meta(
            description="Serve common requests in C, some twenty times as many with the same CPU. TLS and uncommon "
            "requests are served in Python either way."
        ),
    ] = True
    keep_alive: Annotated[
        bool, Meta(description="Let clients ask again on the same connection. With false each reply closes it.")
    ] = True


class ProtocolConfig(Struct, frozen=True):
    """What clients are told (BEP 3, 7, 23, 24, 48)."""

    max_scrape_torrents: Annotated[
        int, Meta(ge=1, le=1_000_000, description="Info hashes answered in a scrape, further ones are left out.")
    ] = 100
    max_peers: Annotated[
        int, Meta(ge=0, le=1_000_000, description="Peers in an announce reply at most; never more than 512.")
    ] = 200
    default_peers: Annotated[
        int, Meta(ge=0, le=1_000_000, description="Peers for a client that leaves their number to the tracker.")
    ] = 50
    peer_announce_interval: Interval = 30 * MINUTES
    interval_jitter: IntervalJitter = 2 * MINUTES
    min_interval: MinInterval = 0
    filter_addresses: Annotated[
        bool,
        Meta(
            description="Do not tell clients with global addresses of peers with private, loopback or other local "
            "addresses. false for closed networks."
        ),
    ] = True
    both_families: Annotated[
        bool,
        Meta(
            description="Fill a list that has room with peers of the other address family (BEP 7); a dual-stack "
            "client then finds both with one announce."
        ),
    ] = False
    external_ip: Annotated[bool, Meta(description="Tell clients their own address (BEP 24).")] = True
    warning_message: Annotated[
        str, Meta(max_length=200, description="A message that clients may show to their users. Empty: none.")
    ] = ""


class LimitsConfig(swarm_config.LimitsConfig, frozen=True):
    """Caps on the swarm (docs: the swarm) and on connections. At a cap the service answers on."""

    max_connections: MaxConnections = 0
    max_odd_connections: Annotated[
        int,
        Meta(
            ge=1,
            le=1_000_000,
            description="Of these, that the fast path has left to Python, at a time; each takes 10 KB. Further ones "
            "wait, and get a 503 when too many do.",
        ),
    ] = 4096
    max_connections_per_address: MaxConnectionsPerAddress = 200


class CleaningConfig(Struct, frozen=True):
    """When peers expire and connections are closed. Peers are looked at a few at a time: there is no pause."""

    torrent_cleaning_interval: CleaningInterval = 2 * MINUTES
    max_peer_age: Annotated[
        int,
        Meta(ge=1, le=1_000_000, description="Seconds after its last announce until a peer is forgotten."),
    ] = 1 * HOURS
    max_connection_idle: Annotated[
        int, Meta(ge=1, le=DAYS, description="Seconds without a request until a connection is closed.")
    ] = 1 * MINUTES
    max_request_time: Annotated[
        int, Meta(ge=1, le=HOURS, description="Seconds from a request's first byte to its last; then it gets a 408.")
    ] = 10
    max_write_time: Annotated[
        int, Meta(ge=1, le=HOURS, description="Seconds for a client to take a reply; then the connection is cut.")
    ] = 10


class HttpConfig(Struct, frozen=True):
    """Configuration of thalweg-http, a BitTorrent tracker over HTTP and HTTPS."""

    socket_workers: Annotated[
        int,
        Meta(ge=0, le=1024, description="Threads of the fast path. 0: one for each available CPU."),
    ] = 0
    log_level: Annotated[Level, Meta(description="The least important messages that are written.")] = "info"
    log_format: Annotated[Form, Meta(description="Log lines for people, or as JSON objects.")] = "human"
    stop_timeout: Annotated[
        int, Meta(ge=1, le=600, description="Seconds that requests may still take when the service is told to stop.")
    ] = 5
    network: NetworkConfig = field(default_factory=NetworkConfig)
    protocol: ProtocolConfig = field(default_factory=ProtocolConfig)
    limits: LimitsConfig = field(default_factory=LimitsConfig)
    cleaning: CleaningConfig = field(default_factory=CleaningConfig)
    access_list: AccessListConfig = field(default_factory=AccessListConfig)
    privileges: PrivilegesConfig = field(default_factory=PrivilegesConfig)
    metrics: MetricsConfig = field(default_factory=MetricsConfig)


def load_config(file: Path | None, environment: Mapping[str, str]) -> Loaded[HttpConfig]:
    """The configuration in effect; ConfigError with one line when there is a mistake in it."""
    loaded = load(HttpConfig, file=file, environment=environment, prefix=PREFIX, ignored=IGNORED)
    try:
        _check(loaded.config)
    except ConfigError as error:
        raise ConfigError(f"{file or 'configuration'}: {error}") from error
    return loaded


def worker_count(config: HttpConfig) -> int:
    """Threads of the fast path; 0 when there is nothing for it to do."""
    if not config.network.fast_path or not plain_endpoints(config.network):
        return 0
    return config.socket_workers or len(os.sched_getaffinity(0))


def min_interval(protocol: ProtocolConfig) -> int:
    """Seconds; half of the interval unless configured."""
    return min_interval_of(protocol.peer_announce_interval, protocol.min_interval)


def _check(config: HttpConfig) -> None:
    check_network(config.network)
    privileges.check(config.privileges)
