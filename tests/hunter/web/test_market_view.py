from __future__ import annotations

import math
import os
from collections.abc import Iterator

import pytest
from fakes.actor_stage import SWAP
from fakes.web_stage import NS, OTHER, WebStage

from hunter.access import Instance
from hunter.web.market_view import (
    HISTORY_POINTS_MAX,
    NEWS_POINTS_MAX,
    Lines,
    MarketView,
    QuoteView,
    TradeMoment,
)


@pytest.fixture
def instance(web_stage: WebStage) -> Iterator[Instance]:
    with Instance(web_stage.config) as made:
        yield made


def test_history_and_then_news_miss_nothing_and_have_nothing_twice(
    web_stage: WebStage, instance: Instance
) -> None:
    web_stage.trades(5.0, -2.0)
    view = MarketView(instance, SWAP)
    web_stage.trades(4.0)  # after the view was begun: news
    past = view.history()
    assert (past.price.t_ms, past.price.price) == ([1_000, 2_000], [101.0, 102.0])
    assert past.cvd.cvd == [5.0, 3.0]
    news = view.advance()
    assert (news.price.t_ms, news.price.price, news.cvd.cvd) == ([3_000], [103.0], [7.0])
    assert view.advance() == Lines()
    assert view.history().cvd.cvd == [5.0, 3.0, 7.0], "another page sees the same line"
    web_stage.trades(-1.0)
    assert view.advance().cvd.cvd == [6.0]


def test_view_begun_on_an_empty_ring(web_stage: WebStage, instance: Instance) -> None:
    view = MarketView(instance, SWAP)
    assert view.history() == view.advance() == Lines()
    assert (view.quote(0), view.book(0)) == (None, None)
    web_stage.trades(1.0)
    assert view.advance().cvd.cvd == [1.0]


def test_many_trades_are_few_points_with_the_last_one(
    web_stage: WebStage, instance: Instance
) -> None:
    view = MarketView(instance, SWAP)
    web_stage.trades(*[1.0] * 3_000)
    news = view.advance()
    assert len(news.price.t_ms) <= NEWS_POINTS_MAX
    assert (news.price.price[-1], news.cvd.cvd[-1]) == (3_100.0, 3_000.0)
    past = view.history()
    assert 500 < len(past.price.t_ms) <= HISTORY_POINTS_MAX
    assert past.cvd.cvd[0] == 1.0


def test_ring_that_ran_past_us_gives_what_it_has(web_stage: WebStage, instance: Instance) -> None:
    view = MarketView(instance, SWAP)
    capacity = web_stage.config.ring.capacity
    web_stage.trades(*[1.0] * (capacity + 10))
    assert view.advance().cvd.cvd[-1] == capacity
    assert view.history().price.t_ms[-1] == (capacity + 10) * 1_000


def test_time_never_goes_back_on_the_axis(web_stage: WebStage, instance: Instance) -> None:
    for number, at_s in enumerate([10, 7, 12], 1):
        web_stage.writer.put_trade(0, 0, (number, at_s * NS, 1.0, 1.0, 1, 1), 0)
    web_stage.writer.publish()
    assert MarketView(instance, SWAP).history().price.t_ms == [10_000, 10_000, 12_000]


def test_unit_of_cvd(instance: Instance) -> None:
    assert MarketView(instance, SWAP).cvd_unit == "contracts"
    assert MarketView(instance, OTHER).cvd_unit == "ETH"


def test_quote_is_the_best_bid_and_offer(web_stage: WebStage, instance: Instance) -> None:
    web_stage.writer.put_bbo(0, 5 * NS, (1, 4 * NS, 99.5, 3.0, 100.5, 1.0))
    web_stage.writer.publish()
    quote = MarketView(instance, SWAP).quote(6 * NS)
    assert quote == QuoteView(99.5, 3.0, 100.5, 1.0, 1_000.0)
    assert quote.imbalance == 0.5


def test_quote_without_sizes_has_no_imbalance() -> None:
    assert QuoteView(1.0, 0.0, 2.0, 0.0, 0.0).imbalance is None
    assert QuoteView(1.0, math.nan, 2.0, 1.0, 0.0).imbalance is None


def test_book_is_as_the_command_line_shows_it(web_stage: WebStage, instance: Instance) -> None:
    tops = ([99.0, 2.0, 98.0, 4.0], [101.0, 6.0])
    web_stage.writer.put_book(0, 5 * NS, 77, 4 * NS, tops)
    web_stage.writer.publish()
    view = MarketView(instance, SWAP)
    book = view.book(6 * NS)
    assert book is not None
    assert (book.valid, book.seq_id, book.exchange_ts_ns) == (True, 77, 4 * NS)
    assert (book.age_ms, book.bids, book.asks) == (
        1_000.0,
        [[99.0, 2.0], [98.0, 4.0]],
        [[101.0, 6.0]],
    )
    assert view.quote(6 * NS) == QuoteView(99.0, 2.0, 101.0, 6.0, 1_000.0)


def test_book_without_a_writer_is_not_valid(web_stage: WebStage, instance: Instance) -> None:
    web_stage.writer.put_book(0, 5 * NS, 77, 4 * NS, ([99.0, 2.0], [101.0, 6.0]))
    web_stage.writer.publish()
    assert instance.is_written(SWAP)
    web_stage.end_writer()
    book = MarketView(instance, SWAP).book(6 * NS)
    assert book is not None
    assert not book.valid


def test_book_of_one_side_gives_no_quote(web_stage: WebStage, instance: Instance) -> None:
    web_stage.writer.put_book(0, 5 * NS, 77, 4 * NS, ([99.0, 2.0], []))
    web_stage.writer.publish()
    assert MarketView(instance, SWAP).quote(6 * NS) is None


def test_moments_of_trades_that_there_still_are(web_stage: WebStage, instance: Instance) -> None:
    web_stage.trades(1.0, 1.0, 1.0)
    view = MarketView(instance, SWAP)
    assert view.moments([1, 3, 9]) == {
        1: TradeMoment(101.0, 1_005_000_000, 5_000_000),
        3: TradeMoment(103.0, 3_005_000_000, 5_000_000),
    }
    assert view.moments([]) == {}


def test_backfilled_trade_says_nothing_about_clocks(
    web_stage: WebStage, instance: Instance
) -> None:
    web_stage.writer.put_trade(0, 900 * NS, (1, NS, 5.0, 1.0, 1, 1), 1)
    web_stage.writer.publish()
    assert MarketView(instance, SWAP).moments([1]) == {1: TradeMoment(5.0, 900 * NS, 0)}


def test_ring_that_is_cut_short_gives_no_news(web_stage: WebStage, instance: Instance) -> None:
    web_stage.trades(1.0)
    view = MarketView(instance, SWAP)
    size = web_stage.ring_path().stat().st_size
    os.truncate(web_stage.ring_path(), 8_192)
    try:
        assert view.advance() == view.history() == Lines()
        assert (view.quote(0), view.book(0), view.cvd_unit) == (None, None, "contracts")
        assert view.moments([1]) == {}
    finally:
        os.truncate(web_stage.ring_path(), size)
