from __future__ import annotations

import inspect
import re

import pytest

from hunter import errors
from hunter.errors import HunterError, SegmentError, SegmentUnusable

CLASSES = {
    name: kind
    for name, kind in vars(errors).items()
    if inspect.isclass(kind) and issubclass(kind, HunterError)
}


def drawn() -> dict[str, int]:
    """Name -> exit code, out of the drawing in the docstring."""
    assert errors.__doc__ is not None
    return {name: int(code) for name, code in re.findall(r"\+-- (\w+) +(\d+) ", errors.__doc__)}


def test_drawing_shows_every_error_and_its_exit_code() -> None:
    codes = {name: kind.exit_code for name, kind in CLASSES.items() if kind is not HunterError}
    assert drawn() == codes


@pytest.mark.parametrize("name", CLASSES)
def test_message_is_what_was_said(name: str) -> None:
    error = CLASSES[name]("what happened; what to do next")
    assert str(error) == "what happened; what to do next"
    assert error.exit_code in {1, 3, 4, 6, 7, 11, 78}


def test_unusable_memory_is_a_segment_error_of_the_configuration() -> None:
    assert issubclass(SegmentUnusable, SegmentError)
    assert (SegmentError.exit_code, SegmentUnusable.exit_code) == (1, 78)
