from __future__ import annotations

from hunter.market.side import Side


def test_side_times_size_is_signed_volume() -> None:
    assert [side * 2.5 for side in (Side.BUY, Side.SELL)] == [2.5, -2.5]
    assert sum(Side) == 0
