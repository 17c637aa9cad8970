"""What a stage of the data path costs, compiled and in Python: ns a frame, CPU time.

    python tests/benchmarks/bench_native.py [--json]

Compiles hunter/native's files with a timer around them into a temporary folder, so that no call
out of Python is counted; without a compiler it says so. Least of seven runs with the median: others
on the machine only ever add. Frames: trades of 190 B, books of 10 + 10 levels near the top of a
book of 400 a side. Goals: envelope and trade 150 ns, envelope and book 900 ns, merge 500 ns.
"""

from __future__ import annotations

import importlib.machinery
import importlib.util
import json
import random
import statistics
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import msgspec

from hunter.exchange.okx.bookstate import BookState
from hunter.exchange.okx.messages import Envelope
from hunter.exchange.okx.parse import parse_books, parse_tickers, parse_trades

RUNS = 7
FRAMES = 256
ROUNDS = 100
LEVELS = 400
SOURCE = Path(__file__).with_name("native_stages.c")
FLAGS = ["-std=c11", "-O3", "-fPIC", "-shared", "-Wall", "-Wextra"]
ENVELOPES = msgspec.json.Decoder(Envelope)


def build(folder: Path) -> ModuleType | None:
    target = folder / f"native_stages{sysconfig.get_config_var('EXT_SUFFIX')}"
    include = sysconfig.get_path("include")
    command = ["cc", *FLAGS, f"-I{include}", str(SOURCE), "-o", str(target)]
    try:
        subprocess.run(command, check=True)
    except (OSError, subprocess.CalledProcessError) as error:
        print(f"no compiled stages: {error}", file=sys.stderr)
        return None
    loader = importlib.machinery.ExtensionFileLoader("native_stages", str(target))
    module = importlib.util.module_from_spec(
        importlib.util.spec_from_loader("native_stages", loader)  # type: ignore[arg-type]
    )
    loader.exec_module(module)
    return module


def push(channel: str, item: dict[str, Any], action: str = "") -> bytes:
    frame: dict[str, Any] = {"arg": {"channel": channel, "instId": "BTC-USDT-SWAP"}}
    if action:
        frame["action"] = action
    return json.dumps({**frame, "data": [item]}, separators=(",", ":")).encode()


def trade(generator: random.Random) -> bytes:
    item = {
        "instId": "BTC-USDT-SWAP",
        "tradeId": str(generator.randrange(10**9, 2 * 10**9)),
        "px": f"{generator.uniform(6e4, 7e4):.1f}",
        "sz": f"{generator.uniform(0.01, 40):.2f}",
        "side": generator.choice(("buy", "sell")),
        "ts": str(generator.randrange(1_786_540_436_090, 1_786_540_936_090)),
        "count": str(generator.randrange(1, 12)),
        "source": "0",
        "seqId": generator.randrange(10**11, 2 * 10**11),
    }
    return push("trades", item)


def ticker(generator: random.Random) -> bytes:
    item = {"instType": "SWAP", "instId": "BTC-USDT-SWAP"}
    for name in ("last", "askPx", "bidPx", "open24h", "high24h", "low24h", "sodUtc0", "sodUtc8"):
        item[name] = f"{generator.uniform(6e4, 7e4):.1f}"
    for name in ("lastSz", "askSz", "bidSz", "vol24h", "volCcy24h"):
        item[name] = f"{generator.uniform(1, 1e6):.2f}"
    return push("tickers", {**item, "ts": "1786540471710"})


def levels(generator: random.Random, low: int, high: int, count: int) -> list[list[str]]:
    """From the lowest price on, in tenths; near the low end mostly."""
    ticks: set[int] = set()
    while len(ticks) < count:
        ticks.add(low + min(int(generator.expovariate(1 / 30)), high - low - 1))
    sizes = ("0", f"{generator.uniform(0.01, 99):.2f}", f"{generator.uniform(0.01, 9):.2f}")
    return [[f"{tick / 10}", generator.choice(sizes), "0", "4"] for tick in sorted(ticks)]


