"""Each distribution declares what it imports, and nothing else: a workspace in which all are installed hides both."""

import ast
import re
import sys
import tomllib
from pathlib import Path

import pytest

PACKAGES = sorted(path.parent for path in (Path(__file__).parents[2] / "packages").glob("*/pyproject.toml"))
IMPORTED_BY_THE_CORE = {"cffi"}  # the compiled module imports cffi's run-time part


def imported(package: Path) -> set[str]:
    """The distributions whose modules the sources of a package import, without its own and Python's."""
    trees = [ast.parse(path.read_text()) for path in package.glob("src/**/*.py")]
    nodes = [node for tree in trees for node in ast.walk(tree)]
    names = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    names |= {node.module for node in nodes if isinstance(node, ast.ImportFrom) and node.module and not node.level}
    own = {path.name for path in (package / "src").iterdir()}
    tops = {name.partition(".")[0] for name in names} - own - sys.stdlib_module_names
    return {top.replace("_", "-") for top in tops}


def declared(package: Path) -> set[str]:
    """The distributions that a package's project file names as dependencies, extras included."""
    project = tomllib.loads((package / "pyproject.toml").read_text())["project"]
    needs = sum(project.get("optional-dependencies", {}).values(), start=project["dependencies"])
    return {re.split(r"[=<>!~ ;\[]", need)[0] for need in needs}


@pytest.mark.parametrize("package", PACKAGES, ids=lambda package: package.name)
def test_imports_are_declared(package: Path) -> None:
    """What a package imports is among its own dependencies, not only among those of a sibling."""
    assert imported(package) <= declared(package)


@pytest.mark.parametrize("package", PACKAGES, ids=lambda package: package.name)
def test_declared_is_imported(package: Path) -> None:
    """No dependency is declared in vain; siblings may be there to be run rather than imported."""
    unused = declared(package) - imported(package) - IMPORTED_BY_THE_CORE
    assert {name for name in unused if not name.startswith("thalweg")} == set()


def test_the_core_alone_needs_no_event_loop() -> None:
    """What the extra `web` brings is imported by thalweg_common.web alone: the UDP service does without."""
    source = Path(__file__).parents[2] / "packages/common/src/thalweg_common"
    event_loop = re.compile(r"^(import|from) (trio|h11)", re.MULTILINE)
    importing = [path for path in source.rglob("*.py") if event_loop.search(path.read_text())]
    assert {path.parent.name for path in importing} == {"web"}
