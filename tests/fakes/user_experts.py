"""Outside experts as users write them: good ones, and ones that fail each in its way."""

from __future__ import annotations

import time
from math import nan

import numpy as np


class Steady:
    """Says the sign of queue imbalance, and counts labels."""

    name = "steady"

    def __init__(self) -> None:
        self.labels = 0

    def predict(self, x: np.ndarray, horizon_ms: int) -> float | None:
        return None if np.isnan(x[0]) else 0.5 + 0.2 * float(x[0])

    def learn(self, x: np.ndarray, horizon_ms: int, move: int, weight: float) -> None:
        self.labels += 1

    def state(self) -> bytes:
        return str(self.labels).encode()

    def load(self, state: bytes) -> None:
        self.labels = int(state)


class Named(Steady):
    def __init__(self, instrument: str) -> None:
        super().__init__()
        self.instrument = instrument


class Crashing(Steady):
    def predict(self, x: np.ndarray, horizon_ms: int) -> float | None:
        raise RuntimeError("the weights are gone")


class Dividing(Steady):
    def predict(self, x: np.ndarray, horizon_ms: int) -> float | None:
        return nan


class Slow(Steady):
    def predict(self, x: np.ndarray, horizon_ms: int) -> float | None:
        end_ns = time.monotonic_ns() + 2_000_000
        while time.monotonic_ns() < end_ns:
            pass
        return super().predict(x, horizon_ms)


class Wordless:
    def predict(self, x: np.ndarray, horizon_ms: int) -> float | None:
        return 0.5


class Refusing(Steady):
    def __init__(self) -> None:
        raise OSError("weights.bin is missing")


def make() -> Steady:
    return Steady()


number = 5
