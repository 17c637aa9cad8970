"""Online models of river: they learn from every label, one model for each horizon.

A function of the user's makes them: `river:my_module:factory`, called without arguments, gives a
classifier with `predict_proba_one` and `learn_one`. A model is given the features that are
available, by name, and the labels True (up) and False with their weight `w`; one that takes no
weight learns a label each time that as much weight as one label has come.

River itself keeps models by pickle, which hunter does not read. What is kept here are the numbers
(see structure), so that a restart is exact; a model whose state is more than that (trees,
ensembles) is refused at the start, by keeping and renewing one that has learnt a little. Whoever
needs such a model writes a class of his own, with a `state` of his own.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import lru_cache
from math import isnan, sin
from typing import Any, Final

import msgspec
import numpy as np

from hunter.brain.adapters.extras import need
from hunter.brain.adapters.still import FEATURE_NAMES
from hunter.brain.adapters.structure import StructureError, capture, renew
from hunter.brain.plugins.outside import frozen_array
from hunter.brain.plugins.plugin import attempt, failure_text
from hunter.errors import ConfigError

PRIMING_LABELS: Final = 4
TRIAL_LABELS: Final = 400
"""Enough for a tree to split, which it looks for every 200."""


class RiverExpert:
    """See hunter.brain.plugins.outside.OutsideExpert."""

    def __init__(self, name: str, factory: Callable[[], Any]) -> None:
        self.name = name
        self._factory = factory
        self._models: dict[int, Any] = {}
        self._waiting: dict[int, float] = {}
        self._takes_weight = _takes_weight(factory())

    def _model(self, horizon_ms: int) -> Any:
        if horizon_ms not in self._models:
            self._models[horizon_ms] = self._factory()
            self._waiting[horizon_ms] = 0.0
        return self._models[horizon_ms]

    def predict(self, x: np.ndarray, horizon_ms: int) -> float | None:
        said = self._model(horizon_ms).predict_proba_one(_named(x))
        if not said:
            return None  # it has seen nothing yet
        return float(said.get(True, 1.0 - said.get(False, 0.5)))

    def learn(self, x: np.ndarray, horizon_ms: int, move: int, weight: float) -> None:
        model = self._model(horizon_ms)
        if self._takes_weight:
            model.learn_one(_named(x), move > 0, w=weight)
            return
        self._waiting[horizon_ms] += weight
        if self._waiting[horizon_ms] >= 1.0:
            self._waiting[horizon_ms] -= 1.0
            model.learn_one(_named(x), move > 0)

    def state(self) -> bytes:
        """StructureError when it holds more than numbers."""
        kept = [
            (horizon_ms, self._waiting[horizon_ms], capture(model))
            for horizon_ms, model in self._models.items()
        ]
        return msgspec.msgpack.encode(kept)

    def load(self, state: bytes) -> None:
        for horizon_ms, waiting, data in msgspec.msgpack.decode(state):
            model = self._factory()
            # Parts that come with the first labels have to be there to take their numbers.
            for number in range(PRIMING_LABELS):
                model.predict_proba_one(_named(_trial(number)))
                model.learn_one(_named(_trial(number)), number % 2 == 0)
            renew(model, data)
            self._models[horizon_ms], self._waiting[horizon_ms] = model, waiting


def make(name: str, factory: Callable[[], Any]) -> RiverExpert:
    """An expert; ConfigError when its state could not be kept, or it is no classifier."""
    _prove(name, factory)
    return RiverExpert(name, factory)


@lru_cache(maxsize=64)
def _prove(name: str, factory: Callable[[], Any]) -> None:
    """Once a process: it takes some 100 ms, and there may be 300 instruments."""
    need("river", "river")
    _, error = attempt(_try, name, factory)
    if error is not None:
        why = failure_text(error)
        kind = "its state cannot be kept" if isinstance(error, StructureError) else "cannot be used"
        raise ConfigError(f"brain.experts: {name}: {kind}: {why}") from error


def _try(name: str, factory: Callable[[], Any]) -> None:
    """Learn a little, keep it, go on with both: they have to say the same."""
    expert, again = RiverExpert(name, factory), RiverExpert(name, factory)
    for number in range(TRIAL_LABELS):
        _learn_one(expert, number)
    again.load(expert.state())
    for number in range(TRIAL_LABELS, TRIAL_LABELS + 20):
        _learn_one(expert, number)
        _learn_one(again, number)
        x = _trial(number + 1)
        if expert.predict(x, 1_000) != again.predict(x, 1_000):
            raise StructureError("a renewed model does not go on as the old one does")
    if expert.state() != again.state():
        raise StructureError("a renewed model is not as the old one is")


def _learn_one(expert: RiverExpert, number: int) -> None:
    x = _trial(number)
    expert.predict(x, 1_000)
    expert.learn(x, 1_000, 1 if x[0] + x[1] * x[2] > 0.0 else -1, 1.0)


def _trial(number: int) -> np.ndarray:
    """Numbers that look like chance and are the same each time."""
    return frozen_array([sin(1.0 + number * (12.9898 + i)) for i in range(len(FEATURE_NAMES))])


def _named(x: np.ndarray) -> dict[str, float]:
    pairs = zip(FEATURE_NAMES, x.tolist(), strict=True)
    return {name: value for name, value in pairs if not isnan(value)}


def _takes_weight(model: Any) -> bool:
    """Whether `learn_one` takes a weight; of a pipeline it is the last step that learns."""
    steps = getattr(model, "steps", None)
    last = list(steps.values())[-1] if steps else model
    signature, error = attempt(inspect.signature, last.learn_one)
    return error is None and "w" in signature.parameters
