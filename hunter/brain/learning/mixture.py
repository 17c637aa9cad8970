"""Mixture: P(up | the mid moves) at one horizon, from experts that must earn their say.

    z   = x / its running root mean square, within +-SCALED_MAX; of queue imbalance: `queue_term`
    l_j = expert j's log-odds; E0 knows queue imbalance alone (Gould and Bonart 2016), E1 and E2
          the first 14 odd features, E3 all 20; E1 is held to the prior as firmly as E0
    L   = T * sum_j v_j T_j l_j       the log-linear pool (see pool); T are `Temperature`s

Outside experts give their log-odds beside the vector, NaN where they have nothing to say.

Invariants: everything is odd under the side swap, bit for bit, and p is exactly 1/2 for an input
of zeros; inputs of any size, NaN and infinity included, leave all of it finite; the state is a
function of prior and labels alone. Called by FlowBrain, one per horizon; kernel.Mixture is the same
in C, same operations in the same order, same bytes. `new_mixture` chooses.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from math import log, nan, sqrt
from typing import NamedTuple

from hunter.brain.learning.experts import LOG_ODDS_MAX, LaplaceLogit, Temperature, clipped, unpacked
from hunter.brain.learning.logistic import sigmoid
from hunter.brain.learning.pool import OUTSIDE_MAX, Pool, pooled
from hunter.brain.learning.prior import Prior
from hunter.brain.window.features import ODD_COUNT
from hunter.native import kernel

GROWTH = 2e-4
"""Of the covariances: about 5,000 labels are remembered, so a drifting market is followed."""
TEMPERATURE_PRECISION, TEMPERATURE_PRECISION_MAX = 10.0, 1_000.0
LAST_PRECISION, LAST_PRECISION_MAX = 200.0, 1_000.0
"""In units of a label's information; about as many labels times eight are remembered."""

SCALED_MAX = 3.0
SCALE_LABELS_FIRST, SCALE_LABELS_MAX = 10.0, 1_000.0
"""For how many labels the prior's scales count, and how many are remembered."""
_SCALE_FLOOR = 0.25
"""No scale falls below this share of the prior's: a feature at rest is not blown up."""
_OUTLIER = 10.0
"""In scales: a value further out counts as this when the scale is learnt."""
QUEUE_FULL = 0.9950547536867305
"""tanh(3): one queue is 400 times the other; beyond it the ratio is not told apart."""
_HEAD = struct.Struct("<16sIII")


def queue_term(imbalance: float) -> float:
    """What the experts take of queue imbalance I: I / 2 + artanh(I) / 3, artanh(I) = log(bid size /
    ask size) / 2 up to 3.

    Log-odds linear in I are too flat near an empty queue, in the log ratio too steep where queues
    say little: their mean fits both. On each of three recordings it had the lower log-loss, and
    ranked steadier while the slope is learnt, since full queues no longer lie close together.
    """
    size = abs(imbalance)
    if size != size:
        return 0.0
    if size >= QUEUE_FULL:
        term = 0.5 * (size if size < 1.0 else 1.0) + 1.0
    else:
        term = 0.5 * size + 0.5 * log((1.0 + size) / (1.0 - size)) / 3.0
    return term if imbalance >= 0.0 else -term


class Assessment(NamedTuple):
    """What a mixture thinks of one vector.

    `log_odds` of up given a move, within +-30 nats; `probability_up` its logistic. `weights` are
    the votes in the pool of E0 to E3, then the outside experts; they add up to 1, 0 is not heard.
    `said`: log-odds of E0 to E3 before votes and temperatures; keep it for `learn`.
    """

    log_odds: float
    probability_up: float
    weights: tuple[float, ...]
    said: tuple[float, ...]


