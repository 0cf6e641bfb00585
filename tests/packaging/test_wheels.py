"""Each distribution builds, says what it should about itself, and installs and runs alone."""

import contextlib
import email.message
import email.parser
import json
import os
import signal
import subprocess
import tarfile
import venv
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from tools import build_wheels

TRIO = {
    "attrs",
    "h11",
    "idna",
    "outcome",
    "sniffio",
    "sortedcontainers",
    "trio",
}  # with h11, for services that use both
SERVICES = {
    "thalweg-udp": set[str](),
    "thalweg-http": TRIO,
    "thalweg-ws": TRIO | {"wsproto"},
}  # and what they need beside thalweg-common's
DEADLINE = 30  # seconds for what takes one
NOT_OURS = {"pip", "setuptools"}  # what an empty environment has
DEPENDENCIES = {"cffi", "pycparser", "msgspec", "prometheus_client"}  # of thalweg-common, and theirs


def listening_on(command: Path, address: str) -> dict[str, str]:
    """The environment that makes a service listen there and nowhere else."""
    return {f"{command.name.replace('-', '_').upper()}__NETWORK__ADDRESSES": address}


@contextlib.contextmanager
def start(command: Path, address: str) -> Iterator[tuple[subprocess.Popen[bytes], dict[str, Any]]]:
    """A running service and its first status line, which it writes when it serves."""
    reading, writing = os.pipe()
    arguments: list[str | Path] = [command, "--status-fd", str(writing)]
    with subprocess.Popen(arguments, env=listening_on(command, address), pass_fds=[writing]) as service:
        os.close(writing)
        try:
            with os.fdopen(reading) as lines:
                yield service, json.loads(lines.readline())
        finally:
            service.kill()


@pytest.fixture(scope="session")
def dist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the wheels and source distributions of this tree."""
    folder = tmp_path_factory.mktemp("dist")
    build_wheels.main(folder)
    return folder


@pytest.fixture(scope="session")
def metadata(dist: Path) -> dict[str, email.message.Message]:
    """The metadata of each wheel, by distribution name."""
    found = {}
    for path in dist.glob("*.whl"):
        with zipfile.ZipFile(path) as wheel:
            name = next(name for name in wheel.namelist() if name.endswith(".dist-info/METADATA"))
            message = email.parser.BytesParser().parsebytes(wheel.read(name))
        found[message["Name"]] = message
    return found


def test_every_package_is_built(dist: Path, metadata: dict[str, email.message.Message]) -> None:
    """Each folder in packages/ with a project file gives one wheel and one source distribution."""
    expected = len(list(build_wheels.ROOT.glob("packages/*/pyproject.toml")))
    assert len(metadata) == expected
    assert len(list(dist.glob("*.tar.gz"))) == expected


def test_only_the_core_is_compiled(dist: Path) -> None:
    """thalweg-common is one wheel for every CPython from 3.11 on; all others are pure."""
    tags = {path.name.split("-")[0]: path.stem.split("-")[2:] for path in dist.glob("*.whl")}
    assert tags.pop("thalweg_common")[:2] == ["cp311", "abi3"]
    assert all(tag == ["py3", "none", "any"] for tag in tags.values())


def test_one_version_and_exact_siblings(metadata: dict[str, email.message.Message]) -> None:
    """All distributions have the same version and ask for exactly that one of each other."""
    versions = {message["Version"] for message in metadata.values()}
    assert len(versions) == 1
    pin = f"=={versions.pop()}"
    needed = [need for message in metadata.values() for need in message.get_all("Requires-Dist", [])]
    siblings = [need for need in needed if need.startswith("thalweg")]
    assert siblings
    assert all(need.endswith(pin) for need in siblings)


def test_metadata_is_complete(metadata: dict[str, email.message.Message]) -> None:
    """Each distribution has a summary, its README, the licence and its text, and the Python it needs."""
    for name, message in metadata.items():
        assert message["Summary"], name
        assert message["License-Expression"] == "Apache-2.0", name
        assert message.get_all("License-File") == ["LICENSE"], name
        assert message["Requires-Python"] == ">=3.11", name
        assert message["Description-Content-Type"] == "text/markdown", name
        assert str(message.get_payload()).startswith(f"# {name}\n"), name


def test_sources_hold_the_c_core(dist: Path) -> None:
    """The source distribution of thalweg-common has every C file of the tree (its wheel was built from it)."""
    with tarfile.open(next(dist.glob("thalweg_common-*.tar.gz"))) as archive:
        packed = {Path(name).name for name in archive.getnames() if "/csrc/" in name}
    assert packed == {path.name for path in (build_wheels.ROOT / "packages/common/csrc").iterdir()}


@pytest.fixture(scope="session", params=SERVICES)
def alone(request: pytest.FixtureRequest, dist: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The command of a service that was installed into an empty environment, its dependencies from the index."""
    folder = tmp_path_factory.mktemp("alone")
    venv.create(folder, with_pip=True, symlinks=True)
    command = [folder / "bin" / "python", "-m", "pip", "install", "--quiet", "--find-links", dist, request.param]
    subprocess.run(command, check=True)
    return folder / "bin" / str(request.param)


def test_service_brings_only_what_it_needs(alone: Path) -> None:
    """A service installed alone brings thalweg-common and what they both depend on, and no other sibling."""
    code = "import importlib.metadata as m; print(*(d.metadata['Name'] for d in m.distributions()))"
    names = set(subprocess.check_output([alone.parent / "python", "-c", code], text=True).split())
    assert {name for name in names if name.startswith("thalweg")} == {alone.name, "thalweg-common"}
    assert names - NOT_OURS <= DEPENDENCIES | SERVICES[alone.name] | {alone.name, "thalweg-common"}


def test_service_names_its_version(alone: Path, metadata: dict[str, email.message.Message]) -> None:
    """--version gives the version of the distribution."""
    version = subprocess.check_output([alone, "--version"], text=True)
    assert version == f"{alone.name} {metadata[alone.name]['Version']}\n"


def test_service_serves_alone(alone: Path) -> None:
    """A service installed alone starts, is found healthy by its own check, and stops when told to."""
    with start(alone, "127.0.0.1:0") as (service, status):
        address = urlsplit(status["addresses"][0]).netloc
        health = subprocess.run([alone, "--health"], env=listening_on(alone, address), timeout=DEADLINE)
        assert health.returncode == 0
        service.send_signal(signal.SIGTERM)
        assert service.wait(DEADLINE) == 0
