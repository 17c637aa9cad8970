"""The logistic function, exactly odd around one half: mirrored input gives mirrored output."""

from __future__ import annotations

from math import exp


def sigmoid(log_odds: float) -> float:
    """1 / (1 + e^-x), such that sigmoid(-x) is 1 - sigmoid(x) to the last bit."""
    upper = 1.0 / (1.0 + exp(-abs(log_odds)))
    return upper if log_odds >= 0.0 else 1.0 - upper
