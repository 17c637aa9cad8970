"""ONNX models, by onnxruntime on one thread of the processor.

The input is one float32 tensor of shape (1, number of features), in the order of
hunter.brain.window.features.FEATURES, with 0 for what is not available. The last output is taken: a
probability, those of (down, up), or scikit-learn's map of them by class. A model whose numbers lie
in other files is refused: no hash covers those.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from hunter.brain.adapters.extras import need
from hunter.brain.adapters.still import FEATURE_NAMES, StillModel
from hunter.brain.plugins.plugin import attempt, failure_text
from hunter.errors import ConfigError

_ELSEWHERE = b"\x0a\x08location\x12"
"""How StringStringEntryProto("location", ...) of TensorProto.external_data begins on the wire."""
_ERRORS_ONLY = 3


class OnnxModel(StillModel):
    """One InferenceSession."""

    def __init__(self, name: str, sha256: str, content: bytes) -> None:
        super().__init__(name, sha256)
        library = need("onnxruntime", "onnx")
        if _ELSEWHERE in content:
            raise ConfigError(
                f"brain.experts: {name}: its numbers lie in other files: save it whole"
            )
        options = library.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        options.log_severity_level = _ERRORS_ONLY
        providers = ["CPUExecutionProvider"]
        made, error = attempt(
            lambda: library.InferenceSession(content, sess_options=options, providers=providers)
        )
        if error is not None:
            why = failure_text(error)
            raise ConfigError(f"brain.experts: {name}: ONNX cannot load it: {why}") from error
        self._session = made
        inputs = made.get_inputs()
        fits = len(inputs) == 1 and inputs[0].type == "tensor(float)"
        if not fits or list(inputs[0].shape[1:]) not in ([len(FEATURE_NAMES)], [None]):
            shapes = ", ".join(f"{one.type} {one.shape}" for one in inputs)
            raise ConfigError(
                f"brain.experts: {name}: takes {shapes or 'nothing'}, expected one tensor(float)"
                f" [1, {len(FEATURE_NAMES)}]"
            )
        self._input = inputs[0].name
        self._output = [made.get_outputs()[-1].name]
        _, error = attempt(self.probability, np.zeros(len(FEATURE_NAMES)))
        if error is not None:
            why = failure_text(error)
            raise ConfigError(f"brain.experts: {name}: gives no probability: {why}") from error

    def probability(self, x: np.ndarray) -> float:
        row = np.nan_to_num(x.reshape(1, -1).astype(np.float32), nan=0.0)
        return probability_of(self._session.run(self._output, {self._input: row})[0])


def make(name: str, sha256: str, content: bytes) -> OnnxModel:
    """An expert of the file's content; ConfigError when it is none."""
    return OnnxModel(name, sha256, content)


def probability_of(said: Any) -> float:
    """P(up) in an output's value; ValueError when there is none."""
    if isinstance(said, list) and len(said) == 1 and isinstance(said[0], dict):
        by_class = said[0]
        if len(by_class) == 2:
            return float(by_class[max(by_class)])
    elif isinstance(said, np.ndarray) and said.dtype.kind == "f" and said.size in (1, 2):
        return float(said.ravel()[-1])
    raise ValueError(f"an output of {type(said).__name__}{getattr(said, 'shape', '')}")
