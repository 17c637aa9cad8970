"""The record of the book that readers see: both hands have the same fields."""

from __future__ import annotations

from hunter.native import kernel
from hunter.stream.shown import Shown, new_shown


def test_both_hands_keep_the_same() -> None:
    for made in (Shown(True, 7, 1 << 60), new_shown(True, 7, 1 << 60)):
        assert (made.valid, made.seq_id, made.exchange_ts_ns) == (True, 7, 1 << 60)
        made.valid, made.seq_id, made.exchange_ts_ns = False, -1, 0
        assert (made.valid, made.seq_id, made.exchange_ts_ns) == (False, -1, 0)


def test_the_compiled_one_is_used_where_there_is_a_kernel() -> None:
    expected = Shown if kernel is None else kernel.Shown
    assert type(new_shown(False, -1, 0)) is expected
