"""docs/reference/trades.md: trades, books and candles as JSON, and the rows of all lanes."""

from __future__ import annotations

import ast
import inspect
import re
import textwrap

from docs.generators.text import code, fields_of, paragraphs, table, type_words
from hunter.access.lane import BookNow
from hunter.cli import market
from hunter.ring import rows
from hunter.ring.rows import ROW_BYTES, Kind, numpy_dtype

_HEAD = """# Trades, books and rows

## hunter trades --json

One object a line, oldest first, in the order of the ring. Within an instrument the ring holds each
match once, in match order, with no hole unless `lost` in `hunter status` says so. A row covers the
matches (trade_id - count, trade_id].
"""
_WORDS = {
    "sequence": "position in the ring, from 1",
    "instrument": "as OKX spells it",
    "trade_id": "the last match of the row",
    "count": "matches that the row covers",
    "price": "in quote currency",
    "size": "contracts for swaps and futures, base currency for spot",
    "side": "`buy` or `sell`: who took",
    "exchange_ts_ns": "the exchange's stamp, ns since the epoch",
    "received_ts_ns": "our reception, ns since the epoch",
    "source": "`feed`, or `backfill`: fetched over REST into a hole",
    "valid": "false at once when an update is missing, until the book is made anew",
    "seq_id": "the exchange's sequence id",
    "age_ms": "since the exchange's stamp",
    "bids": "[price, size], best first",
    "asks": "[price, size], best first",
}


def page() -> str:
    trades = [[code(name), _WORDS.get(name, "")] for name in _trade_fields()]
    books = [
        [code(name), type_words(kind), _WORDS.get(name, "")]
        for name, kind in fields_of(BookNow).items()
    ]
    parts = [
        _HEAD,
        table(["field", "what"], trades),
        "## hunter book --json\n",
        "One object. At least the best 20 levels a side are kept where readers can see them.\n",
        table(["field", "JSON", "what"], books),
        "## Rows\n",
        "What `last(n)` of a lane gives: a numpy structured array with these fields.\n",
    ]
    for kind in Kind:
        fields = numpy_dtype(kind).fields or {}
        listed = [
            [code(name), code(_format(found[0])), str(found[1])] for name, found in fields.items()
        ]
        parts += [
            f"### {kind.name.lower()}\n",
            f"{ROW_BYTES[kind]} bytes.\n",
            table(["field", "type", "offset"], listed),
        ]
    drawn = paragraphs(rows.__doc__).split("\n\n")
    parts += ["### What the values mean\n", drawn[-1] + "\n", _flags()]
    return "\n".join(parts)


def _trade_fields() -> list[str]:
    """Keys of the object that `trade_object` makes, in its order."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(market.trade_object)))
    made = next(node for node in ast.walk(tree) if isinstance(node, ast.Dict))
    return [key.value for key in made.keys if isinstance(key, ast.Constant)]


def _format(kind: object) -> str:
    text = str(kind)
    return re.sub(r"\s+", "", text)


def _flags() -> str:
    source = inspect.getsource(rows.TradeFlag)
    found = re.findall(r"(\w+) = (\d+)  # (.+)", source)
    listed = [[code(name), number, words] for name, number, words in found]
    return "`flags` of a trade:\n\n" + table(["name", "bit value", "what"], listed)
