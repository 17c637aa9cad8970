"""Walls: which levels are any, and what is said of one that is gone."""

from __future__ import annotations

import pytest
from fakes.context_rows import MS, START_NS, S, side_of

from hunter.brain.context.walls import VERDICT_AFTER_NS, WALLS_MAX, Walls

BIDS, ASKS = side_of(100.0, -0.5), side_of(100.5, 0.5)
WALL_PLACE = 4
WALL_PRICE = 102.5
SEEN_NS = START_NS + 300 * MS
LATER_NS = START_NS + 2 * S


def ask_wall(size: float = 50.0, place: int = WALL_PLACE, best: float = 100.5) -> tuple[float, ...]:
    return side_of(best, 0.5, {place: size})


def with_wall(size: float = 50.0) -> Walls:
    walls = Walls()
    walls.on_book(START_NS, BIDS, ask_wall(size))
    return walls


def judged(walls: Walls, at_ns: int = LATER_NS) -> float:
    """What is said when the next book shows that nothing else happened."""
    walls.on_book(at_ns, BIDS, ASKS)
    walls.on_book(at_ns + VERDICT_AFTER_NS, BIDS, ASKS)
    return walls.pulled(at_ns + VERDICT_AFTER_NS)


def test_level_above_five_times_the_mean_behind_the_touch_is_a_wall() -> None:
    # The mean of 19 levels, of which one is the wall itself: x > 5 (18 + x) / 19 from 6.43 on.
    assert with_wall(6.5).imbalance() == -6.5 / (20.0 + 25.5)
    assert with_wall(6.4).imbalance() == 0.0
    walls = Walls()
    walls.on_book(START_NS, side_of(100.0, -0.5, {3: 50.0, 7: 60.0}), ask_wall())
    assert walls.imbalance() == (110.0 - 50.0) / (128.0 + 69.0)


def test_large_touch_is_no_wall_and_hides_none() -> None:
    walls = Walls()
    walls.on_book(
        START_NS, side_of(100.0, -0.5, {0: 900.0}), side_of(100.5, 0.5, {0: 9e3, 4: 50.0})
    )
    assert walls.imbalance() == -50.0 / (919.0 + 9_000.0 + 68.0)


def test_wall_that_vanishes_without_trades_was_pulled() -> None:
    walls = with_wall()
    assert walls.pulled(LATER_NS) == 0.0
    # 49 of 50 pulled above, and 20 on the mean visible side.
    assert judged(walls) == pytest.approx(49.0 / 69.0)
    assert walls.pulled(LATER_NS + VERDICT_AFTER_NS + 60 * S) == pytest.approx(24.5 / 44.5)


def test_bid_wall_counts_the_other_way() -> None:
    walls = Walls()
    walls.on_book(START_NS, side_of(100.0, -0.5, {WALL_PLACE: 50.0}), ASKS)
    assert walls.imbalance() > 0.0
    assert judged(walls) == pytest.approx(-49.0 / 69.0)


def test_wall_that_was_traded_away_was_not_pulled() -> None:
    walls = with_wall()
    walls.on_trade(START_NS + MS, WALL_PRICE, 20.0)
    walls.on_trade(START_NS + MS, WALL_PRICE + 0.5, 99.0)  # another price
    walls.on_trade(START_NS + MS, WALL_PRICE, 20.0)
    assert judged(walls) == 0.0


def test_wall_of_which_less_than_half_was_traded_was_pulled_for_the_rest() -> None:
    walls = with_wall()
    walls.on_trade(START_NS + MS, WALL_PRICE, 24.0)
    assert judged(walls) == pytest.approx(25.0 / 45.0)
    walls = with_wall()
    walls.on_trade(START_NS + MS, WALL_PRICE, 25.5)
    assert judged(walls) == 0.0


def test_trades_that_come_after_the_book_still_count_until_the_verdict() -> None:
    for after_ns, pulled in ((VERDICT_AFTER_NS - MS, False), (VERDICT_AFTER_NS + MS, True)):
        walls = with_wall()
        walls.on_book(LATER_NS, BIDS, ASKS)
        # A row is due for the verdict only after it was counted itself, at its own stamp.
        walls.on_trade(LATER_NS + after_ns, 1.0, 1.0)
        walls.on_trade(LATER_NS + after_ns, WALL_PRICE, 50.0)
        walls.on_book(LATER_NS + S, BIDS, ASKS)
        assert (walls.pulled(LATER_NS + S) > 0.0) is pulled


def test_trade_alone_may_bring_the_verdict() -> None:
    walls = with_wall()
    walls.on_book(LATER_NS, BIDS, ASKS)
    at_ns = LATER_NS + VERDICT_AFTER_NS
    assert walls.pulled(at_ns) == 0.0
    walls.on_trade(at_ns, 1.0, 1.0)
    assert walls.pulled(at_ns) == pytest.approx(49.0 / 69.0)


def test_wall_that_is_taken_away_piece_by_piece_is_gone_below_a_fifth() -> None:
    walls = with_wall(50.0)
    for step, size in enumerate((40.0, 20.0, 10.0), 1):
        walls.on_book(START_NS + step * 600 * MS, BIDS, ask_wall(size))
        walls.on_book(START_NS + step * 600 * MS + VERDICT_AFTER_NS, BIDS, ask_wall(size))
        assert walls.pulled(LATER_NS) == 0.0
    walls.on_book(LATER_NS, BIDS, ask_wall(9.0))
    walls.on_book(LATER_NS + VERDICT_AFTER_NS, BIDS, ask_wall(9.0))
    assert walls.pulled(LATER_NS + VERDICT_AFTER_NS) == pytest.approx(41.0 / (41.0 + 24.0))


