"""Traded: what was traded lately, in cells of time: CVD, VWAP, and flow that the price ignores.

Volume is kept in cells of 1, 10 and 60 s for windows of 1 minute, 5 minutes and 1 hour; a window is
what its cells hold with the one under way, so it may be up to one cell short. It is there once all
of it was seen: a hole ends that until it has left the window. Prices are kept as differences to the
first one, so that the side swap turns all signs exactly.

Absorption: takers push one way and the price stays. With F the signed volume of half-life 4 s,
    z = F / (what F usually is),    m = (mid - its mean of half-life 4 s) / (what that usually is)
both against five minutes, and absorption = z * max(0, 1 - |m|): 0 when the price gave way as it
usually does. Positive: buyers were absorbed. The mid is half way between the last price that was
bought at and the last one sold at, so no book is needed and the bounce is no move.

Owned by one MarketContext. A trade stamped before the second under way counts in that second.
"""

from __future__ import annotations

import struct
from collections import deque
from itertools import islice
from math import exp2, log, nan, sqrt
from typing import Final

NS_PER_S: Final = 1_000_000_000
RINGS: Final = ((60, 1), (300, 10), (3_600, 60))
"""(window in s, cell in s): the windows that can be asked for."""

FLOW_HALF_LIFE_S: Final = 4.0
USUAL_HALF_LIFE_S: Final = 300.0
USUAL_AFTER_S: Final = 60
"""Event time without a hole before anything is called unusual."""

_LN2: Final = log(2.0)
# Variance of a decayed sum of independent numbers, and of a random walk against its decayed mean,
# is so many seconds of their variance per second.
_SPREAD_S: Final = FLOW_HALF_LIFE_S / (2.0 * _LN2)

_HEAD: Final = struct.Struct("<qqqq12d3H")
_CELL_NUMBERS: Final = 4

Cell = list[float]  # [index, signed size, size, size times price difference]


