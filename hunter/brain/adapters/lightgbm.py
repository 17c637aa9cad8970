"""LightGBM's trees from its text format (`Booster.save_model`), on one thread.

The model was trained for a binary target, 1 = up, on columns in the order of
hunter.brain.window.features.FEATURES; NaN is LightGBM's own missing value and stays one.
"""

from __future__ import annotations

import numpy as np

from hunter.brain.adapters.extras import need
from hunter.brain.adapters.still import FEATURE_NAMES, StillModel, check_features
from hunter.brain.plugins.plugin import attempt, failure_text
from hunter.errors import ConfigError


class Trees(StillModel):
    """One Booster."""

    def __init__(self, name: str, sha256: str, content: bytes) -> None:
        super().__init__(name, sha256)
        library = need("lightgbm", "lightgbm")
        text = content.decode("utf-8", errors="replace")
        # It does not get far with a text of another kind, but says so on the terminal itself.
        if not text.startswith("tree\n"):
            raise ConfigError(f"brain.experts: {name}: not a text model of LightGBM")
        made, error = attempt(lambda: library.Booster(model_str=text))
        if error is not None:
            why = failure_text(error)
            raise ConfigError(f"brain.experts: {name}: LightGBM cannot load it: {why}") from error
        self._booster = made
        names = made.feature_name()
        is_unnamed = names == [f"Column_{number}" for number in range(len(names))]
        check_features(name, FEATURE_NAMES[: len(names)] if is_unnamed else names)
        if "objective=binary" not in text:
            raise ConfigError(f"brain.experts: {name}: gives no probability; train it as binary")

    def probability(self, x: np.ndarray) -> float:
        return float(self._booster.predict(x.reshape(1, -1), num_threads=1)[0])


def make(name: str, sha256: str, content: bytes) -> Trees:
    """An expert of the file's content; ConfigError when it is none."""
    return Trees(name, sha256, content)
