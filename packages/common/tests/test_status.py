"""Status lines through a real pipe."""

import os

from thalweg_common.status import FamilyStatus, Status, StatusWriter, parse_status

FAMILY = FamilyStatus(requests_total=2, replies_total=1, torrents=1, peers=1, seeders=0)
STATUS = Status(
    service="udp",
    version="1",
    ready=True,
    uptime_seconds=1.5,
    addresses=["udp://127.0.0.1:1/announce"],
    memory_bytes=1,
    ip_version={"4": FAMILY, "6": FAMILY},
)


def test_a_reader_gets_what_was_written() -> None:
    """One line per status, and it parses back."""
    reader, descriptor = os.pipe()
    writer = StatusWriter(descriptor)
    writer.write(STATUS)
    writer.close()
    with os.fdopen(reader, "rb") as lines:
        assert [parse_status(line) for line in lines] == [STATUS]


def test_a_reader_that_left_is_no_failure() -> None:
    """Writing into a closed pipe ends the writing, quietly."""
    reader, descriptor = os.pipe()
    os.close(reader)
    writer = StatusWriter(descriptor)
    writer.write(STATUS)
    writer.write(STATUS)
    writer.close()


def test_a_reader_that_sleeps_blocks_nobody() -> None:
    """A full pipe loses lines, it does not stop the service."""
    reader, descriptor = os.pipe()
    writer = StatusWriter(descriptor)
    for _ in range(1000):
        writer.write(STATUS)
    writer.close()
    with os.fdopen(reader, "rb") as lines:
        assert all(parse_status(line) == STATUS for line in lines)
