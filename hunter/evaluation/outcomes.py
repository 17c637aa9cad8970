"""What the market did after each grid point, and what is learnt from it as it becomes known.

A label of horizon k and delay d is the move of the mid from t + d to t + d + k on the receive
clock. A window that leaves the recording, crosses a hole in it, a gap of the feed or a moment
without a usable quote has none. Pure; arrays in, arrays out.
"""

from __future__ import annotations

from math import exp, log, nan
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from hunter.evaluation.grid import GridMarket
from hunter.evaluation.heuristics import Floats

Mask = NDArray[np.bool_]

BASELINE_SLOPES: Final = ((1_000, 1.5), (5_000, 0.6), (10_000, 0.4))
"""(horizon in ms, slope) of the baseline's prior. The brain's own may change; the measure stays."""
BASELINE_PRECISION: Final = 200.0
_MS: Final = 1_000_000


class LabelArrays(NamedTuple):
    """`move_bp`: shape (points,), NaN where there is no label; `known`: where there is."""

    move_bp: Floats
    known: Mask


def outcomes(market: GridMarket, step_ms: int, horizon_ms: int, delay_ms: int = 0) -> LabelArrays:
    """Both times are multiples of the step."""
    count = len(market.mid)
    start, end = delay_ms // step_ms, (delay_ms + horizon_ms) // step_ms
    move = np.full(count, nan)
    if end >= count:
        return LabelArrays(move, np.zeros(count, dtype=bool))
    known = np.zeros(count, dtype=bool)
    last = count - end
    unquoted = np.concatenate(([0], np.cumsum(np.isnan(market.mid))))
    whole = unquoted[end + 1 :] == unquoted[:last]
    whole &= market.times_ns[end:] - market.times_ns[:last] == end * step_ms * _MS
    whole &= market.gaps[end:] == market.gaps[:last]
    known[:last] = whole
    before, after = market.mid[start : start + last], market.mid[end:]
    move[:last] = np.where(whole, (after / before - 1.0) * 1e4, nan)
    # The same price is the same float: a division would not say so of every pair.
    move[:last][whole & (after == before)] = 0.0
    return LabelArrays(move, known)


def baseline_slope(horizon_ms: int) -> float:
    """Log-log between the horizons of BASELINE_SLOPES, level below the first of them."""
    if horizon_ms <= BASELINE_SLOPES[0][0]:
        return BASELINE_SLOPES[0][1]
    upper = 1 if horizon_ms <= BASELINE_SLOPES[1][0] else 2
    (near_ms, near), (far_ms, far) = BASELINE_SLOPES[upper - 1], BASELINE_SLOPES[upper]
    share = log(horizon_ms / near_ms) / log(far_ms / near_ms)
    return near * exp(share * log(far / near))


def baseline_probability(
    imbalance: Floats, outcome: LabelArrays, step_ms: int, horizon_ms: int
) -> Floats:
    """P(up) of a queue-imbalance logit that starts at its prior and learns online: the label of a
    point counts from the point at which it is over, with weight step / horizon. NaN where there is
    no imbalance.
    """
    steps, weight = horizon_ms // step_ms, min(1.0, step_ms / horizon_ms)
    slope, precision = baseline_slope(horizon_ms), BASELINE_PRECISION
    found = np.full(len(imbalance), nan)
    known = outcome.known & (outcome.move_bp != 0.0) & np.isfinite(imbalance)
    towards = np.where(known, imbalance * np.sign(outcome.move_bp), 0.0).tolist()
    labelled = known.tolist()
    values = imbalance.tolist()
    for point, value in enumerate(values):
        over = point - steps
        if over >= 0 and labelled[over]:
            lean = towards[over]
            surprise = 1.0 / (1.0 + exp(slope * lean))
            precision += weight * surprise * (1.0 - surprise) * lean * lean
            slope += weight * surprise * lean / precision
        found[point] = 1.0 / (1.0 + exp(-slope * value))
    return found


class Surroundings(NamedTuple):
    """Of the last minute before each point, causal: shape (points,)."""

    volatility_bp: Floats
    """Root of the mean squared move of the mid in one step, in basis points."""
    trades_per_s: Floats


def surroundings(market: GridMarket, step_ms: int, span_ms: int = 60_000) -> Surroundings:
    """Where less than the span has gone by, of what has."""
    count = len(market.mid)
    width = min(count, span_ms // step_ms)
    moves = np.zeros(count)
    if count > 1:
        moves[1:] = np.nan_to_num((market.mid[1:] / market.mid[:-1] - 1.0) * 1e4)
    sums = np.concatenate(([0.0], np.cumsum(moves * moves)))
    begin = np.maximum(0, np.arange(count) + 1 - width)
    squares = sums[1:] - sums[begin]
    spans = np.arange(count) + 1 - begin
    volatility = np.sqrt(np.maximum(squares, 0.0) / np.maximum(spans, 1))
    since = np.maximum(0, np.arange(count) - width)
    gone_s = np.maximum(np.arange(count) - since, 1) * step_ms / 1e3
    trades = (market.trades - market.trades[since]) / gone_s
    return Surroundings(volatility, trades.astype(np.float64))
