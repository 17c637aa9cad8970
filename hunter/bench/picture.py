"""Line pictures as SVG, written by hand: a few kilobytes each and no library. Pure.

Colours follow the reader's scheme, light or dark, where what shows the picture knows it; without
that it is the light one, on its own ground.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple
from xml.sax.saxutils import escape

WIDTH: Final = 720
HEIGHT: Final = 380
_LEFT, _RIGHT, _TOP, _BOTTOM = 72, 92, 68, 62
_INSET: Final = 14
_GRID_LINES: Final = 5
_LABEL_GAP: Final = 15.0
"""Names at the ends of lines keep so far apart."""
_LIGHT: Final = ("#ffffff", "#1b1f24", "#57606a", "#d8dee4", "#0969da", "#bc4c00", "#1a7f37")
_DARK: Final = ("#0d1117", "#e6edf3", "#9198a1", "#30363d", "#58a6ff", "#f0883e", "#3fb950")
_SERIES: Final = len(_LIGHT) - 4


class Words(NamedTuple):
    """What stands around the lines: `across` and `up` name the axes with their units."""

    title: str
    subtitle: str
    across: str
    up: str


def lines(words: Words, at: Sequence[float], series: Mapping[str, Sequence[float]]) -> str:
    """One line a series over `at`, which is drawn by its logarithm (0 has a place of its own, left
    of the least); values from 0 up. At most three series.
    """
    across = _across(at)
    step = _step(max((value for values in series.values() for value in values), default=1.0))
    top = step * _GRID_LINES

    def up(value: float) -> float:
        return HEIGHT - _BOTTOM - value / top * (HEIGHT - _TOP - _BOTTOM)

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img"'
        ' font-family="system-ui, -apple-system, Segoe UI, Helvetica, Arial, sans-serif"'
        ' font-size="13">',
        f"<title>{escape(words.title)}</title>",
        f"<style>{_rules(_LIGHT)}",
        f"@media (prefers-color-scheme: dark) {{ {_rules(_DARK)} }}</style>",
        f'<rect class="ground" width="{WIDTH}" height="{HEIGHT}" rx="6"/>',
        _text((_LEFT, 28), words.title, "ink", 'font-size="16" font-weight="600"'),
        _text((_LEFT, 48), words.subtitle, "soft"),
        *_frame(words, step, up(0.0) - up(step)),
    ]
    for x, value in zip(across, at, strict=True):
        parts.append(_text((x, HEIGHT - _BOTTOM + 20), _short(value), "soft", _MIDDLE))
    ends = [(up(values[-1]), name) for name, values in series.items() if values]
    label_at = _apart(ends)
    for number, (name, values) in enumerate(list(series.items())[:_SERIES]):
        points = [(x, up(value)) for x, value in zip(across, values, strict=True)]
        path = "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in points)
        parts.append(f'<path d="{path}" fill="none" class="line{number}" stroke-width="2.5"/>')
        parts += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4" class="dot{number}"/>'
                  for x, y in points]  # fmt: skip
        if points:
            place = (points[-1][0] + 11, label_at[name] + 4.5)
            parts.append(_text(place, name, f"dot{number}", 'font-weight="600"'))
    return "\n".join([*parts, "</svg>", ""])


_MIDDLE: Final = 'text-anchor="middle"'


def _rules(colours: tuple[str, ...]) -> str:
    ground, ink, soft, grid, *lines = colours
    rules = [f".ground{{fill:{ground}}}", f".ink{{fill:{ink}}}", f".soft{{fill:{soft}}}"]
    rules.append(f".grid{{stroke:{grid}}}")
    for number, colour in enumerate(lines):
        rules.append(f".line{number}{{stroke:{colour}}} .dot{number}{{fill:{colour}}}")
    return " ".join(rules)


def _text(place: tuple[float, float], text: str, kind: str, more: str = "") -> str:
    x, y = place
    return f'<text x="{x:.1f}" y="{y:.1f}" class="{kind}" {more}>{escape(text)}</text>'


def _frame(words: Words, step: float, step_height: float) -> list[str]:
    """Grid lines with their values, and what the axes are."""
    bottom, right = HEIGHT - _BOTTOM, WIDTH - _RIGHT
    parts = []
    for number in range(_GRID_LINES + 1):
        y = bottom - number * step_height
        parts.append(f'<path class="grid" d="M{_LEFT} {y:.1f}H{right}"/>')
        more = 'text-anchor="end"'
        parts.append(_text((_LEFT - 8, y + 4.5), f"{number * step:g}", "soft", more))
    parts.append(_text(((_LEFT + right) / 2, HEIGHT - 16), words.across, "ink", _MIDDLE))
    x, y = 22, (_TOP + bottom) / 2
    turned = f'{_MIDDLE} transform="rotate(-90 {x} {y:.1f})"'
    parts.append(_text((x, y), words.up, "ink", turned))
    return parts


def _apart(ends: Sequence[tuple[float, str]]) -> dict[str, float]:
    """Where the names go: at the ends of their lines, or a little lower."""
    found: dict[str, float] = {}
    last = -math.inf
    for y, name in sorted(ends):
        found[name] = last = max(y, last + _LABEL_GAP)
    below = last - (HEIGHT - _BOTTOM)
    return {name: y - max(0.0, below) for name, y in found.items()}


def _across(at: Sequence[float]) -> list[float]:
    places = [math.log2(value) if value > 0 else -1.0 for value in at]
    least, most = min(places, default=0.0), max(places, default=0.0)
    room = WIDTH - _LEFT - _RIGHT - 2 * _INSET
    return [_LEFT + _INSET + (place - least) / ((most - least) or 1.0) * room for place in places]


def _step(most: float) -> float:
    """Between grid lines: 1, 2, 2.5 or 5 times a power of ten."""
    if most <= 0:
        return 0.2
    wanted = most / _GRID_LINES
    unit = 10.0 ** math.floor(math.log10(wanted))
    return next(unit * factor for factor in (1, 2, 2.5, 5, 10) if unit * factor >= wanted)


def _short(value: float) -> str:
    return f"{value / 1000:g}k" if value >= 1000 and value % 100 == 0 else f"{value:,g}"