class Traded:
    """Feed `add` trade by trade; `last_price` and `since_ns` may be read by anybody."""

    __slots__ = (
        "_anchor",
        "_bought_at",
        "_cells",
        "_closed_s",
        "_flow",
        "_flow_variance",
        "_mid",
        "_mid_mean",
        "_mid_variance",
        "_moment",
        "_second",
        "_signed",
        "_size",
        "_sold_at",
        "_start_s",
        "last_price",
        "since_ns",
    )

    def __init__(self) -> None:
        self.last_price = nan
        self.since_ns = 0
        """From when on nothing is missing; 0 before the first trade and right after a hole."""
        self._anchor = nan
        self._second = 0  # under way
        self._signed = self._size = self._moment = 0.0
        self._cells: tuple[deque[Cell], ...] = (deque(), deque(), deque())
        self._bought_at = self._sold_at = nan  # as differences to the anchor, like all below
        self._closed_s = 0  # the second up to which the rest stands
        self._start_s = 0
        self._flow = self._flow_variance = 0.0
        self._mid = nan  # at the end of the last second
        self._mid_mean = 0.0
        self._mid_variance = 0.0

    def add(self, stamp_ns: int, price: float, size: float, side: int) -> None:
        """A trade; `side` is the taker's, +1 or -1."""
        second = stamp_ns // NS_PER_S
        if second > self._second:
            self._roll(second, price)
        if not self.since_ns:
            self.since_ns = stamp_ns
            self._start_s = self._closed_s = self._second
        self.last_price = price
        difference = price - self._anchor
        if side > 0:
            self._signed += size
            self._bought_at = difference
        else:
            self._signed -= size
            self._sold_at = difference
        self._size += size
        self._moment += size * difference

    def note_hole(self) -> None:
        """Trades are missing before the next one: what is usual is learnt anew from there on."""
        if self._size:
            self._close()
        self._signed = self._size = self._moment = 0.0
        self.since_ns = 0
        self._bought_at = self._sold_at = self._mid = nan
        self._flow = self._flow_variance = self._mid_mean = self._mid_variance = 0.0

    def _roll(self, second: int, price: float) -> None:
        if not self._second:
            self._anchor = price
        elif self._size:
            self._close()
        self._second = second
        self._signed = self._size = self._moment = 0.0

    def _close(self) -> None:
        """Put the second under way where it is kept."""
        second = self._second
        for cells, (window_s, cell_s) in zip(self._cells, RINGS, strict=True):
            index = second // cell_s
            if cells and cells[-1][0] == index:
                cell = cells[-1]
                cell[1] += self._signed
                cell[2] += self._size
                cell[3] += self._moment
                continue
            while cells and cells[0][0] <= index - window_s // cell_s:
                cells.popleft()
            cells.append([index, self._signed, self._size, self._moment])
        passed_s = second - self._closed_s
        fast, slow = exp2(-passed_s / FLOW_HALF_LIFE_S), exp2(-passed_s / USUAL_HALF_LIFE_S)
        self._closed_s = second
        self._flow = self._flow * fast + self._signed
        self._flow_variance = self._flow_variance * slow + self._signed * self._signed
        mid = (self._bought_at + self._sold_at) / 2.0
        move = mid - self._mid
        if move == move:  # both are known
            self._mid_mean = self._mid_mean * fast + self._mid * (1.0 - fast)
            self._mid_variance = self._mid_variance * slow + move * move
        else:
            self._mid_mean = mid
            self._mid_variance *= slow
        self._mid = mid

    def covers(self, now_ns: int, window_s: int) -> bool:
        """Whether all of the last `window_s` was seen."""
        return self.since_ns > 0 and now_ns - self.since_ns >= window_s * NS_PER_S

    def window(self, now_ns: int, place: int) -> tuple[float, float, float | None]:
        """(signed size, size, VWAP minus last price) of window RINGS[place]; the last is None when
        nothing was traded.
        """
        window_s, cell_s = RINGS[place]
        now_s = now_ns // NS_PER_S
        oldest = now_s // cell_s - window_s // cell_s
        signed = size = moment = 0.0
        for index, cell_signed, cell_size, cell_moment in self._cells[place]:
            if index > oldest:
                signed += cell_signed
                size += cell_size
                moment += cell_moment
        if self._second // cell_s > oldest:
            signed += self._signed
            size += self._size
            moment += self._moment
        if not size > 0.0:
            return signed, size, None
        return signed, size, moment / size - (self.last_price - self._anchor)

    def absorption(self, now_ns: int) -> float | None:
        """See above; None until it is known what is usual."""
        if not self.covers(now_ns, USUAL_AFTER_S):
            return None
        now_s = max(now_ns // NS_PER_S, self._second)
        passed_s = now_s - self._closed_s
        fast, slow = exp2(-passed_s / FLOW_HALF_LIFE_S), exp2(-passed_s / USUAL_HALF_LIFE_S)
        seen = 1.0 - exp2((self._start_s - now_s) / USUAL_HALF_LIFE_S)
        per_s = slow * (_LN2 / USUAL_HALF_LIFE_S) / seen * _SPREAD_S
        usual_flow = sqrt(self._flow_variance * per_s)
        away = (self._bought_at + self._sold_at) / 2.0 - (
            self._mid_mean * fast + self._mid * (1.0 - fast)
        )
        if not usual_flow > 0.0 or away != away:
            return None
        usual_move = sqrt(self._mid_variance * per_s)
        if away and not abs(away) < usual_move:
            return 0.0
        under_way = self._signed * exp2((self._second - now_s) / FLOW_HALF_LIFE_S)
        stayed = 1.0 - abs(away) / usual_move if away else 1.0
        return (self._flow * fast + under_way) / usual_flow * stayed

    def state(self) -> bytes:
        """For the snapshot: at most 5 kB."""
        head = _HEAD.pack(
            self.since_ns, self._second, self._closed_s, self._start_s, self.last_price,
            self._anchor, self._signed, self._size, self._moment, self._bought_at, self._sold_at,
            self._flow, self._flow_variance, self._mid, self._mid_mean, self._mid_variance,
            *map(len, self._cells),
        )  # fmt: skip
        numbers = [number for ring in self._cells for cell in ring for number in cell]
        return head + struct.pack(f"<{len(numbers)}d", *numbers)

    @classmethod
    def loaded(cls, state: bytes) -> Traded:
        """As it was at `state()`. Raises ValueError when the bytes are none."""
        made = cls()
        if len(state) < _HEAD.size:
            raise ValueError("the traded volumes' state is too short")
        (
            made.since_ns, made._second, made._closed_s, made._start_s, made.last_price,
            made._anchor, made._signed, made._size, made._moment, made._bought_at, made._sold_at,
            made._flow, made._flow_variance, made._mid, made._mid_mean, made._mid_variance,
            *counts,
        ) = _HEAD.unpack_from(state)  # fmt: skip
        if len(state) != _HEAD.size + sum(counts) * _CELL_NUMBERS * 8:
            raise ValueError("the traded volumes' state has another length than it says")
        numbers = struct.unpack(f"<{sum(counts) * _CELL_NUMBERS}d", state[_HEAD.size :])
        cells = zip(*[iter(numbers)] * _CELL_NUMBERS, strict=True)
        for ring, count in zip(made._cells, counts, strict=True):
            ring.extend(list(cell) for cell in islice(cells, count))
        return made
