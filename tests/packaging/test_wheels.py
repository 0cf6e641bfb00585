"""Each distribution builds, says what it should about itself, and installs and runs alone."""

import email.message
import email.parser
import subprocess
import tarfile
import venv
import zipfile
from pathlib import Path

import pytest

from tools import build_wheels

SERVICES = ["thalweg-udp"]


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


def installed_names(python: Path) -> set[str]:
    """The distributions in an environment."""
    code = "import importlib.metadata as m; print(*(d.metadata['Name'] for d in m.distributions()))"
    return set(subprocess.check_output([python, "-c", code], text=True).split())


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


@pytest.mark.parametrize("service", SERVICES)
def test_service_installs_alone(
    service: str, dist: Path, metadata: dict[str, email.message.Message], tmp_path: Path
) -> None:
    """A service in an empty environment brings thalweg-common and its declared dependencies, no other sibling."""
    venv.create(tmp_path, with_pip=True, symlinks=True)
    python = tmp_path / "bin" / "python"
    before = installed_names(python)
    subprocess.run([python, "-m", "pip", "install", "--quiet", "--find-links", dist, service], check=True)
    added = {name for name in installed_names(python) - before if name.startswith("thalweg")}
    assert added == {service, "thalweg-common"}
