"""Two tests of the test itself: does it find something where there is nothing, and would it see a
score that looks ahead.

Placebo: the scores are turned round in time against what came. What is left must be a coin's AUC.

Look-ahead: an honest score knows most about the move that comes next and less about each later one,
and what it loses with the first step of distance is the most that it loses with any. A score that
has seen the future up to some time knows all moves before that time alike and falls off a cliff
behind it. So for each move of the mid the score is asked how right it was one step before, two
steps, and so on up to ten; a step that loses clearly more than all steps before it together is a
cliff. So is a score that is never wrong. What looks ahead by less than two steps of the grid, or by
more than ten, cannot be told from a good score in this way. The canary, a copy of the last
move's sign shifted half a second into the future, is put through the same test, and so is the
honest one: the first has to be found and the second not. Pure.
"""

from __future__ import annotations

from math import nan, sqrt
from typing import Final, NamedTuple

import numpy as np

from hunter.evaluation.grid import GridMarket
from hunter.evaluation.heuristics import Floats
from hunter.evaluation.outcomes import Mask, outcomes
from hunter.evaluation.scores import auc, correctness, mean

CANARY_SHIFT_MS: Final = 500
STEPS_MAX: Final = 10
# Of 450 honest scores on markets of chance none was suspected at 4.5; of 450 that looked ahead 420
# were, those missed in short recordings or where the last move tells the next nine times of ten.
_SUSPECT_DEVIATIONS: Final = 4.5
_SUSPECT_EXCESS: Final = 0.04
MOVES_MIN: Final = 40
NEVER_WRONG: Final = 0.995
_ROTATIONS: Final = 40


class Placebo(NamedTuple):
    """AUC of rotated scores: mean and standard deviation over the rotations."""

    auc: float
    deviation: float

    @property
    def is_fair(self) -> bool:
        """Within two standard deviations of a coin."""
        return abs(self.auc - 0.5) <= 2.0 * self.deviation


def placebo(score: Floats, move: Floats, shortest: int) -> Placebo:
    """Of all scored points in time order, with zero moves; no rotation by less than `shortest`."""
    count = len(score)
    shortest = min(shortest, count // 4)
    if count < 8:
        return Placebo(nan, nan)
    shifts = np.linspace(max(1, shortest), count - max(1, shortest), _ROTATIONS).astype(np.int64)
    moved = move != 0.0
    up = move[moved] > 0.0
    found = np.array([auc(np.roll(score, shift)[moved], up) for shift in np.unique(shifts)])
    found = found[np.isfinite(found)]
    if len(found) < 2:
        return Placebo(nan, nan)
    return Placebo(float(found.mean()), float(found.std()))


class Suspicion(NamedTuple):
    """`right`: how often the score was right about a move, by the steps it stood before it.
    `reason` is empty when nothing is held against it; `moves` are those looked at, 0 if too few.
    """

    right: tuple[float, ...]
    moves: int
    reason: str


def look_ahead(score: Floats, market: GridMarket, step_ms: int) -> Suspicion:
    """`score`: up is positive; of the market's shape, NaN where there is none."""
    count = len(score)
    move = outcomes(market, step_ms, step_ms)
    window = outcomes(market, step_ms, STEPS_MAX * step_ms).known
    # Moves whose ten steps before are all whole, so that each is asked the same number of times.
    ends = np.flatnonzero(move.known & (np.nan_to_num(move.move_bp) != 0.0))
    ends = ends[ends >= STEPS_MAX - 1]
    ends = ends[window[ends - (STEPS_MAX - 1)]] if count else ends
    before = np.arange(STEPS_MAX)
    asked = score[ends[:, None] - before[None, :]]
    whole = np.isfinite(asked).all(axis=1)
    ends, asked = ends[whole], asked[whole]
    moves = len(ends)
    if moves < MOVES_MIN:
        return Suspicion((), 0, "")
    up = (move.move_bp[ends] > 0.0)[:, None]
    right = correctness(asked + 0.5, np.broadcast_to(up, asked.shape))
    shares = right.mean(axis=0)
    return Suspicion(tuple(map(float, shares)), moves, _why(right, step_ms))


def _why(right: Floats, step_ms: int) -> str:
    """`right`: shape (moves, steps)."""
    moves, steps = right.shape
    if mean(right[:, 0]) < 0.5:  # a score that is mostly wrong is one that is mostly right
        right = 1.0 - right
    if float(right.min(axis=1).mean()) >= NEVER_WRONG:
        return f"never wrong about {moves} moves at any distance: it has seen the future"
    for step in range(1, steps - 1):
        fall = right[:, step] - right[:, step + 1]
        lost = right[:, 0] - right[:, step]
        excess = fall - lost if mean(lost) > 0.0 else fall
        error = float(excess.std()) / sqrt(moves)
        if float(excess.mean()) > max(_SUSPECT_EXCESS, _SUSPECT_DEVIATIONS * error):
            near, far = mean(right[:, step]), mean(right[:, step + 1])
            return (
                f"knows moves up to {(step + 1) * step_ms} ms ahead ({near:.3f} right) and not"
                f" those behind ({far:.3f}): it has seen the future"
            )
    return ""


class Canary(NamedTuple):
    """Whether the detector of look-ahead works on this market."""

    caught: bool
    """It found the last move's sign from half a second ahead."""
    honest_passed: bool
    """It found nothing against the last move's sign as it was."""
    moves: int

    @property
    def works(self) -> bool:
        return self.caught and self.honest_passed


def canary(market: GridMarket, step_ms: int, usable: Mask) -> Canary:
    """`usable`: the points that are scored."""
    shift = max(2, CANARY_SHIFT_MS // step_ms)
    honest = np.where(usable, market.last_move, nan)
    ahead = np.full(len(honest), nan)
    ahead[:-shift] = honest[shift:] if shift < len(honest) else nan
    leaking, fair = (look_ahead(score, market, step_ms) for score in (ahead, honest))
    return Canary(bool(leaking.reason), not fair.reason, leaking.moves)
