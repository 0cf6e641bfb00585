"""What the machine lacks is installed or named, and what is skipped for it is counted."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tools import system_packages

ROOT = Path(__file__).parents[2]
ABSENT = system_packages.Package("test", "no-such-package", "program no-such-program", "-", "a test of the list")


def test_list_is_well_formed() -> None:
    """Each row has a known group, a check that can be made and a purpose; no package is there twice."""
    packages = system_packages.read_list()
    assert packages
    assert {package.group for package in packages} == {"run", "test"}
    assert len({package.name for package in packages}) == len(packages)
    for package in packages:
        system_packages.is_there(package)
        assert package.what_for


@pytest.mark.parametrize(
    ("check", "there"),
    [
        ("program sh", True),
        ("program no-such-program", False),
        ("file /usr/bin/*sh", True),
        ("file /usr/bin/no-such-*", False),
        ("module ensurepip", True),
        ("module no_such_module", False),
        ("header Python.h", True),
        ("header no-such.h", False),
        ("debian-module no_such_module", False),
    ],
)
def test_each_kind_of_check(check: str, there: bool) -> None:
    """A check tells what is there from what is not."""
    assert system_packages.is_there(ABSENT._replace(there_when=check)) is there


def test_unknown_check_names_the_row() -> None:
    """A mistake in the list is found where it is."""
    with pytest.raises(ValueError, match="no-such-package: unknown check: guess sh"):
        system_packages.is_there(ABSENT._replace(there_when="guess sh"))


def test_missing_is_told_with_the_command(capsys: pytest.CaptureFixture[str]) -> None:
    """Who may not install reads what is missing, what for, and what to type."""
    system_packages.tell([ABSENT])
    told = capsys.readouterr().err
    assert "no-such-package" in told
    assert "a test of the list" in told
    assert told.endswith("apt-get install --no-install-recommends no-such-package\n")


@pytest.mark.parametrize(("in_ci", "status"), [(False, 0), (True, 1)])
def test_skipped_tests_are_counted_and_fail_in_ci(in_ci: bool, status: int, tmp_path: Path) -> None:
    """A run names its skipped tests with what to install; with CI set it also fails."""
    (tmp_path / "tools").mkdir()
    shutil.copy(ROOT / "conftest.py", tmp_path)
    shutil.copy(ROOT / "tools" / "system_packages.py", tmp_path / "tools")
    (tmp_path / "tools" / "system-packages.txt").write_text("  ".join(ABSENT))
    (tmp_path / "pyproject.toml").write_text('[tool.pytest.ini_options]\npythonpath = ["."]\nmarkers = ["needs"]\n')
    (tmp_path / "test_it.py").write_text(
        "import pytest\n@pytest.mark.needs('no-such-package')\ndef test_with_it(): ...\ndef test_without_it(): ...\n"
    )
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider"]
    run = subprocess.run(command, env={"CI": "true"} if in_ci else {}, capture_output=True, text=True, cwd=tmp_path)
    assert run.returncode == status, run.stdout
    assert "1 skipped" in run.stdout
    assert "test_it.py::test_with_it" in run.stdout
    assert "apt-get install --no-install-recommends no-such-package" in run.stdout
