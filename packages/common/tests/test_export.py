"""Exports that are complete or not there."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from thalweg_common.export import Abandoned, write_atomically, write_export
from thalweg_common.swarm import Swarm, compact_peer


def test_the_old_file_stays_until_the_new_one_is_complete(tmp_path: Path) -> None:
    """A failure half way leaves the old export and nothing else."""
    file = tmp_path / "export"
    file.write_text("old\n")

    def lines() -> Iterator[str]:
        yield "new\n"
        assert file.read_text() == "old\n"
        raise OSError("the disk is full")

    with pytest.raises(OSError, match="full"):
        write_atomically(file, lines())
    assert [path.name for path in tmp_path.iterdir()] == ["export"]
    assert file.read_text() == "old\n"


def test_an_export_can_be_given_up(tmp_path: Path) -> None:
    """A service that stops does not finish it."""
    with Swarm() as swarm:
        swarm.announce(bytes(20), compact_peer("10.0.0.1", 1))
        with pytest.raises(Abandoned):
            write_export(swarm, tmp_path / "export", "aquatic", lambda: True)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("form", ["aquatic", "full"])
def test_the_number_of_torrents_is_given(tmp_path: Path, form: str) -> None:
    """The header does not count."""
    with Swarm() as swarm:
        for number in range(3):
            swarm.announce(bytes([number]) * 20, compact_peer("::1", 1))
        assert write_export(swarm, tmp_path / "export", form, lambda: False) == 3  # type: ignore[arg-type]
