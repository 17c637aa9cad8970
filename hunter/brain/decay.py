"""Sums, rates and means that forget with a half-life, in O(1) memory.

Decay is lazy: applied when something is added and again when it is read, never by a tick. Reading
changes nothing, so how often somebody reads does not change a bit of the result.
    sum(t)  = sum of x_i * 2^-((t - t_i) / half_life)
An addition with a stamp before the newest one is weighted by its own age, so the result does not
depend on the order in which feeds with different lags arrive.
All values are plain floats of one sign rule: negating every x negates every result exactly.
"""

from __future__ import annotations

from math import exp2, log

_LN2 = log(2.0)
_NS_PER_S = 1e9


class DecayedSum:
    """The sum of what was added, each addition halved per half-life."""

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
        """The sum as of `now_ns`, which is not before anything added."""
        return self._value * exp2((self._ts_ns - now_ns) * self._per_ns)

    def state(self) -> tuple[int, float]:
        """For the snapshot."""
        return self._ts_ns, self._value

    def load(self, state: tuple[int, float]) -> None:
        """Continue from `state()`."""
        self._ts_ns, self._value = state


class DecayedRate:
    """Amount per second. Divided by the weight of the time seen, so that it is unbiased from the
    start: without that, the ratio of a fast and a slow rate would say `volatile` during warm-up."""

    __slots__ = ("_per_ns", "_start_ns", "_sum")

    def __init__(self, half_life_ms: int) -> None:
        self._sum = DecayedSum(half_life_ms)
        self._per_ns = 1.0 / (half_life_ms * 1_000_000)
        self._start_ns = 0

    def start(self, ts_ns: int) -> None:
        """Say from when on amounts are counted; only the first call tells."""
        if not self._start_ns:
            self._start_ns = ts_ns

    def add(self, ts_ns: int, amount: float) -> None:
        """Count `amount`, which happened at `ts_ns`."""
        self._sum.add(ts_ns, amount)

    def read(self, now_ns: int) -> float:
        """Amount per second as of `now_ns`; 0 before any time was seen."""
        if not self._start_ns or now_ns <= self._start_ns:
            return 0.0
        seen = 1.0 - exp2((self._start_ns - now_ns) * self._per_ns)
        return self._sum.read(now_ns) * (_LN2 * self._per_ns * _NS_PER_S) / seen

    def state(self) -> tuple[int, int, float]:
        """For the snapshot."""
        return (self._start_ns, *self._sum.state())

    def load(self, state: tuple[int, int, float]) -> None:
        """Continue from `state()`."""
        self._start_ns = state[0]
        self._sum.load(state[1:])


class DecayedMean:
    """The time-weighted mean of a level that holds until the next one. The first level counts as
    having held since ever."""

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
            weight = exp2((self._ts_ns - ts_ns) * self._per_ns)
            self._mean = self._mean * weight + self._level * (1.0 - weight)
            self._ts_ns = ts_ns
        self._level = level

    def read(self, now_ns: int) -> float:
        """The mean as of `now_ns`."""
        weight = exp2((self._ts_ns - now_ns) * self._per_ns)
        return self._mean * weight + self._level * (1.0 - weight)

    def state(self) -> tuple[int, float, float]:
        """For the snapshot."""
        return self._ts_ns, self._mean, self._level

    def load(self, state: tuple[int, float, float]) -> None:
        """Continue from `state()`."""
        self._ts_ns, self._mean, self._level = state
