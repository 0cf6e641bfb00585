"""Sees to the Debian packages in system-packages.txt: `system_packages.py run` or `system_packages.py test`.

Root on Debian gets what is missing installed; anybody else gets the command to run. Exit status 0: all is there
(or what is missing is only tests', which then are skipped and named); 1: something needed is missing.
"""

import contextlib
import importlib.util
import os
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

LIST = Path(__file__).with_name("system-packages.txt")
POLICY = Path("/usr/sbin/policy-rc.d")
ATTEMPTS = 3


class Package(NamedTuple):
    """One row of the list."""

    group: str  # "run" or "test"
    name: str
    there_when: str
    service: str  # the daemon that installing it would start, or "-"
    what_for: str


def read_list() -> list[Package]:
    """The rows of system-packages.txt in their order."""
    lines = (line.strip() for line in LIST.read_text().splitlines())
    return [Package(*(cell.strip() for cell in line.split("  ") if cell)) for line in lines if line and line[0] != "#"]


def is_there(package: Package) -> bool:
    """Whether the machine has what the package brings, from wherever it has it."""
    kind, what = package.there_when.split(" ", 1)
    match kind:
        case "program":
            return shutil.which(what, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin") is not None
        case "file":
            return any(Path("/").glob(what.lstrip("/")))
        case "module":
            return importlib.util.find_spec(what) is not None
        case "header":
            return Path(sysconfig.get_path("include"), what).exists()
        case "debian-module":  # of the distribution's own Python, not of the one that runs this
            command = ["/usr/bin/python3", "-c", f"import {what}"]
            return Path(command[0]).exists() and subprocess.run(command, capture_output=True).returncode == 0
    raise ValueError(f"{LIST.name}: {package.name}: unknown check: {package.there_when}")


def missing(groups: Iterable[str]) -> list[Package]:
    """The packages of these groups that the machine does not have."""
    return [package for package in read_list() if package.group in groups and not is_there(package)]


def install_command(packages: Iterable[Package]) -> str:
    """What a person types to install them."""
    return "apt-get install --no-install-recommends " + " ".join(package.name for package in packages)


@contextlib.contextmanager
def services_stay_off(packages: list[Package]) -> Iterator[None]:
    """Keeps Debian from starting the packages' daemons, now and at the next boot."""
    ours = not POLICY.exists()
    if ours:
        POLICY.write_text("#!/bin/sh\nexit 101\n")
        POLICY.chmod(0o755)
    try:
        yield
    finally:
        if ours:
            POLICY.unlink()
    for service in (package.service for package in packages if package.service != "-"):
        if shutil.which("systemctl"):
            subprocess.run(["systemctl", "--quiet", "disable", service], capture_output=True)


def install(packages: list[Package]) -> bool:
    """Installs them with apt-get, trying again a few times when a download fails."""
    names = [package.name for package in packages]
    print(f"installing Debian packages: {' '.join(names)}", flush=True)
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    apt = ["apt-get", "-qq", "-o", "Acquire::Retries=3", "-o", "Dpkg::Use-Pty=0"]
    for _ in range(ATTEMPTS):
        steps = [[*apt, "update"], [*apt, "install", "--yes", "--no-install-recommends", *names]]
        results = [subprocess.run(step, env=environment, capture_output=True, text=True) for step in steps]
        if results[-1].returncode == 0:
            return True
    print(results[-1].stderr.strip(), file=sys.stderr)
    return False


def tell(packages: list[Package]) -> None:
    """Says what is missing, what for, and how to get it."""
    print("missing on this machine:", file=sys.stderr)
    for package in packages:
        print(f"  {package.name:<22}{package.what_for}", file=sys.stderr)
    print(f"on Debian, as root: {install_command(packages)}", file=sys.stderr)


def main(group: str) -> int:
    """Installs or names what is missing for `group`; gives the exit status."""
    wanted = ["run"] if group == "run" else ["run", "test"]
    lacking = missing(wanted)
    if lacking and os.geteuid() == 0 and shutil.which("apt-get"):
        with services_stay_off(lacking):
            install(lacking)
        lacking = missing(wanted)
    if not lacking:
        return 0
    tell(lacking)
    tolerable = all(package.group == "test" for package in lacking) and not os.environ.get("CI")
    return 0 if tolerable else 1


if __name__ == "__main__":
    if sys.argv[1:] not in (["run"], ["test"]):
        sys.exit("usage: system_packages.py run|test")
    sys.exit(main(sys.argv[1]))
