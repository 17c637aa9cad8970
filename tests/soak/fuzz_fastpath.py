"""Broken streams into `FastPath.run`, built with the address and undefined behaviour sanitizers.

    python tests/soak/fuzz_fastpath.py [--seconds 180] [--seed N]

Two thirds of the time two writing roles get the same bytes, one with this build and one in Python
alone: frames of a market, right and odd, some damaged anywhere, header and all, cut anywhere. All
that the outside can see must be equal. A third of the time the fast path runs alone, with every
route armed whatever its records hold, which Python would never do: it must end where a frame ends.
The bytes lie in memory that ends where they do. Prints one JSON object at the end; exit code 1 when
anything differed, and the sanitizers end the process when they find anything.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import time
from array import array
from pathlib import Path
from types import ModuleType
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from fakes.sanitized import load, start_again

import hunter.native

# Before anything of the tree chooses between the two halves.
_built = load()
if _built is not None:
    hunter.native.kernel = _built

from fakes.okx_mutations import Mutator  # noqa: E402
from fakes.twin_market import Market  # noqa: E402
from fakes.twin_streams import INSTRUMENTS, Twins  # noqa: E402
from fakes.websocket_peer import frame  # noqa: E402

from hunter.stream import frames  # noqa: E402

CHANNELS = (
    ("trades", "bbo-tbt", "tickers", "books", "books5"),
    ("trades", "bbo-tbt", "tickers", "books5"),
)
# A notice begins a handover, whose successor has nobody to answer it here.
WITHOUT = ("notice",)
ORDINARY = ("trade", "trades", "quote", "ticker", "update", "top5", "quote_before_its_book")
ROUNDS = 8
FRAMES_A_ROUND = 40
INT64 = (-(2**63), -1, 0, 1, 5_000, 2**62, 2**63 - 1)


class Exact:
    """A FastPath whose bytes end where its memory does, and which lets one frame by at a time."""

    def __init__(self, fast: Any) -> None:
        self._fast = fast

    def __getattr__(self, name: str) -> Any:
        return getattr(self._fast, name)

    def run(self, buffer: bytearray, start: int, end: int, *others: Any) -> tuple[int, int]:
        exact = array("B", bytes(memoryview(buffer)[start:end]))
        taken, _ = self._fast.run(exact, 0, len(exact), *others)
        return one_frame(buffer, start + taken, end)


def one_frame(buffer: bytearray, start: int, end: int) -> tuple[int, int]:
    """As the plain `Reception.take`, but only the next frame: what a subscription is when its data
    are handled depends else on the answers that came in the same read.
    """
    length = frames.length_of(buffer, start, end)
    if length is None or start + length > end:
        return start, start
    is_plain = frames.is_plain(buffer, start, 4 << 20, length)
    return start, start + length if is_plain else start


def damaged(data: bytes, generator: random.Random, count: int) -> bytes:
    broken = bytearray(data)
    for _ in range(count if broken else 0):
        at = generator.randrange(len(broken))
        broken[at] = generator.choice((broken[at] ^ 1 << generator.randrange(8), at & 255, 0x22))
    return bytes(broken)


class Fuzz:
    def __init__(self, kernel: ModuleType, seed: int) -> None:
        self.counts = dict.fromkeys(("streams", "frames", "taken", "runs", "taken_alone"), 0)
        self._kernel = kernel
        self._random = random.Random(seed)
        self._mutator = Mutator(random.Random(seed ^ 0x5EED))

    # ---- beside Python

    def both_ways(self) -> None:
        generator = self._random
        channels = generator.choice(CHANNELS)
        market = Market(generator.randrange(1 << 30), channels)
        odd = sorted(set(market.kinds) - set(ORDINARY) - set(WITHOUT))
        with Twins(*channels) as twins:
            one, other = (side.writing.lines[0].reception for side in twins.sides)
            one._fast = Exact(one._fast)  # type: ignore[union-attr]
            other.take = one_frame  # type: ignore[union-attr, method-assign]
            twins.each("connect")
            for _ in range(ROUNDS):
                twins.each("send", market.opening() + market.opening())
                self._round(twins, market, odd)
                twins.compare()
                twins.reconnect_if_lost()
            self.counts["taken"] += twins.taken
        self.counts["streams"] += 1

    def _round(self, twins: Twins, market: Market, odd: list[str]) -> None:
        generator = self._random
        share = generator.choice((0.02, 0.1, 0.4))
        pieces = []
        for _ in range(FRAMES_A_ROUND):
            is_odd = generator.random() < share
            mutated = self._mutator.frame()
            if is_odd and generator.random() < 0.3 and b"notice" not in mutated:
                pieces.append(frame(mutated))
            else:
                pieces.append(market.frame_of(generator.choice(odd if is_odd else ORDINARY)))
        self.counts["frames"] += len(pieces)
        data = b"".join(pieces)
        if generator.random() < 0.1:
            data = damaged(data, generator, 1)
        cuts = sorted(generator.randrange(len(data) + 1) for _ in range(generator.randrange(4)))
        for start, end in zip([0, *cuts], [*cuts, len(data)], strict=True):
            if end > start:
                twins.each("send", data[start:end])
        if generator.random() < 0.2:
            twins.each("skip", generator.choice((5, 1_000, 70_000)))
        if generator.random() < 0.2:
            twins.each("answer", OSError("no"))

    # ---- alone

    def alone(self, streams: int = 20) -> None:
        kernel, generator = self._kernel, self._random
        segment = bytearray(1 << 20)
        row_bytes = (64, 128, 128, 704, 64, 64, 64, 64, 64, 64, 64)
        places = [
            (8 + 2 * (11 * index + kind), 4_096 + (11 * index + kind) * 4_096, 4, row_bytes[kind])
            for index in range(len(INSTRUMENTS))
            for kind in range(11)
        ]
        count = len(INSTRUMENTS)
        lanes = kernel.Lanes(segment, 0, 0, 1, [0] * count, places, [0] * count)
        fast = kernel.FastPath(lanes)
        routes = self._routes(fast)
        lags = memoryview(bytearray(960 * 8)).cast("Q")
        market = Market(generator.randrange(1 << 30), CHANNELS[0])
        kinds = sorted(market.kinds)
        for _ in range(streams):
            for route, records in routes:
                self._spoil(records)
                route.arm(*records)
            data = b"".join(market.frame_of(generator.choice(kinds)) for _ in range(12))
            data += frame(self._mutator.frame()[:70_000]) + market.frame_of("update")
            data = damaged(data, generator, generator.choice((0, 0, 0, 1, 3)))
            exact = array("B", data[: generator.randrange(len(data) // 2, len(data) + 1)])
            self._run(fast, exact, lags, routes)
        self.counts["taken_alone"] += fast.frame_count
        lanes.close()

    def _run(self, fast: Any, exact: array[int], lags: memoryview, routes: list[Any]) -> None:
        """As the connection does: on from where it ended, until nothing follows."""
        at, end = 0, len(exact)
        plain = bytearray(exact)
        while at < end:
            before = fast.frame_count
            taken, others = fast.run(exact, at, end, 1_790_000_000_000_000_000, 5, lags)
            assert at <= taken <= others <= end
            payloads: list[bytes] = []
            assert frames._split(plain, at, taken, 4 << 20, payloads) == taken
            assert len(payloads) == fast.frame_count - before
            assert frames._split(plain, taken, others, 4 << 20, payloads) == others
            self.counts["runs"] += 1
            if others == at:
                length = frames.length_of(plain, at, end)
                if length is None:
                    return
                others = at + length
            at = others
            route, records = self._random.choice(routes)
            route.arm(*records)

    def _routes(self, fast: Any) -> list[Any]:
        kernel = self._kernel
        found = []
        for index, name in enumerate(INSTRUMENTS):
            kept = [kernel.KeptTops() for _ in range(3)]
            book, calm = kernel.BookState(), kernel.Calm()
            shown = kernel.Shown(True, 1, 1)
            is_book5 = self._random.random() < 0.5
            for channel, kind in (
                ("trades", kernel.ROUTE_TRADES),
                ("bbo-tbt", kernel.ROUTE_QUOTES),
                ("tickers", kernel.ROUTE_TICKERS),
                ("books", kernel.ROUTE_UPDATES),
                ("books5", kernel.ROUTE_SNAPSHOTS if is_book5 else kernel.ROUTE_TOPS),
            ):
                route = kernel.Route(channel, name, kind, index)
                fast.add(route)
                tally = kernel.Tally(memoryview(bytearray(960 * 8)).cast("Q"))
                tail = kernel.ChainTail()
                found.append((route, (kernel.Heard(), tally, tail, book, shown, *kept, calm)))
        return found

    def _spoil(self, records: tuple[Any, ...]) -> None:
        """Numbers that no Python would have left there, and books of all sizes."""
        generator = self._random
        _, tally, tail, book, _, books, quotes, tops, calm = records
        tally.last_exchange_ts_ns = generator.choice(INT64)
        if generator.random() < 0.7:
            tail.end = 1_000 + generator.randrange(20)
        else:
            tail.end = generator.choice(INT64)
            tail.newest_ts_ns = generator.choice(INT64)
        calm.last_id = generator.choice((0, 0, 0, 2**63 - 1))
        calm.quotes_compared_id = generator.choice(INT64)
        book.seq_id = 5_000 + generator.randrange(60)
        if generator.random() < 0.1:
            count = generator.choice((0, 1, 5, 400, 4_090, 4_096, 5_000))
            book.clear()
            level = type("Level", (), {"size": 1.0})
            levels = [level() for _ in range(count)]
            for place, item in enumerate(levels):
                item.price = 1.0 + place / 100
            generator.choice((book.merge_bids, book.merge_asks))(levels)
        for kept in (books, quotes, tops):
            if generator.random() < 0.5:
                sides = [[1.0, 2.0] * generator.randrange(6) for _ in range(2)]
                kept.keep(5_000 + generator.randrange(60), *sides)


def fuzz(kernel: ModuleType, seconds: float, seed: int) -> int:
    run = Fuzz(kernel, seed)
    began = time.monotonic()
    alone_s = 0.0
    while (passed := time.monotonic() - began) < seconds:
        since = time.monotonic()
        if alone_s < passed / 3:
            run.alone()
            alone_s += time.monotonic() - since
        else:
            run.both_ways()
    print(json.dumps({"seed": seed, "seconds": round(passed, 1), **run.counts}))
    return 0


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=180)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    return start_again() if _built is None else fuzz(_built, options.seconds, options.seed)


if __name__ == "__main__":
    sys.exit(main())
