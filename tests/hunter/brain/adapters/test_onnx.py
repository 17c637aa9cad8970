from __future__ import annotations

import sys
from math import nan
from typing import Any

import numpy as np
import pytest
from fakes.training import COUNT, sample

from hunter.brain.adapters.onnx import make, probability_of
from hunter.brain.plugins.outside import frozen_array
from hunter.errors import ConfigError

HASH = "0f" * 32
WHY = "no onnxruntime, scikit-learn and skl2onnx: make test-ml"

# The converter is the user's, and warns as it likes.
pytestmark = pytest.mark.filterwarnings("default")


def fitted(columns: int = COUNT) -> Any:
    linear = pytest.importorskip("sklearn.linear_model", reason=WHY)
    x, y = sample()
    return linear.LogisticRegression().fit(x[:, :columns], y)


def converted(model: Any, columns: int = COUNT, zipmap: bool = False) -> bytes:
    pytest.importorskip("onnxruntime", reason=WHY)
    skl2onnx = pytest.importorskip("skl2onnx", reason=WHY)
    from skl2onnx.common.data_types import FloatTensorType

    shape = [("x", FloatTensorType([None, columns]))]
    options = {id(model): {"zipmap": zipmap}}
    made = skl2onnx.convert_sklearn(model, initial_types=shape, options=options)
    serialized: bytes = made.SerializeToString()
    return serialized


@pytest.mark.parametrize("zipmap", [False, True])
def test_model_says_what_scikit_learn_says(zipmap: bool) -> None:
    model = fitted()
    expert = make("onnx:m.onnx", HASH, converted(model, zipmap=zipmap))
    x, _ = sample(50, seed=9)
    found = [expert.predict(frozen_array(row), 1_000) for row in x]
    assert found == pytest.approx(model.predict_proba(x)[:, 1].tolist(), abs=1e-5)


def test_missing_feature_counts_as_zero() -> None:
    expert = make("onnx:m.onnx", HASH, converted(fitted()))
    row = sample(1)[0][0]
    row[0] = 0.0
    known = expert.predict(frozen_array(row), 1_000)
    row[0] = nan
    assert expert.predict(frozen_array(row), 1_000) == known


def test_model_of_other_features_is_refused() -> None:
    with pytest.raises(ConfigError, match=rf"expected one tensor\(float\) \[1, {COUNT}\]"):
        make("onnx:m.onnx", HASH, converted(fitted(3), 3))


def test_model_with_no_probability_is_refused() -> None:
    linear = pytest.importorskip("sklearn.linear_model", reason=WHY)
    x, y = sample()
    three = linear.LogisticRegression().fit(x, y + (x[:, 2] > 1.0))
    with pytest.raises(ConfigError, match="gives no probability: an output of ndarray"):
        make("onnx:m.onnx", HASH, converted(three))


@pytest.mark.parametrize("raw", [b"", b"\x80\x04K\x01.", b"x" * 1_000])
def test_file_that_is_no_model_is_refused(raw: bytes) -> None:
    pytest.importorskip("onnxruntime", reason=WHY)
    with pytest.raises(ConfigError, match="ONNX cannot load it"):
        make("onnx:m.onnx", HASH, raw)


def test_model_that_refers_to_other_files_is_refused() -> None:
    pytest.importorskip("onnxruntime", reason=WHY)
    helper = pytest.importorskip("onnx.helper", reason=WHY)
    elsewhere = pytest.importorskip("onnx.external_data_helper", reason=WHY)
    import onnx

    tensor = helper.make_tensor("w", onnx.TensorProto.FLOAT, [COUNT, 1], [0.0] * COUNT)
    tensor.raw_data = np.zeros((COUNT, 1), np.float32).tobytes()
    elsewhere.set_external_data(tensor, "../weights.bin")
    tensor.ClearField("raw_data")
    graph = helper.make_graph([], "g", [], [], [tensor])
    with pytest.raises(ConfigError, match="lie in other files"):
        make("onnx:m.onnx", HASH, helper.make_model(graph).SerializeToString())


@pytest.mark.parametrize(
    ("said", "p"),
    [
        (np.array([[0.25, 0.75]]), 0.75),
        (np.array([[0.75]], np.float32), 0.75),
        (np.array([0.75]), 0.75),
        ([{0: 0.25, 1: 0.75}], 0.75),
        ([{True: 0.75, False: 0.25}], 0.75),
        ([{-1: 0.25, 1: 0.75}], 0.75),
    ],
)
def test_probability_of_up_is_found_in_what_models_say(said: Any, p: float) -> None:
    assert probability_of(said) == p


@pytest.mark.parametrize("said", [np.array([1]), np.zeros((1, 3)), [], [{1: 1.0}], "0.5", None])
def test_what_holds_no_probability_is_told(said: Any) -> None:
    with pytest.raises(ValueError, match="an output of"):
        probability_of(said)


def test_without_the_library_one_line_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(ConfigError, match=r"pip install 'okx-hunter\[onnx\]'"):
        make("onnx:m.onnx", HASH, b"")
