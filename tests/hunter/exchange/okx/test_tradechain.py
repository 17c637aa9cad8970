from __future__ import annotations

import random
from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hunter.exchange.okx.rows import Trade, TradeSource
from hunter.exchange.okx.tradechain import (
    JUMP_MATCHES_MAX,
    RESTART_AFTER_NS,
    Duplicate,
    Hole,
    Late,
    Lost,
    Outcome,
    Overlap,
    Restarted,
    TradeChain,
)
from hunter.market.side import Side

T0 = 1_000_000_000_000


def row(trade_id: int, count: int = 1, ts_ns: int = T0, **fields: float) -> Trade:
    size = fields.get("size", float(count))
    return Trade(trade_id, count, fields.get("price", 10.0), size, Side.BUY, ts_ns, trade_id)


def rest(first: int, last: int) -> list[Trade]:
    """A page as parsed: per match."""
    return [
        Trade(trade_id, 1, 10.0, 1.0, Side.BUY, T0, source=TradeSource.BACKFILL)
        for trade_id in range(first, last + 1)
    ]


def ids(outcomes: Iterable[Outcome]) -> list[int]:
    return [item.trade_id for item in outcomes if isinstance(item, Trade)]


@pytest.fixture
def chain() -> TradeChain:
    """Resumed after match 100."""
    fresh = TradeChain()
    fresh.resume(100, T0)
    return fresh


def test_first_row_is_taken_as_it_is() -> None:
    chain = TradeChain()
    assert chain.last_trade_id is None
    first = row(500, 7)
    assert chain.accept(first, 1) == [first]
    assert chain.last_trade_id == 500


def test_rows_in_order_pass_through(chain: TradeChain) -> None:
    rows = [row(101), row(104, 3), row(105)]
    assert [chain.accept(item, 1) for item in rows] == [[item] for item in rows]
    counts = chain.statistics()
    assert (counts.row_count, counts.match_count, counts.held_count) == (3, 5, 0)
    assert chain.blocked_since_ns is None


def test_cached_last_trade_after_a_subscribe_is_a_duplicate(chain: TradeChain) -> None:
    last = row(101)
    chain.accept(last, 1)
    assert chain.accept(last, 2) == [Duplicate(last, conflicting=False)]
    assert chain.statistics().conflict_count == 0


def test_duplicate_with_other_content_is_a_conflict_and_the_first_stays(chain: TradeChain) -> None:
    chain.accept(row(101), 1)
    other = row(101, price=11.0)
    assert chain.accept(other, 2) == [Duplicate(other, conflicting=True)]
    assert chain.statistics().conflict_count == 1


def test_row_after_a_jump_opens_a_hole_and_is_held(chain: TradeChain) -> None:
    assert chain.accept(row(106, 2), 7) == [Hole(100, 105)]
    assert chain.holes == (Hole(100, 105),)
    assert chain.accept(row(107), 8) == []
    assert chain.last_trade_id == 100
    assert chain.blocked_since_ns == 7
    counts = chain.statistics()
    assert (counts.held_count, counts.missing_match_count, counts.hole_count) == (2, 4, 1)


def test_rest_rows_close_a_hole_and_release_in_order_as_backfill(chain: TradeChain) -> None:
    chain.accept(row(106, 2), 7)
    outcomes = chain.fill(rest(90, 120), 9)
    assert ids(outcomes) == [101, 102, 103, 104, 106]
    sources = [item.source for item in outcomes if isinstance(item, Trade)]
    assert sources == [TradeSource.BACKFILL] * 4 + [TradeSource.FEED]
    assert (chain.holes, chain.blocked_since_ns, chain.last_trade_id) == ((), None, 106)
    counts = chain.statistics()
    assert (counts.backfilled_match_count, counts.match_count) == (4, 6)
    assert counts.surplus_count == 27
    assert chain.accept(row(107), 10) == [row(107)]


def test_rest_rows_are_marked_even_if_they_claim_to_be_of_the_feed(chain: TradeChain) -> None:
    chain.accept(row(102), 1)
    (first, _) = chain.fill([row(101)], 2)
    assert isinstance(first, Trade)
    assert first.source is TradeSource.BACKFILL


def test_pages_newest_first_shrink_the_hole_from_above(chain: TradeChain) -> None:
    chain.accept(row(111), 1)
    assert chain.fill(reversed(rest(106, 112)), 2) == []
    assert chain.holes == (Hole(100, 106),)
    assert chain.fill(reversed(rest(103, 107)), 3) == []
    assert chain.holes == (Hole(100, 103),)
    assert ids(chain.fill(reversed(rest(99, 103)), 4)) == list(range(101, 112))


