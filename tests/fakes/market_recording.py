"""Recordings of a small market whose queues tell where it goes: something to train on."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

START_NS = 1_700_000_000_000_000_000
STEP_MS = 50
MS = 1_000_000


def market_lines(
    seconds: float, seed: int = 1, name: str = "BTC-USDT-SWAP", start_ns: int = START_NS
) -> list[bytes]:
    """A quote every 50 ms, now and then a trade; the fuller queue pushes the mid away from it."""
    dice = random.Random(seed)
    ticks, trade_id, seq_id, lean = 20_000, 1_000, 1_000, 0.0
    lines = []

    def add(at_ns: int, channel: str, row: dict[str, Any]) -> None:
        frame = {"arg": {"channel": channel, "instId": name}, "data": [row]}
        text = json.dumps(frame, separators=(",", ":"))
        lines.append(f"{at_ns + 3 * MS} {text}\n".encode())

    for step in range(int(seconds * 1000) // STEP_MS):
        at_ns = start_ns + step * STEP_MS * MS
        stamp, seq_id = str(at_ns // MS), seq_id + 1
        if dice.random() < 0.1:
            lean = dice.uniform(-1.0, 1.0)
        if dice.random() < 0.08:
            ticks += 1 if dice.random() < 0.5 + 0.4 * lean else -1
        bid_size, ask_size = 20.0 * (1.0 + 0.9 * lean), 20.0 * (1.0 - 0.9 * lean)
        row: dict[str, Any] = {"ts": stamp, "seqId": seq_id}
        for side, price, size in (("bids", ticks - 1, bid_size), ("asks", ticks, ask_size)):
            row[side] = [[f"{price / 10:.1f}", f"{size + dice.random():.2f}", "0", "1"]]
        add(at_ns, "bbo-tbt", row)
        if dice.random() < 0.2:
            trade_id += 1
            side = "buy" if dice.random() < 0.5 + 0.3 * lean else "sell"
            row = {"instId": name, "tradeId": str(trade_id), "px": f"{ticks / 10:.1f}", "sz": "1"}
            add(at_ns, "trades", row | {"side": side, "ts": stamp, "count": "1", "seqId": seq_id})
    return lines


def write_market(path: Path, seconds: float, **other: Any) -> Path:
    path.write_bytes(b"".join(market_lines(seconds, **other)))
    return path
