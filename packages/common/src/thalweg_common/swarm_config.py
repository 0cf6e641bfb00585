"""The options that cap a swarm, and the swarm they make."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

from thalweg_common.config import ConfigError
from thalweg_common.memory import available_memory
from thalweg_common.swarm import Swarm

MIB = 1 << 20


class LimitsConfig(Struct, frozen=True):
    """Caps on the swarm. At a cap the service answers on, and small or silent ones make room (docs: the swarm)."""

    max_memory_mib: Annotated[
        int,
        Meta(
            ge=0,
            le=65536,
            description="MiB for torrents and peers. 0: half of what this machine or its container has. A peer takes "
            "about 9 bytes in a large torrent, and about 30 with its share of a torrent of three.",
        ),
    ] = 0
    max_torrents: Annotated[int, Meta(ge=0, le=1 << 32, description="Torrents, both families together. 0: no cap.")] = 0
    max_peers_per_torrent: Annotated[
        int, Meta(ge=1, le=1_000_000, description="Peers of one torrent in each family.")
    ] = 200_000


def make_swarm(limits: LimitsConfig, *, max_peer_age: int, clean_interval: int, filter_addresses: bool) -> Swarm:
    """An empty swarm with these caps, ages in seconds; ConfigError when the memory is not to be had."""
    max_bytes = memory_for(limits.max_memory_mib)
    try:
        return Swarm(
            max_peer_age=max_peer_age,
            clean_interval=min(clean_interval, max_peer_age),
            max_torrents=limits.max_torrents,
            max_peers_per_torrent=limits.max_peers_per_torrent,
            max_bytes=max_bytes,
            filter_addresses=filter_addresses,
        )
    except MemoryError as error:
        raise no_memory(max_bytes) from error


def memory_for(max_memory_mib: int) -> int:
    """The bytes that a swarm may take, as configured."""
    return max_memory_mib * MIB or max(64 * MIB, min(available_memory() // 2, 1 << 36))


def no_memory(max_bytes: int) -> ConfigError:
    """What to say when a swarm of so many bytes cannot be made."""
    return ConfigError(f"limits.max_memory_mib: the system does not give {max_bytes // MIB} MiB of address space")
