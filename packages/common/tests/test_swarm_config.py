"""Caps of a swarm from the configuration."""

import os

from thalweg_common.swarm import Swarm
from thalweg_common.swarm_config import LimitsConfig, make_swarm


def made(limits: LimitsConfig) -> Swarm:
    """A swarm with these caps."""
    return make_swarm(limits, max_peer_age=60, clean_interval=60, filter_addresses=True)


def test_memory_by_itself_is_half_of_what_there_is() -> None:
    """And what is configured goes before it."""
    with made(LimitsConfig()) as swarm:
        machine = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
        assert swarm.work().bytes_max <= machine // 2 + (2 << 20)
    with made(LimitsConfig(max_memory_mib=64)) as swarm:
        assert swarm.work().bytes_max == 64 << 20
