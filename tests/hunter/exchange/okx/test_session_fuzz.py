"""A few thousand broken frames through everything a frame reaches; tests/soak/fuzz.py runs more."""

from __future__ import annotations

import random

from fakes.okx_mutations import Mutator
from fakes.okx_target import Target

INPUTS = 4_000
SEED = 20_261_122


def test_broken_frames_raise_nothing_and_let_valid_ones_through() -> None:
    target, mutator = Target(random.Random(SEED)), Mutator(random.Random(SEED))
    for _ in range(INPUTS):
        target.feed(mutator.frame())
    counts = target.counts()
    assert counts["Malformed"] > 1_000
    assert counts["malformed_payloads"] > 100
    assert counts["rows"] > 500
    assert counts["book_applied"] > 10
    assert counts["released"] > 10


def test_same_seed_makes_the_same_frames() -> None:
    first, second = (Mutator(random.Random(SEED)) for _ in range(2))
    assert [first.frame() for _ in range(500)] == [second.frame() for _ in range(500)]
