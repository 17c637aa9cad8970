"""DriftMonitor: notices that the market no longer keeps to what was learnt, and answers in steps.

Fed with predictions whose labels do not overlap, one horizon each. L is the log-loss of the brain,
B that of queue imbalance alone.
    S = max(0, S + L - ln 2 - 0.05)      worse than saying 1/2 (Page 1954)
    R = max(0, R + L - B - 0.05)         worse than queue imbalance alone
    folded ECE of the last 300 or so     confidence v share that came true, 10 bins, against the
                                         noise floor of a model that is right
The ladder, upwards at once:
    S > 4, or ECE > 2 x floor + 0.03     WIDE   more confidence is asked for
    S > 6 (a person is told), or R > 4   PRIOR  queue imbalance alone decides; nothing is told when
                                                S did it
    S > 10                               RESET  covariances go back to the prior's, so that it can
                                                learn anew, S to 0; nothing is told
Down one step, RESET to WIDE, after CALM_LABELS labels in a row with S < 2, R < 2 and the
calibration in order. A false alarm in 10 to 30 minutes is the price of S > 4.

`FeatureShift` looks at the inputs instead (population stability index, last minutes against the
last hour): told and counted, no step of the ladder, because inputs change all day without harm.
All of it is pure, and the same under the side swap.
"""

from __future__ import annotations

import enum
import struct
from math import isfinite, log, pi, sqrt
from typing import Final

_LN2: Final = log(2.0)
SLACK: Final = 0.05
WIDE_ABOVE: Final = 4.0
PAGE_ABOVE: Final = 6.0
RESET_ABOVE: Final = 10.0
WORSE_ABOVE: Final = 4.0
CALM_BELOW: Final = 2.0
CALM_LABELS: Final = 30

_BINS: Final = 10
_BIN_MEMORY: Final = 300.0
_BIN_LABELS_MIN: Final = 100.0
_ECE_SLACK: Final = 0.03


class Rung(enum.IntEnum):
    """How far up the ladder it stands."""

    FINE = 0
    WIDE = 1
    PRIOR = 2
    RESET = 3


_CODEC: Final = struct.Struct(f"<2d6q{3 * _BINS}d")


class DriftMonitor:
    """Of one horizon. `observe` says what to do; the caller does it."""

    __slots__ = ("_bins", "_calm", "_loss", "_worse", "alarms", "mute", "pages", "resets", "rung")

    def __init__(self) -> None:
        self._loss = 0.0  # S
        self._worse = 0.0  # R
        self._calm = 0
        self.rung = Rung.FINE
        self.mute = False
        """Whether nothing is to be told: saying 1/2 would have been better, again and again."""
        self.alarms = 0
        """Steps up, each counted once."""
        self.pages = 0
        """Times a person should have looked."""
        self.resets = 0
        self._bins = [(0.0, 0.0, 0.0)] * _BINS  # labels, sum of p folded, sum of came true

    def observe(self, loss: float, baseline: float, folded: float, right: bool) -> Rung | None:
        """A label: the losses L and B, max(p, 1 - p), and whether that side came true. The rung to
        take, None when nothing changes; RESET may come again.
        """
        self._loss = max(0.0, self._loss + loss - _LN2 - SLACK)
        self._worse = max(0.0, self._worse + loss - baseline - SLACK)
        self._fold(folded, right)
        ece, floor = self.calibration()
        uncalibrated = ece > 2.0 * floor + _ECE_SLACK
        asked = Rung.FINE
        if uncalibrated or self._loss > WIDE_ABOVE:
            asked = Rung.WIDE
        if self._worse > WORSE_ABOVE or self._loss > PAGE_ABOVE:
            asked = Rung.PRIOR
        if self._loss > RESET_ABOVE:
            asked = Rung.RESET
        calm = not uncalibrated and max(self._loss, self._worse) < CALM_BELOW
        self._calm = self._calm + 1 if calm else 0
        if self._loss > PAGE_ABOVE and not self.mute:
            self.mute = True
            self.pages += 1
        if asked == Rung.RESET:
            self._loss = self._worse = 0.0
            self.resets += 1
            self._bins = [(0.0, 0.0, 0.0)] * _BINS
        if asked > self.rung or asked == Rung.RESET:
            self.rung = asked
            self.alarms += 1
            self._calm = 0
            return asked
        if self.rung and self._calm >= CALM_LABELS:
            self.rung = Rung.WIDE if self.rung == Rung.RESET else Rung(self.rung - 1)
            self._calm = 0
            self._worse = 0.0
            self.mute = False
            return self.rung
        return None

    def fault(self) -> str:
        """Why nothing is told because of drift, or nothing."""
        if not self.mute:
            return ""
        return "drift: the market left what was learnt; nothing is told until it keeps to it again"

    def _fold(self, folded: float, right: bool) -> None:
        """In place 0 to 9 of 1/2 to 1; all bins forget alike."""
        keep = 1.0 - 1.0 / _BIN_MEMORY
        self._bins = [(n * keep, p * keep, came * keep) for n, p, came in self._bins]
        place = min(_BINS - 1, int((folded - 0.5) * 2.0 * _BINS))
        n, p, came = self._bins[place]
        self._bins[place] = (n + 1.0, p + folded, came + right)

    def calibration(self) -> tuple[float, float]:
        """(folded ECE, its expectation for a model that is right); zeros below 100 labels."""
        total = sum(n for n, _, _ in self._bins)
        if total < _BIN_LABELS_MIN:
            return 0.0, 0.0
        ece = floor = 0.0
        for n, p, came in self._bins:
            if n > 0.0:
                mean = p / n
                ece += abs(came - p)
                floor += sqrt(2.0 * n * mean * (1.0 - mean) / pi)
        return ece / total, floor / total

    def state(self) -> bytes:
        """For the snapshot."""
        counts = (self._calm, self.rung, self.mute, self.alarms, self.pages, self.resets)
        return _CODEC.pack(
            self._loss, self._worse, *counts, *(x for one in self._bins for x in one)
        )

    def load(self, state: bytes) -> None:
        """Continue from `state()`; ValueError when it does not fit."""
        if len(state) != _CODEC.size:
            raise ValueError("a state of a drift monitor of another size")
        loss, worse, calm, rung, mute, alarms, pages, resets, *bins = _CODEC.unpack(state)
        if not (isfinite(loss) and isfinite(worse)):
            raise ValueError("sums of a drift monitor that are not finite")
        self.rung = Rung(rung)
        self._loss, self._worse, self._calm, self.mute = loss, worse, calm, bool(mute)
        self.alarms, self.pages, self.resets = alarms, pages, resets
        self._bins = list(zip(bins[::3], bins[1::3], bins[2::3], strict=True))