def test_incomplete_answer_keeps_what_is_still_missing(chain: TradeChain) -> None:
    chain.accept(row(111), 1)
    page = [item for item in rest(101, 110) if item.trade_id not in (104, 107, 108)]
    assert ids(chain.fill(page, 2)) == [101, 102, 103]
    assert chain.holes == (Hole(103, 105), Hole(106, 109))
    assert chain.blocked_since_ns == 2
    assert chain.last_trade_id == 103


def test_answer_older_than_asked_fills_nothing(chain: TradeChain) -> None:
    chain.accept(row(111), 1)
    assert chain.fill(rest(50, 100), 2) == []
    assert chain.holes == (Hole(100, 111),)


def test_rest_rows_beyond_the_newest_known_are_left_to_the_feed(chain: TradeChain) -> None:
    chain.accept(row(103), 1)
    assert ids(chain.fill(rest(101, 110), 2)) == [101, 102, 103]
    assert ids(chain.accept(row(110, 7), 3)) == [110]


def test_give_up_counts_the_missing_in_their_place_and_releases(chain: TradeChain) -> None:
    chain.accept(row(106, 2), 1)
    chain.accept(row(110), 2)
    outcomes = chain.give_up(3)
    assert outcomes == [Lost(100, 105), row(106, 2), Lost(106, 110), row(110)]
    assert [item.match_count for item in outcomes if isinstance(item, Lost)] == [4, 3]
    assert chain.statistics().lost_match_count == 7
    assert chain.accept(row(111), 4) == [row(111)]
    assert chain.give_up(5) == []


def test_row_of_the_feed_that_comes_late_closes_its_hole(chain: TradeChain) -> None:
    chain.accept(row(104, 1), 1)
    outcomes = chain.accept(row(103, 3), 2)
    assert ids(outcomes) == [103, 104]
    assert chain.statistics().backfilled_match_count == 0


def test_row_for_what_was_given_up_is_late_and_stays_lost(chain: TradeChain) -> None:
    chain.accept(row(104), 1)
    chain.give_up(2)
    late = row(103, 2)
    assert chain.accept(late, 3) == [Late(late)]
    counts = chain.statistics()
    assert (counts.late_count, counts.lost_match_count, counts.duplicate_count) == (1, 3, 0)


def test_overlap_at_the_end_is_not_used_and_its_new_part_is_a_hole(chain: TradeChain) -> None:
    overlap = row(103, 5)
    assert chain.accept(overlap, 1) == [Overlap(overlap), Hole(100, 104)]
    assert ids(chain.accept(row(104), 2)) == []
    assert ids(chain.fill(rest(101, 103), 3)) == [101, 102, 103, 104]
    assert chain.statistics().overlap_count == 1


def test_overlap_with_nothing_behind_it_can_be_given_up(chain: TradeChain) -> None:
    chain.accept(row(103, 5), 1)
    assert chain.give_up(2) == [Lost(100, 104)]
    assert chain.last_trade_id == 103
    assert ids(chain.accept(row(104), 3)) == [104]


def test_overlap_with_a_filled_part_leaves_the_hole_to_rest(chain: TradeChain) -> None:
    chain.accept(row(111), 1)
    chain.fill(rest(105, 106), 2)
    overlap = row(110, 5)
    assert chain.accept(overlap, 3) == [Overlap(overlap)]
    assert chain.holes == (Hole(100, 105), Hole(106, 111))


def test_duplicate_of_a_held_row_is_a_duplicate(chain: TradeChain) -> None:
    chain.accept(row(106, 2), 1)
    assert chain.accept(row(106, 2), 2) == [Duplicate(row(106, 2), conflicting=False)]


def test_held_rows_are_bounded_by_giving_up_the_oldest_hole() -> None:
    chain = TradeChain(held_rows_max=3)
    chain.resume(100)
    outcomes: list[Outcome] = []
    for trade_id in (102, 103, 105, 106):
        outcomes += chain.accept(row(trade_id), 1)
    assert outcomes == [Hole(100, 102), Hole(103, 105), Lost(100, 102), row(102), row(103)]
    assert chain.statistics().held_count == 2


def test_hole_too_large_to_hold_loses_its_oldest_part_only() -> None:
    chain = TradeChain(held_rows_max=20)
    chain.resume(100)
    chain.accept(row(151), 1)
    outcomes = [*chain.fill(reversed(rest(136, 150)), 2), *chain.fill(reversed(rest(121, 135)), 3)]
    assert outcomes[0] == Lost(100, 121)
    assert ids(outcomes) == list(range(121, 152))
    assert chain.fill(reversed(rest(106, 120)), 4) == []


