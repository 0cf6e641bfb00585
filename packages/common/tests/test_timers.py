"""Timers against a clock moved by hand."""

from thalweg_common.timers import FOREVER, Timers


class Clock:
    """Seconds that only a test moves."""

    def __init__(self) -> None:
        """At some time."""
        self.now = 100.0

    def __call__(self) -> float:
        """The time."""
        return self.now


def test_actions_come_when_they_are_due() -> None:
    """Each at its own pace, the first after its own time."""
    clock, done = Clock(), list[str]()
    timers = Timers(clock)
    timers.every(2, lambda: done.append("two"))
    timers.every(10, lambda: done.append("ten"), first=1)
    timeline = []
    while clock.now < 111:
        clock.now += timers.until_next()
        timers.run_due()
        timeline.append((clock.now - 100, *done))
        done.clear()
    assert timeline == [
        (1, "ten"),
        (2, "two"),
        (4, "two"),
        (6, "two"),
        (8, "two"),
        (10, "two"),
        (11, "ten"),
    ]


def test_a_long_sleep_is_not_made_up_for() -> None:
    """An action that was due a hundred times is done once."""
    clock, done = Clock(), list[str]()
    timers = Timers(clock)
    timers.every(1, lambda: done.append("x"))
    clock.now += 100
    timers.run_due()
    timers.run_due()
    assert len(done) == 1


def test_nothing_to_do_is_a_long_sleep() -> None:
    """The control thread then waits for signals alone."""
    assert Timers().until_next() > FOREVER - 1
