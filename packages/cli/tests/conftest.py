"""What several test modules of the command share."""

from collections.abc import Iterator

import pytest
from thalweg import check_ws


@pytest.fixture(scope="module")
def short_silence() -> Iterator[None]:
    """What a WebTorrent tracker must not say is not waited for as long as over the Internet."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(check_ws, "SILENCE", 0.3)
        yield
