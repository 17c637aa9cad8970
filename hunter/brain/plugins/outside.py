"""Outside experts: models that hunter did not make, voting on direction beside its own.

An expert is asked for P(up | the mid moves) at each sample and horizon and learns from the labels
when they come. What it says enters the mixture as log-odds; there it starts at a small weight and
has to earn more. `Guarded` stands between: an exception, a NaN or a number outside [0, 1] is an
abstention (log-odds NaN, which is no vote) and a strike, and three strikes put the expert in
shadow, where it is still asked and still learns, but has no vote until 600 clean samples in a row.
A call beyond the time budget is counted and told and changes nothing, so that a replay stays exact.
`Panel` is all of them for one instrument; FlowBrain owns it.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import log, nan
from typing import Any, Final, Protocol

import msgspec
import numpy as np

from hunter.brain.plugins.budget import Budget, Strikes
from hunter.brain.plugins.plugin import attempt, failure_text
from hunter.brain.protocol import StateError

ABSTAINS: Final = nan
"""Log-odds of who has no vote: the others decide without it. 0 would be a vote for 1/2."""

PROBABILITY_MIN: Final = 1e-4
"""Nobody is surer than 1 - 1e-4: log-odds stay within 9.21."""

STATE_BYTES_MAX: Final = 1 << 20
"""Of one expert: checkpoints are written once a second, beside the deciding."""

STATE_VERSION: Final = 1


class OutsideExpert(Protocol):
    """What an expert has to have. It must be a function of its calls: no clock, no dice.

    x is a read-only float64 array of shape (30,), in the order of FEATURES of
    hunter.brain.window.features, with NaN for what is not available.
    """

    name: str
    """What it calls itself; hunter calls it by its entry in `brain.experts`."""

    def predict(self, x: np.ndarray, horizon_ms: int) -> float | None:
        """P(the mid is higher after the horizon | it moved), 0 to 1; None abstains.

        What it answers may depend on what it learnt, and on nothing that a prediction changes.
        """

    def learn(self, x: np.ndarray, horizon_ms: int, move: int, weight: float) -> None:
        """The mid moved up (+1) or down (-1) within the horizon after x. Labels overlap: `weight`
        is the share of one that is new."""

    def state(self) -> bytes:
        """All that was learnt; b"" for a model that does not learn."""

    def load(self, state: bytes) -> None:
        """Continue from `state()`."""


class GuardedState(msgspec.Struct, array_like=True):
    """A snapshot's content."""

    version: int
    name: str
    strikes: tuple[int, int, str]
    asked: int
    failures: int
    expert: bytes


class PanelState(msgspec.Struct, array_like=True):
    """Of all experts, in their order."""

    experts: tuple[GuardedState, ...]


_ENCODER = msgspec.msgpack.Encoder()
_DECODER = msgspec.msgpack.Decoder(PanelState)


class Guarded:
    """One expert with its strikes and its budget. Whatever it does, an answer comes out."""

    __slots__ = ("_expert", "_horizon_ms", "_strikes", "asked", "budget", "failures", "name")

    def __init__(
        self, expert: OutsideExpert, name: str, budget: Budget, horizon_ms: int | None = None
    ) -> None:
        self._expert = expert
        self._horizon_ms = horizon_ms
        self._strikes = Strikes()
        self.name = name
        self.budget = budget
        self.asked = 0
        """Samples it was asked about."""
        self.failures = 0
        """Calls that raised or gave no probability."""

    @property
    def in_shadow(self) -> bool:
        return self._strikes.in_shadow

    @property
    def failure(self) -> str:
        """The newest one that is not forgiven yet; "" without one."""
        return self._strikes.why

    @property
    def trouble(self) -> str:
        """Why it has no vote, or that it is late; "" when there is nothing to tell."""
        why = self._strikes.trouble or self.budget.trouble
        return f"{self.name}: {why}" if why else ""

    def ask(self, x: np.ndarray, horizons_ms: Sequence[int]) -> tuple[float, ...]:
        """Log-odds of up by horizon; ABSTAINS where it has none, or no vote. One sample is at most
        one strike."""
        self.asked += 1
        fault = ""
        answers = []
        for horizon_ms in horizons_ms:
            if not self._is_for(horizon_ms):
                answers.append(ABSTAINS)
                continue
            began_ns = self.budget.begin()
            answer, why = self._predict(x, horizon_ms)
            self.budget.end("predict", began_ns)
            answers.append(answer)
            if why:
                self.failures += 1
                fault = fault or why
        if fault:
            self._strikes.strike(fault)
        else:
            self._strikes.passed()
        return (ABSTAINS,) * len(answers) if self._strikes.in_shadow else tuple(answers)

    def peek(self, x: np.ndarray, horizons_ms: Sequence[int]) -> tuple[float, ...]:
        """What `ask` would answer; counts nothing and changes nothing."""
        if self._strikes.in_shadow:
            return (ABSTAINS,) * len(horizons_ms)
        return tuple(
            self._predict(x, horizon_ms)[0] if self._is_for(horizon_ms) else ABSTAINS
            for horizon_ms in horizons_ms
        )

    def _is_for(self, horizon_ms: int) -> bool:
        """Whether the configuration lets it vote at this horizon."""
        return self._horizon_ms in (None, horizon_ms)

    def _predict(self, x: np.ndarray, horizon_ms: int) -> tuple[float, str]:
        """Log-odds, and what was wrong."""
        value, error = attempt(self._expert.predict, x, horizon_ms)
        if error is not None:
            return ABSTAINS, _raised("predict", error)
        if value is None:
            return ABSTAINS, ""
        probability = _number(value)
        if probability is None:
            kind = type(value).__name__
            return ABSTAINS, f"predict returned {kind}, expected a number or None"
        if not 0.0 <= probability <= 1.0:  # a NaN is neither
            return ABSTAINS, f"predict returned {probability}, expected 0 to 1"
        # Of the likelier side, so that p and 1 - p give the same number with opposite signs.
        likelier = min(max(probability, 1.0 - probability), 1.0 - PROBABILITY_MIN)
        strength = log(likelier / (1.0 - likelier))
        return (strength if probability >= 0.5 else -strength), ""

    def learn(self, x: np.ndarray, horizon_ms: int, move: int, weight: float) -> None:
        """Hand a label on; also in shadow."""
        if not self._is_for(horizon_ms):
            return
        began_ns = self.budget.begin()
        _, error = attempt(self._expert.learn, x, horizon_ms, move, weight)
        self.budget.end("learn", began_ns)
        if error is not None:
            self.failures += 1
            self._strikes.strike(_raised("learn", error))

    def state(self) -> GuardedState:
        """StateError when the expert cannot say its own."""
        value, error = attempt(self._expert.state)
        if not isinstance(value, bytes):
            why = failure_text(error) if error else f"{type(value).__name__}, expected bytes"
            raise StateError(f"{self.name}: state gave no bytes: {why}")
        if len(value) > STATE_BYTES_MAX:
            raise StateError(
                f"{self.name}: a state of {len(value)} bytes; at most {STATE_BYTES_MAX} are kept"
            )
        strikes = self._strikes.state()
        return GuardedState(STATE_VERSION, self.name, strikes, self.asked, self.failures, value)

    def load(self, found: GuardedState) -> None:
        """Continue from `state()`; ValueError when it does not fit: make a new expert then."""
        if (found.version, found.name) != (STATE_VERSION, self.name):
            raise ValueError(f"a state of {found.name}, expected one of {self.name}")
        _, error = attempt(self._expert.load, found.expert)
        if error is not None:
            raise ValueError(f"{self.name}: {_raised('load', error)}") from error
        self._strikes.load(found.strikes)
        self.asked, self.failures = found.asked, found.failures


