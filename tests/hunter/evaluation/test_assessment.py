"""A walk's scores where the truth is known: a brain that reads what is announced, one that guesses,
and one that cheats.
"""

from __future__ import annotations

from math import isnan, log

import numpy as np
import pytest
from fakes.recordings import START_NS, SWAP, ToldMarket, write
from fakes.told_brains import Opinion, cheat, guesser, maker, reader

from hunter.clock import SystemClock
from hunter.evaluation.assessment import (
    RecordedSide,
    Span,
    Terms,
    assess,
    coverage_curve,
    told_horizons,
)
from hunter.evaluation.cell import Cell
from hunter.evaluation.rows import RowCounts, recorded_rows
from hunter.evaluation.walk import Entrant, InstrumentWalk, Walk

SECONDS = 522  # 400 s are scored: 200 moves, ten decks of ten up and ten down
ENTROPY = -(0.8 * log(0.8) + 0.2 * log(0.2))
TERMS = Terms(horizons_ms=(1_000,))


@pytest.fixture(scope="module")
def market() -> ToldMarket:
    return ToldMarket(SECONDS)


@pytest.fixture(scope="module")
def walk(market: ToldMarket, tmp_path_factory: pytest.TempPathFactory) -> InstrumentWalk:
    path = write(tmp_path_factory.mktemp("told") / "a.jsonl", market.lines)
    opinions: dict[str, Opinion] = {
        "reader": reader(),
        "proud": reader(0.99),
        "guesser": guesser(),
        "silent": lambda quote, now_ns: 0.5,
        "cheat": cheat(market.moves, START_NS, 503),
        "prophet": cheat(market.moves, START_NS, 2_003),
    }
    entrants = [Entrant(name, maker(opinion, name), False) for name, opinion in opinions.items()]
    (found,) = Walk(entrants, (1_000,), (100, 2_000), SystemClock()).run(
        recorded_rows([path], RowCounts())
    )
    return found


@pytest.fixture(scope="module")
def cells(walk: InstrumentWalk) -> dict[str, Cell]:
    side = RecordedSide.of("a.jsonl", walk, TERMS)
    found = {brain.kind: assess(side, brain, 1_000) for brain in walk.brains}
    return {kind: cell for kind, cell in found.items() if cell is not None}


def test_what_is_counted(cells: dict[str, Cell]) -> None:
    cell = cells["reader"]
    assert (cell.recording, cell.instrument, cell.brain) == ("a.jsonl", SWAP, "reader")
    assert cell.decisions == pytest.approx(4_000, abs=20)
    assert cell.moves == pytest.approx(2_000, abs=15)  # ten points before each of 200 moves
    assert cell.n_eff == pytest.approx(cell.moves / 10)
    assert cell.zero_move_share == pytest.approx(0.5, abs=0.01)
    assert cell.span_s == pytest.approx(400, abs=3)
    assert (cell.left_out_unquoted, cell.left_out_fitted) == (0, 0)
    assert 10 <= cell.left_out_windows <= 16  # the last second and the longest delay


def test_reader_of_the_announcement_scores_what_it_is_worth(cells: dict[str, Cell]) -> None:
    cell = cells["reader"]
    assert cell.auc == pytest.approx(0.8, abs=0.01)
    assert cell.auc_baseline == cell.auc
    assert (cell.delta_low, cell.delta_high) == (0.0, 0.0)
    assert cell.auc_low < 0.78 < 0.82 < cell.auc_high
    assert cell.log_loss == pytest.approx(ENTROPY, abs=0.01)
    assert cell.brier == pytest.approx(0.16, abs=0.005)
    assert cell.balanced_accuracy == pytest.approx(0.8, abs=0.01)
    assert cell.ece_folded < 0.02 < cell.ece_floor
    assert cell.accuracy_at_20_percent == pytest.approx(0.8, abs=0.01)
    assert cell.called_share == 1.0
    assert cell.called_accuracy == pytest.approx(0.8, abs=0.01)
    assert cell.information_coefficient > 0.3
    # one tick of 0.1 at about 1,000 in half of the decisions, right four times of five
    assert cell.edge_bp_at_20_percent == pytest.approx(0.5 * 0.6 * 1.0, abs=0.05)
    assert cell.edge_after_cost_bp_at_20_percent == cell.edge_bp_at_20_percent - 10.0
    assert cell.look_ahead == ""


def test_interval_is_as_wide_as_200_moves_make_it(cells: dict[str, Cell]) -> None:
    """The announcements are shuffled in whole decks, which is a little steadier than coins."""
    cell = cells["reader"]
    deviation = (cell.auc_high - cell.auc_low) / 4
    assert 0.012 < deviation < 0.04
    assert cell.n_eff_needed == pytest.approx(cell.n_eff * (deviation / 0.005) ** 2, rel=0.2)
    hours = cell.span_s / 3_600 * cell.n_eff_needed / cell.n_eff
    assert cell.hours_needed == pytest.approx(hours)


def test_overconfidence_is_seen_by_loss_and_calibration_and_not_by_auc(
    cells: dict[str, Cell],
) -> None:
    proud, honest = cells["proud"], cells["reader"]
    assert proud.auc == honest.auc
    assert proud.log_loss == pytest.approx(-(0.8 * log(0.99) + 0.2 * log(0.01)), abs=0.05)
    assert proud.log_loss_delta_low > 0.1
    assert proud.ece_folded == pytest.approx(0.19, abs=0.01)


