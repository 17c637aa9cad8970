"""One side of the book keeps its order under any sequence of acts."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hunter.simulator.ladder import Fill, Ladder

_ACTS = st.lists(
    st.tuples(
        st.sampled_from(["put", "remove", "take", "trim"]),
        st.integers(1, 60),
        st.integers(1, 500),
        st.integers(1, 20),
    ),
    max_size=60,
)


@given(st.sampled_from([1, -1]), _ACTS)
def test_ladder_stays_sorted_and_levels_hold_their_orders(
    sign: int, acts: list[tuple[str, int, int, int]]
) -> None:
    ladder = Ladder(sign)
    for act, tick, lots, orders in acts:
        if act == "put":
            ladder.put(tick, lots, orders)
        elif act == "remove" and tick * sign in ladder.levels:
            ladder.remove(tick)
        elif act == "take":
            before = sum(level[0] for level in ladder.levels.values())
            fills = ladder.take(lots, levels_max=4)
            after = sum(level[0] for level in ladder.levels.values())
            assert before - after == sum(fill.lots for fill in fills) <= lots
            assert all(1 <= fill.match_count <= fill.lots for fill in fills)
            assert len(fills) <= 4
        elif act == "trim":
            ladder.trim(tick)
        assert ladder.keys == sorted(ladder.levels)
        assert all(1 <= orders <= lots for lots, orders in ladder.levels.values())


def test_taker_eats_best_prices_first_and_leaves_the_last_level() -> None:
    asks = Ladder(1)
    for tick, lots in ((103, 10), (101, 4), (102, 6)):
        asks.put(tick, lots, 2)
    assert asks.take(7, levels_max=9) == [Fill(101, 4, 2), Fill(102, 3, 1)]
    assert asks.take(99, levels_max=9) == [Fill(102, 3, 2)]
    assert asks.take(99, levels_max=9) == []
    asks.put(102, 5, 3)
    assert asks.take(5, levels_max=1) == [Fill(102, 5, 3)]
    assert (asks.best_tick(), asks.best_lots()) == (103, 10)


def test_bids_are_best_at_the_highest_price() -> None:
    bids = Ladder(-1)
    for tick in (7, 9, 8):
        bids.put(tick, tick, 1)
    assert bids.best_tick() == 9
    assert list(bids.window(2).values()) == [(9, 1), (8, 1)]


def test_level_of_no_lots_is_a_programmers_error() -> None:
    with pytest.raises(AssertionError):
        Ladder(1).put(5, 0, 1)
