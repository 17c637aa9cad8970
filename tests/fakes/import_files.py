"""Files as other people's archives hold them, and what an import made of them."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from hunter.simulator.lines import Counts, merged_lines

HEADER = "instrument_name,trade_id,side,price,size,created_time"
SWAP = "BTC-USDT-SWAP"
START_MS = 1_705_276_800_000
Levels = list[list[str]]


def trade_rows(*rows: tuple[int, str, str, str, int], name: str = SWAP) -> list[str]:
    """(id, side, price, size, milliseconds after the start)."""
    return [f"{name},{n},{side},{px},{sz},{START_MS + ms}" for n, side, px, sz, ms in rows]


def csv_text(rows: Iterable[str], header: str = HEADER) -> bytes:
    return ("\r\n".join([header, *rows]) + "\r\n").encode()


def book_line(ms: int, bids: Levels, asks: Levels, action: str = "update", **other: Any) -> str:
    line = {"instId": SWAP, "action": action, "ts": str(START_MS + ms), "asks": asks, "bids": bids}
    return json.dumps(line | other)


def tar_gz(path: Path, name: str, text: bytes) -> Path:
    with tarfile.open(path, "w:gz") as archive:
        info = tarfile.TarInfo(name)
        info.size = len(text)
        archive.addfile(info, io.BytesIO(text))
    return path


def frames_of(directory: Path) -> list[tuple[int, str, dict[str, Any]]]:
    """(receive time in ms after the start, channel, frame) of every line of a recording."""
    counts = Counts()
    lines = list(merged_lines(sorted(directory.iterdir()), counts))
    assert (counts.torn, counts.malformed) == (0, 0)
    found = []
    for received_ns, text in lines:
        frame = json.loads(text)
        found.append((received_ns // 1_000_000 - START_MS, frame["arg"]["channel"], frame))
    return found


def rows_of(directory: Path, channel: str) -> list[dict[str, Any]]:
    return [frame["data"][0] for _, name, frame in frames_of(directory) if name == channel]


class Recorded:
    """What a recording in OKX frames says, read without hunter's code: matches in their order, and
    the best bid and ask after each frame of the book, by its exchange time.
    """

    def __init__(self, lines: Iterable[bytes]) -> None:
        self.trades: list[tuple[str, str, float, float]] = []  # ts, side, price, size of one match
        self.books: list[dict[str, Any]] = []
        self.best: dict[str, tuple[float, float]] = {}
        sides: dict[str, dict[float, float]] = {"bids": {}, "asks": {}}
        for line in lines:
            frame = json.loads(line.partition(b" ")[2])
            channel, row = frame["arg"]["channel"], frame["data"][0]
            if channel == "trades":
                count = int(row["count"])
                each = (row["ts"], row["side"], float(row["px"]), float(row["sz"]) / count)
                self.trades += [each] * count
            elif channel == "books":
                self.books.append(row | {"action": frame["action"]})
                for name, levels in sides.items():
                    levels.update((float(price), float(size)) for price, size, *_ in row[name])
                    for price in [price for price, size in levels.items() if not size]:
                        del levels[price]
                self.best[row["ts"]] = (max(sides["bids"]), min(sides["asks"]))

    def volumes(self) -> dict[tuple[str, str, float], float]:
        """Size by time, side and price."""
        found: dict[tuple[str, str, float], float] = {}
        for ts, side, price, size in self.trades:
            found[ts, side, price] = found.get((ts, side, price), 0.0) + size
        return found
