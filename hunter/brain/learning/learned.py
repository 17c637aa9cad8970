"""Learned: all that a FlowBrain has learnt of its instrument, and what it makes of it.

It owns the samples, one Horizon for each time ahead, regimes, the shift of inputs, coverage and the
outside experts. It sees feature vectors, mids and event time, no rows. Same input, same bytes.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from hunter.brain.learning.abstention import Claim, Coverage, objection
from hunter.brain.learning.drift import FeatureShift
from hunter.brain.learning.horizon import THOUGHT_NUMBERS, Belief, Horizon, Opinion
from hunter.brain.learning.prior import EXPERT_NAMES
from hunter.brain.learning.reasons import notes, terms_text
from hunter.brain.learning.regime import STEP_NS, Conditions, Regimes, name_of
from hunter.brain.learning.samples import Label, Samples
from hunter.brain.plugins.outside import ABSTAINS, Panel
from hunter.brain.settings import BrainSettings
from hunter.brain.window.features import NAMES, ODD_COUNT
from hunter.signals.decision import Direction

WATCHED = ("queue_imbalance", "depth_imbalance_5", "trades_per_s", "quotes_per_s", "spread_bp")
"""Features whose distribution is watched for a shift."""

_FEATURE_COUNT = len(NAMES)
_WATCHED = tuple(NAMES.index(name) for name in WATCHED)
_VOLATILITY, _TRADES = NAMES.index("volatility_ratio_log"), NAMES.index("trades_per_s")
_ODD_NAMES = NAMES[:ODD_COUNT]
_NO_REGIME = -1.0
_ALL = Coverage(1.0)


class LearnedState(msgspec.Struct, array_like=True):
    """Everything that was learnt; floats are kept as their bytes."""

    samples: bytes
    horizons: list[bytes]
    regimes: bytes
    shift: bytes
    coverage: bytes
    panel: bytes
    outside: list[tuple[float, ...]]
    looked_ns: int


class Learned:
    """Of one instrument. `own` is the place of the brain's own horizon among `horizons`."""

    __slots__ = (
        "_coverage",
        "_looked_ns",
        "_outside",
        "_regimes",
        "_settings",
        "_shift",
        "horizons",
        "own",
        "panel",
        "samples",
    )

    def __init__(
        self, settings: BrainSettings, panel: Panel, beliefs: Callable[[int], Belief]
    ) -> None:
        self._settings = settings
        self.panel = panel
        horizons_ms, experts = settings.horizons_ms, len(panel.names)
        self.horizons = tuple(Horizon(beliefs(ms), experts) for ms in horizons_ms)
        self.own = horizons_ms.index(settings.horizon_ms)
        width = _FEATURE_COUNT + 1 + len(horizons_ms) * (THOUGHT_NUMBERS + experts)
        self.samples = Samples(horizons_ms, width)
        self._regimes = Regimes()
        self._shift = FeatureShift(len(WATCHED))
        self._coverage = Coverage(settings.coverage)
        # what the outside experts said at the newest sample; it holds until the next
        self._outside: tuple[tuple[float, ...], ...] = ((ABSTAINS,) * experts,) * len(horizons_ms)
        self._looked_ns = 0  # when regimes and shift last looked

    @property
    def expert_names(self) -> tuple[str, ...]:
        return (*EXPERT_NAMES, *self.panel.names)

    # ---- learning

    def sample(self, now_ns: int, mid: float, spread: float, vector: tuple[float, ...]) -> None:
        """Keep what is seen and thought at `now_ns`, until it is known what became of it."""
        conditions = _conditions(vector, spread)
        if now_ns - self._looked_ns >= STEP_NS:
            self._looked_ns = now_ns
            self._regimes.see(conditions)
            self._shift.see(tuple([abs(vector[i]) for i in _WATCHED]))
        if self.panel:
            self._outside = self.panel.ask(vector, self._settings.horizons_ms)
        numbers = [*vector, float(self._regimes.code(conditions))]
        odd = vector[:ODD_COUNT]
        for horizon, outside in zip(self.horizons, self._outside, strict=True):
            numbers += horizon.thought(odd, outside)
            numbers += outside
        self.samples.take(now_ns, mid, tuple(numbers))

    def resolve(self, now_ns: int, mid: float | None, good_until_ns: int) -> None:
        """Learn from the labels that came due: see Samples.resolve."""
        for label in self.samples.resolve(now_ns, mid, good_until_ns):
            if label.vector:
                self._learn(label)

    def _learn(self, label: Label) -> None:
        horizon, vector = self.horizons[label.horizon], label.vector
        each = THOUGHT_NUMBERS + len(self.panel.names)
        first = _FEATURE_COUNT + 1 + label.horizon * each
        loss = horizon.learn(label, vector[first : first + each])
        if loss is not None and label.horizon == self.own:
            self._regimes.learn(int(vector[_FEATURE_COUNT]), loss)
        if self.panel and label.move:
            move = 1 if label.move > 0.0 else -1
            known = vector[:_FEATURE_COUNT]
            self.panel.learn(known, horizon.horizon_ms, move, label.weight)

    # ---- what it makes of it; nothing below changes anything but `count`

    def opinions(self, vector: tuple[float, ...]) -> tuple[Opinion, ...]:
        """Of each horizon."""
        both = zip(self.horizons, self._outside, strict=True)
        return tuple([horizon.opinion(vector, outside) for horizon, outside in both])

    def regime(self, vector: tuple[float, ...], spread: float) -> int:
        """The code of the regime."""
        return self._regimes.code(_conditions(vector, spread))

    def regime_name(self, code: int) -> str:
        """Its label, with the break of the own horizon's drift."""
        return name_of(code, bool(self.horizons[self.own].drift.rung))

    def judge(
        self, index: int, opinion: Opinion, regime: int, gap_age_ns: int | None
    ) -> tuple[Direction, str]:
        """The direction of a horizon's opinion, or flat and what speaks against telling it."""
        own = index == self.own
        claim = Claim(
            opinion.confidence,
            opinion.edge_bp,
            gap_age_ns,
            self.horizons[index].drift.fault(),
            self._regimes.fault(regime) if own else "",
            # a shorter horizon notices first
            any(horizon.drift.rung for horizon in self.horizons[: index + 1]),
        )
        against = objection(claim, self._settings, self._coverage if own else _ALL)
        if against:
            return "flat", against
        return ("up" if opinion.probability_up > 0.5 else "down"), ""

    def count(self, opinion: Opinion) -> None:
        """A decision was made of it, told or not."""
        self._coverage.add(opinion.confidence)

    def reasons(self, vector: tuple[float, ...], against: str, source: str) -> list[str]:
        """In words, of the own horizon: what speaks against telling it, what pulls, and notes."""
        horizon, odd = self.horizons[self.own], vector[:ODD_COUNT]
        contributions = horizon.mixture.contributions(odd, self._outside[self.own])
        parts = [against] if against else []
        names = (*_ODD_NAMES, *self.panel.names)
        parts.append(terms_text(contributions, names, odd, source))
        shifted = [WATCHED[i] for i in self._shift.shifted()]
        shadowed = [one.name for one in self.panel.experts if one.in_shadow]
        return parts + notes(horizon.drift, shifted, shadowed)

    # ---- snapshot

    def state(self) -> LearnedState:
        """For the snapshot. StateError when an outside expert cannot say its own."""
        return LearnedState(
            samples=self.samples.state(),
            horizons=[horizon.state() for horizon in self.horizons],
            regimes=self._regimes.state(),
            shift=self._shift.state(),
            coverage=self._coverage.state(),
            panel=self.panel.state(),
            outside=list(self._outside),
            looked_ns=self._looked_ns,
        )

    def load(self, state: LearnedState) -> None:
        """Continue from `state()`; ValueError when a part does not fit: this is spoilt then."""
        self.samples.load(state.samples)
        for horizon, one in zip(self.horizons, state.horizons, strict=True):
            horizon.load(one)
        self._regimes.load(state.regimes)
        self._shift.load(state.shift)
        self._coverage.load(state.coverage)
        if [len(some) for some in state.outside] != [len(some) for some in self._outside]:
            raise ValueError("held answers of other outside experts")
        self._outside = tuple(state.outside)
        self._looked_ns = state.looked_ns
        self.panel.load(state.panel)


def _conditions(vector: tuple[float, ...], spread: float) -> Conditions:
    return Conditions(vector[_VOLATILITY], spread, vector[_TRADES])
