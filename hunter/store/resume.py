"""Where each lane goes on, by what the newest parts say. Called once, by the writing thread.

A ring that is still the one of the newest part is read on from the part's last sequence. Of another
ring all is read, and of its trades those that are stored already are left out, by their match
numbers, if they come from the same place (`source`): a market's numbers go on where hunter is
started again. Numbers that begin again are another series.

A candle's minute may be under way: its trades are taken from the parts of the trade lane, from the
last bar's newest match on.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from hunter.market.bars import RESTART_AFTER_NS, BarTrade
from hunter.ring.rows import Kind
from hunter.store.files import StoreFiles, opened_part
from hunter.store.journal import has_at
from hunter.store.parts import PartFile, Place, StoredLane
from hunter.store.tables import rows_array

if TYPE_CHECKING:
    import pyarrow as pa

NO_ORIGIN: Final = "0" * 16
BAR_NS: Final = 60_000_000_000
_ROW_GROUPS_MAX: Final = 256
"""Looked through for a bar's beginning."""


class TradeTail(NamedTuple):
    """The newest match that a lane has."""

    trade_id: int
    exchange_ts_ns: int


class LaneStart(NamedTuple):
    """`cursor` -1: from the oldest row on. `tail`: matches up to it are stored already."""

    place: Place
    cursor: int
    tail: TradeTail | None


class CandleStart(NamedTuple):
    """`seed`: stands for all rows up to the last bar; `trades`: stored ones after it."""

    place: Place
    seed: BarTrade | None = None
    trades: tuple[BarTrade, ...] = ()


class SignalsStart(NamedTuple):
    """`series` of the journal as it is now. What is in `places`, of that series, is stored; and so
    are signals up to `ids`, the newest ones.
    """

    series: int
    places: dict[str, Place]
    ids: dict[str, str]


def start_lane(
    files: StoreFiles, lane: StoredLane, ring_id: str, source: int, head: int
) -> LaneStart:
    """Of trades or books. `head`: rows that the ring's lane has published."""
    newest = files.newest(lane)
    if newest is None:
        return LaneStart(Place(1, ring_id, 0), -1, None)
    place = newest.place
    if place.origin == ring_id and place.last <= head:
        return LaneStart(place, place.last, None)
    tail = None
    if lane.table == "trades" and files.source_of(newest) == source:
        row = _last_row(files, newest, ["trade_id", "exchange_ts_ns"])
        tail = TradeTail(row["trade_id"], row["exchange_ts_ns"])
    return LaneStart(Place(place.series + 1, ring_id, 0), -1, tail)


def start_candles(
    files: StoreFiles, instrument: str, ring_id: str, source: int
) -> tuple[CandleStart, TradeTail | None]:
    """And the newest match of the last bar, for those who do not store trades."""
    newest = files.newest(StoredLane("candles", instrument))
    if newest is None:
        return CandleStart(Place(1, ring_id, 0)), None
    if files.source_of(newest) != source:
        return CandleStart(Place(newest.place.series + 1, ring_id, 0)), None
    bar = _last_row(files, newest, ["open_ts_ns", "close", "last_trade_id"])
    open_ts_ns, last_id = bar["open_ts_ns"], bar["last_trade_id"]
    seed = BarTrade(last_id, 1, open_ts_ns, open_ts_ns, bar["close"], 0.0, 1)
    place = newest.place._replace(origin=ring_id)
    trades = _trades_after(files, instrument, TradeTail(last_id, open_ts_ns))
    return CandleStart(place, seed, trades), TradeTail(last_id, open_ts_ns + BAR_NS)


def start_signals(files: StoreFiles, journal: Path) -> SignalsStart:
    """Of all instruments that ever had one."""
    newest = [part for part in files.newest_parts() if part.folder.lane.table == "signals"]
    if not newest:
        return SignalsStart(1, {}, {})
    last = max(newest, key=lambda part: part.order)
    series = last.place.series
    places = {part.folder.lane.instrument: part.place for part in newest}
    if has_at(journal, last.place.last, str(_last_row(files, last, ["id"])["id"])):
        return SignalsStart(series, places, {})
    ids = {
        part.folder.lane.instrument: str(_last_row(files, part, ["id"])["id"]) for part in newest
    }
    return SignalsStart(series + 1, places, ids)


class Continued:
    """Trade rows of another ring, without those that are stored already."""

    def __init__(self, tail: TradeTail | None) -> None:
        self._tail = tail
        self.known = 0
        """Rows left out: all their matches are stored."""
        self.overlapping = 0
        """Rows left out because some of their matches are stored: a row cannot be divided."""

    def new_rows(self, raw: bytearray) -> bytes | bytearray:
        """Those of the next rows that are new."""
        tail = self._tail
        if tail is None or not raw:
            return raw
        rows = rows_array(Kind.TRADE, bytes(raw))
        for place, row in enumerate(rows):
            trade_id = int(row["trade_id"])
            is_restart = int(row["exchange_ts_ns"]) - tail.exchange_ts_ns >= RESTART_AFTER_NS
            if trade_id <= tail.trade_id and not is_restart:
                self.known += 1
            elif trade_id - int(row["count"]) < tail.trade_id < trade_id:
                self.overlapping += 1
            else:
                self._tail = None
                return raw[place * rows.itemsize :]
        return b""


def _trades_after(files: StoreFiles, instrument: str, tail: TradeTail) -> tuple[BarTrade, ...]:
    """Stored trades behind the newest one with that match number; if it is not stored, those that
    are stamped after the bar.
    """
    pieces: list[list[BarTrade]] = []
    for trades in _trades_backwards(files, instrument):
        after: list[BarTrade] = []
        for trade in reversed(trades):
            if trade.trade_id == tail.trade_id:
                return tuple(t for piece in reversed([*pieces, after[::-1]]) for t in piece)
            after.append(trade)
        pieces.append(after[::-1])
        if trades and trades[0].exchange_ts_ns < tail.exchange_ts_ns - BAR_NS:
            break
    end_ns = tail.exchange_ts_ns + BAR_NS
    return tuple(t for piece in reversed(pieces) for t in piece if t.exchange_ts_ns >= end_ns)


def _trades_backwards(files: StoreFiles, instrument: str) -> Iterator[list[BarTrade]]:
    """Stored trades, the newest row group first."""
    count = 0
    for part in reversed(files.parts_of(StoredLane("trades", instrument))):
        with opened_part(files.full_path(part)) as file:
            for group in reversed(range(file.num_row_groups)):
                yield _bar_trades(file.read_row_group(group))
                count += 1
                if count >= _ROW_GROUPS_MAX:
                    return


def _bar_trades(table: pa.Table) -> list[BarTrade]:
    names = ("trade_id", "count", "exchange_ts_ns", "received_ts_ns", "price", "size")
    columns = [table.column(name).to_pylist() for name in names]
    sides = [1 if side == "buy" else -1 for side in table.column("side").to_pylist()]
    losses = table.column("after_loss").to_pylist()
    return [BarTrade(*row) for row in zip(*columns, sides, losses, strict=True)]


def _last_row(files: StoreFiles, part: PartFile, columns: list[str]) -> dict[str, Any]:
    """The newest row of a part; a damaged part is an OSError."""
    with opened_part(files.full_path(part)) as file:
        table = file.read_row_group(file.num_row_groups - 1, columns=columns)
    found: dict[str, Any] = table.slice(table.num_rows - 1).to_pylist()[0]
    return found
