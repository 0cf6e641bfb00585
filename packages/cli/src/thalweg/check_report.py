"""What `thalweg check` found: steps, verdicts, and their words.

A tracker has one report per address. A step is good, information (neither good nor bad), a remark (clients can use the
tracker all the same), or bad; the worst step decides the verdict on the address, the worst address that on the tracker.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable

import msgspec

from thalweg.tracker_url import endpoint


class Outcome(enum.StrEnum):
    """How a step went."""

    GOOD = "good"
    INFORMATION = "information"
    REMARK = "remark"
    BAD = "bad"


class Verdict(enum.StrEnum):
    """What it means for clients; from best to worst."""

    WORKS = "works"
    REMARKS = "works with remarks"
    NOT_CHECKED = "not checked"
    BROKEN = "does not work"


_VERDICT_OF = {
    Outcome.GOOD: Verdict.WORKS,
    Outcome.INFORMATION: Verdict.WORKS,
    Outcome.REMARK: Verdict.REMARKS,
    Outcome.BAD: Verdict.BROKEN,
}
_MARKS = {Outcome.GOOD: "ok", Outcome.INFORMATION: "info", Outcome.REMARK: "note", Outcome.BAD: "FAIL"}
LONGEST_QUOTE = 200
"""Characters of a tracker's own words that are shown."""
_FROM_BEST_TO_WORST = list(Verdict)


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """One exchange with the tracker, or one thing learnt from it."""

    name: str
    outcome: Outcome
    text: str
    """What came."""
    expected: str = ""
    """What should have come; empty where nothing in particular is expected."""
    advice: str = ""
    """What to do about it; empty when there is nothing to do."""
    milliseconds: float | None = None
    """From the request that was answered to its reply."""


class AddressReport(msgspec.Struct, kw_only=True):
    """One address of a tracker, over one family."""

    ip_version: int
    address: str
    port: int
    verdict: Verdict = Verdict.NOT_CHECKED
    steps: list[Step] = []

    def add(self, step: Step) -> None:
        """Keeps a step; the verdict never gets better by it."""
        self.steps.append(step)
        now = _VERDICT_OF[step.outcome]
        self.verdict = now if len(self.steps) == 1 else _worst([self.verdict, now])


class TrackerReport(msgspec.Struct, kw_only=True):
    """All addresses of one URL, or the reason why there is none."""

    url: str
    verdict: Verdict
    problem: str = ""
    addresses: list[AddressReport] = []


def summarize(url: str, addresses: list[AddressReport]) -> TrackerReport:
    """The report on a URL. An address that could not be checked from here says nothing against the tracker."""
    checked = [report.verdict for report in addresses if report.verdict is not Verdict.NOT_CHECKED]
    verdict = _worst(checked) if checked else Verdict.NOT_CHECKED
    return TrackerReport(url=url, verdict=verdict, addresses=addresses)


def _worst(verdicts: Iterable[Verdict]) -> Verdict:
    return max(verdicts, key=_FROM_BEST_TO_WORST.index)


def render(report: TrackerReport) -> str:
    """The report in lines for people, the verdict last."""
    lines = [report.url]
    for address in report.addresses:
        lines += _render_address(address)
    lines.append(f"  {_sentence(report)}")
    return "\n".join(lines)


def _render_address(report: AddressReport) -> list[str]:
    lines = [f"  IPv{report.ip_version}  {endpoint(report.address, report.port)}"]
    for step in report.steps:
        took = f"{step.milliseconds:.2f} ms" if step.milliseconds is not None else ""
        lines.append(f"    {_MARKS[step.outcome]:4}  {step.name:15} {took:>10}  {step.text}")
        if step.expected and step.outcome in (Outcome.REMARK, Outcome.BAD):
            lines.append(f"{'':37}expected: {step.expected}")
        if step.advice:
            lines.append(f"{'':37}→ {step.advice}")
    return lines


def _sentence(report: TrackerReport) -> str:
    """The verdict in one line, by family when families differ."""
    if report.problem:
        return f"{report.verdict}: {report.problem}"
    by_family = {f"IPv{a.ip_version}": a.verdict for a in sorted(report.addresses, key=_rank)}
    if len(set(by_family.values())) <= 1:
        over = " and ".join(sorted(by_family))
        return f"{report.verdict} (over {over})"
    return "; ".join(f"{verdict} over {family}" for family, verdict in sorted(by_family.items()))


def _rank(report: AddressReport) -> int:
    return _FROM_BEST_TO_WORST.index(report.verdict)


def count(number: int, noun: str) -> str:
    """A number with its noun: 1 peer, 2 peers."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def printable(text_untrusted: str) -> str:
    """A tracker's own words, cut, and without what a terminal would take for a command."""
    return "".join(letter if letter.isprintable() else "?" for letter in text_untrusted[:LONGEST_QUOTE])
