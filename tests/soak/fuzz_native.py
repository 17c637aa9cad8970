"""Broken frames by the million into the compiled half, built with the address and undefined
behaviour sanitizers.

    python tests/soak/fuzz_native.py [--inputs 1000000] [--seed N]

Builds hunter/native's files into a temporary folder with -fsanitize=address,undefined, starts
itself again with the sanitizers' library loaded first, and feeds mutated frames: what the decoder
takes, Python's decoders take with equal values; what is a book is merged into both twins of a book;
frames with a WebSocket header before them, cut anywhere, go through the splitter. Prints one JSON
object at the end; exit code 1 when anything differed, and the sanitizers end the process when they
find anything.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import time
from pathlib import Path
from types import ModuleType

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from fakes.native_decoding import Decoding
from fakes.okx_mutations import Mutator
from fakes.sanitized import load, start_again

from hunter.exchange.okx.bookstate import BookState
from hunter.exchange.okx.parse import parse_books

FRAME_LENGTH_MAX = 1 << 17
BOOK_MERGES_MAX = 400


class Run:
    """Feeds frames and keeps what came of them."""

    def __init__(self, kernel: ModuleType, generator: random.Random) -> None:
        self.decoding = Decoding(kernel)
        self.split_count = 0
        self.merge_count = 0
        self._kernel = kernel
        self._random = generator
        self._renew()

    def feed(self, frame: bytes) -> None:
        kind = self.decoding.frame(frame)
        start = frame.find(b"[")
        self.decoding.payload(frame[start : frame.rfind(b"]") + 1])
        if kind == "book":
            self._merge(self._kernel.json_envelope(frame)[3])
        self._split(frame)

    def _merge(self, data: bytes) -> None:
        (update,) = parse_books(data, "update")
        if self._random.random() < 0.5:  # in order, as the exchange sends them
            update.bids.sort(key=lambda level: -level.price)
            update.asks.sort(key=lambda level: level.price)
        foreseen = self._kernel.book_would_cross(self._compiled, data)
        for name, levels in (("merge_bids", update.bids), ("merge_asks", update.asks)):
            assert getattr(self._plain, name)(levels) == getattr(self._compiled, name)(levels)
        assert self._plain.top(400) == self._compiled.top(400), data
        bid, ask = self._plain.best_bid, self._plain.best_ask
        crosses = bid is not None and ask is not None and bid >= ask
        # Sorted by price alone: of one price told twice the last may be another one now.
        prices = [level.price for level in update.bids], [level.price for level in update.asks]
        if all(len(set(side)) == len(side) for side in prices):
            assert foreseen == crosses, data
        self.merge_count += 1
        if self.merge_count % BOOK_MERGES_MAX == 0 or self._random.random() < 0.01:
            self._renew()

    def _split(self, frame: bytes) -> None:
        length = len(frame)
        if length < 126:
            head = bytes((0x81, length))
        elif length < 65_536:
            head = b"\x81\x7e" + length.to_bytes(2, "big")
        else:
            head = b"\x81\x7f" + length.to_bytes(8, "big")
        whole = head + frame
        kind, payload, after = self._kernel.frame(whole, 0, FRAME_LENGTH_MAX)
        if length <= FRAME_LENGTH_MAX:
            assert (kind, payload, after) == (0, frame, len(whole))
        broken = bytearray(whole[: self._random.randrange(len(whole) + 1)])
        if broken:
            broken[self._random.randrange(min(len(broken), 10))] ^= 1 << self._random.randrange(8)
        self._kernel.frame(broken, self._random.randrange(len(broken) + 1), FRAME_LENGTH_MAX)
        self.split_count += 1

    def _renew(self) -> None:
        self._plain, self._compiled = BookState(), self._kernel.BookState()


def fuzz(kernel: ModuleType, inputs: int, seed: int) -> int:
    mutator = Mutator(random.Random(seed))
    run = Run(kernel, random.Random(seed ^ 0x5EED))
    began = time.monotonic()
    for number in range(inputs):
        frame = mutator.frame()
        try:
            run.feed(frame)
        except Exception:
            print(f"input {number}: {frame[:2_000]!r}", file=sys.stderr)
            raise
    report = {
        "seed": seed,
        "inputs": inputs,
        "taken": run.decoding.taken,
        "merged": run.merge_count,
        "split": run.split_count,
        "seconds": round(time.monotonic() - began, 1),
    }
    print(json.dumps(report))
    return 0


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--inputs", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    kernel = load()
    return start_again() if kernel is None else fuzz(kernel, options.inputs, options.seed)


if __name__ == "__main__":
    sys.exit(main())
