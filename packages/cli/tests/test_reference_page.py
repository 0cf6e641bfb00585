"""The reference page says what the command line says."""

from pathlib import Path

from thalweg.reference_page import render

PAGE = Path(__file__).parents[3] / "docs" / "reference" / "thalweg.md"


def test_the_page_is_up_to_date() -> None:
    """The committed page is what the declarations make of it."""
    assert PAGE.read_text() == render(), "write it anew: python -m thalweg.reference_page > docs/reference/thalweg.md"
