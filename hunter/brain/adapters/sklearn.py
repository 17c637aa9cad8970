"""Logistic models of scikit-learn, from a JSON file of their numbers: nothing is unpickled.

`export_logistic` writes the file where the model was trained (extra `sklearn`); what hunter then
does with it is a sum of products, for which scikit-learn need not be installed. A feature that is
not available counts as 0, before the scaling: train so (`numpy.nan_to_num(x, nan=0.0)`).

    {"format": "hunter-logistic-1", "features": [names], "mean": [n] or null, "scale": [n] or null,
     "coefficients": [n], "intercept": 0.0}
"""

from __future__ import annotations

import hashlib
from math import exp, isfinite, isnan
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np

from hunter.brain.adapters.still import FEATURE_NAMES, StillModel, check_features
from hunter.errors import ConfigError

FORMAT: Final = "hunter-logistic-1"
LOG_ODDS_MAX: Final = 30.0


class LogisticFile(msgspec.Struct, forbid_unknown_fields=True):
    """The file; lists have one number for each feature."""

    format: str
    features: list[str]
    coefficients: list[float]
    intercept: float = 0.0
    mean: list[float] | None = None
    scale: list[float] | None = None


class LogisticModel(StillModel):
    """1 / (1 + exp(-(intercept + sum of coefficient * (x - mean) / scale)))."""

    def __init__(self, name: str, sha256: str, content: bytes) -> None:
        super().__init__(name, sha256)
        try:
            file = msgspec.json.decode(content, type=LogisticFile)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise ConfigError(f"brain.experts: {name}: not a logistic model: {error}") from error
        if file.format != FORMAT:
            raise ConfigError(f'brain.experts: {name}: format "{file.format}", expected {FORMAT}')
        check_features(name, file.features)
        count = len(file.features)
        mean = file.mean or [0.0] * count
        scale = file.scale or [1.0] * count
        numbers = [*file.coefficients, *mean, *scale, file.intercept]
        if not len(file.coefficients) == len(mean) == len(scale) == count:
            raise ConfigError(f"brain.experts: {name}: a list that is not {count} numbers long")
        if not all(map(isfinite, numbers)) or 0.0 in scale:
            raise ConfigError(f"brain.experts: {name}: a number that is not finite, or a scale 0")
        self._terms = tuple(zip(file.coefficients, mean, scale, strict=True))
        self._intercept = file.intercept

    def probability(self, x: np.ndarray) -> float:
        # In this order, number by number: a library's dot product differs between machines.
        log_odds = self._intercept
        for value, (coefficient, mean, scale) in zip(x.tolist(), self._terms, strict=True):
            log_odds += coefficient * (((0.0 if isnan(value) else value) - mean) / scale)
        bounded = max(-LOG_ODDS_MAX, min(LOG_ODDS_MAX, log_odds))
        return 1.0 / (1.0 + exp(-bounded))


def make(name: str, sha256: str, content: bytes) -> LogisticModel:
    """An expert of the file's content; ConfigError when it is none."""
    return LogisticModel(name, sha256, content)


def export_logistic(model: Any, scaler: Any, path: str | Path) -> str:
    """Write a fitted LogisticRegression or SGDClassifier(loss="log_loss"), and the StandardScaler
    its inputs went through (or None), to `path`. Returns the entry for `brain.experts`.

    The model was fitted on columns in the order of hunter.brain.window.features.FEATURES, with two
    classes, the larger of which is "up". ValueError when it was not.
    """
    coefficients = np.asarray(model.coef_, dtype=np.float64)
    if coefficients.shape != (1, len(FEATURE_NAMES)):
        raise ValueError(
            f"coefficients of shape {coefficients.shape}, expected (1, {len(FEATURE_NAMES)}):"
            " two classes, and hunter's features in their order"
        )
    if getattr(model, "loss", "log_loss") != "log_loss":
        raise ValueError(f'a model with loss {model.loss!r} gives no probability; use "log_loss"')
    mean = getattr(scaler, "mean_", None)
    scale = getattr(scaler, "scale_", None)
    if scaler is not None and mean is None and scale is None:
        raise ValueError("the scaler is not fitted, or is none: expected a StandardScaler")
    file = LogisticFile(
        format=FORMAT,
        features=list(FEATURE_NAMES),
        coefficients=coefficients[0].tolist(),
        intercept=float(np.ravel(model.intercept_)[0]),
        mean=None if mean is None else np.asarray(mean, dtype=np.float64).tolist(),
        scale=None if scale is None else np.asarray(scale, dtype=np.float64).tolist(),
    )
    content = msgspec.json.format(msgspec.json.encode(file), indent=2) + b"\n"
    Path(path).write_bytes(content)
    return f"sklearn:{path}#sha256={hashlib.sha256(content).hexdigest()}"
