"""Small line pictures as SVG for the report page, written by hand. Pure.

Each is drawn in a box of 360 by 250 and grows with its place, so that its text stays readable on a
narrow screen. Colours are the page's variables: --ink, --soft, --grid and --line0 to --line2.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape
from typing import Final, NamedTuple

WIDTH, HEIGHT = 360, 250
SERIES_MAX: Final = 3
_LEFT, _RIGHT, _TOP, _BOTTOM = 44, 14, 26, 44
_MARKS: Final = ("circle", "square", "diamond")


class Series(NamedTuple):
    """Points (x, y) in order; the line breaks where one is NaN. `dashed`: a baseline."""

    name: str
    points: Sequence[tuple[float, float]]
    dashed: bool = False


class Axis(NamedTuple):
    """`ticks` from least to most; the first and the last are the ends of the picture."""

    name: str
    ticks: Sequence[tuple[float, str]]


def line_picture(
    title: str, across: Axis, up: Axis, series: Sequence[Series], level: float | None = None
) -> str:
    """`level`: a horizontal line that means "no information". A series keeps the colour and the
    mark of its place among those of its kind.
    """
    parts = [
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(title)}">',
        f"<title>{escape(title)}</title>",
        *_grid(across, up),
    ]
    if level is not None:
        y = _y(up, level)
        parts.append(f'<path class="level" d="M{_LEFT} {y:.1f}H{WIDTH - _RIGHT}"/>')
    numbers = {False: 0, True: 0}
    for item in series:
        number = numbers[item.dashed] % SERIES_MAX
        numbers[item.dashed] += 1
        parts += _line(item, number, across, up)
    return "\n".join([*parts, "</svg>"])


def diagonal() -> Series:
    """Where being right is as likely as said."""
    return Series("perfect", [(0.5, 0.5), (1.0, 1.0)], dashed=True)


def confidence_axis(name: str) -> Axis:
    """Of the likelier side: from 1/2 to 1."""
    return Axis(name, [(place / 10, f"{place / 10:.1f}") for place in range(5, 11)])


def around(name: str, values: Sequence[float], base: float) -> Axis:
    """An axis that shows `values` and `base`, with round ends."""
    known = [value for value in values if math.isfinite(value)] + [base]
    low, high = min(known), max(known)
    step = next(
        unit * 10.0**power
        for power in range(-4, 12)
        for unit in (1.0, 2.0, 5.0)
        if unit * 10.0**power * 6 >= high - low
    )
    first = math.floor(low / step + 1e-9)
    last = max(first + 1, math.ceil(high / step - 1e-9))
    digits = max(0, -math.floor(math.log10(step) + 1e-9))
    ticks = [(number * step, f"{number * step:.{digits}f}") for number in range(first, last + 1)]
    return Axis(name, ticks)


def _x(axis: Axis, value: float) -> float:
    return _LEFT + _part(axis, value) * (WIDTH - _LEFT - _RIGHT)


def _y(axis: Axis, value: float) -> float:
    return HEIGHT - _BOTTOM - _part(axis, value) * (HEIGHT - _TOP - _BOTTOM)


def _part(axis: Axis, value: float) -> float:
    least, most = axis.ticks[0][0], axis.ticks[-1][0]
    return min(1.0, max(0.0, (value - least) / (most - least)))


def _grid(across: Axis, up: Axis) -> list[str]:
    bottom, right = HEIGHT - _BOTTOM, WIDTH - _RIGHT
    parts = []
    for value, label in up.ticks:
        y = _y(up, value)
        parts.append(f'<path class="grid" d="M{_LEFT} {y:.1f}H{right}"/>')
        parts.append(f'<text class="soft" x="{_LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">')
        parts.append(f"{escape(label)}</text>")
    for value, label in across.ticks:
        x = _x(across, value)
        parts.append(f'<path class="grid" d="M{x:.1f} {bottom}v4"/>')
        parts.append(f'<text class="soft" x="{x:.1f}" y="{bottom + 17}" text-anchor="middle">')
        parts.append(f"{escape(label)}</text>")
    middle = (_LEFT + right) / 2
    parts.append(f'<text class="ink" x="{middle}" y="{HEIGHT - 8}" text-anchor="middle">')
    parts.append(f"{escape(across.name)}</text>")
    parts.append(f'<text class="ink" x="4" y="11">{escape(up.name)}</text>')
    return parts


def _line(item: Series, number: int, across: Axis, up: Axis) -> list[str]:
    path, pen = "", "M"
    marks = []
    for x, y in item.points:
        if not (math.isfinite(x) and math.isfinite(y)):
            pen = "M"
            continue
        px, py = _x(across, x), _y(up, y)
        path += f"{pen}{px:.1f} {py:.1f}"
        pen = "L"
        told = escape(f"{item.name}: {x:g}, {y:.3f}")
        marks.append(f'<g class="fill{number}"><title>{told}</title>{_mark(number, px, py)}</g>')
    if not path:
        return []
    kind = "base" if item.dashed else "line"
    return [f'<path class="{kind} stroke{number}" d="{path}"/>', *([] if item.dashed else marks)]


def _mark(number: int, x: float, y: float) -> str:
    """Told apart by shape as well as by colour."""
    shape = _MARKS[number]
    if shape == "circle":
        return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.5"/>'
    if shape == "square":
        return f'<rect x="{x - 3:.1f}" y="{y - 3:.1f}" width="6" height="6"/>'
    return f'<path d="M{x:.1f} {y - 4.5:.1f}l4.5 4.5l-4.5 4.5l-4.5 -4.5z"/>'


def key_mark(number: int) -> str:
    """The mark of a series, for the legend."""
    return (
        f'<svg class="key" viewBox="0 0 18 12" aria-hidden="true"><path class="line'
        f' stroke{number}" d="M0 6H18"/><g class="fill{number}">{_mark(number, 9, 6)}</g></svg>'
    )