def test_fill_before_the_first_row_takes_nothing() -> None:
    chain = TradeChain()
    assert chain.fill(rest(1, 5), 1) == []
    assert chain.statistics().surplus_count == 5


def test_resume_after_the_first_row_is_a_programmer_error(chain: TradeChain) -> None:
    with pytest.raises(AssertionError):
        chain.resume(5)


NEWER = T0 + RESTART_AFTER_NS + 1


def test_ids_that_start_anew_are_adopted_after_three_chained_rows(chain: TradeChain) -> None:
    chain.accept(row(101), 1)
    rows = [row(5, 2, NEWER), row(6, 1, NEWER), row(9, 3, NEWER)]
    assert chain.accept(rows[0], 2) == [Duplicate(rows[0], conflicting=False)]
    assert chain.accept(rows[1], 3) == [Duplicate(rows[1], conflicting=False)]
    assert chain.accept(rows[2], 4) == [Restarted(101, 3), *rows]
    assert chain.last_trade_id == 9
    assert chain.accept(row(10, 1, NEWER), 5) == [row(10, 1, NEWER)]
    assert chain.statistics().restart_count == 1


def test_restart_gives_up_open_holes_first(chain: TradeChain) -> None:
    chain.accept(row(103), 1)
    rows = [row(trade_id, 1, NEWER) for trade_id in (1, 2, 3)]
    outcomes = [outcome for item in rows for outcome in chain.accept(item, 2)]
    assert outcomes[2:] == [Lost(100, 103), row(103), Restarted(103, 0), *rows]


@pytest.mark.parametrize(
    "rows",
    [
        [row(5, 1, NEWER - 1), row(6, 1, NEWER - 1), row(7, 1, NEWER - 1)],
        [row(5, 1, NEWER), row(7, 1, NEWER), row(8, 1, NEWER)],
        [row(5, 1, NEWER), row(5, 1, NEWER), row(6, 1, NEWER)],
        [row(5, 1, NEWER), row(6, 1, NEWER), row(101, 1, NEWER), row(7, 1, NEWER)],
        [row(5, 1, NEWER), row(6, 1, NEWER), row(105, 1, NEWER), row(7, 1, NEWER)],
    ],
    ids=["not newer by enough", "not chained", "repeated", "the chain goes on", "the chain jumps"],
)
def test_old_ids_without_confirmation_stay_duplicates(chain: TradeChain, rows: list[Trade]) -> None:
    outcomes = [outcome for item in rows for outcome in chain.accept(item, 1)]
    assert not any(isinstance(outcome, Restarted) for outcome in outcomes)


def test_rows_that_come_twice_while_a_hole_is_open_for_long_are_no_restart(
    chain: TradeChain,
) -> None:
    """As two connections bring them during a handover: new times, but not new ids."""
    chain.accept(row(101), 1)
    held = [row(trade_id, 1, NEWER + trade_id) for trade_id in range(105, 112)]
    for item in held:
        chain.accept(item, 2)
    for item in held[1:]:
        assert chain.accept(item, 3) == [Duplicate(item, conflicting=False)]
    assert [hole.match_count for hole in chain.holes] == [3]


def test_replayed_rows_after_resuming_without_a_time_are_duplicates() -> None:
    chain = TradeChain()
    chain.resume(100)
    for trade_id in range(90, 101):
        (outcome,) = chain.accept(row(trade_id, 1, NEWER), 1)
        assert isinstance(outcome, Duplicate)


def truth_rows(counts: list[int]) -> list[Trade]:
    rows, trade_id = [], 100
    for count in counts:
        trade_id += count
        rows.append(row(trade_id, count))
    return rows


def disturbed(rows: list[Trade], dice: random.Random) -> list[Trade]:
    """Dropped, repeated and swapped rows."""
    fed: list[tuple[float, Trade]] = []
    for index, item in enumerate(rows):
        copies = dice.choice((0, 1, 1, 1, 2))
        fed += [(index + dice.choice((0, 0, 0, 1.5, 6.5)), item) for _ in range(copies)]
    return [item for _, item in sorted(fed, key=lambda pair: pair[0])]


def check_partition(outcomes: list[Outcome], after: int, end: int | None) -> None:
    """Rows and losses cover (after, end] once, in order, and no row's size was changed."""
    at = after
    for outcome in outcomes:
        if isinstance(outcome, Trade):
            assert outcome.trade_id - outcome.count == at
            assert outcome.size == outcome.count
            at = outcome.trade_id
        elif isinstance(outcome, Lost):
            assert outcome.after_id == at
            at = outcome.before_id - 1
    assert at == end


COUNTS = st.lists(st.integers(1, 5), min_size=1, max_size=40)