def book(generator: random.Random, level_count: int = 10, action: str = "update") -> bytes:
    asks = levels(generator, 640_001, 640_001 + LEVELS, level_count)
    bids = levels(generator, 0, LEVELS, level_count)
    for level in bids:
        level[0] = f"{(640_000 - float(level[0]) * 10) / 10}"
    if action == "snapshot":
        for level in asks + bids:
            level[1] = "1.5"
    item = {"asks": asks, "bids": bids, "ts": "1786540471710", "checksum": 0}
    return push("books", {**item, "seqId": 80_274_874_887, "prevSeqId": 80_274_874_876}, action)


def python_cost(run: Callable[[bytes], object], frames: list[bytes]) -> list[float]:
    costs = []
    for _ in range(RUNS):
        began_ns = time.thread_time_ns()
        for frame in frames:
            run(frame)
        costs.append((time.thread_time_ns() - began_ns) / len(frames))
    return costs


def compiled_cost(stages: ModuleType | None, stage: str, frames: list[bytes]) -> list[float]:
    if stages is None:
        return []
    costs = []
    for _ in range(RUNS):
        cost, taken = stages.decode(stage, frames, ROUNDS)
        assert taken == len(frames), (stage, taken)
        costs.append(cost)
    return costs


def merge_costs(stages: ModuleType | None, frames: list[bytes]) -> tuple[list[float], list[float]]:
    """One update of 10 + 10 levels into a full book, compiled (with the look whether it would
    cross) and in Python.
    """
    snapshot = book(random.Random(1), LEVELS, "snapshot")
    (full,) = parse_books(ENVELOPES.decode(snapshot).data, "snapshot")
    updates = [parse_books(ENVELOPES.decode(frame).data, "update")[0] for frame in frames]
    compiled = []
    if stages is not None:
        state = stages.BookState()
        state.replace(full.bids, full.asks)
        compiled = [stages.merge(state, frames, ROUNDS)[0] for _ in range(RUNS)]
    twin = BookState()
    twin.replace(full.bids, full.asks)
    plain = []
    for _ in range(RUNS):
        began_ns = time.thread_time_ns()
        for update in updates:
            twin.merge_bids(update.bids)
            twin.merge_asks(update.asks)
        plain.append((time.thread_time_ns() - began_ns) / len(updates))
    return compiled, plain


def main() -> int:
    generator = random.Random(7)
    trades = [trade(generator) for _ in range(FRAMES)]
    tickers = [ticker(generator) for _ in range(FRAMES)]
    books = [book(generator) for _ in range(FRAMES)]
    wrapped = [b"\x81\x7e" + len(frame).to_bytes(2, "big") + frame for frame in trades]
    with tempfile.TemporaryDirectory() as folder:
        stages = build(Path(folder))
        rows = {
            "frame header": (compiled_cost(stages, "f", wrapped), []),
            "envelope": (
                compiled_cost(stages, "e", trades),
                python_cost(ENVELOPES.decode, trades),
            ),
            "envelope + trade": (
                compiled_cost(stages, "t", trades),
                python_cost(lambda f: parse_trades(ENVELOPES.decode(f).data), trades),
            ),
            "envelope + ticker": (
                compiled_cost(stages, "q", tickers),
                python_cost(lambda f: parse_tickers(ENVELOPES.decode(f).data), tickers),
            ),
            "envelope + book of 10 + 10": (
                compiled_cost(stages, "b", books),
                python_cost(lambda f: parse_books(ENVELOPES.decode(f).data, "update"), books),
            ),
            "merge of 10 + 10 into 400 + 400": merge_costs(stages, books),
        }
    if "--json" in sys.argv[1:]:
        print(json.dumps({name: {"compiled": c, "python": p} for name, (c, p) in rows.items()}))
        return 0
    print(f"{'ns a frame: least (median)':34}{'compiled':>18}{'Python':>20}")
    for name, costs in rows.items():
        shown = [f"{min(c):.0f} ({statistics.median(c):.0f})" if c else "-" for c in costs]
        print(f"{name:34}{shown[0]:>18}{shown[1]:>20}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
