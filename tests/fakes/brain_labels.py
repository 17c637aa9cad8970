"""Vectors and labels for the tests of what learns: drawn from a known market, and odd values."""

from __future__ import annotations

import random
from math import exp, inf, nan

from hunter.brain.features import EVEN_COUNT, ODD_COUNT

ODDITIES = (0.0, -0.0, nan, inf, -inf, 1e308, -1e308, 5e-324, 1e-200, -1e150)


def vector(dice: random.Random, spoil: float = 0.0) -> list[float]:
    """Odd features: the first within +-1; `spoil` is the share of odd values."""
    x = [dice.uniform(-1.0, 1.0)]
    x += [dice.gauss(0.0, dice.choice((0.3, 1.0, 5.0))) for _ in range(ODD_COUNT - 1)]
    return [dice.choice(ODDITIES) if dice.random() < spoil else one for one in x]


def even_vector(dice: random.Random, spoil: float = 0.0) -> list[float]:
    x = [exp(dice.gauss(0.0, 1.5)) for _ in range(EVEN_COUNT)]
    return [dice.choice(ODDITIES) if dice.random() < spoil else one for one in x]


def move_after(dice: random.Random, log_odds: float) -> int:
    return 1 if dice.random() < 1.0 / (1.0 + exp(-log_odds)) else -1


def negated(x: list[float]) -> list[float]:
    return [-one for one in x]
