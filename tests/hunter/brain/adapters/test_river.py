from __future__ import annotations

import sys
from collections.abc import Callable
from math import nan
from typing import Any

import numpy as np
import pytest
from fakes.training import COUNT, sample

from hunter.brain.adapters.river import RiverExpert, make
from hunter.brain.plugins.outside import frozen_array
from hunter.errors import ConfigError

WHY = "no river: make test-ml"
HORIZONS = (1_000, 5_000)


def made(factory: Callable[[], Any]) -> RiverExpert:
    pytest.importorskip("river", reason=WHY)
    return make("river:mine:model", factory)


def linear() -> Any:
    from river import linear_model, optim, preprocessing

    model = linear_model.LogisticRegression(optimizer=optim.Adam(0.01))
    return preprocessing.StandardScaler() | model


def passive_aggressive() -> Any:
    from river import linear_model

    return linear_model.ALMAClassifier()  # takes no weight


def bayes() -> Any:
    from river import naive_bayes

    return naive_bayes.GaussianNB()


def trained(factory: Callable[[], Any], rows: int = 300) -> RiverExpert:
    expert = made(factory)
    feed(expert, *sample(rows))
    return expert


def feed(expert: RiverExpert, x: np.ndarray, y: np.ndarray) -> None:
    for row, up in zip(x, y, strict=True):
        vector = frozen_array(row)
        for horizon_ms in HORIZONS:
            expert.predict(vector, horizon_ms)
            expert.learn(vector, horizon_ms, 1 if up else -1, 1_000 / horizon_ms)


def accuracy(expert: RiverExpert, horizon_ms: int) -> float:
    x, y = sample(300, seed=8)
    found = [expert.predict(frozen_array(row), horizon_ms) for row in x]
    return float(np.mean((np.array(found) > 0.5) == y))


@pytest.mark.parametrize(
    ("factory", "least"), [(linear, 0.8), (bayes, 0.6), (passive_aggressive, 0.55)]
)
def test_model_learns_from_labels_at_each_horizon(factory: Callable[[], Any], least: float) -> None:
    expert = trained(factory)
    assert min(accuracy(expert, horizon_ms) for horizon_ms in HORIZONS) > least


def test_model_that_has_learnt_nothing_has_no_opinion() -> None:
    expert = made(linear)
    assert expert.predict(frozen_array([1.0] * COUNT), 1_000) in (None, 0.5)


def test_missing_feature_is_left_out() -> None:
    seen: list[dict[str, float]] = []

    class Spy:
        def predict_proba_one(self, x: dict[str, float]) -> dict[bool, float]:
            seen.append(x)
            return {}

        def learn_one(self, x: dict[str, float], y: bool) -> None:
            seen.append(x)

    expert = RiverExpert("spy", Spy)
    x = frozen_array([nan] + [1.0] * (COUNT - 1))
    assert expert.predict(x, 1_000) is None
    expert.learn(x, 1_000, 1, 1.0)
    assert [len(one) for one in seen] == [COUNT - 1] * 2


def test_model_that_takes_no_weight_learns_once_for_each_whole_label() -> None:
    learnt: list[bool] = []

    class Counting:
        def predict_proba_one(self, x: Any) -> dict[bool, float]:
            return {False: 0.25}

        def learn_one(self, x: Any, y: bool) -> None:
            learnt.append(y)

    expert = RiverExpert("counting", Counting)
    for _ in range(21):
        expert.learn(frozen_array([0.0] * COUNT), 1_000, -1, 0.25)
    assert learnt == [False] * 5
    assert expert.predict(frozen_array([0.0] * COUNT), 1_000) == 0.75


@pytest.mark.parametrize("factory", [linear, bayes, passive_aggressive])
def test_restart_is_exact_to_the_bit(factory: Callable[[], Any]) -> None:
    expert, again = trained(factory, 211), made(factory)
    again.load(expert.state())
    assert again.state() == expert.state()
    x, y = sample(60, seed=3)
    for one in (expert, again):
        feed(one, x, y)
    for row in x:
        for horizon_ms in HORIZONS:
            vector = frozen_array(row)
            assert again.predict(vector, horizon_ms) == expert.predict(vector, horizon_ms)
    assert again.state() == expert.state()


@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("tree", "HoeffdingTreeClassifier"),
        ("neighbors", "KNNClassifier"),
        ("forest", "ARFClassifier"),
    ],
)
def test_model_whose_state_is_more_than_numbers_is_refused(module: str, name: str) -> None:
    pytest.importorskip("river", reason=WHY)
    import importlib

    factory = getattr(importlib.import_module(f"river.{module}"), name)
    with pytest.raises(ConfigError, match="river:mine:model: its state cannot be kept"):
        make("river:mine:model", factory)


def test_model_is_tried_once_however_many_instruments_there_are() -> None:
    calls: list[int] = []

    def counting() -> Any:
        calls.append(1)
        return linear()

    made(counting)
    tried = len(calls)
    made(counting)
    assert len(calls) - tried == 1 < tried


def test_what_is_no_classifier_is_refused() -> None:
    pytest.importorskip("river", reason=WHY)
    with pytest.raises(ConfigError, match="cannot be used: 'object' object has no attribute"):
        make("river:mine:model", object)


def test_without_the_library_one_line_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "river", None)
    with pytest.raises(ConfigError, match=r"pip install 'okx-hunter\[river\]'"):
        make("river:mine:model", object)
