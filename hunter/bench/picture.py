"""Line pictures as SVG, written by hand: a few hundred bytes a curve and no library. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Final
from xml.sax.saxutils import escape

WIDTH: Final = 640
HEIGHT: Final = 320
_LEFT, _RIGHT, _TOP, _BOTTOM = 56, 96, 36, 40
_COLOURS: Final = ("#1f77b4", "#d95f02", "#4daf4a", "#984ea3")
_GRID_LINES: Final = 4


def lines(title: str, at: Sequence[float], series: Mapping[str, Sequence[float]]) -> str:
    """One line a series over `at`, which is drawn by its logarithm (0 has a place of its own, left
    of the least); values from 0 up.
    """
    across = _across(at)
    top = _round_up(max((value for values in series.values() for value in values), default=1.0))

    def up(value: float) -> float:
        return HEIGHT - _BOTTOM - value / top * (HEIGHT - _TOP - _BOTTOM)

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}"'
        ' font-family="sans-serif" font-size="12">',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>',
        f'<text x="{_LEFT}" y="20" font-size="14">{escape(title)}</text>',
    ]
    for step in range(_GRID_LINES + 1):
        value = top * step / _GRID_LINES
        y = up(value)
        parts.append(
            f'<path d="M{_LEFT} {y:.1f}H{WIDTH - _RIGHT}" stroke="#ddd"/>'
            f'<text x="{_LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{value:g}</text>'
        )
    for x, value in zip(across, at, strict=True):
        parts.append(
            f'<text x="{x:.1f}" y="{HEIGHT - 18}" text-anchor="middle">{_short(value)}</text>'
        )
    for (name, values), colour in zip(series.items(), _COLOURS, strict=False):
        points = [(x, up(value)) for x, value in zip(across, values, strict=True)]
        path = "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in points)
        parts.append(f'<path d="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        parts += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}"/>' for x, y in points]
        if points:
            x, y = points[-1]
            parts.append(f'<text x="{x + 8:.1f}" y="{y + 4:.1f}" fill="{colour}">{name}</text>')
    return "\n".join([*parts, "</svg>", ""])


def _across(at: Sequence[float]) -> list[float]:
    places = [math.log2(value) if value > 0 else -1.0 for value in at]
    least, most = min(places, default=0.0), max(places, default=0.0)
    room = WIDTH - _LEFT - _RIGHT - 16
    return [_LEFT + 8 + (place - least) / ((most - least) or 1.0) * room for place in places]


def _round_up(value: float) -> float:
    """To 1, 2 or 5 times a power of ten."""
    if value <= 0:
        return 1.0
    unit = 10.0 ** math.floor(math.log10(value))
    return next(unit * factor for factor in (1, 2, 5, 10) if unit * factor >= value)


def _short(value: float) -> str:
    if value >= 1 << 10 and value == 1 << (int(value).bit_length() - 1):
        return f"2^{int(value).bit_length() - 1}"
    return f"{value / 1000:g}k" if value >= 1000 else f"{value:g}"
