"""Memory figures from the running system."""

import resource

from thalweg_common.memory import available_memory, resident_bytes


def test_resident_size_is_plausible() -> None:
    """A Python process takes some megabytes, and less than there is."""
    assert 4 << 20 < resident_bytes() < available_memory()


def test_resident_size_needs_no_descriptor() -> None:
    """It can be told when no more files can be opened."""
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, limits[1]))
    try:
        assert resident_bytes() > 4 << 20
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
