"""What a brain would have learnt from in a recording: its samples with their labels, as arrays.

Rows drive a window and samples as they drive the built-in brain: event time, a sample every step,
labels by the mid on event time, none across a gap or on a stale quote. Nothing here fits anything.
Called by training.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable
from math import nan
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from hunter.brain.inputs import BboRow, BookRow, TradeRow
from hunter.brain.intake import Intake
from hunter.brain.learning.samples import Samples
from hunter.brain.settings import BrainSettings
from hunter.brain.window.features import NAMES, ODD_COUNT
from hunter.brain.window.quote import Source
from hunter.brain.window.window import DEPTH_LEVELS, FlowWindow, new_window
from hunter.evaluation.rows import AnyRow, RecordedRow, mates_name

FEATURE_COUNT: Final = len(NAMES)
_BBO, _TICKER = int(Source.BBO), int(Source.TICKER)
_BASIS_POINTS: Final = 1e4

Floats = NDArray[np.float64]
Features = NDArray[np.float32]
"""As a sample keeps them; a day of 30 for each 100 ms is 100 MB."""


class HorizonLabels(NamedTuple):
    """Labels of one horizon, each of them known: arrays of one length, in time order.

    `ends_ns`: when the window of each was over. `move_bp`: signed, in basis points of the mid.
    `weight`: 0 to 1, overlaps counted once.
    """

    odd: Features
    even: Features
    move_bp: Floats
    weight: Floats
    times_ns: NDArray[np.int64]
    ends_ns: NDArray[np.int64]

    def chosen(self, which: NDArray[np.bool_]) -> HorizonLabels:
        """Those that a mask names."""
        return HorizonLabels(
            self.odd[which],
            self.even[which],
            self.move_bp[which],
            self.weight[which],
            self.times_ns[which],
            self.ends_ns[which],
        )


class Labelled(NamedTuple):
    """One instrument of a recording: labels by horizon in ms."""

    instrument: str
    horizons: dict[int, HorizonLabels]


class _LabelledSide:
    """One instrument's window, and what it saw."""

    def __init__(self, settings: BrainSettings, horizons_ms: tuple[int, ...]) -> None:
        self.window: FlowWindow = new_window(settings.stale_ms)
        self.mate: _LabelledSide | None = None
        self._intake = Intake(settings)
        self._gap_count = 0
        self._stale_ns = settings.stale_ms * 1_000_000
        self._horizons_ms = horizons_ms
        self._samples = Samples(horizons_ms, FEATURE_COUNT)
        self._vectors = array("f")
        self._times = array("q")
        self._moves = [array("d") for _ in horizons_ms]
        self._weights = [array("d") for _ in horizons_ms]

    def take(self, row: AnyRow) -> None:
        """As the built-in brain takes it: labels due before the row, the row, then the sample."""
        intake, window, samples = self._intake, self.window, self._samples
        if isinstance(row, TradeRow):
            now_ns = intake.on_trade(row)
            self._learn(now_ns)
            if intake.gap_count != self._gap_count:
                self._gap_count = intake.gap_count
                window.on_gap()
                samples.break_off(now_ns)
            window.on_trade(self._stamp(row), row.price, row.size, row.side, row.count)
        elif isinstance(row, BboRow):
            now_ns = intake.on_bbo(row)
            self._learn(now_ns)
            touch = (row.bid_price, row.bid_size, row.ask_price, row.ask_size)
            window.on_quote(self._stamp(row), now_ns, _BBO, *touch)
        elif isinstance(row, BookRow):
            now_ns = intake.on_book(row)
            self._learn(now_ns)
            if row.valid:
                ends = 2 * min(DEPTH_LEVELS, row.bid_count), 2 * min(DEPTH_LEVELS, row.ask_count)
                levels = row.bids[: ends[0]], row.asks[: ends[1]]
                window.on_book(self._stamp(row), now_ns, *levels)
            else:
                window.on_invalid_book()
                samples.break_off(now_ns)
        else:
            now_ns = intake.on_ticker(row)
            self._learn(now_ns)
            touch = (row.bid_price, row.bid_size, row.ask_price, row.ask_size)
            window.on_quote(self._stamp(row), now_ns, _TICKER, *touch)
        if now_ns >= samples.next_ns:
            self._sample(now_ns)

    def _stamp(self, row: AnyRow) -> int:
        return min(row.exchange_ts_ns, self._intake.now_ns)

    def _learn(self, now_ns: int) -> None:
        """Labels that came due before the row at `now_ns`, which does not count yet."""
        if self._samples.due_ns >= now_ns:
            return
        quote = self.window.quote
        mid = quote.mid if quote.usable and not self._intake.book_lost else None
        for label in self._samples.resolve(now_ns, mid, quote.stamp_ns + self._stale_ns):
            self._moves[label.horizon].append(label.move / label.mid * _BASIS_POINTS)
            self._weights[label.horizon].append(label.weight)

    def _sample(self, now_ns: int) -> None:
        window, mate = self.window, self.mate.window if self.mate is not None else None
        quote = window.quote
        if mate is not None:
            window.on_mate(now_ns, mate)
        if self._samples.silent_ns(now_ns) > self._stale_ns:
            self._samples.break_off(now_ns)
        if not quote.usable or quote.is_stale(now_ns) or self._intake.book_lost:
            self._samples.skip(now_ns)
            return
        vector = window.vector(now_ns, mate)
        if not self._samples.take(now_ns, quote.mid, vector):
            return
        # What is out of the 32-bit range was refused; the others are rounded as the brain does it.
        self._vectors.extend(vector)
        self._times.append(now_ns)

    def labelled(self, instrument: str, warm_ns: int) -> Labelled:
        """What is known by now; nothing from before the brain is warm."""
        count = len(self._times)
        vectors = np.array(self._vectors, dtype=np.float32).reshape(count, FEATURE_COUNT)
        times = np.array(self._times, dtype=np.int64)
        warm = times >= (times[0] if count else 0) + warm_ns
        horizons = {}
        for index, horizon_ms in enumerate(self._horizons_ms):
            waiting = np.full(count - len(self._moves[index]), nan)
            moves = np.concatenate([np.array(self._moves[index]), waiting])
            weights = np.concatenate([np.array(self._weights[index]), waiting])
            known = np.isfinite(moves) & warm
            horizons[horizon_ms] = HorizonLabels(
                vectors[known, :ODD_COUNT],
                vectors[known, ODD_COUNT:],
                moves[known],
                weights[known],
                times[known],
                times[known] + horizon_ms * 1_000_000,
            )
        return Labelled(instrument, horizons)


class Labeller:
    """Takes rows of a recording in the order received; mates know of each other."""

    def __init__(self, settings: BrainSettings, horizons_ms: tuple[int, ...]) -> None:
        """`horizons_ms` ascending."""
        self._settings = settings
        self._horizons_ms = horizons_ms
        self._sides: dict[str, _LabelledSide] = {}

    def run(self, rows: Iterable[RecordedRow]) -> list[Labelled]:
        """By instrument, in order of appearance."""
        for item in rows:
            self.take(item)
        return self.labelled()

    def take(self, item: RecordedRow) -> None:
        """One row."""
        side = self._sides.get(item.instrument) or self._new_side(item.instrument)
        side.take(item.row)

    def labelled(self) -> list[Labelled]:
        """What is known by now."""
        warm_ns = self._settings.warm_ms * 1_000_000
        return [side.labelled(name, warm_ns) for name, side in self._sides.items()]

    def _new_side(self, instrument: str) -> _LabelledSide:
        side = _LabelledSide(self._settings, self._horizons_ms)
        for name, mate in self._sides.items():
            if mates_name(name) == mates_name(instrument):
                side.mate, mate.mate = mate, side
        self._sides[instrument] = side
        return side
