"""The options that say where a service listens: the same for every service, with aquatic's names."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct, field

from thalweg_common.config import ConfigError
from thalweg_common.endpoints import Endpoint, parse_endpoint
from thalweg_common.options import ENDPOINT, ENDPOINT4, ENDPOINT6, ENDPOINT_OR_NONE

MAX_ENDPOINTS = 16  # of one worker in the core


class ListenConfig(Struct, frozen=True):
    """The first options of `[network]`."""

    use_ipv4: Annotated[bool, Meta(description="Serve clients over IPv4.")] = True
    use_ipv6: Annotated[
        bool,
        Meta(description="Serve clients over IPv6. A host without IPv6 is served over IPv4 alone, with a warning."),
    ] = True
    address_ipv4: Annotated[
        str, Meta(description="IPv4 address and port to listen on; 0.0.0.0 is every one.", extra={"kind": ENDPOINT4})
    ] = "0.0.0.0:3000"
    address_ipv6: Annotated[
        str, Meta(description="IPv6 address and port to listen on; [::] is every one.", extra={"kind": ENDPOINT6})
    ] = "[::]:3000"
    addresses: Annotated[
        list[str],
        Meta(
            description="Several addresses and ports of either family, at most 16; they take the place of address_ipv4 "
            "and address_ipv6. Port 0 is a free port, named in the log.",
            extra={"kind": ENDPOINT},
            max_length=MAX_ENDPOINTS,
        ),
    ] = field(default_factory=list)
    set_only_ipv6: Annotated[
        bool,
        Meta(
            description="IPv6 sockets take IPv6 only. With false, [::] alone serves both families; IPv4 clients on it "
            "are treated as such. Where an IPv4 address has the same port, IPv4 belongs to that one."
        ),
    ] = True
    address: Annotated[
        str,
        Meta(
            description="The single address of aquatic 0.9 and before; takes the place of address_ipv4 and "
            "address_ipv6. An IPv6 wildcard here serves both families unless only_ipv6 is set. Empty: not used.",
            extra={"kind": ENDPOINT_OR_NONE},
        ),
    ] = ""
    only_ipv6: Annotated[bool, Meta(description="For address alone: take no IPv4 on an IPv6 address.")] = False


def endpoints(network: ListenConfig) -> list[Endpoint]:
    """The addresses to listen on, each once; ConfigError when none is left."""
    if network.addresses or network.address:
        wanted = network.addresses or [network.address]
    else:
        wanted = [network.address_ipv4, network.address_ipv6]
    families = {version for version, used in ((4, network.use_ipv4), (6, network.use_ipv6)) if used}
    found = [endpoint for endpoint in map(parse_endpoint, wanted) if endpoint.ip_version in families]
    if not found:
        raise ConfigError("network: expected use_ipv4 or use_ipv6 to be true, with an address of that family")
    return [endpoint for place, endpoint in enumerate(found) if not endpoint.port or endpoint not in found[:place]]


def only_ipv6(network: ListenConfig) -> bool:
    """Whether IPv6 wildcards keep to IPv6."""
    single = network.address and not network.addresses
    return network.only_ipv6 if single else network.set_only_ipv6
