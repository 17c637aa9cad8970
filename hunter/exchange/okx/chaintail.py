"""Where a chain of matches ends: what every row that simply follows changes. Pure.

One truth in two hands: compiled code and `TradeChain` read and write the same record. Compiled code
may take a row that starts at `end` while `end` >= 0; the chain sets it to CLOSED for as long as a
row needs more thought than that (before the first row, while a hole is open or rows are kept
aside). This class is the twin of the compiled one, for where there is none.
"""

from __future__ import annotations

from typing import Final

from hunter.native import kernel

CLOSED: Final = -1


class ChainTail:
    """`last_*` are of the newest row released; `last_count` is 0 when there is none."""

    __slots__ = (
        "end",
        "last_count",
        "last_price",
        "last_size",
        "match_count",
        "newest_ts_ns",
        "row_count",
    )

    def __init__(self) -> None:
        self.end = CLOSED
        self.newest_ts_ns = 0
        self.row_count = 0
        self.match_count = 0
        self.last_count = 0
        self.last_price = 0.0
        self.last_size = 0.0


def new_chain_tail() -> ChainTail:
    """The compiled one where there is a kernel."""
    if kernel is None:
        return ChainTail()
    compiled: ChainTail = kernel.ChainTail()
    return compiled
