"""Recordings in OKX frames whose truth is known: what is to come is announced, and how often the
announcement is right is exact.

The mid moves by one tick every `period_ms`, half a grid step beside the round times. From one move
to the next the touch shows which way: the heavy side wins `right` of ten times, in decks of ten
that are shuffled, so that over whole decks the share is exact. A score that knows the announcement
has an AUC of `right` (4 of 5: .8), and a perfect probability has log-loss H(right).
"""

from __future__ import annotations

import gzip
import json
import random
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

MS = 1_000_000
START_NS = 1_790_000_000_000 * MS
SWAP, SPOT = "BTC-USDT-SWAP", "BTC-USDT"
HEAVY, LIGHT = 16.0, 4.0
LAG_MS = 3
FIRST_ID = 1_000

Line = tuple[int, dict[str, Any]]


class ToldMarket:
    """Lines of one instrument; `moves` are (time in ms since the start, announced, came true)."""

    def __init__(
        self, seconds: int, instrument: str = SWAP, period_ms: int = 2_000, right: int = 8
    ) -> None:
        self.instrument = instrument
        self.lines: list[Line] = []
        self.moves: list[tuple[int, int, int]] = []
        self._dice = random.Random(f"{instrument} {right}")
        self._right = right
        self._deck: list[tuple[int, int]] = []
        self._period_ms = period_ms
        self._seq = 100
        self._trade_id = FIRST_ID
        self._ticks = 10_000
        self._sides: tuple[dict[float, float], dict[float, float]] = ({}, {})
        self._make(seconds * 1_000)

    def _make(self, end_ms: int) -> None:
        announced, outcome = self._draw()
        for at_ms in range(50, end_ms, 100):
            if at_ms % self._period_ms == 50 and at_ms > 50:
                self.moves.append((at_ms, announced, outcome))
                self._ticks += outcome
                announced, outcome = self._draw()
            self._bbo(at_ms, announced)
            if at_ms % 500 == 50:
                self._books(at_ms, announced)
            if at_ms % 300 == 50:
                self._trade(at_ms, self._dice.choice(("buy", "sell")))
            if at_ms % 1_000 == 50:
                self._ticker(at_ms, announced)

    def _draw(self) -> tuple[int, int]:
        if not self._deck:
            self._deck = [
                (side, side if number < self._right else -side)
                for side in (1, -1)
                for number in range(10)
            ]
            self._dice.shuffle(self._deck)
        return self._deck.pop()

    def _push(self, channel: str, at_ms: int, item: dict[str, Any], action: str = "") -> None:
        received_ns = START_NS + at_ms * MS
        item = {"instId": self.instrument, "ts": str(received_ns // MS - LAG_MS), **item}
        frame = {"arg": {"channel": channel, "instId": self.instrument}, "data": [item]}
        if action:
            frame["action"] = action
        self.lines.append((received_ns, frame))

    def _touch(self, announced: int) -> tuple[list[str], list[str]]:
        bid, ask = self._ticks / 10 - 0.1, self._ticks / 10 + 0.1
        sizes = (HEAVY, LIGHT) if announced > 0 else (LIGHT, HEAVY)
        return [f"{bid:.1f}", f"{sizes[0]:g}", "0", "1"], [f"{ask:.1f}", f"{sizes[1]:g}", "0", "1"]

    def _bbo(self, at_ms: int, announced: int) -> None:
        bid, ask = self._touch(announced)
        self._seq += 2
        self._push("bbo-tbt", at_ms, {"bids": [bid], "asks": [ask], "seqId": self._seq})

    def _books(self, at_ms: int, announced: int) -> None:
        found = []
        for levels, best, step in zip(self._sides, self._touch(announced), (-1, 1), strict=True):
            wanted = {
                round(float(best[0]) + step * n * 0.1, 1): float(best[1]) + n for n in range(6)
            }
            changed = [[f"{price:.1f}", "0", "0", "0"] for price in levels if price not in wanted]
            changed += [[f"{price:.1f}", f"{size:g}", "0", "1"] for price, size in wanted.items()]
            levels.clear()
            levels.update(wanted)
            found.append(changed)
        before, self._seq = getattr(self, "_book_seq", -1), self._seq + 1
        self._book_seq = self._seq
        item = {"bids": found[0], "asks": found[1], "seqId": self._seq, "prevSeqId": before}
        item["checksum"] = 0
        self._push("books", at_ms, item, "snapshot" if before < 0 else "update")

    def _trade(self, at_ms: int, side: str) -> None:
        count = self._dice.choice((1, 1, 3))
        self._trade_id += count
        price = self._ticks / 10 + (0.1 if side == "buy" else -0.1)
        size = self._dice.randrange(1, 9) / 4
        item = {"tradeId": str(self._trade_id), "px": f"{price:.1f}", "sz": f"{size:g}"}
        self._push("trades", at_ms, item | {"side": side, "count": str(count), "source": "0"})

    def _ticker(self, at_ms: int, announced: int) -> None:
        bid, ask = self._touch(announced)
        item = {"last": bid[0], "lastSz": "1", "bidPx": bid[0], "bidSz": bid[1]}
        self._push("tickers", at_ms, item | {"askPx": ask[0], "askSz": ask[1]})


def text(lines: Iterable[Line]) -> bytes:
    """As a recording has them."""
    frames = (f"{at} {json.dumps(frame, separators=(',', ':'))}\n" for at, frame in lines)
    return "".join(frames).encode()


def write(path: Path, lines: Sequence[Line]) -> Path:
    """One file of a recording, packed if its name says so."""
    path.parent.mkdir(parents=True, exist_ok=True)
    packed = text(lines)
    path.write_bytes(gzip.compress(packed, 1) if path.suffix == ".gz" else packed)
    return path
