"""The options of thalweg-udp, each declared and documented once.

Sections and keys are aquatic_udp's wherever the meaning is the same, so that its file works here unchanged; keys of
its releases 0.8 and 0.9 and of its development branch that have no meaning here are in IGNORED.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

from msgspec import Meta, Struct, field
from thalweg_common import privileges
from thalweg_common.access_list import AccessListConfig
from thalweg_common.config import ConfigError, Loaded, load
from thalweg_common.export import ExportForm
from thalweg_common.listen_config import ListenConfig, endpoints
from thalweg_common.log import Form, Level
from thalweg_common.options import ENDPOINT
from thalweg_common.privileges import PrivilegesConfig
from thalweg_common.swarm_config import LimitsConfig

PREFIX = "THALWEG_UDP"

MINUTES = 60
HOURS = 60 * MINUTES
DAYS = 24 * HOURS

IGNORED = {
    "swarm_workers": "every worker reaches the whole swarm",
    "worker_channel_size": "no channels between workers",
    "request_channel_size": "no channels between workers",
    "response_channel_size": "no channels between workers",
    "request_channel_recv_timeout_ms": "no channels between workers",
    "network.poll_timeout_ms": "workers sleep until a datagram comes",
    "network.poll_event_capacity": "workers sleep until a datagram comes",
    "network.resend_buffer_max_len": "replies are sent in batches that the kernel takes whole",
    "network.set_reuseport_lb": "an option of FreeBSD",
    "network.use_io_uring": "no io_uring here",
    "network.ring_size": "no io_uring here",
    "cleaning.pending_scrape_cleaning_interval": "scrapes are answered at once",
    "cleaning.max_pending_scrape_age": "scrapes are answered at once",
    "privileges.chroot_path": "the service does not change its root; use a container or systemd's RootDirectory=",
    "cpu_pinning": "use taskset or systemd's CPUAffinity=",
}


class NetworkConfig(ListenConfig, frozen=True):
    """Addresses and sockets."""

    socket_recv_buffer_size: Annotated[
        int,
        Meta(
            ge=0,
            le=1 << 30,
            description="Bytes the kernel may hold for each socket until a worker fetches them; 0 is the system's "
            "default. More than net.core.rmem_max needs that sysctl raised, or the capability NET_ADMIN.",
        ),
    ] = 8_000_000


class ProtocolConfig(Struct, frozen=True):
    """What clients are told, and how far they are trusted (BEP 15)."""

    max_scrape_torrents: Annotated[
        int,
        Meta(ge=1, le=255, description="Info hashes answered in a scrape, further ones are left out; 102 fit a reply."),
    ] = 74
    max_response_peers: Annotated[
        int,
        Meta(
            ge=0,
            le=1_000_000,
            description="Peers in an announce reply at most. Replies stay below 1232 bytes, which hold 202 IPv4 or "
            "67 IPv6 peers.",
        ),
    ] = 200
    default_response_peers: Annotated[
        int, Meta(ge=0, le=1_000_000, description="Peers for a client that leaves their number to the tracker.")
    ] = 50
    peer_announce_interval: Annotated[
        int, Meta(ge=1, le=30 * DAYS, description="Seconds until a client shall announce again.")
    ] = 30 * MINUTES
    interval_jitter: Annotated[
        int,
        Meta(
            ge=0,
            le=DAYS,
            description="Each reply adds a random 0 to this many seconds to the interval, so that clients that "
            "came together do not come back together.",
        ),
    ] = 2 * MINUTES
    filter_addresses: Annotated[
        bool,
        Meta(
            description="Do not tell clients with global addresses of peers with private, loopback or other local "
            "addresses. false for closed networks."
        ),
    ] = True
    accepted_connection_epochs: Annotated[
        int,
        Meta(
            ge=1,
            le=60,
            description="Connection ids of how many past epochs (of cleaning.max_connection_age seconds) are still "
            "good. More than 1 is lenient to clients that reuse ids for long.",
        ),
    ] = 1
    connection_secret_file: Annotated[
        str,
        Meta(
            description="File with at least 32 bytes that key the connection ids. Processes that share it accept "
            "each other's ids, and a restart does not invalidate them. Empty: a new random secret at every start."
        ),
    ] = ""
    connection_secret: Annotated[
        str,
        Meta(
            description="The same as a text of at least 32 characters, meant for the environment rather than a file.",
            extra={"secret": True},
        ),
    ] = ""


class StatisticsConfig(Struct, frozen=True):
    """Numbers for people and for Prometheus. Counting costs nothing; the switches decide where it is shown."""

    interval: Annotated[
        int,
        Meta(
            ge=0,
            le=DAYS,
            description="Seconds between two reports to standard output or to the HTML file. 0 switches off both, "
            "and the Prometheus endpoint.",
        ),
    ] = 5
    torrent_peer_histograms: Annotated[
        bool, Meta(description="Count the peers of every torrent at each cleaning, and report percentiles.")
    ] = False
    peer_clients: Annotated[bool, Meta(description="Count announces by client software, from peer ids.")] = False
    print_to_stdout: Annotated[bool, Meta(description="Write reports to standard output.")] = False
    write_html_to_file: Annotated[bool, Meta(description="Write reports as a page to html_file_path.")] = False
    html_file_path: Annotated[str, Meta(description="The page; replaced as a whole each time.")] = "tmp/statistics.html"
    run_prometheus_endpoint: Annotated[
        bool, Meta(description="Serve metrics for Prometheus over HTTP. Takes about 10 MB more memory.")
    ] = False
    prometheus_endpoint_address: Annotated[
        str,
        Meta(description="Address and port of the metrics. Not for the public.", extra={"kind": ENDPOINT}),
    ] = "127.0.0.1:9000"
    prometheus_peer_id_prefixes: Annotated[
        bool,
        Meta(
            description="Serve counts by the first 8 bytes of peer ids as well: at most 1024 series, rare ones are "
            "summed. Needs peer_clients."
        ),
    ] = False


class CleaningConfig(Struct, frozen=True):
    """When things expire. Peers are looked at a few at a time: there is no pause."""

    torrent_cleaning_interval: Annotated[
        int, Meta(ge=1, le=DAYS, description="Seconds in which every peer is looked at once.")
    ] = 2 * MINUTES
    max_connection_age: Annotated[
        int,
        Meta(
            ge=1,
            le=DAYS,
            description="Seconds for which a connection id is good at least; it is good for twice as long at most. "
            "BEP 15 asks for 120.",
        ),
    ] = 2 * MINUTES
    max_peer_age: Annotated[
        int,
        Meta(ge=1, le=1_000_000, description="Seconds after its last announce until a peer is forgotten."),
    ] = 1 * HOURS


class ScrapeExportsConfig(Struct, frozen=True):
    """A file with every torrent and its counts. SIGUSR2 writes one at once, also when this is off."""

    enable_scrape_exports: Annotated[bool, Meta(description="Write exports regularly.")] = False
    frequency: Annotated[int, Meta(ge=1, le=1_000_000, description="Write one every so many cleaning intervals.")] = 10
    path: Annotated[str, Meta(description="The file; replaced as a whole each time.")] = "./udp-scrape-export.txt"
    format: Annotated[
        ExportForm,
        Meta(
            description="aquatic: family (4 or 6), info hash, seeders, leechers. full: a header comment, and partial "
            "seeds and completed downloads behind these."
        ),
    ] = "aquatic"


class UdpConfig(Struct, frozen=True):
    """Configuration of thalweg-udp, a BitTorrent tracker over UDP."""

    socket_workers: Annotated[
        int, Meta(ge=0, le=1024, description="Threads that serve clients. 0: one for each available CPU.")
    ] = 0
    log_level: Annotated[Level, Meta(description="The least important messages that are written.")] = "info"
    log_format: Annotated[Form, Meta(description="Log lines for people, or as JSON objects.")] = "human"
    stop_timeout: Annotated[
        int, Meta(ge=1, le=600, description="Seconds that stopping may take until it is forced.")
    ] = 1
    network: NetworkConfig = field(default_factory=NetworkConfig)
    protocol: ProtocolConfig = field(default_factory=ProtocolConfig)
    limits: LimitsConfig = field(default_factory=LimitsConfig)
    cleaning: CleaningConfig = field(default_factory=CleaningConfig)
    statistics: StatisticsConfig = field(default_factory=StatisticsConfig)
    access_list: AccessListConfig = field(default_factory=AccessListConfig)
    scrape_exports: ScrapeExportsConfig = field(default_factory=ScrapeExportsConfig)
    privileges: PrivilegesConfig = field(default_factory=PrivilegesConfig)


def load_config(file: Path | None, environment: Mapping[str, str]) -> Loaded[UdpConfig]:
    """The configuration in effect; ConfigError with one line when there is a mistake in it."""
    loaded = load(UdpConfig, file=file, environment=environment, prefix=PREFIX, ignored=IGNORED)
    try:
        endpoints(loaded.config.network)
        privileges.check(loaded.config.privileges)
    except ConfigError as error:
        raise ConfigError(f"{file or 'configuration'}: {error}") from error
    return loaded


def worker_count(config: UdpConfig) -> int:
    """The number of workers, 0 replaced by the CPUs this process may use."""
    return config.socket_workers or len(os.sched_getaffinity(0))
