"""Pool: how much each expert of a mixture counts, by how it did on labels that came later.

The weights follow the log-loss (a tempered Bayesian average of models) and are shared a little with
the first ones after every label (fixed share, Herbster and Warmuth 1998), so that any expert may
come back. Outside experts start in shadow: scored, not heard, until their weight has doubled.
Invariants: weights are positive and add up to 1; a built-in expert is always heard; an expert that
is silent (NaN) neither gains nor loses. Owned by one Mixture.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import exp

from hunter.brain.learning.experts import log_loss

WEIGHTS_FIRST = (0.6, 0.16, 0.12, 0.12)
"""Of E0 to E3 before any label: with ten minutes of data nothing fitted beats the queue at 1 s, so
the others have to earn more than even odds would ask."""
OUTSIDE_WEIGHT_FIRST = 0.05
OUTSIDE_MAX = 16
HEARD_ABOVE, UNHEARD_BELOW = 0.1, 0.025
"""An outside expert leaves the shadow above the one weight and returns to it below the other."""
TRIAL_LABELS = 30.0
"""It is not heard before so many labels, overlaps counted once."""

WEIGHTS_RATE = 0.5
"""Exponent of the likelihood in the weights: labels that overlap are not quite independent."""
SHARE = 3e-4


class Pool:
    """Weights of the built-in experts, then of the `outside_count` outside ones."""

    __slots__ = ("_shares", "heard", "trial_labels", "weights")

    def __init__(self, outside_count: int) -> None:
        built_in = 1.0 - OUTSIDE_WEIGHT_FIRST * outside_count
        self._shares = [built_in * one for one in WEIGHTS_FIRST]
        self._shares += [OUTSIDE_WEIGHT_FIRST] * outside_count
        self.weights = list(self._shares)
        self.heard = [False] * outside_count
        self.trial_labels = [0.0] * outside_count

    def reset(self) -> None:
        """The weights go back to the first ones; who is heard stays heard."""
        self.weights = list(self._shares)

    def votes(self, spoken: Sequence[float]) -> list[float]:
        """What each that is heard and not silent counts now; they add up to 1."""
        votes = [0.0] * len(self.weights)
        total = 0.0
        first = len(WEIGHTS_FIRST)
        for j, (weight, value) in enumerate(zip(self.weights, spoken, strict=True)):
            if (j < first or self.heard[j - first]) and value == value:
                votes[j] = weight
                total += weight
        return [vote / total for vote in votes]

    def learn(self, towards: Sequence[float], pooled: float, weight: float) -> None:
        """`towards`: what each said of what happened, log-odds after its temperature; `pooled`:
        what they said together; the label counts `weight`, 0 to 1."""
        # One that is silent is taken to have said what the others did.
        losses = [log_loss(one if one == one else pooled) for one in towards]
        least = min(losses)
        rate = WEIGHTS_RATE * weight
        grown = [
            one * exp(-(rate * (loss - least)))
            for one, loss in zip(self.weights, losses, strict=True)
        ]
        total = 0.0
        for one in grown:
            total += one
        share = SHARE * weight
        self.weights = [
            (1.0 - share) * (one / total) + share * first
            for one, first in zip(grown, self._shares, strict=True)
        ]
        first = len(WEIGHTS_FIRST)
        for i in range(len(self.heard)):
            if towards[first + i] == towards[first + i]:
                self._review(i, weight)

    def _review(self, i: int, weight: float) -> None:
        """Whether the outside expert is heard from now on."""
        self.trial_labels[i] += weight
        now = self.weights[len(WEIGHTS_FIRST) + i]
        if self.heard[i]:
            self.heard[i] = now >= UNHEARD_BELOW
        else:
            self.heard[i] = self.trial_labels[i] >= TRIAL_LABELS and now > HEARD_ABOVE


def pooled(votes: Sequence[float], log_odds: Sequence[float]) -> float:
    """The log-linear pool: the mean of those that vote."""
    total = 0.0
    for vote, value in zip(votes, log_odds, strict=True):
        if vote > 0.0:
            total += vote * value
    return total
