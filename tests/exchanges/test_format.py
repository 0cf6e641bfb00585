"""What is not in the format of the documents is refused with the place, not passed over."""

from pathlib import Path

import pytest

from .document import DocumentError, exchanges
from .pattern import Name, PatternError, parse

GOOD = "## Rule\n```request\n00\n```\n```silence short\n```\n"


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("## Rule\nonly words\n", "no request"),
        ("## Rule\n```request\n00\n```\n", "no request with its reply"),
        ("## Rule\n```silence short\n```\n", "line 2: a request is followed"),
        (GOOD.replace("silence short", "silence"), "silence needs one of these reasons: short, source port"),
        (GOOD.replace("silence short", "silence bored"), "silence needs one of these reasons"),
        (GOOD.replace("```request", "```setup\nmany peers\n```\n```request"), "no such setup: 'many peers'"),
        (GOOD.replace("```request", "```settings\nspeed = 9\n```\n```request"), "no such setting: 'speed = 9'"),
        (GOOD.replace("```request", "```sequel\n```\n```request"), "kind 'sequel' has no meaning"),
        (GOOD.replace("00\n", "0g\n"), "cannot read '0g'"),
        (GOOD.removesuffix("```\n"), "line 5: the block never ends"),
    ],
)
def test_mistakes_are_named(tmp_path: Path, text: str, complaint: str) -> None:
    """The complaint names the document and the mistake."""
    path = tmp_path / "udp-rule.md"
    path.write_text(text)
    with pytest.raises(DocumentError) as error:
        exchanges(path)
    assert complaint in str(error.value)
    assert "udp-rule.md" in str(error.value)


def test_annotated_hex() -> None:
    """Grouping is free, comments end lines, a byte can be repeated, text is quoted, names stay names."""
    lines = ["0000 0417 27101980  # the protocol id", "", 'aa*3 "hi" {id} 01']
    assert parse(lines) == [bytes.fromhex("0000041727101980aaaaaa") + b"hi", Name("id"), b"\x01"]


@pytest.mark.parametrize("line", ["0", "00 0", "GG", '"open', "{open", "aa*x"])
def test_what_is_not_hex_is_refused(line: str) -> None:
    """Half bytes and unknown signs are mistakes."""
    with pytest.raises(PatternError):
        parse([line])
