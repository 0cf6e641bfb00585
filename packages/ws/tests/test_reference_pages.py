"""The reference pages say what the declarations say."""

from pathlib import Path

import pytest
from thalweg_ws.reference_pages import pages

FOLDER = Path(__file__).parents[3] / "docs" / "reference"


@pytest.mark.parametrize("name", pages())
def test_the_page_is_up_to_date(name: str) -> None:
    """The committed page is what the declarations make of it."""
    expected = pages()[name]
    assert (FOLDER / name).read_text("utf-8") == expected, "run: python -m thalweg_ws.reference_pages docs/reference"
