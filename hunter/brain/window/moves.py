"""MidMoves: how the mid of one instrument moved: direction, age, volatility, jumps.

Moves are counted between two usable quotes of one run only (same source, no hole between); what is
counted is in price units, so that reflecting prices changes no square, and negates the rest.
Written by the window alone.
"""

from __future__ import annotations

from math import nan, pi
from typing import Any

from hunter.brain.window.decay import DecayedRate, DecayedSum, Part

_SECOND_NS = 1_000_000_000
_HALF_PI = pi / 2.0


def _second_after(now_ns: int) -> int:
    return (now_ns // _SECOND_NS + 1) * _SECOND_NS


class MidMoves:
    """`begin` with the first quote of a run, `follow` with the others, `lose` when the run ends."""

    FORMAT = "ddqqdd"

    __slots__ = (
        "_bipower",
        "_mid",
        "_realised",
        "_second_due_ns",
        "_second_mid",
        "_second_move",
        "last_move",
        "moved_ns",
        "moves_4s",
        "variance_5s",
        "variance_60s",
    )

    def __init__(self) -> None:
        self._mid = nan
        self.last_move = 0.0
        """+1 or -1; 0 while unknown."""
        self.moved_ns = 0
        """When that was."""
        self.variance_5s, self.variance_60s = map(DecayedRate, (5_000, 60_000))
        self.moves_4s = DecayedSum(4_000)
        """Of the moves of this run; it is the mid minus its own mean of that half-life."""
        self._second_due_ns = 0
        self._second_mid = nan  # at the second before the one that is due
        self._second_move = nan  # the absolute move of the last whole second of this run
        self._realised, self._bipower = map(DecayedSum, (60_000, 60_000))

    @property
    def running(self) -> bool:
        """Whether a quote can follow."""
        return self._mid == self._mid

    def begin(self, now_ns: int, mid: float) -> None:
        """The mid was unknown before: there is nothing to compare with."""
        self.variance_5s.start(now_ns)
        self.variance_60s.start(now_ns)
        self.moves_4s.clear()
        self._second_due_ns = _second_after(now_ns)
        self._second_mid = self._second_move = nan
        self._mid = mid

    def follow(self, now_ns: int, mid: float) -> None:
        """The mid is `mid` from `now_ns` on, and was the last one up to then."""
        if now_ns >= self._second_due_ns:
            self._pass_seconds(now_ns)
        move = mid - self._mid
        if move:
            self.last_move = 1.0 if move > 0.0 else -1.0
            self.moved_ns = now_ns
            squared = move * move
            self.variance_5s.add(now_ns, squared)
            self.variance_60s.add(now_ns, squared)
            self.moves_4s.add(now_ns, move)
        self._mid = mid

    def _pass_seconds(self, now_ns: int) -> None:
        """The last mid was in force at the second that is due, and at all others up to now."""
        due_ns, before = self._second_due_ns, self._second_move
        move = abs(self._mid - self._second_mid)
        if before == before:
            self._realised.add(due_ns, move * move)
            self._bipower.add(due_ns, _HALF_PI * move * before)
        later = (now_ns - due_ns) // _SECOND_NS
        self._second_mid = self._mid
        self._second_move = 0.0 if later else move
        self._second_due_ns = _second_after(now_ns)

    def lose(self) -> None:
        """The run ends: the mid is unknown."""
        self._mid = nan

    def forget(self) -> None:
        """The run ends in a hole: it may have moved since, nobody knows where to."""
        self._mid = nan
        self.last_move = 0.0

    def jump_share(self, now_ns: int) -> float:
        """1 - bipower / realised variance of 1 s moves, in [0, 1], half-life 60 s, as of the newest
        quote; NaN without moves. Barndorff-Nielsen and Shephard 2004."""
        realised = self._realised.read(now_ns)
        if not realised > 0.0:
            return nan
        share = 1.0 - self._bipower.read(now_ns) / realised
        return share if share > 0.0 else 0.0

    def parts(self) -> tuple[Part, ...]:
        """What keeps the state, in its order."""
        variances = (self.variance_5s, self.variance_60s)
        return (self, *variances, self.moves_4s, self._realised, self._bipower)

    def state(self) -> tuple[float, ...]:
        """What is not in the other parts."""
        seconds = (self._second_due_ns, self._second_mid, self._second_move)
        return (self._mid, self.last_move, self.moved_ns, *seconds)

    def load(self, state: tuple[Any, ...]) -> None:
        """Continue from `state()`."""
        self._mid, self.last_move, self.moved_ns = state[:3]
        self._second_due_ns, self._second_mid, self._second_move = state[3:]
