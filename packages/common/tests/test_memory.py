"""Memory figures from the running system."""

from thalweg_common.memory import available_memory, resident_bytes


def test_resident_size_is_plausible() -> None:
    """A Python process takes some megabytes, and less than there is."""
    assert 4 << 20 < resident_bytes() < available_memory()
