"""RunningQuantile: a quantile of a stream, in the memory of three numbers, that forgets.

Robbins and Monro's (1951) stochastic approximation: a value above the estimate lifts it by a share
of the step, one below lowers it by the rest, and the step is a running mean distance of the values
from the estimate over the count, at most over `memory`. A stream of one value keeps it exactly. No
clock and no dice: a function of the values in their order. Used by the regime and by the coverage
rule, each owning its own.
"""

from __future__ import annotations

from math import isfinite

_GAIN = 8.0
"""Step in units of mean distance / count. 1 / density at the quantile lies near 3 to 5 of them for
uniform, normal and exponential values; twice that follows one that moves."""

QuantileState = tuple[float, float, float]


class RunningQuantile:
    """`value` is the estimate of the quantile at `level`, 0 < level < 1; NaN is not counted."""

    __slots__ = ("_distance", "_level", "_memory", "count", "value")

    def __init__(self, level: float, memory: int) -> None:
        assert 0.0 < level < 1.0
        self._level = level
        self._memory = float(memory)
        self.count = 0.0
        """Values seen, at most the memory."""
        self.value = 0.0
        self._distance = 0.0

    @property
    def distance(self) -> float:
        """Running mean distance of the values from the estimate."""
        return self._distance

    def add(self, x: float) -> None:
        """Count one value."""
        if not isfinite(x):
            return
        if not self.count:
            self.count, self.value = 1.0, x
            return
        if self.count < self._memory:
            self.count += 1.0
        away = x - self.value
        self._distance += (abs(away) - self._distance) / self.count
        step = _GAIN * self._distance / self.count
        if away > 0.0:
            self.value += step * self._level
        elif away < 0.0:
            self.value -= step * (1.0 - self._level)

    def state(self) -> QuantileState:
        """For the snapshot."""
        return self.count, self.value, self._distance

    def load(self, state: QuantileState) -> None:
        """Continue from `state()`; ValueError when it cannot be one."""
        count, value, distance = state
        if not (0.0 <= count <= self._memory and isfinite(value) and distance >= 0.0):
            raise ValueError(f"no state of a quantile: {state}")
        self.count, self.value, self._distance = count, value, distance
