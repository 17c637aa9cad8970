"""Regimes: what kind of market it is, from evidence, and where the brain has been wrong in it.

A regime is a code of three terciles: of the volatility ratio (5 s over 60 s), of the spread and of
the trade rate, each against its own running terciles of this instrument (an hour's memory). Nothing
is fixed beforehand; the names are only labels of the code.

Per regime the log-loss of the brain's own predictions is kept, of labels that do not overlap: a
regime in which it is worse than ln 2 (saying 1/2) after LABELS_MIN of them is one to abstain in,
until its labels say otherwise. All three inputs stay the same, exactly, under the side swap. Owned
by one brain; pure.
"""

from __future__ import annotations

import struct
from math import isfinite, log
from typing import Final, NamedTuple

from hunter.brain.window.quantile import RunningQuantile

STEP_NS: Final = 1_000_000_000
"""How often `see` is worth calling."""
MEMORY: Final = 3_600
LABELS_MIN: Final = 30.0
LABELS_MEMORY: Final = 200.0
SEEN_MIN: Final = 60.0
"""Below so many looks nothing is low or high yet."""
_LN2: Final = log(2.0)
_MARGIN: Final = 0.1
"""Share of the mean distance by which a value has to be beyond a tercile: a tick wide always is no
regime."""

NAMES: Final = (
    ("calm", "steady", "volatile"),
    ("tight", "usual", "wide"),
    ("quiet", "normal", "busy"),
)
CODES: Final = 27
MIDDLE: Final = 13
BREAK: Final = "break"
_CODEC: Final = struct.Struct(f"<{6 * 3 + 2 * CODES}d")


class Conditions(NamedTuple):
    """What a regime is made of; the spread in the price's unit: the side swap changes nothing."""

    volatility_ratio: float
    spread: float
    trades_per_s: float


class Regimes:
    """Terciles and losses of one instrument."""

    __slots__ = ("_losses", "_terciles")

    def __init__(self) -> None:
        self._terciles = [
            (RunningQuantile(1 / 3, MEMORY), RunningQuantile(2 / 3, MEMORY)) for _ in NAMES
        ]
        self._losses = [(0.0, 0.0)] * CODES  # labels, mean of loss - ln 2

    def see(self, conditions: Conditions) -> None:
        """Count how the market is now; once per STEP_NS."""
        for (low, high), value in zip(self._terciles, conditions, strict=True):
            low.add(value)
            high.add(value)

    def code(self, conditions: Conditions) -> int:
        """The regime of `conditions`, 0 to 26."""
        code = 0
        for (low, high), value in zip(self._terciles, conditions, strict=True):
            place = 1
            if isfinite(value) and low.count >= SEEN_MIN:
                if value < low.value - _MARGIN * low.distance:
                    place = 0
                elif value > high.value + _MARGIN * high.distance:
                    place = 2
            code = 3 * code + place
        return code

    def learn(self, code: int, loss: float) -> None:
        """The log-loss of a prediction made in regime `code`."""
        labels, mean = self._losses[code]
        labels = min(labels + 1.0, LABELS_MEMORY)
        self._losses[code] = (labels, mean + (loss - _LN2 - mean) / labels)

    def fault(self, code: int) -> str:
        """Why nothing should be said in regime `code`, or nothing."""
        labels, mean = self._losses[code]
        if labels < LABELS_MIN or mean <= 0.0:
            return ""
        loss = mean + _LN2
        return f"regime {name_of(code)}: log-loss {loss:.3f} there, no better than {_LN2:.3f}"

    def state(self) -> bytes:
        """For the snapshot."""
        numbers = [x for pair in self._terciles for one in pair for x in one.state()]
        return _CODEC.pack(*numbers, *(x for cell in self._losses for x in cell))

    def load(self, state: bytes) -> None:
        """Continue from `state()`; ValueError when it does not fit, perhaps half loaded."""
        if len(state) != _CODEC.size:
            raise ValueError("a state of regimes of another size")
        numbers = _CODEC.unpack(state)
        for index, one in enumerate(q for pair in self._terciles for q in pair):
            one.load(numbers[3 * index : 3 * index + 3])
        cells = numbers[18:]
        self._losses = list(zip(cells[::2], cells[1::2], strict=True))


def name_of(code: int, broken: bool = False) -> str:
    """The label of a code: volatility, spread, trades; `/break` after it when drift is alarmed."""
    assert 0 <= code < CODES
    places = (code // 9, code // 3 % 3, code % 3)
    name = "/".join(names[place] for names, place in zip(NAMES, places, strict=True))
    return f"{name}/{BREAK}" if broken else name
