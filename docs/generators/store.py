"""docs/reference/store.md: the columns of the Parquet files, from the schemas that write them."""

from __future__ import annotations

from docs.generators.text import code, paragraphs, table
from hunter.config.schema import TABLES
from hunter.store import files
from hunter.store.tables import schema_of

_HEAD = """# Store

The Parquet files of `[store]`, below `store.dir` (`DATA_DIR/store`):

    TABLE/instrument=BTC-USDT-SWAP/date=2026-11-23/part-*.parquet

Instrument and date (of the exchange's time, UTC) stand in the path, as DuckDB, polars and pyarrow
read it ("hive"), and not in the files. Times are int64 nanoseconds since the epoch. Sizes and
volumes are contracts, for spot base currency. [Keep the market in
Parquet](../how-to/store.md) shows it in use.
"""


def page() -> str:
    parts = [_HEAD]
    for name in TABLES:
        fields = [[code(field.name), code(str(field.type))] for field in schema_of(name)]
        parts += [f"## {name}\n", table(["column", "type"], fields)]
    return "\n".join([*parts, "## What a reader sees\n", paragraphs(files.__doc__)])
