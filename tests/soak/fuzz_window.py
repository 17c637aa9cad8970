"""Absurd rows, stamps and states into the compiled window, built with the address and undefined
behaviour sanitizers, and beside its Python twin.

    python tests/soak/fuzz_window.py [--rounds 2000] [--seed N]

As fuzz_native.py does, it builds hunter/native's files and starts itself again with the sanitizers'
library loaded first. In odd rounds stamps are believable, and the twin is given the same calls and
must read the same numbers; in even rounds stamps, counts and states are whatever 64 bits hold.
Prints one JSON object at the end; exit code 1 when anything differed, and the sanitizers end the
process when they find anything.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import time
from pathlib import Path
from types import ModuleType
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from fakes.brain_rows import START_NS
from fakes.sanitized import load, start_again
from fakes.window_rows import bits

from hunter.brain.window.window import FlowWindow

FAR = (1 << 63) - 1
NUMBERS = (0.0, -0.0, 5e-324, 1e-308, -1.0, 1e308, float("inf"), float("nan"), 99.5, 100.0, 100.5)
CALLS = 400
Call = tuple[str, tuple[Any, ...]]


class Round:
    """One pair of windows, and the twins of both where stamps are believable."""

    def __init__(self, kernel: ModuleType, dice: random.Random, believable: bool) -> None:
        self._dice = dice
        self._believable = believable
        self._now_ns = START_NS
        stale_ms = dice.choice((0, 1, 2_000, 1_000_000))
        self.compiled = [kernel.FlowWindow(stale_ms) for _ in range(2)]
        self.plain = [FlowWindow(stale_ms) for _ in range(2)] if believable else []
        self.compared = 0

    def run(self) -> None:
        for _ in range(CALLS):
            self._now_ns += self._dice.randrange(1_000_000_000)
            which, name, arguments = self._dice.randrange(2), *self._call()
            sides = [side for side in (self.compiled, self.plain) if side]
            for side in sides:
                getattr(side[which], name)(*arguments)
            now_ns = self._stamp()
            for side in sides:
                side[which].on_mate(now_ns, side[1 - which])
            vectors = [bits(side[which].vector(now_ns, side[1 - which])) for side in sides]
            assert len(set(vectors)) == 1
            self.compared += len(vectors) - 1
            if not self._believable:
                self._carry_state(which)

    def _call(self) -> Call:
        kind, number = self._dice.randrange(6), self._number
        stamp_ns, now_ns = self._stamp(), self._stamp()
        if kind == 0:
            side = self._dice.choice((-1, 0, 1))
            return "on_trade", (stamp_ns, number(), number(), side, self._dice.randrange(1 << 16))
        if kind == 1:
            sides = (self._levels(), self._levels())
            return "on_book", (stamp_ns, now_ns, *sides)
        if kind == 2:
            return self._dice.choice(("on_gap", "on_invalid_book")), ()
        touch = (number(), number(), number(), number())
        return "on_quote", (stamp_ns, now_ns, self._dice.randrange(4), *touch)

    def _carry_state(self, which: int) -> None:
        state = bytearray(self.compiled[which].state())
        for _ in range(self._dice.choice((0, 0, 1, 9))):
            state[self._dice.randrange(len(state))] = self._dice.randrange(256)
        try:
            self.compiled[1 - which].load(bytes(state))
        except ValueError:
            self.compiled[which].quote.is_stale(self._stamp())

    def _number(self) -> float:
        return self._dice.choice(NUMBERS)

    def _levels(self) -> tuple[float, ...]:
        return tuple(self._number() for _ in range(2 * self._dice.randrange(8)))

    def _stamp(self) -> int:
        if self._believable:
            return self._now_ns
        return self._dice.choice((self._now_ns, FAR, -FAR - 1, 0, self._dice.randrange(-FAR, FAR)))


def fuzz(kernel: ModuleType, rounds: int, seed: int) -> int:
    began = time.monotonic()
    compared = 0
    for number in range(rounds):
        each = Round(kernel, random.Random(f"{seed} {number}"), believable=bool(number % 2))
        try:
            each.run()
        except Exception:
            print(f"round {number} of seed {seed}", file=sys.stderr)
            raise
        compared += each.compared
    seconds = round(time.monotonic() - began, 1)
    report = {"seed": seed, "rounds": rounds, "calls": rounds * CALLS, "compared": compared}
    print(json.dumps(report | {"seconds": seconds}))
    return 0


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=2_000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    kernel = load()
    return start_again() if kernel is None else fuzz(kernel, options.rounds, options.seed)


if __name__ == "__main__":
    sys.exit(main())