def test_wall_that_grew_is_gone_below_a_fifth_of_what_it_was() -> None:
    walls = with_wall(50.0)
    walls.on_book(START_NS + 100 * MS, BIDS, ask_wall(200.0))
    walls.on_book(LATER_NS, BIDS, ask_wall(15.0))
    walls.on_book(LATER_NS + VERDICT_AFTER_NS, BIDS, ask_wall(15.0))
    assert walls.pulled(LATER_NS + VERDICT_AFTER_NS) == pytest.approx(185.0 / (185.0 + 27.0))


def test_iceberg_that_fills_up_and_is_traded_away_was_not_pulled() -> None:
    walls = with_wall(50.0)
    for step in range(1, 4):
        at_ns = START_NS + step * 100 * MS
        walls.on_trade(at_ns, WALL_PRICE, 30.0)
        walls.on_book(at_ns, BIDS, ask_wall(20.0))
        walls.on_book(at_ns + MS, BIDS, ask_wall(50.0))  # 30 more were shown
    walls.on_trade(LATER_NS, WALL_PRICE, 50.0)
    assert judged(walls) == 0.0


def test_wall_that_the_price_leaves_behind_is_forgotten() -> None:
    walls = with_wall()
    far_bids, far_asks = side_of(80.0, -0.5), side_of(80.5, 0.5)  # ends at 90
    walls.on_book(LATER_NS, far_bids, far_asks)
    walls.on_book(LATER_NS + VERDICT_AFTER_NS, far_bids, far_asks)
    assert walls.pulled(LATER_NS + VERDICT_AFTER_NS) == 0.0


def test_wall_that_the_price_went_through_without_trades_was_pulled() -> None:
    walls = with_wall()
    walls.on_book(LATER_NS, side_of(104.5, -0.5), side_of(105.0, 0.5))
    walls.on_book(LATER_NS + VERDICT_AFTER_NS, BIDS, ASKS)
    assert walls.pulled(LATER_NS + VERDICT_AFTER_NS) == pytest.approx(50.0 / 70.0)


def test_wall_is_followed_when_the_touch_has_come_to_it() -> None:
    walls = with_wall()
    close = side_of(WALL_PRICE, 0.5, {0: 50.0})
    walls.on_book(START_NS + S, side_of(102.0, -0.5), close)
    assert walls.imbalance() == 0.0  # at the touch it is none
    walls.on_trade(START_NS + S, WALL_PRICE, 45.0)
    assert judged(walls) == 0.0


def test_new_walls_are_looked_for_four_times_a_second() -> None:
    walls = Walls()
    walls.on_book(START_NS, BIDS, ASKS)
    walls.on_book(START_NS + 249 * MS, BIDS, ask_wall())
    assert walls.imbalance() == 0.0
    walls.on_book(START_NS + 250 * MS, BIDS, ask_wall())
    assert walls.imbalance() < 0.0


def test_book_of_fewer_levels_has_no_walls() -> None:
    walls = with_wall()
    assert walls.is_whole
    walls.on_book(SEEN_NS, BIDS, ASKS[:10])
    assert not walls.is_whole
    assert judged(walls) == 0.0
    assert walls.is_whole


def test_what_happens_unseen_is_no_verdict() -> None:
    walls = with_wall()
    walls.on_book(SEEN_NS, BIDS, ASKS)
    walls.forget()  # gone, but its trades may have been missed
    assert judged(walls) == 0.0
    walls = with_wall()
    walls.forget()
    assert judged(walls) == 0.0


def test_number_of_walls_has_an_end() -> None:
    walls = Walls()
    for step in range(40):
        at_ns = START_NS + step * 300 * MS
        best = 100.0 + step * 0.5
        sizes = dict.fromkeys((18, 12, 6), 60.0)
        walls.on_book(at_ns, side_of(best - 0.5, -0.5, sizes), side_of(best, 0.5, sizes))
        for side in (walls._bids, walls._asks):
            assert len(side.walls) <= WALLS_MAX
            assert len(side.going) <= 4
    assert len(walls.state()) < 800


def test_more_gone_at_once_than_can_wait_have_their_verdict_early() -> None:
    walls = Walls()
    walls.on_book(START_NS, BIDS, side_of(100.5, 0.5, dict.fromkeys((3, 6, 9), 30.0)))
    moved = side_of(100.5, 0.5, dict.fromkeys((4, 7, 11), 30.0))
    walls.on_book(START_NS + 300 * MS, BIDS, moved)
    walls.on_book(START_NS + 400 * MS, BIDS, ASKS)
    assert len(walls._asks.going) == 4
    assert walls._asks.pulled == 2 * 29.0
    walls.on_book(LATER_NS, BIDS, ASKS)
    assert walls._asks.pulled == pytest.approx(6 * 29.0, rel=0.03)


def test_loaded_state_goes_on_and_what_is_none_is_refused() -> None:
    walls = with_wall()
    walls.on_trade(START_NS + MS, WALL_PRICE, 3.0)
    walls.on_book(SEEN_NS, side_of(100.0, -0.5, {5: 70.0}), ASKS)
    again = Walls.loaded(walls.state())
    assert again.state() == walls.state()
    for one in (walls, again):
        one.on_trade(SEEN_NS + MS, WALL_PRICE, 1.0)
    assert judged(again) == judged(walls) != 0.0
    assert again.state() == walls.state()
    state = with_wall().state()
    for bad in (b"", state[:30], state[:-1], state + b"\0"):
        with pytest.raises(ValueError, match="walls' state"):
            Walls.loaded(bad)
