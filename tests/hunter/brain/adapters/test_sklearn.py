from __future__ import annotations

import json
from math import nan
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fakes.training import COUNT, Fitted, logistic, sample

from hunter.brain.adapters.pinned import read_pinned
from hunter.brain.adapters.sklearn import FORMAT, export_logistic, make
from hunter.brain.adapters.still import FEATURE_NAMES
from hunter.brain.plugins.outside import frozen_array
from hunter.config.plugins import parse_expert
from hunter.errors import ConfigError

HASH = "0f" * 32


def load(entry: str) -> Any:
    spec = parse_expert(entry)
    return make(spec.name, spec.sha256, read_pinned(spec, Path()))


def test_exported_model_says_what_the_formula_says(tmp_path: Path) -> None:
    model, scaler = logistic()
    expert = load(export_logistic(model, scaler, tmp_path / "m.json"))
    for row in sample(20)[0]:
        scaled = (row - scaler.mean_) / scaler.scale_
        expected = 1.0 / (1.0 + np.exp(-(scaled @ model.coef_[0] + 0.25)))
        assert expert.predict(frozen_array(row), 1_000) == pytest.approx(expected, abs=1e-12)


def test_missing_feature_counts_as_zero_before_the_scaling(tmp_path: Path) -> None:
    expert = load(export_logistic(*logistic(), tmp_path / "m.json"))
    row = sample(1)[0][0]
    row[3] = 0.0
    known = expert.predict(frozen_array(row), 1_000)
    row[3] = nan
    assert expert.predict(frozen_array(row), 1_000) == known


def test_probability_stays_inside_its_range_for_any_size(tmp_path: Path) -> None:
    expert = load(export_logistic(*logistic(), tmp_path / "m.json"))
    for size in (1e300, -1e300):
        assert 0.0 < expert.predict(frozen_array([size] * COUNT), 1_000) < 1.0


def test_model_without_a_scaler_is_exported_too(tmp_path: Path) -> None:
    model, _ = logistic()
    expert = load(export_logistic(model, None, tmp_path / "m.json"))
    expected = 1.0 / (1.0 + np.exp(-0.25))
    assert expert.predict(frozen_array([0.0] * COUNT), 1_000) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("model", "scaler", "says"),
    [
        (Fitted(coef_=np.zeros((3, COUNT))), None, r"shape \(3, "),
        (Fitted(coef_=np.zeros((1, 4))), None, "hunter's features in their order"),
        (Fitted(coef_=np.zeros((1, COUNT)), loss="hinge"), None, "gives no probability"),
        (Fitted(coef_=np.zeros((1, COUNT))), Fitted(), "the scaler is not fitted"),
    ],
)
def test_model_that_cannot_be_exported_is_refused(
    model: Any, scaler: Any, says: str, tmp_path: Path
) -> None:
    with pytest.raises(ValueError, match=says):
        export_logistic(model, scaler, tmp_path / "m.json")
    assert not list(tmp_path.iterdir())


GOOD = {"format": FORMAT, "features": list(FEATURE_NAMES), "coefficients": [0.0] * COUNT}


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"\x80\x04K\x01.", "not a logistic model"),
        (b"[]", "not a logistic model"),
        (GOOD | {"__reduce__": "os.system"}, "unknown field `__reduce__`"),
        (GOOD | {"format": "hunter-logistic-2"}, "expected hunter-logistic-1"),
        (GOOD | {"features": ["a"]}, "made for 1 features"),
        (GOOD | {"coefficients": [0.0]}, "a list that is not"),
        (GOOD | {"mean": [0.0]}, "a list that is not"),
        (GOOD | {"scale": [0.0] * COUNT}, "a scale 0"),
    ],
)
def test_file_that_is_no_model_is_refused(content: Any, says: str) -> None:
    raw = content if isinstance(content, bytes) else json.dumps(content).encode()
    with pytest.raises(ConfigError, match=says):
        make("sklearn:m.json", HASH, raw)


@pytest.mark.filterwarnings("default")
@pytest.mark.parametrize("kind", ["LogisticRegression", "SGDClassifier"])
def test_real_model_says_what_scikit_learn_says(kind: str, tmp_path: Path) -> None:
    linear = pytest.importorskip("sklearn.linear_model", reason="no scikit-learn: make test-ml")
    from sklearn.preprocessing import StandardScaler

    x, y = sample()
    scaler = StandardScaler().fit(x)
    options = {"loss": "log_loss", "random_state": 1} if kind == "SGDClassifier" else {}
    model = getattr(linear, kind)(**options).fit(scaler.transform(x), y)
    expert = load(export_logistic(model, scaler, tmp_path / "m.json"))
    expected = model.predict_proba(scaler.transform(x))[:, 1]
    found = [expert.predict(frozen_array(row), 1_000) for row in x]
    assert found == pytest.approx(expected, abs=1e-12)
    assert np.mean((np.array(found) > 0.5) == y) > 0.8
