from __future__ import annotations

import pytest
from fakes.brain_rows import MS, START_NS, bbo, book, ticker, trade

from hunter.brain.intake import GAPS_MAX, Intake
from hunter.brain.settings import BrainSettings
from hunter.ring.rows import TradeFlag


def intake(**settings: int) -> Intake:
    return Intake(BrainSettings(**settings))


def test_boundary_is_on_the_grid_and_counts_what_was_skipped() -> None:
    made = intake(interval_ms=1_000)
    made.on_bbo(bbo(START_NS + 300 * MS))
    assert made.next_boundary_ns == START_NS + 1_000 * MS
    made.on_bbo(bbo(START_NS + 3_700 * MS))
    assert made.pass_boundary() == START_NS // MS + 3_000
    assert made.next_boundary_ns == START_NS + 4_000 * MS


@pytest.mark.parametrize("kind", ["trade", "book", "ticker", "bbo"])
def test_any_kind_of_row_starts_the_grid(kind: str) -> None:
    made = intake(interval_ms=1_000)
    row = {"trade": trade, "book": book, "ticker": ticker, "bbo": bbo}[kind](START_NS)
    getattr(made, f"on_{kind}")(row)
    assert made.next_boundary_ns == START_NS + 1_000 * MS


def test_invalid_book_as_the_first_row_starts_the_grid() -> None:
    made = intake()
    made.on_book(book(START_NS, valid=0))
    assert made.next_boundary_ns > START_NS
    assert not made.quote_seen


def test_warm_after_enough_event_time() -> None:
    made = intake(warm_ms=30_000)
    assert not made.warm
    made.on_bbo(bbo(START_NS))
    made.on_bbo(bbo(START_NS + 29_999 * MS))
    assert not made.warm
    made.on_bbo(bbo(START_NS + 30_000 * MS))
    assert made.warm
    assert not intake(warm_ms=0).warm


def test_holes_in_the_trade_chain_are_gaps_and_overlaps_are_not() -> None:
    made = intake()
    for trade_id, count in ((10, 1), (12, 2), (12, 1), (15, 2), (16, 1)):
        made.on_trade(trade(START_NS, trade_id=trade_id, count=count))
    assert made.quality(0, 0).gaps_in_window == 1


def test_loss_that_the_stream_marked_is_a_gap() -> None:
    made = intake()
    made.on_trade(trade(START_NS, flags=int(TradeFlag.AFTER_LOSS)))
    made.on_trade(trade(START_NS, trade_id=2, flags=int(TradeFlag.BACKFILL)))
    assert made.quality(0, 0).gaps_in_window == 1


def test_loss_of_the_book_is_one_gap_and_leaves_the_window_after_a_minute() -> None:
    made = intake()
    made.on_book(book(START_NS))
    for _ in range(3):
        made.on_book(book(START_NS, valid=0))
    assert made.quality(0, 0).gaps_in_window == 1
    made.on_bbo(bbo(START_NS + 60_000 * MS))
    assert made.quality(0, 0).gaps_in_window == 1
    made.on_bbo(bbo(START_NS + 60_001 * MS))
    assert made.quality(0, 0).gaps_in_window == 0


def test_gaps_are_limited() -> None:
    made = intake()
    for i in range(3 * GAPS_MAX):
        made.on_trade(trade(START_NS, trade_id=10 * i))
    assert made.quality(0, 0).gaps_in_window == GAPS_MAX


def test_feed_says_connecting_live_stale_and_resync() -> None:
    made = intake(stale_ms=2_000)
    made.on_trade(trade(START_NS))
    assert made.quality(0, 0).feed == "connecting"
    made.on_book(book(START_NS))
    assert made.quality(0, 0).feed == "live"
    assert made.quality(0, 0).book_valid
    made.on_trade(trade(START_NS + 2_001 * MS))
    assert made.quality(0, 0).feed == "stale"
    made.on_book(book(START_NS + 2_001 * MS, valid=0))
    assert made.quality(0, 0).feed == "resync"
    assert not made.quality(0, 0).book_valid


def test_lag_is_reception_minus_exchange_and_may_be_negative() -> None:
    made = intake()
    assert made.quality(5 * MS, 8 * MS).lag_ms == 3.0
    assert made.quality(8 * MS, 5 * MS).lag_ms == -3.0


def test_no_book_is_none_to_lose() -> None:
    made = intake()
    made.on_bbo(bbo(START_NS))
    assert not made.book_lost
    assert made.book_seq_id == 7
    made.on_book(book(START_NS, valid=0))
    assert made.book_lost
    assert made.book_seq_id == 9


