"""An evaluation from end to end, without the command line."""

from __future__ import annotations

from math import isnan
from pathlib import Path

import msgspec
import pytest
from fakes.recordings import SPOT, START_NS, SWAP, ToldMarket, write
from fakes.told_brains import guesser, maker, reader

from hunter.clock import SystemClock
from hunter.evaluation.assessment import Terms
from hunter.evaluation.run import Evaluation, FittedOn, Recorded
from hunter.evaluation.walk import Entrant

TERMS = Terms(horizons_ms=(1_000, 5_000))
READER = Entrant("r", maker(reader(), "reader", 1_000, 5_000), False)
S = 1_000_000_000


def recorded(folder: Path, seconds: int = 150, *names: str) -> Recorded:
    paths = [
        write(folder / f"{n}.jsonl.gz", ToldMarket(seconds, n).lines) for n in names or (SWAP,)
    ]
    return Recorded("told", tuple(paths))


def evaluation(*entrants: Entrant, fitted: tuple[FittedOn, ...] = ()) -> Evaluation:
    return Evaluation(entrants or [READER], TERMS, 2_000, SystemClock(), fitted)


def test_a_line_for_each_instrument_brain_and_horizon(tmp_path: Path) -> None:
    run = evaluation(READER, Entrant("g", maker(guesser(), "guesser", 1_000), False))
    cells = run.add(recorded(tmp_path, 150, SPOT, SWAP))
    places = [(cell.instrument, cell.kind, cell.horizon_ms) for cell in cells]
    assert places == [
        (name, kind, ms)
        for name in (SPOT, SWAP)
        for kind, ms in (("r", 1_000), ("r", 5_000), ("g", 1_000))
    ]
    assert f"guesser says nothing of {SWAP} at [5000] ms" in run.report.notes
    (summary,) = run.report.recordings
    assert (summary.recording, summary.lost, summary.malformed) == ("told", 0, 0)
    assert summary.rows > 3_000


def test_one_instrument_is_scored_and_its_mate_followed(tmp_path: Path) -> None:
    seen: set[str] = set()
    inner = maker(reader())

    def make(instrument: str, horizon_ms: int | None) -> object:
        seen.add(instrument)
        return inner(instrument, horizon_ms)

    run = Evaluation([Entrant("r", make, False)], TERMS, 2_000, SystemClock())  # type: ignore[arg-type]
    cells = run.add(recorded(tmp_path, 140, SPOT, SWAP, "ETH-USDT"), [SWAP])
    assert {cell.instrument for cell in cells} == {SWAP}
    assert seen == {SPOT, SWAP}


def test_too_short_a_recording_says_so(tmp_path: Path) -> None:
    run = evaluation()
    assert run.add(recorded(tmp_path, 100)) == []
    (note,) = run.report.notes
    assert "100 s are too short" in note
    assert "120 s" in note


def test_recording_without_quotes_or_without_market_says_so(tmp_path: Path) -> None:
    lines = [line for line in ToldMarket(130).lines if line[1]["arg"]["channel"] == "trades"]
    run = evaluation()
    assert run.add(Recorded("t", (write(tmp_path / "t", lines),))) == []
    assert run.add(Recorded("e", (write(tmp_path / "e", []),))) == []
    assert "no quote" in run.report.notes[0]
    assert run.report.notes[1].startswith("e: no market data (0 lines cannot be read)")


def test_recording_that_was_fitted_on_is_refused(tmp_path: Path) -> None:
    """Also when it was the mate's that was fitted on: the market is the same."""
    whole = FittedOn("r", "old", (SPOT,), START_NS, START_NS + 3_600 * S)
    run = evaluation(fitted=(whole,))
    assert run.add(recorded(tmp_path)) == []
    assert "was fitted on it" in run.report.notes[0]
    other = FittedOn("r", "old", ("ETH-USDT",), START_NS, START_NS + 3_600 * S)
    earlier = FittedOn("r", "old", (SWAP,), 0, START_NS - 1)
    not_mine = FittedOn("x", "old", (SWAP,), START_NS, START_NS + 3_600 * S)
    assert evaluation(fitted=(other, earlier, not_mine)).add(recorded(tmp_path))


def test_what_was_fitted_on_in_part_is_scored_in_the_rest(tmp_path: Path) -> None:
    part = FittedOn("r", "told", (SWAP,), START_NS, START_NS + 130 * S)
    run = evaluation(fitted=(part,))
    cells = run.add(recorded(tmp_path))
    assert [cell.horizon_ms for cell in cells] == [1_000, 5_000]
    assert all(cell.left_out_fitted > 90 for cell in cells)
    assert "are not scored: reader was fitted on them" in run.report.notes[0]


def test_same_recording_gives_the_same_report_but_for_the_latency(tmp_path: Path) -> None:
    there = recorded(tmp_path)
    one, other = (evaluation().add(there) for _ in range(2))
    latency = one[0].latency_us
    clean = [
        [msgspec.structs.replace(c, latency_us=latency) for c in cells] for cells in (one, other)
    ]
    assert msgspec.json.encode(clean[0]) == msgspec.json.encode(clean[1])


def test_report_is_json(tmp_path: Path) -> None:
    run = evaluation()
    run.add(recorded(tmp_path))
    text = msgspec.json.encode(run.report)
    assert b"NaN" not in text
    told = msgspec.json.decode(text)
    assert told["cells"][0]["move_auc"] is None
    assert isnan(run.report.cells[0].move_auc)


def test_progress_is_told_by_name(tmp_path: Path) -> None:
    told: set[str] = set()
    run = Evaluation([READER], TERMS, 2_000, SystemClock(), (), lambda name, ns: told.add(name))
    run.add(recorded(tmp_path, 20))
    assert told == {"told"}


@pytest.mark.parametrize("names", [()])
def test_windows_across_a_hole_are_left_out(tmp_path: Path, names: tuple[str, ...]) -> None:
    lines = ToldMarket(150).lines
    trades = [i for i, (_, frame) in enumerate(lines) if frame["arg"]["channel"] == "trades"]
    del lines[trades[-20]]
    run = evaluation()
    holed = run.add(Recorded("h", (write(tmp_path / "h", lines),)))
    whole = evaluation().add(recorded(tmp_path))
    assert run.report.recordings[0].lost > 0
    # A window of a second and the longest delay covers the hole from 15 points.
    assert whole[0].decisions - holed[0].decisions == pytest.approx(15, abs=1)
