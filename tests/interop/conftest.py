"""Fixtures of the interop tests: a network of four hosts and the programs on them, fresh for each test."""

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tests.interop import network
from tests.interop.network import Network
from tests.interop.programs import Programs


@pytest.fixture(scope="session")
def namespaces() -> None:
    """Skip, with the reason, where this machine does not let us make network namespaces."""
    if why := network.missing():
        pytest.skip(why)


@pytest.fixture
def hosts(namespaces: None) -> Iterator[dict[str, network.Host]]:
    """Four hosts on one network: tracker, seeder, leecher, and a proxy for some tests."""
    with Network("tracker", "seeder", "leecher", "proxy") as made:
        yield made.hosts


@pytest.fixture
def programs(hosts: dict[str, network.Host]) -> Iterator[Programs]:
    """What the test starts; ended before the network goes."""
    with TemporaryDirectory(prefix="thalweg-interop-") as folder, Programs(Path(folder)) as running:
        Path(folder).chmod(0o755)
        yield running