def test_counts_rows_by_kind() -> None:
    made = intake()
    made.on_trade(trade(START_NS, sequence=44))
    made.on_bbo(bbo(START_NS))
    made.on_bbo(bbo(START_NS))
    made.on_ticker(ticker(START_NS))
    made.on_book(book(START_NS))
    assert made.inputs == {"trades": 1, "tickers": 1, "books": 1, "bbo": 2}
    assert made.trade_sequence == 44


def test_quote_that_is_delivered_late_is_as_old_as_its_stamp() -> None:
    made = intake()
    made.on_trade(trade(START_NS + 10_000 * MS))
    made.on_bbo(bbo(START_NS))
    assert made.quote_age_ns == 10_000 * MS


def test_state_continues() -> None:
    made, other = intake(), intake()
    made.on_trade(trade(START_NS, trade_id=5))
    made.on_trade(trade(START_NS, trade_id=9))
    made.on_book(book(START_NS + 10 * MS))
    other.load(made.state())
    assert other.state() == made.state()
    assert other.quality(0, 0) == made.quality(0, 0)


def test_gap_is_counted_once_at_the_time_after_it() -> None:
    intake = Intake(BrainSettings())
    intake.on_trade(trade(START_NS, trade_id=5))
    intake.on_gap()
    assert intake.now_ns == START_NS, "the row after it moves the clock, once"
    intake.on_trade(trade(START_NS + 50_000 * MS, trade_id=900))
    intake.on_trade(trade(START_NS + 50_001 * MS, trade_id=901))
    assert intake.quality(0, 0).gaps_in_window == 1
    other = Intake(BrainSettings())
    other.load(intake.state())
    other.on_trade(trade(START_NS + 50_002 * MS, trade_id=910))
    assert other.quality(0, 0).gaps_in_window == 2, "a hole after it is one more"
    other.on_bbo(bbo(START_NS + 110_000 * MS))
    assert other.quality(0, 0).gaps_in_window == 2, "a minute after its end it is still there"
    other.on_bbo(bbo(START_NS + 110_001 * MS))
    assert other.quality(0, 0).gaps_in_window == 1


@pytest.mark.parametrize("gap_ms", [1_000, 60_000, 60_001, 120_000, 3_600_000])
@pytest.mark.parametrize("shown_by", ["rows unread", "hole", "loss", "book"])
@pytest.mark.parametrize("reception_ns", [0, 10**18])
def test_gap_of_any_length_shows_from_the_first_row_after_it(
    gap_ms: int, shown_by: str, reception_ns: int
) -> None:
    """The clock does not believe the first rows after a long one: the gap must outlive its leap.
    Reception is another in a replay, and must change nothing.
    """
    made = intake()
    made.on_trade(trade(START_NS, trade_id=5))
    made.on_book(book(START_NS))
    if shown_by == "rows unread":
        made.on_gap()
    next_id = {"hole": 9, "rows unread": 9}.get(shown_by, 6)
    flags = int(TradeFlag.AFTER_LOSS) if shown_by == "loss" else 0
    seen = []
    for number in range(12):
        at_ns = START_NS + (gap_ms + number) * MS
        if shown_by == "book" and not number:
            made.on_book(book(at_ns, valid=0)._replace(received_ts_ns=reception_ns))
        else:
            made.on_trade(
                trade(at_ns, trade_id=next_id + number - (shown_by == "book"), flags=flags)
                ._replace(received_ts_ns=reception_ns)
            )  # fmt: skip
            flags = 0
        seen.append(made.quality(0, 0).gaps_in_window)
        again = intake()
        again.load(made.state())
        made = again
    assert seen == [1] * 12
    assert made.now_ns == START_NS + (gap_ms + 11) * MS
    made.on_bbo(bbo(made.now_ns + 60_000 * MS))
    assert made.quality(0, 0).gaps_in_window == 0


def test_gap_beside_a_lone_stamp_far_ahead_leaves_the_window_like_any_other() -> None:
    made = intake()
    made.on_bbo(bbo(START_NS))
    made.on_gap()
    made.on_bbo(bbo(START_NS + 3_600_000 * MS))
    assert made.quality(0, 0).gaps_in_window == 1
    made.on_bbo(bbo(START_NS + 10 * MS))
    made.on_bbo(bbo(START_NS + 60_010 * MS))
    assert made.quality(0, 0).gaps_in_window == 1
    made.on_bbo(bbo(START_NS + 60_011 * MS))
    assert made.quality(0, 0).gaps_in_window == 0
