"""The exchange's own record, and what a ring is compared with: files that grow, rows, digests.

The ledger is read from the file that the simulator writes before it sends anything, so that a check
believes neither hunter nor the simulator's memory. Everything is consumed as it comes: memory does
not grow with the length of a run.
"""

from __future__ import annotations

import contextlib
import os
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, Final

import numpy as np
from fakes.checkers import Truth

from hunter.simulator.frames import PublishedTrade, matches

SIDES: Final = {"buy": 1, "sell": -1}
DIGEST_ROWS: Final = 64
LOGGED: Final = ("sequence", "trade_id", "price", "size", "count", "side")
_PACKED: Final = struct.Struct("<QqddIb")


class FileTail:
    """Whole lines of a file as they are appended; follows it over rotation to NAME.1."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: IO[bytes] | None = None
        self._held = b""

    def lines(self) -> Iterator[bytes]:
        """Those that are new, without their ends."""
        while True:
            if self._file is None and not self._open():
                return
            assert self._file is not None
            yield from self._rest()
            if self._is_current():
                return
            # What was written between our last read and the rename is still in the old file.
            yield from self._rest()
            self.close()

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None
        self._held = b""

    def _open(self) -> bool:
        with contextlib.suppress(FileNotFoundError):
            self._file = self._path.open("rb")
        return self._file is not None

    def _is_current(self) -> bool:
        assert self._file is not None
        try:
            return self._path.stat().st_ino == os.fstat(self._file.fileno()).st_ino
        except FileNotFoundError:
            return True

    def _rest(self) -> Iterator[bytes]:
        assert self._file is not None
        parts = (self._held + self._file.read()).split(b"\n")
        self._held = parts.pop()
        yield from parts


class LedgerTail:
    """Matches of each instrument that the ledger's file has and nobody took yet."""

    def __init__(self, path: Path) -> None:
        self._tail = FileTail(path)
        self.truth: dict[str, Truth] = {}
        self.last_id: dict[str, int] = {}

    def poll(self) -> None:
        for line in self._tail.lines():
            name, rest = line.decode().split(" ", 1)
            trade_id, count, price, size, side, ts_ms, seq_id = rest.split(" ")
            row = PublishedTrade(
                int(trade_id), int(count), price, size, side, int(ts_ms), int(seq_id)
            )
            known = self.truth.setdefault(name, {})
            for match in matches(row):
                known[match.trade_id] = (
                    float(match.price),
                    float(match.size),
                    SIDES[match.side],
                    match.ts_ms,
                )
            self.last_id[name] = row.trade_id

    def close(self) -> None:
        self._tail.close()


class RowDigest:
    """CRC-32 over each 64 rows of a lane, of what a trade is: two readers of one ring agree."""

    def __init__(self) -> None:
        self._crc = 0
        self._sequence = 0

    def add(self, rows: np.ndarray[Any, Any]) -> list[tuple[int, int]]:
        """(last sequence, CRC) of each block that these rows, which follow the last, complete."""
        done = []
        for values in zip(*(rows[name].tolist() for name in LOGGED), strict=True):
            self._crc = zlib.crc32(_PACKED.pack(*values), self._crc)
            self._sequence = values[0]
            if self._sequence % DIGEST_ROWS == 0:
                done.append((self._sequence, self._crc))
                self._crc = 0
        return done
