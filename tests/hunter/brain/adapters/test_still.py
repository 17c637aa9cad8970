from __future__ import annotations

import numpy as np
import pytest

from hunter.brain.adapters.still import FEATURE_NAMES, StillModel, check_features
from hunter.brain.plugins.outside import frozen_array
from hunter.errors import ConfigError

HASH = "0f" * 32


class Counting(StillModel):
    calls = 0

    def probability(self, x: np.ndarray) -> float:
        self.calls += 1
        return float(x[0])


def test_answer_is_worked_out_once_for_all_horizons_of_a_sample() -> None:
    model = Counting("m", HASH)
    for first in (0.25, 0.75):
        x = frozen_array([first] * 30)
        assert [model.predict(x, horizon_ms) for horizon_ms in (1_000, 5_000)] == [first] * 2
    assert model.calls == 2


def test_state_is_the_files_hash_and_another_files_is_refused() -> None:
    model = Counting("m", HASH)
    model.learn(frozen_array([0.0] * 30), 1_000, 1, 1.0)
    assert model.state() == bytes.fromhex(HASH)
    Counting("n", HASH).load(model.state())
    with pytest.raises(ValueError, match="another file"):
        Counting("m", "00" * 32).load(model.state())


def test_features_in_another_order_or_number_are_refused() -> None:
    check_features("m", FEATURE_NAMES)
    with pytest.raises(
        ConfigError, match=f"made for 2 features; hunter gives {len(FEATURE_NAMES)}"
    ):
        check_features("m", FEATURE_NAMES[:2])
    swapped = [FEATURE_NAMES[1], FEATURE_NAMES[0], *FEATURE_NAMES[2:]]
    with pytest.raises(ConfigError, match=f"its feature 0 is {FEATURE_NAMES[1]}, hunter's is"):
        check_features("m", swapped)


def test_model_without_an_answer_says_so() -> None:
    with pytest.raises(NotImplementedError):
        StillModel("m", HASH).predict(frozen_array([0.0] * 30), 1_000)
