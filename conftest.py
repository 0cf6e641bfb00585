"""For all tests: what needs a system program says so, and what is skipped is named; in CI nothing may be skipped."""

import os

import pytest

from tools import system_packages

PACKAGES = {package.name: package for package in system_packages.read_list()}
IN_CI = bool(os.environ.get("CI"))


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skips a test marked `needs` when one of its packages is not there, saying how to get it."""
    names = [name for mark in item.iter_markers("needs") for name in mark.args]
    lacking = [PACKAGES[name] for name in names if not system_packages.is_there(PACKAGES[name])]
    if lacking:
        pytest.skip(f"on Debian, as root: {system_packages.install_command(lacking)}")


def skipped_reports(session: pytest.Session) -> list[pytest.TestReport | pytest.CollectReport]:
    """The reports of everything skipped in this run, whole modules included."""
    reporter = session.config.pluginmanager.getplugin("terminalreporter")
    return reporter.stats.get("skipped", []) if reporter else []


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """In CI a skipped test is a failure."""
    if IN_CI and skipped_reports(session) and session.exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Counts and names what was skipped, with the reason."""
    reports = terminalreporter.stats.get("skipped", [])
    if not reports:
        return
    terminalreporter.section(f"{len(reports)} skipped" + (": a failure in CI" if IN_CI else ""), red=IN_CI, yellow=True)
    for report in reports:
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        terminalreporter.line(f"{report.nodeid}\n    {reason.removeprefix('Skipped: ')}")
