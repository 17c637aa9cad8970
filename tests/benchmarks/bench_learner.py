"""What a decision and its labels cost: three horizons, four experts each, P(move); us p50/p99.

    python tests/benchmarks/bench_learner.py [--json] [--count 20000]

decide   P(up | move) and P(move) of one vector at three horizons
learn    a label for each of the three horizons, both models
state    the six states of one instrument as bytes, and their length
Both halves where there is a compiled one.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # before tests/hunter

from fakes.brain_labels import even_vector, vector

from hunter.brain.learning.mixture import Mixture, new_mixture
from hunter.brain.learning.movement import Movement, new_movement, published_movement
from hunter.brain.learning.prior import published_prior
from hunter.native import kernel

HORIZONS_MS = (1_000, 5_000, 10_000)


def measure(
    mixtures: list[Mixture], movements: list[Movement], count: int
) -> dict[str, list[float] | int]:
    dice = random.Random(1)
    odds = [tuple(vector(dice)) for _ in range(1_000)]
    evens = [tuple(even_vector(dice)) for _ in range(1_000)]
    taken_ns: dict[str, list[int]] = {"decide": [], "learn": [], "state": []}
    now = time.perf_counter_ns
    for step in range(count):
        odd, even = odds[step % 1_000], evens[step % 1_000]
        began = now()
        said = [one.assess(odd).said for one in mixtures]
        for movement in movements:
            movement.assess(even)
        taken_ns["decide"].append(now() - began)
        move = 1 if odd[0] > odd[1] else -1
        began = now()
        for mixture, one in zip(mixtures, said, strict=True):
            mixture.learn(odd, (), move, 0.1, one)
        for movement in movements:
            movement.learn(even, True, 1.0, 0.1)
        taken_ns["learn"].append(now() - began)
        if step % 10 == 0:
            began = now()
            states = [one.state() for one in (*mixtures, *movements)]
            taken_ns["state"].append(now() - began)
    found: dict[str, list[float] | int] = {name: quantiles(one) for name, one in taken_ns.items()}
    found["state_bytes"] = sum(map(len, states))
    return found


def quantiles(taken_ns: list[int]) -> list[float]:
    ordered = sorted(taken_ns)
    return [ordered[int(len(ordered) * share)] / 1e3 for share in (0.5, 0.99)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--count", type=int, default=20_000)
    asked = parser.parse_args()
    halves: dict[str, tuple[Callable[..., Mixture], Callable[..., Movement], int]] = {
        "python": (Mixture, Movement, max(100, asked.count // 20))
    }
    if kernel is not None:
        halves["compiled"] = (new_mixture, new_movement, asked.count)
    results: dict[str, Any] = {}
    for name, (mixture, movement, count) in halves.items():
        mixtures = [mixture(published_prior(horizon)) for horizon in HORIZONS_MS]
        movements = [movement(published_movement(horizon)) for horizon in HORIZONS_MS]
        results[name] = measure(mixtures, movements, count)
    if asked.json:
        print(json.dumps(results))
        return
    for name, found in results.items():
        times = ", ".join(
            f"{what} {found[what][0]:.2f}/{found[what][1]:.2f}"
            for what in ("decide", "learn", "state")
        )
        print(f"{name:9s} {times} us p50/p99; state {found['state_bytes']} bytes")


if __name__ == "__main__":
    main()
