"""The tables: their columns, and Arrow tables made of rows of the ring, of bars and of signals.

Times are int64 nanoseconds since the epoch, as everywhere in hunter: DuckDB cuts its own timestamps
with a time zone to microseconds. The instrument and the date are in the path, not in the file.

    trades   sequence, trade_id, count, price, size, side (buy|sell), exchange_ts_ns,
             received_ts_ns, source (feed|backfill), after_loss
    books    sequence, seq_id, valid, exchange_ts_ns, received_ts_ns, bid_prices, bid_sizes,
             ask_prices, ask_sizes (lists of float64, best level first)
    candles  open_ts_ns, open, high, low, close, volume, buy_volume, sell_volume, volume_base,
             volume_quote, vwap, cvd, matches, first_trade_id, last_trade_id, misplaced,
             complete, why_not
    signals  as `hunter signals --json`; `quality` is a struct, dicts are maps

Sizes and volumes are contracts, for spot base currency. Called by the store's writing thread.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING, Any, Final

from hunter.market.bars import TradeBar
from hunter.ring.rows import Kind, TradeFlag, numpy_dtype
from hunter.signals.signal import Signal

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

_CANDLE_FIELDS: Final = (
    *("open_ts_ns", "open", "high", "low", "close", "volume", "buy_volume", "sell_volume"),
    *("volume_base", "volume_quote", "vwap", "cvd", "matches", "first_trade_id"),
    *("last_trade_id", "misplaced", "complete", "why_not"),
)
_SIGNAL_FIELDS: Final = (
    *("id", "direction", "probability_up", "confidence", "probability_move", "edge_bp"),
    *("edge_after_fee_bp", "horizon_ms", "regime", "reason", "model", "trade_sequence"),
    *("book_seq_id", "decided_ts_ns", "latency_us"),
)
_SIGNAL_MAPS: Final = ("outlook", "features", "experts", "context")
_TEXTS: Final = frozenset(("id", "direction", "regime", "reason", "model", "why_not"))
_INTEGERS: Final = frozenset(
    (
        *("open_ts_ns", "matches", "first_trade_id", "last_trade_id", "misplaced"),
        *("horizon_ms", "trade_sequence", "book_seq_id", "decided_ts_ns"),
    )
)
_DELTAS: Final = frozenset(
    ("sequence", "trade_id", "seq_id", "exchange_ts_ns", "received_ts_ns", "open_ts_ns")
)


@cache
def schema_of(table: str) -> pa.Schema:
    """Names and types of the columns."""
    import pyarrow as pa

    int64, float64, text = pa.int64(), pa.float64(), pa.string()
    stamps = [("exchange_ts_ns", int64), ("received_ts_ns", int64)]
    if table == "trades":
        columns = [
            *(("sequence", int64), ("trade_id", int64), ("count", pa.int32())),
            *(("price", float64), ("size", float64), ("side", text)),
            *stamps,
            *(("source", text), ("after_loss", pa.bool_())),
        ]
    elif table == "books":
        sides = ("bid_prices", "bid_sizes", "ask_prices", "ask_sizes")
        columns = [("sequence", int64), ("seq_id", int64), ("valid", pa.bool_()), *stamps]
        columns += [(name, pa.list_(float64)) for name in sides]
    elif table == "candles":
        columns = [(name, _simple_type(name)) for name in _CANDLE_FIELDS]
    else:
        columns = [(name, _simple_type(name)) for name in _SIGNAL_FIELDS]
        columns += [(name, pa.map_(text, float64)) for name in _SIGNAL_MAPS]
        quality = [("feed", text), ("book_valid", pa.bool_()), ("lag_ms", float64)]
        quality += [("gaps_in_window", int64), ("data_age_ms", float64)]
        columns.append(("quality", pa.struct(quality)))
    return pa.schema(columns)


def _simple_type(name: str) -> pa.DataType:
    import pyarrow as pa

    if name in _TEXTS:
        return pa.string()
    if name == "complete":
        return pa.bool_()
    return pa.int64() if name in _INTEGERS else pa.float64()


def encodings(table: str) -> dict[str, Any]:
    """Arguments for pyarrow.parquet.ParquetWriter: numbers that grow are kept as differences."""
    names = schema_of(table).names
    deltas = [name for name in names if name in _DELTAS]
    others = [name for name in names if name not in _DELTAS]
    return {
        "compression": "zstd",
        "use_dictionary": others,
        "column_encoding": dict.fromkeys(deltas, "DELTA_BINARY_PACKED"),
    }


def rows_array(kind: Kind, raw: bytes) -> np.ndarray[tuple[int], np.dtype[np.void]]:
    """Rows as the ring has them: a structured array of shape (rows,)."""
    import numpy

    return numpy.frombuffer(raw, dtype=numpy_dtype(kind))


def trades_table(raw: bytes) -> pa.Table:
    """Of rows of a trade lane."""
    import numpy
    import pyarrow as pa

    rows = rows_array(Kind.TRADE, raw)
    is_backfill = (rows["flags"] & TradeFlag.BACKFILL) != 0
    columns = [
        rows["sequence"].astype("i8"),
        rows["trade_id"],
        rows["count"].astype("i4"),
        rows["price"],
        rows["size"],
        _texts(rows["side"] < 0, "buy", "sell"),
        rows["exchange_ts_ns"],
        rows["received_ts_ns"],
        _texts(is_backfill, "feed", "backfill"),
        (rows["flags"] & TradeFlag.AFTER_LOSS) != 0,
    ]
    made = [
        pa.array(numpy.ascontiguousarray(each)) if isinstance(each, numpy.ndarray) else each
        for each in columns
    ]
    return pa.table(made, schema=schema_of("trades"))


def _texts(is_second: Any, first: str, second: str) -> Any:
    import pyarrow as pa

    indices = pa.array(is_second.astype("i1"))
    return pa.DictionaryArray.from_arrays(indices, [first, second]).cast(pa.string())


def books_table(raw: bytes, level_count: int) -> pa.Table:
    """Of rows of a book lane; at most `level_count` levels a side."""
    import numpy
    import pyarrow as pa

    rows = rows_array(Kind.BOOK, raw)
    columns: list[Any] = [
        pa.array(rows["sequence"].astype("i8")),
        pa.array(numpy.ascontiguousarray(rows["seq_id"])),
        pa.array(rows["valid"] != 0),
        pa.array(numpy.ascontiguousarray(rows["exchange_ts_ns"])),
        pa.array(numpy.ascontiguousarray(rows["received_ts_ns"])),
    ]
    for side, count in (("bids", "bid_count"), ("asks", "ask_count")):
        counts = numpy.minimum(rows[count], level_count)
        is_there = numpy.arange(level_count) < counts[:, None]
        offsets = pa.array(numpy.concatenate(([0], numpy.cumsum(counts))).astype("i4"))
        levels = rows[side][:, :level_count]
        for place in (0, 1):
            columns.append(
                pa.ListArray.from_arrays(offsets, pa.array(levels[..., place][is_there]))
            )
    return pa.table(columns, schema=schema_of("books"))


def candles_table(bars: Sequence[TradeBar]) -> pa.Table:
    """Of bars that are over; a missing number is null."""
    import pyarrow as pa

    columns = [
        pa.array([getattr(bar, name) for bar in bars], type=field.type)
        for name, field in zip(_CANDLE_FIELDS, schema_of("candles"), strict=True)
    ]
    return pa.table(columns, schema=schema_of("candles"))


def signals_table(signals: Sequence[Signal]) -> pa.Table:
    """Of signals of one instrument."""
    import msgspec
    import pyarrow as pa

    schema = schema_of("signals")
    columns = [
        pa.array([getattr(signal, name) for signal in signals], type=schema.field(name).type)
        for name in _SIGNAL_FIELDS
    ]
    columns += [
        pa.array(
            [list(getattr(signal, name).items()) for signal in signals],
            type=schema.field(name).type,
        )
        for name in _SIGNAL_MAPS
    ]
    qualities = [msgspec.structs.asdict(signal.quality) for signal in signals]
    columns.append(pa.array(qualities, type=schema.field("quality").type))
    return pa.table(columns, schema=schema)
