"""From a walk to its scores: which points count, and every score of them. Pure but for seeds.

A point is scored when the brain was asked there, and the window of the longest delay has a label:
so that all delays are scored on the same points.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import log, nan
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from hunter.evaluation import honesty, scores
from hunter.evaluation.bootstrap import Blocks, block_ns, interval
from hunter.evaluation.cell import Cell, DelayScore, LatencyScore, RegimeScore
from hunter.evaluation.grid import GridMarket
from hunter.evaluation.heuristics import Floats, confidence_up
from hunter.evaluation.outcomes import (
    Mask,
    baseline_probability,
    outcomes,
    surroundings,
)
from hunter.evaluation.scores import Covered
from hunter.evaluation.walk import WARM_NS, BrainWalk, InstrumentWalk, Said

AUC_DEVIATION_WANTED: Final = 0.005
_THIRDS: Final = ("low", "middle", "high")


class Terms(NamedTuple):
    """What is asked for. `delays_ms` without 0; every time a multiple of the step."""

    step_ms: int = 100
    horizons_ms: tuple[int, ...] = (1_000, 5_000, 10_000)
    delays_ms: tuple[int, ...] = (100, 500)
    cost_bp: float = 10.0


class Span(NamedTuple):
    """Receive times, both ends included."""

    first_ns: int
    last_ns: int


class _Scored(NamedTuple):
    """The points that count, in time order: shape (decisions,) but for `points`."""

    points: NDArray[np.int64]
    """Where they stand on the grid."""
    times_ns: NDArray[np.int64]
    move_bp: Floats
    probability: Floats
    baseline: Floats
    imbalance: Floats

    @property
    def moved(self) -> Mask:
        moved: Mask = self.move_bp != 0.0
        return moved


class RecordedSide(NamedTuple):
    """One instrument of a recording, with what is the same for every brain."""

    recording: str
    walk: InstrumentWalk
    terms: Terms
    canary: honesty.Canary
    baselines: dict[int, Floats]

    @classmethod
    def of(cls, recording: str, walk: InstrumentWalk, terms: Terms) -> RecordedSide:
        market, step_ms = walk.market, terms.step_ms
        warm = market.times_ns - walk.first_ns >= WARM_NS
        return cls(
            recording,
            walk,
            terms,
            honesty.canary(market, step_ms, warm),
            {
                horizon_ms: baseline_probability(
                    market.queue_imbalance,
                    outcomes(market, step_ms, horizon_ms),
                    step_ms,
                    horizon_ms,
                )
                for horizon_ms in terms.horizons_ms
            },
        )


def told_horizons(brain: BrainWalk) -> list[int]:
    """Horizons of which it ever said anything but 1/2; all, if that is none of them."""
    spoke = [
        horizon_ms
        for horizon_ms, said in brain.said.items()
        if np.any(np.nan_to_num(said.probability_up, nan=0.5) != 0.5)
    ]
    return spoke or list(brain.said)


def assess(
    side: RecordedSide, brain: BrainWalk, horizon_ms: int, fitted: Sequence[Span] = ()
) -> Cell | None:
    """The line of a horizon that the brain has told of; None when no point could be scored.
    `fitted`: what it was fitted on, which is never scored.
    """
    if horizon_ms not in brain.said:
        return None
    found, left_out = _scored(side, brain.said[horizon_ms], horizon_ms, fitted)
    if not len(found.points):
        return None
    moved = found.moved
    up = found.move_bp[moved] > 0.0
    blocks = Blocks(found.times_ns[moved], block_ns(horizon_ms))
    parts: dict[str, Any] = {}
    parts |= _counts(side, found, horizon_ms)
    parts |= _ranking(side, found, up, blocks)
    parts |= _loss(side, found, up, blocks)
    parts |= _calibration(found, up, parts["n_eff"])
    parts |= _coverage(found, up, side.terms.cost_bp)
    parts |= _calls(brain.said[horizon_ms], found)
    parts |= _delayed(side, found, horizon_ms)
    parts |= _honesty(side, brain.said[horizon_ms], found, horizon_ms)
    hours = parts["span_s"] / 3_600.0
    needed = parts.pop("needed") * parts["n_eff"]
    return Cell(
        recording=side.recording,
        instrument=side.walk.instrument,
        brain=brain.name,
        kind=brain.kind,
        horizon_ms=horizon_ms,
        left_out_unquoted=left_out[0],
        left_out_windows=left_out[1],
        left_out_fitted=left_out[2],
        regimes=_regimes(side, found),
        n_eff_needed=needed,
        hours_needed=hours * needed / parts["n_eff"] if parts["n_eff"] else nan,
        brain_errors=brain.errors,
        latency_us=_latency(brain),
        **parts,
    )


def _scored(
    side: RecordedSide, said: Said, horizon_ms: int, fitted: Sequence[Span]
) -> tuple[_Scored, tuple[int, int, int]]:
    """And how many points were left out: without a quote, without a label, fitted on."""
    walk, terms = side.walk, side.terms
    market = walk.market
    outcome = outcomes(market, terms.step_ms, horizon_ms)
    known = outcome.known.copy()
    for delay_ms in terms.delays_ms:
        known &= outcomes(market, terms.step_ms, horizon_ms, delay_ms).known
    quoted = np.isfinite(market.mid)
    warm = market.times_ns - walk.first_ns >= WARM_NS
    fresh = np.ones(len(known), dtype=bool)
    for first_ns, last_ns in fitted:
        # A window that ends before the fitted span begins is as fresh as one after it.
        ends_ns = market.times_ns + (horizon_ms + max(terms.delays_ms, default=0)) * 1_000_000
        fresh &= (ends_ns < first_ns) | (market.times_ns > last_ns)
    chosen = warm & quoted & known
    points = np.flatnonzero(chosen & fresh)
    left_out = (
        int((warm & ~quoted).sum()),
        int((warm & quoted & ~known).sum()),
        int((chosen & ~fresh).sum()),
    )
    # Where a brain was asked and had nothing to say of this horizon, it has no opinion.
    probability = np.nan_to_num(said.probability_up[points], nan=0.5)
    found = _Scored(
        points,
        market.times_ns[points],
        outcome.move_bp[points],
        probability,
        side.baselines[horizon_ms][points],
        market.queue_imbalance[points],
    )
    return found, left_out


def _counts(side: RecordedSide, found: _Scored, horizon_ms: int) -> dict[str, Any]:
    decisions, moves = len(found.points), int(found.moved.sum())
    return {
        "span_s": float(found.times_ns[-1] - found.times_ns[0]) / 1e9,
        "decisions": decisions,
        "moves": moves,
        "n_eff": moves * min(1.0, side.terms.step_ms / horizon_ms),
        "zero_move_share": 1.0 - moves / decisions,
    }


def _ranking(side: RecordedSide, found: _Scored, up: Mask, blocks: Blocks) -> dict[str, Any]:
    moved, market = found.moved, side.walk.market
    points = found.points[moved]
    mine, theirs = found.probability[moved], found.imbalance[moved]
    drawn, drawn_baseline = blocks.auc(mine, up), blocks.auc(theirs, up)
    own, delta = interval(drawn), interval(drawn - drawn_baseline)
    return {
        "auc": scores.auc(mine, up),
        "auc_low": own.low,
        "auc_high": own.high,
        "auc_baseline": scores.auc(theirs, up),
        "delta_low": delta.low,
        "delta_high": delta.high,
        "auc_baseline_online": scores.auc(found.baseline[moved], up),
        "auc_last_move": scores.auc(market.last_move[points], up),
        "auc_heuristic_a": scores.auc(market.heuristic_a[points], up),
        "auc_heuristic_b": scores.auc(market.heuristic_b[points], up),
        "information_coefficient": scores.information_coefficient(found.probability, found.move_bp),
        "needed": (own.deviation / AUC_DEVIATION_WANTED) ** 2,
    }


def _loss(side: RecordedSide, found: _Scored, up: Mask, blocks: Blocks) -> dict[str, Any]:
    moved, market = found.moved, side.walk.market
    points = found.points[moved]
    mine, theirs = found.probability[moved], found.baseline[moved]
    own, baseline = scores.losses(mine, up), scores.losses(theirs, up)
    bounds, delta = blocks.mean(own), blocks.mean(own - baseline)
    a, b = market.heuristic_a[points], confidence_up(market.heuristic_b[points])
    return {
        "log_loss": scores.mean(own),
        "log_loss_low": bounds.low,
        "log_loss_high": bounds.high,
        "log_loss_baseline": scores.mean(baseline),
        "log_loss_delta_low": delta.low,
        "log_loss_delta_high": delta.high,
        "log_loss_heuristic_a": scores.mean(scores.losses(a, up)),
        "log_loss_heuristic_b": scores.mean(scores.losses(b, up)),
        "brier": scores.brier(mine, up),
        "brier_baseline": scores.brier(theirs, up),
        "balanced_accuracy": scores.balanced_accuracy(mine, up),
        "balanced_accuracy_baseline": scores.balanced_accuracy(theirs, up),
    }


def _calibration(found: _Scored, up: Mask, independent: float) -> dict[str, Any]:
    probability = found.probability[found.moved]
    confidence = np.maximum(probability, 1.0 - probability)
    right = scores.correctness(probability, up)
    return {
        "ece_folded": scores.folded_ece(confidence, right),
        "ece_floor": scores.ece_floor(confidence, independent),
        "reliability": scores.reliability(confidence, right),
    }


def _coverage(found: _Scored, up: Mask, cost_bp: float) -> dict[str, Any]:
    curve = coverage_curve(found.probability, found.move_bp, up)
    fifth = next(item for item in curve if item.coverage == 0.2)
    return {
        "coverage": curve,
        "coverage_baseline": coverage_curve(found.baseline, found.move_bp, up),
        "accuracy_at_20_percent": fifth.accuracy,
        "edge_bp_at_20_percent": fifth.edge_bp,
        "edge_after_cost_bp_at_20_percent": fifth.edge_bp - cost_bp,
        "cost_bp": cost_bp,
    }


def coverage_curve(probability: Floats, move_bp: Floats, up: Mask) -> list[Covered]:
    """Accuracy over the decisions that a move followed, edge over all of them."""
    moved = move_bp != 0.0
    confidence = np.abs(probability - 0.5)
    right = scores.correctness(probability[moved], up)
    gain = np.sign(probability - 0.5) * move_bp
    return [
        Covered(
            share,
            scores.covered(confidence[moved], right, share),
            scores.covered(confidence, gain, share),
        )
        for share in scores.COVERAGES
    ]


def _calls(said: Said, found: _Scored) -> dict[str, Any]:
    direction = said.direction[found.points].astype(np.float64)
    called = direction != 0.0
    judged = called & found.moved
    right = np.sign(found.move_bp[judged]) == direction[judged]
    found_parts = {
        "called_share": scores.mean(called.astype(np.float64)),
        "called_accuracy": scores.mean(right.astype(np.float64)),
    }
    move = said.probability_move[found.points]
    told = np.isfinite(move)
    moved = found.moved[told]
    share = scores.mean(moved.astype(np.float64))
    base = nan
    if 0.0 < share < 1.0:
        base = -share * log(share) - (1.0 - share) * log(1.0 - share)
    return found_parts | {
        "move_auc": scores.auc(move[told], moved),
        "move_log_loss": scores.mean(scores.losses(move[told], moved)),
        "move_log_loss_base": base,
    }


def _delayed(side: RecordedSide, found: _Scored, horizon_ms: int) -> dict[str, Any]:
    curve = []
    for delay_ms in (0, *side.terms.delays_ms):
        outcome = outcomes(side.walk.market, side.terms.step_ms, horizon_ms, delay_ms)
        move = outcome.move_bp[found.points]
        moved = move != 0.0
        up = move[moved] > 0.0
        own = scores.auc(found.probability[moved], up)
        curve.append(DelayScore(delay_ms, own, scores.auc(found.imbalance[moved], up)))
    return {"auc_delayed": {str(d.delay_ms): d.auc for d in curve[1:]}, "delays": curve}


def _regimes(side: RecordedSide, found: _Scored) -> list[RegimeScore]:
    around = surroundings(side.walk.market, side.terms.step_ms)
    rows = []
    for by, values in (("volatility", around.volatility_bp), ("trade rate", around.trades_per_s)):
        here = values[found.points]
        thirds = np.digitize(here, np.quantile(here, (1.0 / 3.0, 2.0 / 3.0)))
        for number, third in enumerate(_THIRDS):
            chosen = (thirds == number) & found.moved
            up = found.move_bp[chosen] > 0.0
            rows.append(
                RegimeScore(
                    by,
                    third,
                    int(chosen.sum()),
                    scores.auc(found.probability[chosen], up),
                    scores.auc(found.imbalance[chosen], up),
                    scores.mean(scores.losses(found.probability[chosen], up)),
                )
            )
    return rows


def _honesty(side: RecordedSide, said: Said, found: _Scored, horizon_ms: int) -> dict[str, Any]:
    step_ms = side.terms.step_ms
    shortest = block_ns(horizon_ms) // (step_ms * 1_000_000)
    turned = honesty.placebo(found.probability, found.move_bp, shortest)
    return {
        "auc_placebo": turned.auc,
        "placebo_deviation": turned.deviation,
        "placebo_is_fair": turned.is_fair,
        "canary_moves": side.canary.moves,
        "canary_caught": side.canary.caught,
        "canary_honest_passed": side.canary.honest_passed,
        "look_ahead": _suspicion(said, side.walk.market, found, step_ms),
    }


def _suspicion(said: Said, market: GridMarket, found: _Scored, step_ms: int) -> str:
    moved = found.moved
    right = scores.correctness(found.probability[moved], found.move_bp[moved] > 0.0)
    if len(right) >= honesty.MOVES_MIN and scores.mean(right) >= honesty.NEVER_WRONG:
        return f"never wrong about {len(right)} moves over its horizon: it has seen the future"
    return honesty.look_ahead(said.probability_up - 0.5, market, step_ms).reason


def _latency(brain: BrainWalk) -> LatencyScore:
    row, outlook = (
        tuple(map(float, np.percentile(values, (50, 99)))) if len(values) else (nan, nan)
        for values in (brain.row_us, brain.outlook_us)
    )
    return LatencyScore(row[0], row[1], outlook[0], outlook[1])
