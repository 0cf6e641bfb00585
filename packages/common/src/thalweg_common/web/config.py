"""The options that services over TCP share, each declared and documented once; with aquatic's names."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from msgspec import Meta, Struct, field

from thalweg_common.config import ConfigError
from thalweg_common.endpoints import Endpoint, parse_endpoint
from thalweg_common.listen_config import MAX_ENDPOINTS, ListenConfig, endpoints
from thalweg_common.options import ENDPOINT, Kind
from thalweg_common.web.address import is_network

_MEANINGS = {"connection", "content-length", "expect", "host", "transfer-encoding", "upgrade"}  # of HTTP's own
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,64}")  # RFC 9110: a token

DAYS = 86_400

NETWORK = Kind("an address or network such as 10.0.0.0/8", is_network)
HEADER_NAME = Kind(
    "the name of a header that proxies add, such as X-Forwarded-For",
    lambda name: _HEADER_NAME.fullmatch(name) is not None and name.lower() not in _MEANINGS,
)


class StreamConfig(ListenConfig, frozen=True):
    """Addresses, TLS and proxies: the beginning of `[network]`."""

    tcp_backlog: Annotated[
        int, Meta(ge=1, le=65535, description="Connections the kernel may hold for each address until they are taken.")
    ] = 1024
    enable_tls: Annotated[bool, Meta(description="The addresses above speak TLS, and not plain HTTP.")] = False
    tls_addresses: Annotated[
        list[str],
        Meta(
            description="Further addresses and ports, at most 16, that speak TLS whatever enable_tls says: with "
            "these, plain HTTP and TLS are served together.",
            extra={"kind": ENDPOINT},
            max_length=MAX_ENDPOINTS,
        ),
    ] = field(default_factory=list)
    tls_certificate_path: Annotated[
        str,
        Meta(
            description="PEM file with the certificate and those that lead to its authority. SIGHUP or SIGUSR1 read "
            "it again; connections go on."
        ),
    ] = ""
    tls_private_key_path: Annotated[
        str, Meta(description="PEM file with the certificate's key, without a password: PKCS#8, PKCS#1 or SEC1.")
    ] = ""
    trusted_proxies: Annotated[
        list[str],
        Meta(
            description="Networks of proxies that may say whose request they pass on. Anybody else's word on that is "
            "ignored.",
            extra={"kind": NETWORK},
            max_length=256,
        ),
    ] = field(default_factory=lambda: ["127.0.0.0/8", "::1"])
    runs_behind_reverse_proxy: Annotated[
        bool,
        Meta(
            description="Trusted proxies name the client in a header of each request. Without the header, what they "
            "ask of the tracker is refused."
        ),
    ] = False
    reverse_proxy_ip_header_name: Annotated[
        str,
        Meta(
            description="That header, in any letter case: X-Forwarded-For, Forwarded (RFC 7239), or one of that form "
            "such as X-Real-IP.",
            extra={"kind": HEADER_NAME},
        ),
    ] = "X-Forwarded-For"
    reverse_proxy_ip_header_format: Annotated[
        Literal["last_address"],
        Meta(description="Which of several addresses: the last one that is not a trusted proxy's."),
    ] = "last_address"
    proxy_protocol: Annotated[
        bool,
        Meta(
            description="Trusted proxies begin each connection with the PROXY protocol, version 1 or 2, also before "
            "TLS. It replaces runs_behind_reverse_proxy."
        ),
    ] = False
    announce_urls: Annotated[
        list[str],
        Meta(
            description="The announce URLs that the page at / shows, where the tracker cannot know them. Empty: the "
            "host that the visitor asked for.",
            max_length=16,
        ),
    ] = field(default_factory=list)


Interval = Annotated[int, Meta(ge=1, le=30 * DAYS, description="Seconds until a client shall announce again.")]
IntervalJitter = Annotated[
    int,
    Meta(
        ge=0,
        le=DAYS,
        description="Each reply adds a random 0 to this many seconds to the interval, so that clients that "
        "came together do not come back together.",
    ),
]
MinInterval = Annotated[
    int,
    Meta(
        ge=0,
        le=30 * DAYS,
        description="Seconds that a client shall wait at least, also when its user is impatient. 0: half of "
        "peer_announce_interval.",
    ),
]
CleaningInterval = Annotated[int, Meta(ge=1, le=DAYS, description="Seconds in which every peer is looked at once.")]
MaxConnections = Annotated[
    int,
    Meta(
        ge=0,
        le=10_000_000,
        description="Connections at a time; further ones get a 503. 0: what the limit of open files allows.",
    ),
]
MaxConnectionsPerAddress = Annotated[
    int,
    Meta(
        ge=0,
        le=1_000_000,
        description="Of these, for one IPv4 address or one /64 of IPv6. Proxies that are trusted have no such "
        "limit. 0: none.",
    ),
]


class MetricsConfig(Struct, frozen=True):
    """Numbers for Prometheus."""

    run_prometheus_endpoint: Annotated[
        bool, Meta(description="Serve metrics for Prometheus over HTTP. Takes about 10 MB more memory.")
    ] = False
    prometheus_endpoint_address: Annotated[
        str,
        Meta(description="Address and port of the metrics. Not for the public.", extra={"kind": ENDPOINT}),
    ] = "127.0.0.1:9001"


def min_interval_of(announce_interval: int, min_interval: int) -> int:
    """Seconds; half of the interval unless configured."""
    return min_interval or (announce_interval + 1) // 2


def plain_endpoints(network: StreamConfig) -> list[Endpoint]:
    """Where plain HTTP is spoken."""
    return [] if network.enable_tls else endpoints(network)


def tls_endpoints(network: StreamConfig) -> list[Endpoint]:
    """Where TLS is spoken."""
    further = [parse_endpoint(text) for text in network.tls_addresses]
    return [*(endpoints(network) if network.enable_tls else []), *further]


def check_network(network: StreamConfig) -> None:
    """ConfigError when nothing is listened on, or when TLS lacks its files."""
    endpoints(network)
    if tls_endpoints(network):
        for key in ("tls_certificate_path", "tls_private_key_path"):
            if not getattr(network, key):
                raise ConfigError(f"network.{key}: expected a PEM file, because TLS is on")