def test_guesser_knows_nothing(cells: dict[str, Cell]) -> None:
    cell = cells["guesser"]
    assert cell.auc == pytest.approx(0.5, abs=0.04)
    assert cell.log_loss > log(2)
    assert cell.delta_high < -0.2
    assert cell.placebo_is_fair
    assert cell.look_ahead == ""


def test_silence_is_scored_as_knowing_nothing(cells: dict[str, Cell]) -> None:
    cell = cells["silent"]
    assert (cell.auc, cell.called_share, cell.balanced_accuracy) == (0.5, 0.0, 0.5)
    assert isnan(cell.called_accuracy)
    assert cell.log_loss == pytest.approx(log(2))
    assert cell.accuracy_at_20_percent == 0.5


def test_cheats_are_found(cells: dict[str, Cell]) -> None:
    assert "up to 500 ms ahead" in cells["cheat"].look_ahead
    assert "never wrong" in cells["prophet"].look_ahead
    assert cells["prophet"].auc == 1.0


def test_delay_is_entering_later(cells: dict[str, Cell]) -> None:
    """The announcement holds until the move, so it is worth as much until the move is over."""
    cell = cells["reader"]
    assert set(cell.auc_delayed) == {"100", "500"}
    assert [item.delay_ms for item in cell.delays] == [0, 100, 500]
    assert cell.delays[0].auc == cell.auc
    assert cell.auc_delayed["500"] == pytest.approx(0.8, abs=0.02)
    assert cells["cheat"].delays[0].auc > cells["cheat"].delays[2].auc + 0.1


def test_regimes_cover_all_decisions(cells: dict[str, Cell]) -> None:
    cell = cells["reader"]
    for by in ("volatility", "trade rate"):
        parts = [item for item in cell.regimes if item.by == by]
        assert sum(item.moves for item in parts) == cell.moves
        assert all(isnan(item.auc) or 0.6 < item.auc < 1.0 for item in parts)


def test_latency_and_missing_p_move(cells: dict[str, Cell]) -> None:
    cell = cells["reader"]
    assert 0.0 <= cell.latency_us.outlook_p50 <= cell.latency_us.outlook_p99
    assert isnan(cell.move_auc)
    assert isnan(cell.move_log_loss)


def test_what_was_fitted_on_is_not_scored(walk: InstrumentWalk, cells: dict[str, Cell]) -> None:
    side, brain = RecordedSide.of("a", walk, TERMS), walk.brains[0]
    middle = walk.first_ns + 300 * 10**9
    cell = assess(side, brain, 1_000, [Span(walk.first_ns, middle)])
    assert cell is not None
    assert cell.left_out_fitted + cell.decisions == cells["reader"].decisions
    assert cell.left_out_fitted == pytest.approx(1_800, abs=10)
    assert assess(side, brain, 1_000, [Span(walk.first_ns, walk.last_ns)]) is None
    before = assess(side, brain, 1_000, [Span(middle, walk.last_ns)])
    assert before is not None
    # Nor is a point whose window reaches into it.
    fresh = cells["reader"].decisions - cell.decisions
    assert before.decisions == pytest.approx(fresh - 15, abs=1)


def test_horizon_not_told_is_no_line(walk: InstrumentWalk) -> None:
    assert assess(RecordedSide.of("a", walk, TERMS), walk.brains[0], 5_000) is None


def test_told_horizons_are_those_with_an_opinion(walk: InstrumentWalk) -> None:
    brain = walk.brains[0]
    said = brain.said[1_000]
    empty = said._replace(probability_up=np.full(len(said.direction), 0.5))
    assert told_horizons(brain._replace(said={1_000: said, 5_000: empty})) == [1_000]
    assert told_horizons(brain._replace(said={5_000: empty})) == [5_000]
    assert told_horizons(brain._replace(said={})) == []


def test_probability_of_a_move_is_scored_on_all_decisions(walk: InstrumentWalk) -> None:
    """It moves every two seconds, so half of all windows of a second hold a move."""
    brain = walk.brains[0]
    phase = (walk.market.times_ns - START_NS) // 10**6 % 2_000
    knows = np.where((phase > 1_000) & (phase <= 2_000) | (phase <= 0), 0.9, 0.1)
    said = brain.said[1_000]._replace(probability_move=knows)
    cell = assess(RecordedSide.of("a", walk, TERMS), brain._replace(said={1_000: said}), 1_000)
    assert cell is not None
    assert cell.move_auc > 0.9
    assert cell.move_log_loss_base == pytest.approx(log(2), abs=0.01)


def test_coverage_curve_counts_moves_of_zero_as_no_gain() -> None:
    probability = np.array([0.9, 0.9, 0.6, 0.4])
    move = np.array([2.0, 0.0, -1.0, -3.0])
    curve = coverage_curve(probability, move, move[move != 0] > 0)
    assert curve[0].accuracy == pytest.approx(2 / 3)
    assert curve[0].edge_bp == pytest.approx((2.0 + 0.0 - 1.0 + 3.0) / 4)
    assert curve[1].edge_bp == pytest.approx(1.0)
