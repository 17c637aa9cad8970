"""Sums, rates, means and moments that forget with a half-life, in O(1) memory.

Decay is lazy: applied when something is added and again when it is read, never by a tick. Reading
changes nothing, so how often somebody reads does not change a bit of the result.
    sum(t)  = sum of x_i * 2^-((t - t_i) / half_life)
An addition with a stamp before the newest one is weighted by its own age, so the result does not
depend on the order in which feeds with different lags arrive. Read as of a moment before the newest
addition, everything is as of that addition: nothing is ever amplified.
All values are plain floats of one sign rule: negating every x negates every result exactly (and
leaves a variance as it is). hunter/native/window.c does the same operations in the same order.
"""

from __future__ import annotations

from math import exp2, log, nan
from typing import Any, Protocol

_LN2 = log(2.0)
_NS_PER_S = 1e9


class Part(Protocol):
    """What keeps a part of a window's state: numbers of the struct types of FORMAT."""

    @property
    def FORMAT(self) -> str:
        """One letter a number: q an integer, d a float."""

    def state(self) -> tuple[float, ...]:
        """For the snapshot."""

    def load(self, state: Any) -> None:
        """Continue from `state()`."""


class DecayedSum:
    """The sum of what was added, each addition halved per half-life."""

    FORMAT = "qd"

    __slots__ = ("_per_ns", "_ts_ns", "_value")

    def __init__(self, half_life_ms: int) -> None:
        self._per_ns = 1.0 / (half_life_ms * 1_000_000)
        self._value = 0.0
        self._ts_ns = 0

    def add(self, ts_ns: int, amount: float) -> None:
        """Count `amount`, which happened at `ts_ns`."""
        age_ns = self._ts_ns - ts_ns
        if age_ns < 0:
            self._value = self._value * exp2(age_ns * self._per_ns) + amount
            self._ts_ns = ts_ns
        elif age_ns:
            self._value += amount * exp2(-age_ns * self._per_ns)
        else:
            self._value += amount

    def read(self, now_ns: int) -> float:
        """The sum as of `now_ns`, or as of the newest addition if that is later."""
        age_ns = now_ns - self._ts_ns
        return self._value * exp2(-age_ns * self._per_ns) if age_ns > 0 else self._value

    def clear(self) -> None:
        """Begin again from nothing."""
        self._value = 0.0

    def state(self) -> tuple[int, float]:
        """For the snapshot."""
        return self._ts_ns, self._value

    def load(self, state: tuple[int, float]) -> None:
        """Continue from `state()`."""
        self._ts_ns, self._value = state


class DecayedRate:
    """Amount per second. Divided by the weight of the time seen, so that it is unbiased from the
    start: without that, the ratio of a fast and a slow rate would say `volatile` during warm-up."""

    FORMAT = "qqd"

    __slots__ = ("_per_ns", "_sum", "start_ns")

    def __init__(self, half_life_ms: int) -> None:
        self._sum = DecayedSum(half_life_ms)
        self._per_ns = 1.0 / (half_life_ms * 1_000_000)
        self.start_ns = 0
        """Since when amounts are counted; 0 before that."""

    def start(self, ts_ns: int) -> None:
        """Say from when on amounts are counted; only the first call tells."""
        if not self.start_ns:
            self.start_ns = ts_ns

    def add(self, ts_ns: int, amount: float) -> None:
        """Count `amount`, which happened at `ts_ns`."""
        self._sum.add(ts_ns, amount)

    def read(self, now_ns: int) -> float:
        """Amount per second as of `now_ns`; 0 before any time was seen."""
        if not self.start_ns or now_ns <= self.start_ns:
            return 0.0
        seen = 1.0 - exp2((self.start_ns - now_ns) * self._per_ns)
        return self._sum.read(now_ns) * (_LN2 * self._per_ns * _NS_PER_S) / seen

    def state(self) -> tuple[int, int, float]:
        """For the snapshot."""
        return (self.start_ns, *self._sum.state())

    def load(self, state: tuple[int, int, float]) -> None:
        """Continue from `state()`."""
        self.start_ns = state[0]
        self._sum.load(state[1:])


class DecayedMean:
    """The time-weighted mean of a level that holds until the next one. The first level counts as
    having held since ever. The mean of a level that never changed is that level, exactly."""

    FORMAT = "qdd"

    __slots__ = ("_level", "_mean", "_per_ns", "_ts_ns")

    def __init__(self, half_life_ms: int) -> None:
        self._per_ns = 1.0 / (half_life_ms * 1_000_000)
        self._level = 0.0
        self._mean = 0.0
        self._ts_ns = 0

    def update(self, ts_ns: int, level: float) -> None:
        """From `ts_ns` on the level is `level`."""
        if not self._ts_ns:
            self._mean = level
            self._ts_ns = ts_ns
        elif ts_ns > self._ts_ns:
            kept = exp2((self._ts_ns - ts_ns) * self._per_ns)
            self._mean += (self._level - self._mean) * (1.0 - kept)
            self._ts_ns = ts_ns
        self._level = level

    def read(self, now_ns: int) -> float:
        """The mean as of `now_ns`; 0 before any level."""
        age_ns = now_ns - self._ts_ns
        if age_ns <= 0:
            return self._mean
        kept = exp2(-age_ns * self._per_ns)
        return self._mean + (self._level - self._mean) * (1.0 - kept)

    def state(self) -> tuple[int, float, float]:
        """For the snapshot."""
        return self._ts_ns, self._mean, self._level

    def load(self, state: tuple[int, float, float]) -> None:
        """Continue from `state()`."""
        self._ts_ns, self._mean, self._level = state


class DecayedMoments:
    """Time-weighted mean and variance of a level that holds until the next one; NaN is a level
    that is not known, whose time does not count. Both are of the time seen alone, from its first
    moment on (West 1979, with weights that decay)."""

    FORMAT = "qdddd"

    __slots__ = ("_level", "_mean", "_per_ns", "_ts_ns", "_variance", "_weight")

    def __init__(self, half_life_ms: int) -> None:
        self._per_ns = 1.0 / (half_life_ms * 1_000_000)
        self._ts_ns = 0
        self._level = nan
        self._mean = 0.0
        self._variance = 0.0
        self._weight = 0.0

    def update(self, ts_ns: int, level: float) -> None:
        """From `ts_ns` on, which is not before the last update, the level is `level`."""
        self._mean, self._variance, self._weight = self._as_of(ts_ns)
        self._ts_ns = max(self._ts_ns, ts_ns)
        self._level = level

    def read(self, now_ns: int) -> tuple[float, float]:
        """Mean and variance as of `now_ns`; (0, 0) before any level was known."""
        return self._as_of(now_ns)[:2]

    def _as_of(self, now_ns: int) -> tuple[float, float, float]:
        age_ns = now_ns - self._ts_ns
        if age_ns <= 0:
            return self._mean, self._variance, self._weight
        kept = exp2(-age_ns * self._per_ns)
        weight = self._weight * kept
        if self._level != self._level:
            return self._mean, self._variance, weight
        fresh = 1.0 - kept
        total = weight + fresh
        share = fresh / total
        off = self._level - self._mean
        variance = (self._variance + off * off * share) * (weight / total)
        return self._mean + off * share, variance, total

    def state(self) -> tuple[int, float, float, float, float]:
        """For the snapshot."""
        return self._ts_ns, self._level, self._mean, self._variance, self._weight

    def load(self, state: tuple[int, float, float, float, float]) -> None:
        """Continue from `state()`."""
        self._ts_ns, self._level, self._mean, self._variance, self._weight = state
