"""The rules of thumb: their formulas by hand."""

from __future__ import annotations

from math import exp

import numpy as np
import pytest
from fakes.brain_rows import MS, START_NS, book, trade

from hunter.evaluation.heuristics import FlowAndDepth, TrendFlowBook, confidence_up


def sigmoid(value: float) -> float:
    return 1.0 / (1.0 + exp(-value))


def test_a_knows_nothing_before_the_first_price() -> None:
    assert TrendFlowBook().probability_up() == 0.5


def test_a_adds_flow_and_book_of_the_stronger_side() -> None:
    rule = TrendFlowBook()
    rule.on_trade(trade(START_NS, 3.0, 1))
    rule.on_trade(trade(START_NS, 1.0, -1))
    rule.on_book(book(START_NS, ((100.0, 6.0),), ((100.1, 2.0),)))
    expected = 0.8 * 0.5 + 0.6 * 0.5
    assert rule.probability_up() == pytest.approx(sigmoid(2 * expected))
    rule.on_book(book(START_NS, ((100.0, 2.0),), ((100.1, 6.0),)))
    # Not netted: buying 0.4 stands against bids missing 0.3.
    assert rule.probability_up() == pytest.approx(sigmoid(2 * 0.8 * 0.5))


def test_a_calls_down_with_the_same_confidence() -> None:
    up, down = TrendFlowBook(), TrendFlowBook()
    for rule, side in ((up, 1), (down, -1)):
        rule.on_trade(trade(START_NS, 3.0, side))
    assert up.probability_up() == pytest.approx(1.0 - down.probability_up())


def test_a_is_neutral_with_little_evidence_and_without_a_valid_book() -> None:
    rule = TrendFlowBook()
    rule.on_trade(trade(START_NS, 0.25, 1))  # less than half a unit traded
    rule.on_book(book(START_NS, ((100.0, 6.0),), ((100.1, 2.0),)))
    rule.on_book(book(START_NS, valid=0))
    assert rule.probability_up() == 0.5
    rule.on_book(book(START_NS, ((100.0, 3.0),), ((100.1, 1.0),)))  # less than five shown
    assert rule.probability_up() == 0.5


def test_a_believes_the_book_less_when_the_spread_is_wide() -> None:
    rule = TrendFlowBook()
    rule.on_trade(trade(START_NS, 0.1, 1))
    rule.on_book(book(START_NS, ((100.0, 9.0),), ((101.0, 1.0),)))
    assert rule.probability_up() == pytest.approx(sigmoid(2 * 0.6 * 0.8 * 0.8))


def test_a_says_up_while_the_price_falls() -> None:
    """The fault that it is remembered for."""
    rule = TrendFlowBook()
    for number in range(60):
        rule.on_trade(trade(START_NS, 0.001, -1, price=100.0 - number * 0.2))
    assert rule.probability_up() > 0.9


def test_a_forgets_pushes_and_prices() -> None:
    rule = TrendFlowBook()
    for _ in range(200):
        rule.on_trade(trade(START_NS, 5.0, -1))
    for _ in range(60):
        rule.on_trade(trade(START_NS, 1.0, 1))
    assert rule.probability_up() == pytest.approx(sigmoid(2 * 0.8))


def test_b_is_flow_of_half_a_minute_and_depth() -> None:
    rule = FlowAndDepth()
    now = START_NS + 3 * MS
    rule.on_trade(trade(START_NS, 3.0, 1))
    rule.on_trade(trade(START_NS, 1.0, -1))
    assert rule.score(now) == pytest.approx(0.4 * 0.5)
    rule.on_book(book(START_NS, ((100.0, 3.0),), ((100.1, 1.0),)))
    assert rule.score(now) == pytest.approx(0.4 * 0.5 + 0.3 * 0.25)
    assert rule.score(now + 30_000 * MS) == pytest.approx(0.4 * 0.5 + 0.3 * 0.25)
    assert rule.score(now + 30_001 * MS) == pytest.approx(0.3 * 0.25)
    rule.on_book(book(START_NS, valid=0))
    assert rule.score(now + 30_001 * MS) == 0.0


def test_b_says_its_confidence_from_its_limit_on() -> None:
    found = confidence_up(np.array([0.0, 0.15, 0.2, -0.2, 0.55]))
    assert found == pytest.approx([0.5, 0.5, 0.7, 0.3, 1.0])
