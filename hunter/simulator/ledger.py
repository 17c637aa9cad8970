"""The truth: every trade row that was produced, and how much of each channel.

Rows live in memory (the newest `matches_max` matches per instrument) and, when a file is given, in
an append-only text file that survives a kill: rows are written before any client is sent one,
without a user-space buffer. One line a row, the same bytes in memory and in the file:

    <trade id> <count> <price> <size> <side> <ts ms> <seq id>          in memory
    <instId> <the same>                                                in the file

A file over its limit is renamed to NAME.1 (the older NAME.1 goes) and begun anew. A torn last line
is cut when the file is opened.
"""

from __future__ import annotations

import os
from bisect import bisect_right
from collections import Counter, deque
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from hunter.errors import ConfigError, HunterError
from hunter.simulator.channels import Key
from hunter.simulator.frames import PublishedTrade, Push, matches


def _line(row: PublishedTrade) -> bytes:
    return b"%d %d %s %s %s %d %d" % (
        row.trade_id,
        row.match_count,
        row.price.encode(),
        row.size.encode(),
        row.side.encode(),
        row.ts_ms,
        row.seq_id,
    )


def _row(line: bytes) -> PublishedTrade:
    trade_id, count, price, size, side, ts_ms, seq_id = line.decode().split(" ")
    return PublishedTrade(int(trade_id), int(count), price, size, side, int(ts_ms), int(seq_id))


def _trade_id(line: bytes) -> int:
    return int(line[: line.index(b" ")])


class _Tape:
    """Rows of one instrument in memory, oldest first, ids growing."""

    def __init__(self) -> None:
        self.lines: deque[bytes] = deque()
        self.match_count = 0
        self.match_total = 0

    def add(self, row: PublishedTrade, line: bytes, matches_max: int) -> None:
        if self.lines and row.trade_id <= _trade_id(self.lines[-1]):
            # A recording that starts over begins a new chain; the old one cannot be paged any more.
            self.lines.clear()
            self.match_count = 0
        self.lines.append(line)
        self.match_count += row.match_count
        self.match_total += row.match_count
        while self.match_count > matches_max and len(self.lines) > 1:
            self.match_count -= int(self.lines.popleft().split(b" ", 2)[1])


class Ledger:
    def __init__(
        self, path: Path | None = None, matches_max: int = 200_000, file_bytes_max: int = 64 << 20
    ) -> None:
        self.produced: Counter[Key] = Counter()
        self._tapes: dict[str, _Tape] = {}
        self._matches_max = matches_max
        self._file_bytes_max = file_bytes_max
        self._path = path
        self._pending: list[bytes] = []
        self._fd = -1
        self._file_bytes = 0
        if path is not None:
            self._open(path)

    def record(self, push: Push) -> None:
        """Note one push; call `flush` before anyone is sent it."""
        self.produced[push.channel, push.inst_id] += 1
        if push.channel == "trades":
            assert isinstance(push.body, PublishedTrade), push
            line = _line(push.body)
            self._tape(push.inst_id).add(push.body, line, self._matches_max)
            if self._fd >= 0:
                self._pending.append(b"%s %s\n" % (push.inst_id.encode(), line))

    def flush(self) -> None:
        """Hand what is new to the kernel."""
        if not self._pending:
            return
        data = memoryview(b"".join(self._pending))
        self._pending.clear()
        self._file_bytes += len(data)
        try:
            while data:
                data = data[os.write(self._fd, data) :]
            if self._file_bytes > self._file_bytes_max:
                self._rotate()
        except OSError as error:
            message = f"cannot write ledger {self._path}: {error}; free space or leave it out"
            raise HunterError(message) from error

    def close(self) -> None:
        self.flush()
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def last(self, inst_id: str) -> PublishedTrade | None:
        tape = self._tapes.get(inst_id)
        return _row(tape.lines[-1]) if tape and tape.lines else None

    def match_total(self, inst_id: str) -> int:
        """Matches ever recorded, those forgotten since included."""
        tape = self._tapes.get(inst_id)
        return tape.match_total if tape else 0

    def rows_after(self, inst_id: str, trade_id: int, limit: int) -> list[PublishedTrade]:
        """Oldest first: the rows in memory whose last match is newer than `trade_id`."""
        tape = self._tapes.get(inst_id)
        if tape is None:
            return []
        start = bisect_right(tape.lines, trade_id, key=_trade_id)
        return [_row(line) for line in islice(tape.lines, start, start + limit)]

    def matches_before(self, inst_id: str, trade_id: int | None) -> Iterator[PublishedTrade]:
        """Newest first: single matches older than `trade_id` (all when None)."""
        tape = self._tapes.get(inst_id)
        if tape is None:
            return
        index = len(tape.lines)
        if trade_id is not None:
            # The row that holds `trade_id` itself may still hold older matches.
            index = min(index, bisect_right(tape.lines, trade_id, key=_trade_id) + 1)
        for position in range(index - 1, -1, -1):
            for match in reversed(matches(_row(tape.lines[position]))):
                if trade_id is None or match.trade_id < trade_id:
                    yield match

    def _tape(self, inst_id: str) -> _Tape:
        tape = self._tapes.get(inst_id)
        if tape is None:
            tape = self._tapes[inst_id] = _Tape()
        return tape

    def _open(self, path: Path) -> None:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            older = _older(path)
            if older.exists():
                self._load(older)
            if path.exists():
                os.truncate(path, self._load(path))
            self._fd = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
            self._file_bytes = os.fstat(self._fd).st_size
        except OSError as error:
            message = f"cannot use ledger {path}: {error}; give another --ledger"
            raise ConfigError(message) from error
        except ValueError as error:
            message = f"{path} is not a ledger ({error}); give another --ledger"
            raise ConfigError(message) from error

    def _load(self, path: Path) -> int:
        """Read a file back; returns the bytes of its whole lines."""
        good_bytes = 0
        with path.open("rb") as file:
            for text in file:
                if not text.endswith(b"\n"):
                    break
                good_bytes += len(text)
                name, _, line = text[:-1].partition(b" ")
                self._tape(name.decode()).add(_row(line), line, self._matches_max)
        return good_bytes

    def _rotate(self) -> None:
        assert self._path is not None
        os.close(self._fd)
        self._path.replace(_older(self._path))
        self._fd = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self._file_bytes = 0


def _older(path: Path) -> Path:
    return path.with_name(path.name + ".1")