class Panel:
    """All outside experts of one instrument, in the order of the configuration. May be empty, and
    is false then."""

    __slots__ = ("experts",)

    def __init__(self, experts: Sequence[Guarded] = ()) -> None:
        self.experts = tuple(experts)

    def __bool__(self) -> bool:
        return bool(self.experts)

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(expert.name for expert in self.experts)

    @property
    def failures(self) -> int:
        return sum(expert.failures for expert in self.experts)

    @property
    def failure(self) -> str:
        """Of the first expert with one that is not forgiven yet; "" when there is none."""
        whys = (f"{expert.name}: {expert.failure}" for expert in self.experts if expert.failure)
        return next(whys, "")

    @property
    def overruns(self) -> int:
        """Calls beyond the time budget; not the same at a replay, and in no state."""
        return sum(expert.budget.overruns for expert in self.experts)

    @property
    def trouble(self) -> str:
        """Who is in shadow or late, and why; "" when nobody is."""
        return "; ".join(expert.trouble for expert in self.experts if expert.trouble)

    def ask(
        self, vector: Sequence[float], horizons_ms: Sequence[int]
    ) -> tuple[tuple[float, ...], ...]:
        """At a sample, once: for each horizon the log-odds of all experts."""
        x = frozen_array(vector)
        answers = [expert.ask(x, horizons_ms) for expert in self.experts]
        return tuple(zip(*answers, strict=True)) if answers else ((),) * len(horizons_ms)

    def peek(
        self, vector: Sequence[float], horizons_ms: Sequence[int]
    ) -> tuple[tuple[float, ...], ...]:
        """What `ask` would answer; changes nothing. For an outlook."""
        x = frozen_array(vector)
        answers = [expert.peek(x, horizons_ms) for expert in self.experts]
        return tuple(zip(*answers, strict=True)) if answers else ((),) * len(horizons_ms)

    def learn(self, vector: Sequence[float], horizon_ms: int, move: int, weight: float) -> None:
        """A label came due: every expert learns, those in shadow too."""
        if self.experts:
            x = frozen_array(vector)
            for expert in self.experts:
                expert.learn(x, horizon_ms, move, weight)

    def state(self) -> bytes:
        """Of all; StateError when one of them cannot say its own."""
        return _ENCODER.encode(PanelState(tuple(expert.state() for expert in self.experts)))

    def load(self, state: bytes) -> None:
        """Continue from `state()`; ValueError when it does not fit: make a new panel then."""
        try:
            found = _DECODER.decode(state)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise ValueError(f"not a state of outside experts: {error}") from error
        if tuple(one.name for one in found.experts) != self.names:
            raise ValueError("a state of other outside experts")
        for expert, one in zip(self.experts, found.experts, strict=True):
            expert.load(one)


def frozen_array(vector: Sequence[float]) -> np.ndarray:
    """A float64 array that nobody can write to: experts share it."""
    x = np.array(vector, dtype=np.float64)
    x.flags.writeable = False
    return x


def _number(value: Any) -> float | None:
    """As a float, if it is a number and no truth value; None if not."""
    if not isinstance(value, (int, float, np.floating)) or isinstance(value, bool):
        return None
    number: float | None = attempt(float, value).value  # an int may be too large for one
    return number


def _raised(method: str, error: Exception) -> str:
    return f"{method} raised {type(error).__name__}: {failure_text(error)}"
