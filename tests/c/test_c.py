"""The C tests among the others, so that one run tells everything: tests/c/Makefile builds and runs them."""

import os
import subprocess
from pathlib import Path

import pytest

HERE = Path(__file__).parent
FUZZ_SECONDS = os.environ.get("FUZZ_SECONDS") or ("60" if os.environ.get("CI") else "5")

pytestmark = pytest.mark.needs("clang-14", "libclang-rt-14-dev")


def make(*arguments: str) -> None:
    """Runs a target of the Makefile here; what it wrote is the message when it fails."""
    run = subprocess.run(["make", "-C", HERE, *arguments], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    print(run.stdout)
    assert run.returncode == 0, f"make -C tests/c {' '.join(arguments)}"


def test_under_sanitizers() -> None:
    """The units and guard pages pass under the address and undefined sanitizers, the threads under the thread one."""
    make("test")


def test_fuzzed() -> None:
    """A minute of libFuzzer (5 seconds outside CI, or FUZZ_SECONDS) finds no way to break any entry into the core."""
    make("fuzz", f"FUZZ_SECONDS={FUZZ_SECONDS}", "--jobs", str(len(os.sched_getaffinity(0))))
