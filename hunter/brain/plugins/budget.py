"""What foreign code may cost, and how often it may fail before it is no longer heard.

`Budget` times calls and only tells: a clock is not the same at a replay, so what it finds never
changes a decision and is in no snapshot. `Strikes` counts failures, which a replay repeats, and is
part of the state. Used by the guards of user's code: outside experts and whole brains.
"""

from __future__ import annotations

from typing import Final

from hunter.clock import Clock

STRIKES_MAX: Final = 3
CLEAN_CALLS: Final = 600
"""In a row, without a failure: as many forgive all strikes, and take out of the shadow."""

MISS_WEIGHT: Final = 1.0 / 64.0
LATE_ABOVE: Final = 0.25
PUNCTUAL_BELOW: Final = 0.05
"""Shares of calls beyond the budget, the latest weighing most: 19 in a row are late. A single one
is the scheduler's, and on a busy host one in twenty; as many as this are the code's. The gap
between the two keeps it from being told again and again.
"""


class Budget:
    """Counts calls that took longer than `budget_us`, by what was called. One per guard."""

    __slots__ = ("_clock", "_limit_ns", "_shares", "budget_us", "late", "longest_ns", "overruns")

    def __init__(self, clock: Clock, budget_us: int) -> None:
        self._clock = clock
        self._limit_ns = budget_us * 1_000
        self._shares: dict[str, float] = {}
        self.budget_us = budget_us
        self.overruns = 0
        self.longest_ns = 0
        self.late: tuple[str, ...] = ()
        """What keeps taking too long now, in the order that it began."""

    def begin(self) -> int:
        """A call begins; give the result to `end`."""
        return self._clock.monotonic_ns()

    def end(self, what: str, began_ns: int) -> None:
        """It is over, whatever came of it."""
        spent_ns = self._clock.monotonic_ns() - began_ns
        missed = spent_ns > self._limit_ns
        share = self._shares.get(what, 0.0)
        if not missed and share == 0.0:
            return
        if missed:
            self.overruns += 1
            self.longest_ns = max(self.longest_ns, spent_ns)
        share = self._shares[what] = share + (missed - share) * MISS_WEIGHT
        if what in self.late:
            if share < PUNCTUAL_BELOW:
                self.late = tuple(other for other in self.late if other != what)
        elif share > LATE_ABOVE:
            self.late = (*self.late, what)

    @property
    def trouble(self) -> str:
        """What keeps taking too long, in words without counts that move; "" when nothing does."""
        if not self.late:
            return ""
        takes = "takes" if len(self.late) == 1 else "take"
        return f"{', '.join(self.late)} {takes} longer than brain.budget_us = {self.budget_us}"


class Strikes:
    """Three strikes are a shadow; 600 clean calls in a row forgive them and end it."""

    __slots__ = ("clean", "count", "why")

    def __init__(self) -> None:
        self.count = 0
        self.clean = 0
        """Clean calls since the last strike; not counted while there is none to forgive."""
        self.why = ""
        """The newest failure of those not forgiven; in shadow the one that led there."""

    @property
    def in_shadow(self) -> bool:
        return self.count >= STRIKES_MAX

    def strike(self, why: str) -> None:
        """A call failed."""
        self.clean = 0
        if not self.in_shadow:
            self.count += 1
            self.why = why

    def passed(self) -> None:
        """A call did not fail."""
        if self.count:
            self.clean += 1
            if self.clean >= CLEAN_CALLS:
                self.count, self.clean, self.why = 0, 0, ""

    @property
    def trouble(self) -> str:
        """Why it is in shadow; "" when it is not."""
        return f"in shadow after {STRIKES_MAX} failures: {self.why}" if self.in_shadow else ""

    def state(self) -> tuple[int, int, str]:
        """For the snapshot."""
        return self.count, self.clean, self.why

    def load(self, state: tuple[int, int, str]) -> None:
        """Continue from `state()`; ValueError when it is none."""
        count, clean, why = state
        if not (0 <= count <= STRIKES_MAX and 0 <= clean < CLEAN_CALLS):
            raise ValueError(f"{count} strikes and {clean} clean calls cannot be")
        self.count, self.clean, self.why = count, clean, why
