"""Broken frames by the million: nothing but MalformedMessage may come of them, and no growth.

    python tests/soak/fuzz.py [--inputs 1000000] [--seed N] [--engine mutate|hypothesis]

One input is one frame, made from a valid one by a seeded mutation, or a valid one out of order. It
goes into a session, what the session hands out into the parser of its channel, the rows into the
order book, the cross-check, the trade chain or the catalog; every 4th payload goes to all parsers
and as an answer to all REST parsers as well. Prints the seed first and one JSON object at the end;
exit code 1 when anything else was raised, a row was impossible, or resident memory grew by more
than --growth-mb-max between the first and the last fifth (after the first tenth as warm-up).
"""

from __future__ import annotations

import argparse
import ctypes
import gc
import json
import os
import random
import statistics
import sys
import time
import traceback
from collections import Counter
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from fakes.okx_mutations import Mutator
from fakes.okx_target import Target
from hypothesis import HealthCheck, given, settings
from hypothesis import seed as hypothesis_seed
from hypothesis import strategies as st

SAMPLES = 200
WARM_UP = 0.1
FAILURES_SHOWN = 5


class Run:
    """Feeds frames and keeps what came of them."""

    def __init__(self, seed: int, inputs: int) -> None:
        self.target = Target(random.Random(seed ^ 0x5EED))
        self.failures: Counter[str] = Counter()
        self.input_count = 0
        self.rss_mb: list[float] = []
        self._sample_every = max(1, inputs // SAMPLES)

    def feed(self, frame: bytes) -> None:
        self.input_count += 1
        try:
            self.target.feed(frame)
        except Exception as error:
            kind = type(error).__name__
            self.failures[kind] += 1
            if self.failures.total() <= FAILURES_SHOWN:
                print(f"input {self.input_count}: {frame[:300]!r}", file=sys.stderr)
                traceback.print_exception(error, file=sys.stderr)
            self.target.renew()
        if self.input_count % self._sample_every == 0:
            self.rss_mb.append(resident_mb())


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--inputs", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(2**32))
    parser.add_argument("--engine", choices=("mutate", "hypothesis"), default="mutate")
    parser.add_argument("--growth-mb-max", type=float, default=2.0)
    options = parser.parse_args()
    print(f"seed {options.seed}", flush=True)
    run = Run(options.seed, options.inputs)
    began = time.monotonic()
    if options.engine == "mutate":
        mutator = Mutator(random.Random(options.seed))
        for _ in range(options.inputs):
            run.feed(mutator.frame())
    else:
        by_hypothesis(run, options.seed, options.inputs)
    result = summary(run, time.monotonic() - began)
    print(json.dumps(result, indent=1))
    return 1 if run.failures or result["rss_mb"]["growth"] > options.growth_mb_max else 0


def by_hypothesis(run: Run, seed: int, inputs: int) -> None:
    """Frames drawn by hypothesis: bytes, and mutations whose choices it draws."""
    frames = st.binary(max_size=300) | st.randoms(use_true_random=False).map(
        lambda generator: Mutator(generator).frame()
    )

    @hypothesis_seed(seed)
    @settings(
        max_examples=inputs,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(frames)
    def one(frame: bytes) -> None:
        run.feed(frame)

    one()


def summary(run: Run, elapsed_s: float) -> dict[str, Any]:
    settled = run.rss_mb[int(len(run.rss_mb) * WARM_UP) :]
    fifth = max(1, len(settled) // 5)
    first = statistics.median(settled[:fifth])
    last = statistics.median(settled[-fifth:])
    return {
        "inputs": run.input_count,
        "inputs_per_s": round(run.input_count / elapsed_s),
        "seconds": round(elapsed_s, 1),
        "failures": dict(run.failures),
        **run.target.counts(),
        "rss_mb": {
            "first": round(first, 2),
            "last": round(last, 2),
            "max": round(max(run.rss_mb), 2),
            "growth": round(last - first, 2),
        },
    }


def resident_mb() -> float:
    """What is in use: free pages that the allocator keeps come and go by megabytes with the large
    frames, and would hide a leak or look like one."""
    gc.collect()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
    with open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


if __name__ == "__main__":
    raise SystemExit(main())
