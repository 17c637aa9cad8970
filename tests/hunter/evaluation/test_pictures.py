"""Pictures: well-formed, everything inside, breaks where nothing is known."""

from __future__ import annotations

import re
from math import inf, nan
from xml.etree import ElementTree

import pytest

from hunter.evaluation.pictures import (
    HEIGHT,
    WIDTH,
    Axis,
    Series,
    around,
    confidence_axis,
    diagonal,
    key_mark,
    line_picture,
)

ACROSS = Axis("delay, ms", [(0.0, "0"), (100.0, "100")])
UP = Axis("AUC", [(0.5, "0.5"), (1.0, "1.0")])


def places(drawn: str) -> list[tuple[float, float]]:
    """Of the lines' points."""
    found = re.findall(r'class="(?:line|base) stroke\d" d="([^"]+)"', drawn)
    numbers = [re.findall(r"[ML]([\d.]+) ([\d.]+)", path) for path in found]
    return [(float(x), float(y)) for path in numbers for x, y in path]


def test_picture_is_well_formed_and_its_text_is_escaped() -> None:
    drawn = line_picture('<b> & "', ACROSS, UP, [Series("a<b", [(0, 0.6), (100, 0.7)])], 0.5)
    root = ElementTree.fromstring(drawn)
    assert root.find("title") is not None
    assert "a<b" not in drawn
    assert len(places(drawn)) == 2


def test_points_stand_where_they_belong() -> None:
    drawn = line_picture("t", ACROSS, UP, [Series("a", [(0, 0.5), (100, 1.0)])])
    (left, bottom), (right, top) = places(drawn)
    assert (left, bottom) == (44.0, HEIGHT - 44.0)
    assert (right, top) == (WIDTH - 14.0, 26.0)


@pytest.mark.parametrize("value", [-3.0, 9.0])
def test_nothing_is_drawn_outside(value: float) -> None:
    drawn = line_picture("t", ACROSS, UP, [Series("a", [(value * 100, value)] * 2)])
    for x, y in places(drawn):
        assert 0 <= x <= WIDTH
        assert 0 <= y <= HEIGHT


def test_line_breaks_where_nothing_is_known() -> None:
    points = [(0.0, 0.6), (50.0, nan), (100.0, 0.7)]
    drawn = line_picture("t", ACROSS, UP, [Series("a", points)])
    (path,) = re.findall(r'class="line stroke0" d="([^"]+)"', drawn)
    assert path.count("M") == 2
    empty = line_picture("t", ACROSS, UP, [Series("a", [(0.0, nan)])])
    assert not places(empty)


def test_baseline_has_the_colour_of_its_series_and_no_marks() -> None:
    points = [(0.0, 0.6), (100.0, 0.7)]
    own = [Series(str(i), points) for i in range(3)]
    base = [Series("base", points, dashed=True) for _ in range(3)]
    drawn = line_picture("t", ACROSS, UP, [*own, *base])
    for number in range(3):
        assert drawn.count(f'class="line stroke{number}"') == 1
        assert drawn.count(f'class="base stroke{number}"') == 1
    assert drawn.count('<g class="fill') == 6


def test_axis_has_round_ends_around_all_values() -> None:
    for values in ([0.61, 0.87], [0.4, 0.9], [0.5], [12.0, 480.0], [nan, inf, 0.52]):
        ticks = [place for place, _ in around("up", values, 0.5).ticks]
        finite = [value for value in values if value == value and value != inf]
        assert ticks[0] <= min([*finite, 0.5]) + 1e-9
        assert ticks[-1] >= max([*finite, 0.5]) - 1e-9
        assert 2 <= len(ticks) <= 8
    assert around("up", [0.61, 0.87], 0.5).ticks[0][1] == "0.5"


def test_perfection_is_the_diagonal() -> None:
    assert [place for place, _ in confidence_axis("c").ticks][::5] == [0.5, 1.0]
    assert diagonal().dashed
    assert diagonal().points[0] == (0.5, 0.5)


@pytest.mark.parametrize("number", range(3))
def test_keys_differ_by_shape_and_colour(number: int) -> None:
    ElementTree.fromstring(key_mark(number))
    assert f"fill{number}" in key_mark(number)
