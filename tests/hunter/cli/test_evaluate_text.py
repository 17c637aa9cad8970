"""The tables of `hunter evaluate`: means, notes, and what must not be overlooked."""

from __future__ import annotations

from math import isnan, nan

import msgspec
import pytest
from fakes.cells import cell, report

from hunter.cli.evaluate_text import mean_of_delay, report_lines


def test_a_table_for_each_brain_and_horizon() -> None:
    lines = report_lines(report(cell(), cell(horizon_ms=5_000), cell(kind="x:Y", brain="x:Y")))
    heads = [line for line in lines if line.endswith("ahead")]
    assert heads == ["flow@2, 1 s ahead", "flow@2, 5 s ahead", "x:Y, 1 s ahead"]


def test_several_recordings_have_a_mean() -> None:
    lines = report_lines(report(cell(auc=0.7), cell(auc=0.8, recording="b")))
    (mean,) = [line for line in lines if line.startswith("mean")]
    assert "0.750" in mean
    assert "2,428" in mean
    assert not [line for line in report_lines(report(cell())) if line.startswith("mean")]


def test_what_cannot_be_said_is_a_dash() -> None:
    text = "\n".join(report_lines(report(cell(auc=nan, n_eff_needed=nan))))
    assert "nan" not in text


def test_suspicion_and_notes_are_told() -> None:
    text = "\n".join(
        report_lines(report(cell(look_ahead="it has seen the future"), notes=["b: too short"]))
    )
    assert "LOOK-AHEAD flow@2" in text
    assert "left out: b: too short" in text


def test_delay_is_the_mean_of_those_that_have_it() -> None:
    assert mean_of_delay([cell(), cell()], 100) == pytest.approx(0.77)
    assert isnan(mean_of_delay([cell()], 700))


def test_what_is_wrong_with_a_recording_or_a_brain_is_told() -> None:
    good = report(cell(brain_errors=0))
    assert not [line for line in report_lines(good) if "lost" in line or "failed" in line]
    bad = report(cell(brain_errors=3, move_auc=0.61))
    bad.recordings = [msgspec.structs.replace(bad.recordings[0], lost=7, malformed=2)]
    text = "\n".join(report_lines(bad))
    assert "2 unreadable lines or frames, 7 matches lost" in text
    assert "3 of its calls failed" in text
    assert "AUC 0.610" in text
