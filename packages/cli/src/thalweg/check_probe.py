"""What the probes of all protocols share: taking steps, whatever happens, and judging what all trackers say."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TypeVar

import trio
from msgspec import structs
from thalweg_common.udp_wire import ScrapeRow, TrackerError

from thalweg.check_report import AddressReport, Outcome, Step, count, printable
from thalweg.exchange import ExchangeError, NoRouteError

T = TypeVar("T")
R = TypeVar("R")

PORT = 0x76FD
"""What the first of the test's peers says it listens on, as newTrackon's does; the next ports are those of others."""

SHORTEST_INTERVAL = 60
LONGEST_INTERVAL = 6 * 60 * 60
"""Seconds between two announces of one client that cause no remark."""

SILENCE = 1.0
"""Seconds without a reply that count as silence, or the time-out where that is shorter."""


class Probe:
    """Takes steps and keeps what came of them in a report."""

    def __init__(self, report: AddressReport, expected: Mapping[str, str]) -> None:
        """`expected`: what a good tracker does, by name of the step."""
        self.report = report
        self.expected = expected
        self.reached = False
        """Whether the tracker has answered; before that, a missing route is no fault of a step."""

    async def attempt(self, name: str, otherwise: Outcome, take: Callable[[str], Awaitable[Step]]) -> bool:
        """Takes a step and adds it to the report. True: it did not fail."""
        step = await self.outcome(name, otherwise, take)
        self.add(step)
        return step.outcome is not otherwise

    async def outcome(self, name: str, otherwise: Outcome, take: Callable[[str], Awaitable[Step]]) -> Step:
        """Takes a step and gives what came of it, `otherwise` being the outcome of a failure."""
        try:
            return await take(name)
        except ExchangeError as error:
            return Step(name=name, outcome=otherwise, text=str(error), advice=error.advice)
        except TrackerError as error:
            return _refusal(name, otherwise, str(error))
        except NoRouteError as error:
            if not self.reached:
                raise
            return Step(name=name, outcome=otherwise, text=f"the way to the tracker is gone ({error})")

    def add(self, step: Step) -> None:
        """Adds a step to the report, with what was expected of it."""
        self.report.add(structs.replace(step, expected=self.expected[step.name]))


def not_checked(report: AddressReport, error: NoRouteError) -> None:
    """Says in the report that there is no way to the address from here; the verdict stays open."""
    text = f"this machine cannot reach IPv{report.ip_version} addresses ({error})"
    report.steps.append(Step(name="route", outcome=Outcome.REMARK, text=text))


def judge_interval(name: str, interval: int, counts: str, milliseconds: float, *, usual: int = 1800) -> Step:
    """The step of a first announce that was answered; `counts`: whatever else the reply says."""
    advice = ""
    if interval < SHORTEST_INTERVAL:
        advice = f"The interval is very short: clients come back sooner than they need; {usual} s is usual."
    elif interval > LONGEST_INTERVAL:
        advice = f"The interval is very long: new peers stay unknown for hours; {usual} s is usual."
    outcome = Outcome.REMARK if advice else Outcome.GOOD
    text = f"interval {interval} s, {counts}"
    return Step(name=name, outcome=outcome, text=text, advice=advice, milliseconds=milliseconds)


def judge_introduction(name: str, ports: Sequence[int], way: str, milliseconds: float) -> Step:
    """The step of a second client, which was given peers with these `ports`; `way`: what made it another client."""
    if PORT in ports:
        return Step(name=name, outcome=Outcome.GOOD, text=f"was told of the first, {way}", milliseconds=milliseconds)
    return Step(
        name=name,
        outcome=Outcome.REMARK,
        text="was not told of the first",
        advice="Clients would not find each other; some trackers hide the peers of one address from each other.",
        milliseconds=milliseconds,
    )


def judge_counts(name: str, row: ScrapeRow, missing: Sequence[str], milliseconds: float) -> Step:
    """The step of a scrape; `missing`: which of the test's peers are not counted ("seeder", "leecher")."""
    text = f"{count(row.seeders, 'seeder')}, {count(row.leechers, 'leecher')}, {row.completed} completed"
    if not missing:
        return Step(name=name, outcome=Outcome.GOOD, text=text, milliseconds=milliseconds)
    verb = "is" if len(missing) == 1 else "are"
    return Step(
        name=name,
        outcome=Outcome.REMARK,
        text=f"{text}: the {' and the '.join(missing)} of this test {verb} not counted",
        advice="Several workers without a common swarm look like this, and so do cached scrapes.",
        milliseconds=milliseconds,
    )


def _refusal(name: str, outcome: Outcome, reason: str) -> Step:
    said = f"saying “{printable(reason)}”" if reason else "without a reason"
    advice = (
        "If the tracker serves listed torrents only, name one of them: --info-hash HEX." if name == "announce" else ""
    )
    return Step(name=name, outcome=outcome, text=f"the tracker refused, {said}", advice=advice)


async def at_once(function: Callable[[T], Awaitable[R]], values: Sequence[T]) -> list[R]:
    """Calls `function` with every value at the same time; gives the results in the order of the values."""
    results: dict[int, R] = {}

    async def call(place: int, value: T) -> None:
        results[place] = await function(value)

    async with trio.open_nursery() as nursery:
        for place, value in enumerate(values):
            nursery.start_soon(call, place, value)
    return [results[place] for place in range(len(values))]
