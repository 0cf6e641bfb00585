"""The manual holds together: every link leads somewhere, every page is reached, every command named exists."""

import re
import subprocess
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)")
CODE = re.compile(r"```.*?```|^(?: {4}|\t).*?$|`[^`\n]*`", re.DOTALL | re.MULTILINE)


@cache
def pages() -> tuple[Path, ...]:
    """Every Markdown page of the project."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "*.md"]
    names = subprocess.check_output(command, cwd=ROOT, text=True).split()
    return tuple(ROOT / name for name in names if (ROOT / name).exists())


def prose(page: Path) -> str:
    """A page without its code, in which brackets are no links."""
    return CODE.sub("", page.read_text())


def anchors(page: Path) -> set[str]:
    """The names of a page's headings, as links give them."""
    headings = re.findall(r"^#+ (.+)$", re.sub(r"```.*?```", "", page.read_text(), flags=re.DOTALL), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def local_links(page: Path) -> list[tuple[Path, str]]:
    """Where a page leads inside the project: file (or folder) and anchor."""
    found = [link.partition("#") for link in LINK.findall(prose(page)) if "://" not in link]
    return [((page.parent / path).resolve() if path else page, anchor) for path, _, anchor in found]


@pytest.mark.parametrize("page", pages(), ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    """Each link to a file of the project finds it, and its heading where one is named."""
    for target, anchor in local_links(page):
        assert target.exists(), f"no such file: {target}"
        assert not anchor or anchor in anchors(target), f"no such heading: {target.name}#{anchor}"


def test_every_page_is_reached() -> None:
    """From docs/README.md one gets to each page of the manual; a link to a folder shows all that is in it."""
    seen: set[Path] = set()
    waiting = [ROOT / "docs" / "README.md"]
    while waiting:
        page = waiting.pop()
        if page in seen:
            continue
        seen.add(page)
        for target, _ in local_links(page):
            waiting += sorted(target.glob("*.md")) if target.is_dir() else [target] * (target.suffix == ".md")
    assert {page for page in pages() if page.is_relative_to(ROOT / "docs")} <= seen


def test_make_targets_exist() -> None:
    """Each `make …` that a page names is a target of the Makefile."""
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = {
        name
        for page in pages()
        for name in re.findall(r"(?:^ {4}|`|^\$ )make ([a-z][a-z-]*)", page.read_text(), re.MULTILINE)
    }
    assert named <= targets


@pytest.mark.parametrize("page", pages(), ids=lambda page: str(page.relative_to(ROOT)))
def test_no_merge_is_left_half_done(page: Path) -> None:
    """A conflict's marks are not for readers."""
    assert not re.search(r"^(<{7}|>{7}) ", page.read_text(), re.MULTILINE)