@given(counts=COUNTS, seed=st.integers(0, 2**32))
def test_any_disturbance_with_a_perfect_rest_gives_each_match_once_in_order(
    counts: list[int], seed: int
) -> None:
    dice = random.Random(seed)
    chain = TradeChain()
    chain.resume(100, T0)
    outcomes: list[Outcome] = []
    end = 100
    for item in disturbed(truth_rows(counts), dice):
        outcomes += chain.accept(item, 1)
        end = max(end, item.trade_id)
        if dice.random() < 0.4:
            for hole in chain.holes[: dice.randint(1, 3)]:
                # One page at most, newest first, reaching over both edges.
                page = rest(hole.after_id - 1, hole.before_id + 1)[-dice.randint(1, 8) :]
                outcomes += chain.fill(reversed(page), 2)
    while chain.holes:
        hole = chain.holes[-1]
        outcomes += chain.fill(rest(hole.after_id + 1, hole.before_id - 1), 3)
    check_partition(outcomes, 100, end)
    counts_seen = chain.statistics()
    assert (counts_seen.match_count, counts_seen.lost_match_count) == (end - 100, 0)
    assert (counts_seen.held_count, counts_seen.overlap_count) == (0, counts_seen.overlap_count)


@given(counts=COUNTS, seed=st.integers(0, 2**32), held_rows_max=st.integers(1, 50))
def test_any_disturbance_with_a_lossy_rest_counts_read_plus_lost_as_the_truth(
    counts: list[int], seed: int, held_rows_max: int
) -> None:
    dice = random.Random(seed)
    chain = TradeChain(held_rows_max)
    chain.resume(100, T0)
    outcomes: list[Outcome] = []
    end = 100
    for item in disturbed(truth_rows(counts), dice):
        outcomes += chain.accept(item, 1)
        end = max(end, item.trade_id)
        if dice.random() < 0.5 and chain.holes:
            page = [match for match in rest(90, end + 5) if dice.random() < 0.7]
            outcomes += chain.fill(dice.sample(page, len(page)), 2)
        if dice.random() < 0.1:
            outcomes += chain.give_up(3)
        assert chain.statistics().held_count <= held_rows_max
    outcomes += chain.give_up(4)
    check_partition(outcomes, 100, end)
    counts_seen = chain.statistics()
    assert counts_seen.match_count + counts_seen.lost_match_count == end - 100
    assert (counts_seen.held_count, counts_seen.missing_match_count) == (0, 0)


@given(
    st.lists(st.tuples(st.integers(1, 30), st.integers(1, 6), st.booleans()), max_size=40),
)
def test_rows_that_contradict_each_other_still_partition(
    steps: list[tuple[int, int, bool]],
) -> None:
    chain = TradeChain(held_rows_max=10)
    chain.resume(0, T0)
    outcomes: list[Outcome] = []
    end = 0
    for trade_id, count, is_rest in steps:
        item = row(trade_id, min(count, trade_id))
        if is_rest:
            outcomes += chain.fill([item], 1)
        else:
            outcomes += chain.accept(item, 1)
            end = max(end, trade_id)
    outcomes += chain.give_up(2)
    check_partition(outcomes, 0, end)


FAR = 100 + JUMP_MATCHES_MAX + 1


def test_one_row_with_a_wild_id_does_not_make_all_right_ones_late(chain: TradeChain) -> None:
    chain.accept(row(100), 1)
    assert chain.accept(row(FAR + 1), 2) == []
    assert chain.accept(row(101), 3) == [row(101)]
    assert chain.accept(row(FAR + 2), 4) == [], "what it begins again is another run"
    assert chain.accept(row(102), 5) == [row(102)]
    assert chain.statistics().hole_count == 0


def test_jump_that_further_rows_confirm_is_believed(chain: TradeChain) -> None:
    chain.accept(row(100), 1)
    rows = [row(FAR + 1), row(FAR + 2), row(FAR + 4, 2)]
    assert chain.accept(rows[0], 2) == []
    assert chain.accept(rows[0], 2) == [], "the same row is no confirmation"
    assert chain.accept(rows[1], 3) == []
    assert chain.accept(rows[2], 4) == [Hole(100, FAR + 1)]
    assert chain.give_up(5) == [Lost(100, FAR + 1), *rows]
    assert chain.accept(row(FAR + 5), 6) == [row(FAR + 5)]


def test_wild_ids_that_do_not_join_are_never_believed(chain: TradeChain) -> None:
    chain.accept(row(100), 1)
    for step in range(10):
        assert chain.accept(row(FAR + 1 + 7 * step), 2) == []
    assert chain.accept(row(101), 3) == [row(101)]
