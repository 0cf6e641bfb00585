"""Log lines through a real pipe."""

import json
import os
import re
import time
from collections.abc import Callable

import pytest
from thalweg_common.log import BURST, WINDOW, Form, Level, Log


def written(
    use: Callable[[Log], None],
    level: Level = "info",
    form: Form = "human",
    clock: Callable[[], float] = time.monotonic,
) -> list[str]:
    """The lines that come out when a log is used like this."""
    reader, writer = os.pipe()
    use(Log("udp", level, form, writer, clock))
    os.close(writer)
    with os.fdopen(reader) as lines:
        return lines.read().splitlines()


def test_a_line_for_people() -> None:
    """Time, level, event, then fields; what a shell would split is quoted."""
    (line,) = written(lambda log: log.info("serving", workers=2, at=["a", "b"], note="two words", empty=""))
    assert re.fullmatch(
        r'\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ info  serving workers=2 at=a,b note="two words" empty=""', line
    )


def test_a_line_for_machines() -> None:
    """One JSON object with the same facts; unknown types as text."""
    (line,) = written(lambda log: log.warn("trouble", reason=OSError("broken")), form="json")
    fields = json.loads(line)
    assert fields.pop("time").endswith("Z")
    assert fields == {"level": "warn", "service": "udp", "event": "trouble", "reason": "broken"}


@pytest.mark.parametrize(
    ("level", "count"), [("off", 0), ("error", 1), ("warn", 2), ("info", 3), ("debug", 4), ("trace", 4)]
)
def test_levels(level: Level, count: int) -> None:
    """What is less important than the level is not written."""

    def use(log: Log) -> None:
        for write in (log.error, log.warn, log.info, log.debug):
            write("event")

    assert len(written(use, level)) == count


def test_line_ends_in_values_cannot_forge_lines() -> None:
    """What looks like a second line stays inside the quotes."""
    assert len(written(lambda log: log.info("read", file="a\n2026-01-01T00:00:00Z error forged"))) == 1


def test_a_flood_is_cut_and_counted() -> None:
    """After BURST equal events there is silence, and the next window tells how many were left out."""
    times = iter([0.0] * (BURST + 7 + 1) + [WINDOW])

    def use(log: Log) -> None:
        for _ in range(BURST + 7):
            log.info("same")
        log.info("other")
        log.info("same")

    lines = written(use, clock=lambda: next(times))
    assert len(lines) == BURST + 2
    assert lines[-1].endswith("same left_out=7")


def test_nobody_reading_is_no_failure() -> None:
    """A closed pipe must not stop a tracker."""
    reader, writer = os.pipe()
    os.close(reader)
    Log("udp", descriptor=writer).info("event")
    os.close(writer)