class Mixture:
    """See the module. `x` is always the ODD_COUNT odd features in the vector's order, `outside`
    one log-odds for each of the `outside_count` outside experts."""

    __slots__ = (
        "_digest",
        "_experts",
        "_fallen_back",
        "_last",
        "_pool",
        "_scale_floors",
        "_scale_labels",
        "_scale_squares",
        "_temperatures",
        "outside_count",
    )

    def __init__(self, prior: Prior, outside_count: int = 0) -> None:
        prior.check()
        if not 0 <= outside_count <= OUTSIDE_MAX:
            raise ValueError(f"{outside_count} outside experts; at most {OUTSIDE_MAX} have room")
        self.outside_count = outside_count
        self._digest = prior.digest()
        self._experts = [LaplaceLogit(one.mean, one.precision, GROWTH) for one in prior.experts]
        self._pool = Pool(outside_count)
        self._temperatures = [
            Temperature(TEMPERATURE_PRECISION, TEMPERATURE_PRECISION_MAX)
            for _ in range(len(self._experts) + outside_count)
        ]
        self._last = Temperature(LAST_PRECISION, LAST_PRECISION_MAX)
        self._scale_squares = [one * one for one in prior.scales]
        self._scale_floors = [_SCALE_FLOOR * _SCALE_FLOOR * one for one in self._scale_squares]
        self._scale_labels = SCALE_LABELS_FIRST
        self._fallen_back = False

    def assess(self, x: Sequence[float], outside: Sequence[float] = (), /) -> Assessment:
        """P(up | move); changes nothing."""
        said = self._say(self._scaled(x))
        spoken = self._spoken(said, outside)
        votes = self._votes(spoken)
        log_odds = clipped(
            self._last_factor() * pooled(votes, self._tempered(spoken)), LOG_ODDS_MAX
        )
        return Assessment(log_odds, sigmoid(log_odds), tuple(votes), tuple(said))

    def contributions(
        self, x: Sequence[float], outside: Sequence[float] = (), /
    ) -> tuple[float, ...]:
        """The signed terms of `assess(x, outside).log_odds`: one per odd feature in their order,
        then one per outside expert. They add up to it, but for rounding and its limit."""
        scaled = self._scaled(x)
        spoken = self._spoken(self._say(scaled), outside)
        votes = self._votes(spoken)
        factor = self._last_factor()
        terms = [0.0] * ODD_COUNT
        for j, expert in enumerate(self._experts):
            share = factor * (votes[j] * self._temperatures[j].factor)
            for i, coefficient in enumerate(expert.mean):
                terms[i] += share * (coefficient * scaled[i])
        for j in range(len(self._experts), len(votes)):
            heard = votes[j] * (self._temperatures[j].factor * spoken[j]) if votes[j] > 0.0 else 0.0
            terms.append(factor * heard)
        return tuple(terms)

    def learn(
        self,
        x: Sequence[float],
        outside: Sequence[float],
        move: int,
        weight: float,
        said: Sequence[float] | None = None,
        /,
    ) -> None:
        """The mid moved up (+1) or down (-1) after `x`; the label counts `weight`, above 0 to 1.

        `said` is what `assess` gave for `x` at the time. Without it the experts are asked again,
        who have by now learnt from labels that overlap this one: that flatters the quick ones.
        """
        assert move in (1, -1), "a window without a move teaches nothing about direction"
        scaled = self._scaled(x)
        spoken = self._spoken(self._say(scaled) if said is None else said, outside)
        towards = [value * move for value in spoken]
        tempered = self._tempered(towards)
        together = pooled(self._pool.votes(towards), tempered)
        self._pool.learn(tempered, together, weight)
        self._last.learn(together, weight)
        for temperature, one in zip(self._temperatures, towards, strict=True):
            if one == one:
                temperature.learn(one, weight)
        for expert in self._experts:
            expert.learn(scaled, move, weight)
        self._learn_scales(x, weight)

    def fall_back(self, on: bool, /) -> None:
        """Whether E0 speaks alone, with its own temperature; all go on learning."""
        self._fallen_back = on

    def reset(self) -> None:
        """As unsure as at the start: covariances, temperatures' precisions and weights go back to
        the prior's. What was learnt stays as the point from which it is learnt anew."""
        for expert in self._experts:
            expert.reset()
        for temperature in (*self._temperatures, self._last):
            temperature.reset()
        self._pool.reset()

    def _last_factor(self) -> float:
        return 1.0 if self._fallen_back else self._last.factor

    def _scaled(self, x: Sequence[float]) -> list[float]:
        scaled = [queue_term(x[0])]
        for i in range(1, ODD_COUNT):
            scaled.append(clipped(x[i] / sqrt(self._scale_squares[i]), SCALED_MAX))
        return scaled

    def _say(self, scaled: list[float]) -> list[float]:
        return [expert.log_odds(scaled) for expert in self._experts]

    def _spoken(self, said: Sequence[float], outside: Sequence[float]) -> list[float]:
        """Log-odds of all experts; NaN for one that is silent."""
        assert len(outside) == self.outside_count, "one log-odds for each outside expert"
        limited = (clipped(one, LOG_ODDS_MAX) if one == one else nan for one in outside)
        if len(said) != len(self._experts):
            raise ValueError("said is of the built-in experts only")
        return [*said, *limited]

    def _tempered(self, spoken: Sequence[float]) -> list[float]:
        return [one.factor * value for one, value in zip(self._temperatures, spoken, strict=True)]

    def _votes(self, spoken: Sequence[float]) -> list[float]:
        if self._fallen_back:
            return [1.0] + [0.0] * (len(spoken) - 1)
        return self._pool.votes(spoken)

    def _learn_scales(self, x: Sequence[float], weight: float) -> None:
        labels = self._scale_labels + weight
        self._scale_labels = labels if labels < SCALE_LABELS_MAX else SCALE_LABELS_MAX
        rate = weight / self._scale_labels
        for i in range(1, ODD_COUNT):
            value = x[i]
            if value != value:
                continue
            square = self._scale_squares[i]
            value = clipped(value, _OUTLIER * sqrt(square))
            square += rate * (value * value - square)
            floor = self._scale_floors[i]
            self._scale_squares[i] = square if square > floor else floor

    def state(self) -> bytes:
        """Little-endian: the prior's digest, how many outside experts, who of them is heard (a bit
        each), whether fallen back; then doubles, the experts' last."""
        heard = 0
        for i, one in enumerate(self._pool.heard):
            heard |= int(one) << i
        numbers = [*self._scale_squares, self._scale_labels]
        numbers += [*self._pool.weights, *self._pool.trial_labels]
        for temperature in (*self._temperatures, self._last):
            numbers += (temperature.factor, temperature.precision)
        head = _HEAD.pack(self._digest, self.outside_count, heard, int(self._fallen_back))
        body = struct.pack(f"<{len(numbers)}d", *numbers)
        return head + body + b"".join(expert.state() for expert in self._experts)

    def load(self, state: bytes, /) -> None:
        """Continue from `state()`; ValueError when it is of another prior or does not fit, and
        nothing has changed."""
        if len(state) < _HEAD.size:
            raise ValueError(f"{len(state)} bytes are no state of a mixture")
        digest, outside_count, heard, fallen_back = _HEAD.unpack_from(state)
        if digest != self._digest:
            raise ValueError("a state of a mixture that began from another prior")
        if outside_count != self.outside_count:
            raise ValueError(
                f"a state of {outside_count} outside experts, not {self.outside_count}"
            )
        if heard >> outside_count or fallen_back > 1:
            raise ValueError("flags that no mixture has")
        self._load_body(state[_HEAD.size :])
        self._pool.heard = [bool(heard >> i & 1) for i in range(outside_count)]
        self._fallen_back = bool(fallen_back)

    def _load_body(self, body: bytes) -> None:
        count, outside_count = len(self._temperatures), self.outside_count
        end = ODD_COUNT + 1 + count + outside_count + 2 * (count + 1)
        numbers = unpacked(body[: 8 * end], end)
        weights_at = ODD_COUNT + 1
        trial_at = weights_at + count
        factors_at = trial_at + outside_count
        precisions = numbers[factors_at + 1 :: 2]
        if not all(one > 0.0 for one in (*numbers[:trial_at], *precisions)):
            raise ValueError("a scale, weight or precision that is not positive")
        experts = [expert.twin() for expert in self._experts]
        at = 8 * end
        for expert in experts:
            expert.load(body[at : at + expert.state_bytes])
            at += expert.state_bytes
        if at != len(body):
            raise ValueError(f"{len(body) - at} bytes of state too many")
        self._experts = experts
        self._scale_squares = list(numbers[:ODD_COUNT])
        self._scale_labels = numbers[ODD_COUNT]
        self._pool.weights = list(numbers[weights_at:trial_at])
        self._pool.trial_labels = list(numbers[trial_at:factors_at])
        for i, temperature in enumerate((*self._temperatures, self._last)):
            temperature.factor = numbers[factors_at + 2 * i]
            temperature.precision = precisions[i]


def new_mixture(prior: Prior, outside_count: int = 0) -> Mixture:
    """The compiled one where there is one."""
    if kernel is None:
        return Mixture(prior, outside_count)
    prior.check()
    made: Mixture = kernel.Mixture(Assessment, prior.pack(), prior.digest(), outside_count)
    return made
