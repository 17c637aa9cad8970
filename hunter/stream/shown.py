"""The book of one instrument as readers of the ring see it now: one truth in two hands, this class
and its compiled twin, which the fast path changes with every row of the book.
"""

from __future__ import annotations

from hunter.native import kernel


class Shown:
    """`valid`: whether readers believe it. The ids stay those of the last book that was valid."""

    __slots__ = ("exchange_ts_ns", "seq_id", "valid")

    def __init__(self, valid: bool, seq_id: int, exchange_ts_ns: int) -> None:
        self.valid = valid
        self.seq_id = seq_id
        self.exchange_ts_ns = exchange_ts_ns


def new_shown(valid: bool, seq_id: int, exchange_ts_ns: int) -> Shown:
    """Of the kind that the rest of the process works with."""
    made: Shown = (Shown if kernel is None else kernel.Shown)(valid, seq_id, exchange_ts_ns)
    return made
