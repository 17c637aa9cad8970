"""Rows of a lane, or bars, as a table of pandas, polars or pyarrow: the same columns in each.

- times are columns `exchange_ts`, `received_ts`, `open_ts` and so on, without `_ns`: the type tells
  (UTC, nanoseconds). A time that is not there is null.
- a number that is not there is null (pandas: NaN).
- what is one of a few words is categorical: `side` buy|sell, `position` long|net|short,
  `contract_type` spot|linear|inverse, `state` of an instrument.
- `valid`, `confirmed`, `utc` and `complete` are booleans, `value_currency` is text.
- a book's levels are columns, best first: bid_price_0, bid_size_0 ... ask_size_19; null where there
  is none. Columns and not lists: every library reckons with columns.
- `check`, which covers the row in the ring, is left out; all others stay as they are.

Called by Lane, and by users with any structured array of these fields, such as Instance.bars or a
selection of rows. The libraries are imported late: each is heavier than the rest of hunter.
"""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from hunter.errors import MissingExtra
from hunter.extras import expect_extra
from hunter.ring.rows import BOOK_LEVELS

if TYPE_CHECKING:
    import numpy as np

    Rows = np.ndarray[tuple[int], np.dtype[np.void]]

_LEFT_OUT: Final = {"check", "bid_count", "ask_count"}
_BOOLEANS: Final = {"valid", "confirmed", "utc", "complete"}
# column -> (word of the value `first`, of the next, ...)
_WORDS: Final[dict[str, tuple[int, tuple[str, ...]]]] = {
    "side": (-1, ("sell", "", "buy")),
    "position": (-1, ("short", "net", "long")),
    "contract_type": (0, ("spot", "linear", "inverse")),
    "state": (0, ("unknown", "live", "suspend", "preopen", "test", "delisted")),
}


class Column(NamedTuple):
    """One column: datetime64[ns] in UTC, text, bool or numbers; with `words`, places in them."""

    values: Any
    words: tuple[str, ...] = ()


def to_pandas(rows: Rows) -> Any:
    """A pandas.DataFrame; MissingExtra without pandas."""
    pandas = _library("pandas", "to_pandas")
    frame = {}
    for name, column in columns_of(rows).items():
        if column.words:
            made = pandas.Categorical.from_codes(column.values, column.words)
        elif column.values.dtype.kind == "M":
            made = pandas.DatetimeIndex(column.values, tz="UTC")
        else:
            made = column.values
        frame[name] = made
    return pandas.DataFrame(frame)


def to_polars(rows: Rows) -> Any:
    """A polars.DataFrame; MissingExtra without polars."""
    polars = _library("polars", "to_polars")
    series = []
    for name, column in columns_of(rows).items():
        if column.words:
            words = polars.Series(name, column.words, dtype=polars.Enum(column.words))
            made = words.gather(column.values)
        elif column.values.dtype.kind == "M":
            made = polars.Series(name, column.values).dt.replace_time_zone("UTC")
        elif column.values.dtype.kind == "U":
            made = polars.Series(name, column.values.tolist(), dtype=polars.String)
        else:
            made = polars.Series(name, column.values, nan_to_null=True)
        series.append(made)
    return polars.DataFrame(series)


def to_arrow(rows: Rows) -> Any:
    """A pyarrow.Table; MissingExtra without pyarrow."""
    expect_extra("store", "to_arrow")
    arrow = import_module("pyarrow")
    arrays = {}
    for name, column in columns_of(rows).items():
        if column.words:
            made = arrow.DictionaryArray.from_arrays(column.values, list(column.words))
        elif column.values.dtype.kind == "M":
            made = arrow.array(column.values, type=arrow.timestamp("ns", tz="UTC"))
        else:
            made = arrow.array(column.values, from_pandas=True)
        arrays[name] = made
    return arrow.table(arrays)


def columns_of(rows: Rows) -> dict[str, Column]:
    """What all three are made of, in the order of the rows' fields; private copies."""
    found: dict[str, Column] = {}
    for name in rows.dtype.names or ():
        values = rows[name]
        if name in _LEFT_OUT:
            continue
        if name in ("bids", "asks"):
            found |= _levels(rows, name)
        elif name.endswith("_ts_ns"):
            found[name.removesuffix("_ns")] = Column(_times(values))
        elif name in _WORDS:
            found[name] = _words(values, *_WORDS[name])
        elif name in _BOOLEANS:
            found[name] = Column(values.astype(bool))
        elif values.dtype.kind == "S":
            found[name] = Column(values.astype(str))
        else:
            found[name] = Column(values.copy())
    return found


def _times(values: Any) -> Any:
    import numpy

    times = values.astype("datetime64[ns]")
    times[values == 0] = numpy.datetime64("NaT")
    return times


def _words(values: Any, first: int, words: tuple[str, ...]) -> Column:
    """Places in `words` that are words: a side is never 0."""
    import numpy

    kept = tuple(word for word in words if word)
    places = numpy.array([kept.index(word) if word else 0 for word in words], dtype=numpy.int8)
    return Column(places[values.astype(numpy.int64) - first], kept)


def _levels(rows: Rows, name: str) -> dict[str, Column]:
    import numpy

    side = name.removesuffix("s")
    counts = rows[f"{side}_count"]  # 0 in a book that is not valid
    made: dict[str, Column] = {}
    for level in range(BOOK_LEVELS):
        for place, what in enumerate(("price", "size")):
            values = rows[name][:, level, place].copy()
            values[counts <= level] = numpy.nan
            made[f"{side}_{what}_{level}"] = Column(values)
    return made


def _library(name: str, what: str) -> Any:
    """A library that is no extra of hunter's: whoever wants its frames has it."""
    if find_spec(name) is None:
        raise MissingExtra(f"{what} needs: pip install {name}")
    return import_module(name)
