"""Verdicts: how steps make one for an address, and addresses one for a tracker."""

import pytest
from thalweg.check_report import AddressReport, Outcome, Step, Verdict, render, summarize

GOOD, INFORMATION, REMARK, BAD = Outcome


def address(ip_version: int, *outcomes: Outcome) -> AddressReport:
    """A report with one step of each outcome; without steps nothing could be checked."""
    report = AddressReport(ip_version=ip_version, address="192.0.2.1" if ip_version == 4 else "2001:db8::1", port=6969)
    for outcome in outcomes:
        report.add(Step(name=outcome.value, outcome=outcome, text="so it went"))
    return report


@pytest.mark.parametrize(
    ("outcomes", "verdict"),
    [
        ([GOOD, GOOD], Verdict.WORKS),
        ([INFORMATION, GOOD], Verdict.WORKS),
        ([GOOD, REMARK, GOOD], Verdict.REMARKS),
        ([REMARK, BAD, GOOD], Verdict.BROKEN),
        ([], Verdict.NOT_CHECKED),
    ],
)
def test_the_worst_step_decides(outcomes: list[Outcome], verdict: Verdict) -> None:
    """A later good step does not make up for an earlier bad one."""
    assert address(4, *outcomes).verdict is verdict


@pytest.mark.parametrize(
    ("addresses", "verdict", "sentence"),
    [
        ([address(4, GOOD), address(6, GOOD)], Verdict.WORKS, "works (over IPv4 and IPv6)"),
        ([address(4, GOOD), address(6, BAD)], Verdict.BROKEN, "works over IPv4; does not work over IPv6"),
        (
            [address(4, BAD), address(6, REMARK)],
            Verdict.BROKEN,
            "does not work over IPv4; works with remarks over IPv6",
        ),
        ([address(4, GOOD), address(6)], Verdict.WORKS, "works over IPv4; not checked over IPv6"),
        ([address(4, GOOD), address(4, BAD)], Verdict.BROKEN, "does not work (over IPv4)"),
        ([address(4), address(6)], Verdict.NOT_CHECKED, "not checked (over IPv4 and IPv6)"),
    ],
)
def test_the_worst_address_decides(addresses: list[AddressReport], verdict: Verdict, sentence: str) -> None:
    """The last line names the families where they differ; what could not be checked from here counts neither way."""
    report = summarize("udp://tracker.example:6969", addresses)
    assert report.verdict is verdict
    assert render(report).splitlines()[-1] == f"  {sentence}"


def test_expectation_and_advice_stand_below_their_step() -> None:
    """What should have come and what to do are lines of their own, where something is wrong."""
    report = address(6)
    report.add(Step(name="announce", outcome=GOOD, text="it came", expected="something"))
    report.add(
        Step(name="scrape", outcome=BAD, text="no reply", expected="a reply", advice="See it runs.", milliseconds=1.234)
    )
    lines = render(summarize("udp://tracker.example:6969", [report])).splitlines()
    assert lines[1] == "  IPv6  [2001:db8::1]:6969"
    assert [line.split() for line in lines[2:6]] == [
        ["ok", "announce", "it", "came"],
        ["FAIL", "scrape", "1.23", "ms", "no", "reply"],
        ["expected:", "a", "reply"],
        ["→", "See", "it", "runs."],
    ]
