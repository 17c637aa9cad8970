"""What one brain scored at one horizon on one instrument of one recording: a line of the output.

Field names are those of `hunter evaluate --json`; every number's unit is in its name, probabilities
and shares are between 0 and 1, losses in nats. NaN, which JSON shows as null: it cannot be said.
"""

from __future__ import annotations

import msgspec

from hunter.evaluation.scores import Covered, ReliabilityBin


class DelayScore(msgspec.Struct, frozen=True):
    """Entering so long after the decision."""

    delay_ms: int
    auc: float
    auc_baseline: float


class RegimeScore(msgspec.Struct, frozen=True):
    """Of the decisions in one third of the recording. `by`: volatility or trade rate, of the last
    minute; `third`: low, middle or high.
    """

    by: str
    third: str
    moves: int
    auc: float
    auc_baseline: float
    log_loss: float


class LatencyScore(msgspec.Struct, frozen=True):
    """In the evaluating process, of this entrant: a row, and an outlook on all horizons."""

    row_p50: float
    row_p99: float
    outlook_p50: float
    outlook_p99: float


class Cell(msgspec.Struct, frozen=True, kw_only=True):
    """One line. The baseline is queue imbalance alone: bare for AUC, as a logit that learns online
    for the losses. Scores of direction are over the decisions that a move followed.
    """

    recording: str
    instrument: str
    brain: str
    kind: str
    horizon_ms: int
    span_s: float
    """Scored: from the first decision to the last."""
    decisions: int
    moves: int
    n_eff: float
    """Moves that are independent of each other: moves * step / horizon."""
    zero_move_share: float
    left_out_unquoted: int
    """Points without a usable quote."""
    left_out_windows: int
    """Points whose window leaves the recording, or crosses a gap or a stale quote."""
    left_out_fitted: int
    """Points of the time that the brain's model file was fitted on."""
    auc: float
    auc_low: float
    auc_high: float
    auc_baseline: float
    delta_low: float
    """Of auc - auc_baseline, paired."""
    delta_high: float
    auc_baseline_online: float
    auc_last_move: float
    auc_heuristic_a: float
    auc_heuristic_b: float
    log_loss: float
    log_loss_low: float
    log_loss_high: float
    log_loss_baseline: float
    log_loss_delta_low: float
    """Of log_loss - log_loss_baseline, paired; below 0 is better."""
    log_loss_delta_high: float
    log_loss_heuristic_a: float
    log_loss_heuristic_b: float
    brier: float
    brier_baseline: float
    balanced_accuracy: float
    balanced_accuracy_baseline: float
    ece_folded: float
    ece_floor: float
    information_coefficient: float
    """Rank correlation with the move, moves of zero included."""
    accuracy_at_20_percent: float
    edge_bp_at_20_percent: float
    """Gross, of the most confident fifth of all decisions, moves of zero included."""
    edge_after_cost_bp_at_20_percent: float
    cost_bp: float
    coverage: list[Covered]
    coverage_baseline: list[Covered]
    reliability: list[ReliabilityBin]
    called_share: float
    """Decisions that were not flat, and how many of those that moved went as called."""
    called_accuracy: float
    move_auc: float
    """Of P(the mid moves at all); NaN where the brain does not say."""
    move_log_loss: float
    move_log_loss_base: float
    """Of the share of moves itself, known only afterwards."""
    auc_delayed: dict[str, float]
    delays: list[DelayScore]
    regimes: list[RegimeScore]
    auc_placebo: float
    placebo_deviation: float
    placebo_is_fair: bool
    canary_moves: int
    canary_caught: bool
    canary_honest_passed: bool
    look_ahead: str
    """Why it is suspected of knowing the future; "" when it is not."""
    n_eff_needed: float
    """For a standard deviation of the AUC of 0.005."""
    hours_needed: float
    brain_errors: int
    latency_us: LatencyScore


class MeanScore(msgspec.Struct, frozen=True, kw_only=True):
    """Of one brain at one horizon over all instruments and recordings, each with the same weight.

    The interval of the difference takes them for independent of each other, which instruments of
    one time are not quite.
    """

    brain: str
    kind: str
    horizon_ms: int
    lines: int
    moves: int
    n_eff: float
    auc: float
    auc_baseline: float
    delta_low: float
    delta_high: float
    log_loss: float
    log_loss_baseline: float
    brier: float
    ece_folded: float
    ece_floor: float
    accuracy_at_20_percent: float
    edge_bp_at_20_percent: float
    auc_placebo: float
