"""Each limit of the gate, from both sides."""

from __future__ import annotations

from math import log, nan
from typing import Any

import pytest
from fakes.cells import cell

from hunter.evaluation.gate import canary_text, shortfalls


def test_good_brain_passes() -> None:
    assert shortfalls([cell(), cell(horizon_ms=5_000), cell(horizon_ms=10_000)]) == []
    assert shortfalls([]) == []


@pytest.mark.parametrize(
    ("fields", "word"),
    [
        ({"auc": 0.78, "auc_baseline": 0.7901}, "queue imbalance"),
        ({"auc": nan}, "queue imbalance"),
        ({"log_loss": 0.7}, "log-loss"),
        ({"log_loss": nan}, "log-loss"),
        ({"ece_folded": 0.066}, "ECE 0.066 is above 0.065"),
        ({"ece_folded": 0.031, "ece_floor": 0.001}, "ECE 0.031 is above 0.030"),
        ({"ece_folded": 0.031, "ece_floor": nan}, "ECE"),
        ({"placebo_is_fair": False}, "placebo"),
        ({"canary_caught": False}, "NOT caught"),
        ({"canary_honest_passed": False}, "SUSPECTED"),
        ({"look_ahead": "it has seen the future"}, "look-ahead: it has seen"),
    ],
)
def test_each_limit_is_told_with_its_place(fields: dict[str, Any], word: str) -> None:
    (text,) = shortfalls([cell(**fields)])
    assert word in text
    assert "flow@2" in text


@pytest.mark.parametrize(
    "fields",
    [
        {"auc": 0.78, "auc_baseline": 0.7899},
        {"log_loss": log(2) - 1e-9},
        {"ece_folded": 0.0299, "ece_floor": 0.001},
        {"ece_folded": 0.0649},
        {"horizon_ms": 5_000, "auc": 0.5},
        {"horizon_ms": 10_000, "log_loss": 0.8},
    ],
)
def test_at_the_limit_is_enough(fields: dict[str, Any]) -> None:
    assert shortfalls([cell(**fields)]) == []


def test_log_loss_counts_in_the_mean_and_by_brain() -> None:
    good, bad = cell(log_loss=0.5), cell(log_loss=0.8)
    assert shortfalls([good, bad]) == []
    other = cell(log_loss=0.8, kind="x:Y", brain="x:Y")
    (text,) = shortfalls([good, other])
    assert text.startswith("x:Y at 1000 ms")


def test_canary_text_says_when_it_could_not_be_tried() -> None:
    assert "too few moves" in canary_text(cell(canary_moves=0))
    assert "265 moves" in canary_text(cell())
