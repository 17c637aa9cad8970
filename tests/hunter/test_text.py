from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hunter.text import printable


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("", ""),
        ("closed 4004 No data", "closed 4004 No data"),
        ("Größe 中文", "Größe 中文"),
        ("a\nb\r\tc", r"a\x0ab\x0d\x09c"),
        ("\x1b[2J\x9b31m\x7f", r"\x1b[2J\x9b31m\x7f"),
        ("gpj.\u202eexe", r"gpj.\u202eexe"),
        ("\ud800\U000e0001", r"\ud800\U000e0001"),
    ],
)
def test_what_cannot_be_seen_is_written_out(text: str, shown: str) -> None:
    assert printable(text) == shown


@given(st.text(st.characters()))
def test_result_is_one_line_that_no_terminal_obeys(text: str) -> None:
    shown = printable(text)
    assert shown.isprintable()
    assert len(shown.splitlines()) <= 1
    assert printable(shown) == shown
