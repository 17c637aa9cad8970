"""A small sample for the tests of models: hunter's features, the first two of which tell up."""

from __future__ import annotations

from typing import Any

import numpy as np

from hunter.brain.window.features import FEATURES

COUNT = len(FEATURES)


def sample(rows: int = 400, seed: int = 5) -> tuple[np.ndarray, np.ndarray]:
    """x (rows, features) and y (rows,), 1 = up."""
    dice = np.random.default_rng(seed)
    x = dice.normal(size=(rows, COUNT))
    up = x[:, 0] + 0.5 * x[:, 1] + dice.normal(scale=0.5, size=rows) > 0.0
    return x, up.astype(np.int64)


class Fitted:
    """What a fitted LogisticRegression and StandardScaler show of themselves."""

    def __init__(self, **shown: Any) -> None:
        self.__dict__.update(shown)


def logistic(seed: int = 6) -> tuple[Fitted, Fitted]:
    """A model and a scaler."""
    dice = np.random.default_rng(seed)
    model = Fitted(coef_=dice.normal(size=(1, COUNT)), intercept_=np.array([0.25]))
    scaler = Fitted(mean_=dice.normal(size=COUNT), scale_=dice.uniform(0.5, 2.0, size=COUNT))
    return model, scaler