SHIFT_STEP_NS: Final = 1_000_000_000
SHIFT_ABOVE: Final = 0.5
_SHIFT_BINS: Final = 8
_SHIFT_SLOW: Final = 3_600.0
_SHIFT_FAST: Final = 120.0
_SHIFT_SEEN_MIN: Final = 600.0
_SHARE_MIN: Final = 0.01


class FeatureShift:
    """Population stability index of some inputs: sum of (f - s) log(f / s) over bins of the running
    mean, f the shares of the last two minutes, s those of the last hour.
    """

    __slots__ = ("_codec", "_fast", "_means", "_over", "_seen", "_slow", "alarms")

    def __init__(self, width: int) -> None:
        even = [1.0 / _SHIFT_BINS] * _SHIFT_BINS
        self._fast = [list(even) for _ in range(width)]
        self._slow = [list(even) for _ in range(width)]
        self._means = [0.0] * width
        self._seen = 0.0
        self._over = 0  # bits of those above the limit at present
        self.alarms = 0
        self._codec = struct.Struct(f"<dqq{width * (1 + 2 * _SHIFT_BINS)}d")

    def see(self, sizes: tuple[float, ...]) -> None:
        """Values without their sign; once per SHIFT_STEP_NS. NaN is not counted."""
        self._seen = min(self._seen + 1.0, _SHIFT_SLOW)
        for index, size in enumerate(sizes):
            if not isfinite(size):
                continue
            mean = self._means[index]
            place = _place(size, mean)
            self._means[index] = mean + (size - mean) / self._seen
            _move(self._fast[index], place, 1.0 / min(self._seen, _SHIFT_FAST))
            _move(self._slow[index], place, 1.0 / self._seen)
            over = self._seen >= _SHIFT_SEEN_MIN and self.index_of(index) > SHIFT_ABOVE
            bit = 1 << index
            if over and not self._over & bit:
                self.alarms += 1
            self._over = self._over | bit if over else self._over & ~bit

    def index_of(self, index: int) -> float:
        """The stability index of input `index`."""
        total = 0.0
        for fast, slow in zip(self._fast[index], self._slow[index], strict=True):
            f, s = max(fast, _SHARE_MIN), max(slow, _SHARE_MIN)
            total += (f - s) * log(f / s)
        return total

    def shifted(self) -> tuple[int, ...]:
        """Inputs whose distribution has moved."""
        return tuple(i for i in range(len(self._means)) if self._over >> i & 1)

    def state(self) -> bytes:
        """For the snapshot."""
        shares = [x for rows in (self._fast, self._slow) for row in rows for x in row]
        return self._codec.pack(self._seen, self._over, self.alarms, *self._means, *shares)

    def load(self, state: bytes) -> None:
        """Continue from `state()`; ValueError when it does not fit."""
        if len(state) != self._codec.size:
            raise ValueError("a state of a feature shift of another size")
        self._seen, self._over, self.alarms, *rest = self._codec.unpack(state)
        width = len(self._means)
        self._means, shares = rest[:width], rest[width:]
        rows = [shares[i : i + _SHIFT_BINS] for i in range(0, len(shares), _SHIFT_BINS)]
        self._fast, self._slow = rows[:width], rows[width:]


def _place(size: float, mean: float) -> int:
    """Halves and doubles around the mean: below 1/8 of it is 0, above 8 times it is 7."""
    if not mean > 0.0:
        return _SHIFT_BINS // 2
    ratio = size / mean
    place, limit = 0, 0.125
    while place < _SHIFT_BINS - 1 and ratio >= limit:
        place += 1
        limit *= 2.0
    return place


def _move(shares: list[float], place: int, rate: float) -> None:
    for index in range(_SHIFT_BINS):
        shares[index] += rate * ((index == place) - shares[index])
