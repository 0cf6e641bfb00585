"""Fixtures of the tests of thalweg-http."""

from collections.abc import Callable
from pathlib import Path

import pytest

from packages.http.tests.attacking import Attack

PATHS: dict[str, dict[str, str]] = {"whole path": {}}


@pytest.fixture(params=list(PATHS.values()), ids=list(PATHS))
def attack(request: pytest.FixtureRequest, tmp_path: Path, record_property: Callable[[str, object], None]) -> Attack:
    """An attack on the service, once for each of its paths."""
    return Attack(tmp_path, request.param, record_property)
