"""Fixtures of the tests of thalweg-http."""

from collections.abc import Callable
from pathlib import Path

import pytest

from packages.http.tests.attacking import Attack


@pytest.fixture(params=[True, False], ids=["fast path", "whole path"])
def attack(request: pytest.FixtureRequest, tmp_path: Path, record_property: Callable[[str, object], None]) -> Attack:
    """An attack on the service, once for each of its paths."""
    return Attack(tmp_path, request.param, record_property)


@pytest.fixture
def fast_attack(tmp_path: Path, record_property: Callable[[str, object], None]) -> Attack:
    """An attack that only concerns the fast path."""
    return Attack(tmp_path, True, record_property)
