"""StillModel: what the adapters of models that were fitted beforehand have in common.

They learn nothing here; their state is the hash of their file, so that a brain does not go on with
weights that another model has earned.
"""

from __future__ import annotations

import numpy as np

from hunter.brain.window.features import FEATURES
from hunter.errors import ConfigError

FEATURE_NAMES = tuple(feature.name for feature in FEATURES)


class StillModel:
    """See hunter.brain.plugins.outside.OutsideExpert. One serves all instruments and horizons."""

    def __init__(self, name: str, sha256: str) -> None:
        self.name = name
        self._sha256 = bytes.fromhex(sha256)
        self._x: np.ndarray | None = None
        self._said: float | None = None

    def predict(self, x: np.ndarray, horizon_ms: int) -> float | None:
        """The model's answer, the same at each horizon: it is worked out once for one x."""
        del horizon_ms
        if x is not self._x:
            self._said = self.probability(x)
            self._x = x
        return self._said

    def probability(self, x: np.ndarray) -> float | None:
        """P(up | move)."""
        raise NotImplementedError

    def learn(self, x: np.ndarray, horizon_ms: int, move: int, weight: float) -> None:
        """It does not."""

    def state(self) -> bytes:
        return self._sha256

    def load(self, state: bytes) -> None:
        if state != self._sha256:
            raise ValueError("the state speaks of another file")


def check_features(name: str, names: list[str] | tuple[str, ...]) -> None:
    """ConfigError unless a model's inputs are hunter's features in their order."""
    if tuple(names) == FEATURE_NAMES:
        return
    if len(names) != len(FEATURE_NAMES):
        raise ConfigError(
            f"brain.experts: {name}: made for {len(names)} features; hunter gives"
            f" {len(FEATURE_NAMES)}: train it again"
        )
    number = next(i for i, known in enumerate(FEATURE_NAMES) if names[i] != known)
    raise ConfigError(
        f"brain.experts: {name}: its feature {number} is {names[number]}, hunter's is"
        f" {FEATURE_NAMES[number]}: train it again"
    )
