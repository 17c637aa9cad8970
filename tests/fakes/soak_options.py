"""What the programs of tests/soak ask of their command line alike."""

from __future__ import annotations

import argparse
import random
import sys


def parser_of(doc: str | None) -> argparse.ArgumentParser:
    """A parser that shows a program's docstring as it stands, with --seed."""
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--seed", type=int, default=None)
    return parser


def killing_parser(doc: str | None, *, pause_s: float, rate: float) -> argparse.ArgumentParser:
    """Of a program that kills under a market of so many trades a second."""
    parser = parser_of(doc)
    parser.add_argument("--kills", type=int, default=60)
    parser.add_argument(
        "--pause-s", type=float, default=pause_s, help="mean pause between two kills"
    )
    parser.add_argument("--rate", type=float, default=rate, help="trades a second")
    return parser


def chosen_seed(given: int | None) -> int:
    """The one given, or any; printed before anything happens, so that a run can be repeated."""
    seed = given if given is not None else random.SystemRandom().randrange(1 << 32)
    print(f"seed {seed}", file=sys.stderr, flush=True)
    return seed
