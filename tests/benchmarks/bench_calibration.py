"""How well a mixture is calibrated in made-up markets whose odds follow the queue by another law.

    python tests/benchmarks/bench_calibration.py [--labels 3800] [--seeds 8]

For each law: the folded calibration error over all labels but the first 200, ten equal bins, mean
and range over the seeds, beside that of odds known exactly, which is the noise of so few labels.
"""

from __future__ import annotations

import argparse
import random
import statistics
from collections.abc import Callable

from hunter.brain.learning.logistic import sigmoid
from hunter.brain.learning.mixture import new_mixture
from hunter.brain.learning.prior import SCALES, published_prior

LAWS: dict[str, Callable[[float], float]] = {
    "2 I": lambda i: 2.0 * i,
    "3.5 I": lambda i: 3.5 * i,
    "I / 2 + 3 I^3": lambda i: 0.5 * i + 3.0 * i**3,
    "5 I / (1 + 2 |I|)": lambda i: 5.0 * i / (1.0 + 2.0 * abs(i)),
}
WARM_LABELS = 200
BINS = 10


def folded_error(said: list[tuple[float, bool]]) -> float:
    """Mean distance between what was said, 1/2 to 1, and how often it came."""
    said = sorted(said)
    total = 0.0
    for b in range(BINS):
        part = said[b * len(said) // BINS : (b + 1) * len(said) // BINS]
        came = statistics.mean(right for _, right in part)
        total += len(part) / len(said) * abs(statistics.mean(p for p, _ in part) - came)
    return total


def trial(law: Callable[[float], float], seed: int, label_count: int) -> tuple[float, float]:
    """The mixture's error, and that of somebody who knows the law."""
    dice, mixture = random.Random(seed), new_mixture(published_prior(1_000))
    said, known = [], []
    for number in range(label_count):
        imbalance = max(-0.999, min(0.999, dice.gauss(0.0, 0.55)))
        x = [imbalance, *(dice.gauss(0.0, scale) for scale in SCALES[1:])]
        truth = sigmoid(law(imbalance))
        is_up = dice.random() < truth
        assessment = mixture.assess(x)
        if number >= WARM_LABELS:
            for p, kept in ((assessment.probability_up, said), (truth, known)):
                kept.append((max(p, 1.0 - p), is_up == (p >= 0.5)))
        mixture.learn(x, (), 1 if is_up else -1, 1.0, assessment.said)
    return folded_error(said), folded_error(known)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--labels", type=int, default=3_800)
    parser.add_argument("--seeds", type=int, default=8)
    given = parser.parse_args()
    print(f"{'odds of up given a move':<24} {'error':>7}  {'range':<15} {'noise':>7}")
    for name, law in LAWS.items():
        trials = [trial(law, seed, given.labels) for seed in range(given.seeds)]
        errors = [error for error, _ in trials]
        noise = statistics.mean(error for _, error in trials)
        spread = f"{min(errors):.3f} to {max(errors):.3f}"
        print(f"{name:<24} {statistics.mean(errors):>7.4f}  {spread:<15} {noise:>7.4f}")


if __name__ == "__main__":
    main()
