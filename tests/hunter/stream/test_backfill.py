"""What REST is asked and when it is given up, against an exchange of pages and caches."""

from __future__ import annotations

import math
from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hunter.exchange.okx.rows import Trade, TradeSource
from hunter.exchange.okx.tradechain import Lost, Outcome, TradeChain
from hunter.market.side import Side
from hunter.stream.backfill import (
    GIVE_UP_AFTER_NS,
    HOLE_MATCHES_MAX,
    RETRY_AFTER_NS,
    SETTLE_NS,
    VAIN_ROUNDS_MAX,
    Backfill,
)

NEVER_NS = 2**63 - 1
MS = 1_000_000
INSTRUMENT = "BTC-USDT-SWAP"


def trade(trade_id: int, count: int = 1, source: TradeSource = TradeSource.FEED) -> Trade:
    values = {"price": 100.0, "size": float(count), "side": Side.BUY, "order_source": 0}
    return Trade(
        trade_id=trade_id, count=count, exchange_ts_ns=trade_id * MS, source=source, **values
    )  # type: ignore[arg-type]


class Rest:
    """Answers as the exchange: the newest 500, or 100 older ones. Knows ids up to `newest`, but
    for those in `missing`."""

    def __init__(self, newest: int, missing: range = range(0)) -> None:
        self.newest = newest
        self.missing = missing
        self.paths: list[str] = []

    def answer(self, path: str) -> list[Trade]:
        self.paths.append(path)
        parts = urlsplit(path)
        query = {key: values[0] for key, values in parse_qs(parts.query).items()}
        assert query["instId"] == INSTRUMENT
        if parts.path.endswith("/history-trades"):
            newest = min(int(query["after"]) - 1, self.newest)
            count = min(int(query["limit"]), 100)
        else:
            newest, count = self.newest, min(int(query["limit"]), 500)
        ids = [i for i in range(newest, max(0, newest - count), -1) if i not in self.missing]
        return [trade(i, source=TradeSource.BACKFILL) for i in reversed(ids)]


class World:
    """A chain with its backfill, played as the actor plays them."""

    def __init__(self) -> None:
        self.chain = TradeChain()
        self.backfill = Backfill(INSTRUMENT, self.chain)
        self.now_ns = 1_000_000 * MS
        self.outcomes: list[Outcome] = []

    def feed(self, *trades: Trade) -> None:
        for item in trades:
            self.outcomes += self.chain.accept(item, self.now_ns)

    def play(self, rest: Rest | None, until_ms: int = 60_000) -> None:
        """Ask until nothing is missing; None: REST does not answer."""
        end_ns = self.now_ns + until_ms * MS
        while self.chain.holes and self.now_ns < end_ns:
            if self.backfill.hopeless(self.now_ns):
                self.outcomes += self.chain.give_up(self.now_ns)
                return
            path = self.backfill.next_path(self.now_ns)
            if path is None:
                self.now_ns = max(self.now_ns + 1, self.backfill.next_deadline_ns(NEVER_NS))
            elif rest is None:
                self.backfill.failed(self.now_ns)
            else:
                rows = rest.answer(path)
                self.outcomes += self.chain.fill(rows, self.now_ns)
                self.backfill.answered(self.now_ns)

    @property
    def ids(self) -> list[int]:
        rows = [item for item in self.outcomes if isinstance(item, Trade)]
        return [i for row in rows for i in range(row.trade_id - row.count + 1, row.trade_id + 1)]

    @property
    def lost(self) -> int:
        return sum(item.match_count for item in self.outcomes if isinstance(item, Lost))


def test_backfill_without_a_hole_asks_nothing() -> None:
    world = World()
    world.feed(trade(1), trade(2))
    assert world.backfill.next_path(0) is None
    assert not world.backfill.hopeless(0)
    assert world.backfill.next_deadline_ns(NEVER_NS) == NEVER_NS


def test_backfill_of_a_short_hole_is_one_request_for_the_newest() -> None:
    world, rest = World(), Rest(20)
    world.feed(trade(10), trade(20))
    world.play(rest)
    assert rest.paths == [f"/api/v5/market/trades?instId={INSTRUMENT}&limit=500"]
    assert world.ids == list(range(10, 21))


def test_backfill_of_a_long_hole_pages_forwards_so_that_rows_leave_at_once() -> None:
    world, rest = World(), Rest(3_000)
    world.feed(trade(1_000), trade(3_000))
    while world.chain.holes:
        path = world.backfill.next_path(world.now_ns)
        if path is None:
            world.now_ns += MS
            continue
        world.outcomes += world.chain.fill(rest.answer(path), world.now_ns)
        world.backfill.answered(world.now_ns)
        assert world.chain.statistics().held_count <= 1, "nothing piles up behind the hole"
    assert world.ids == list(range(1_000, 3_001))
    assert world.lost == 0
    assert len(rest.paths) <= math.ceil(2_000 / 100)


def test_backfill_lets_rows_settle_that_only_changed_places() -> None:
    world = World()
    world.feed(trade(1), trade(3))
    assert world.backfill.next_path(world.now_ns) is None
    assert world.backfill.next_deadline_ns(NEVER_NS) == world.now_ns + SETTLE_NS
    world.feed(trade(2))
    assert world.backfill.next_path(world.now_ns + SETTLE_NS) is None
    assert world.ids == [1, 2, 3]


def test_backfill_goes_on_for_as_long_as_something_is_found() -> None:
    """Hours of trades take minutes at the exchange's rate: that is no reason to give up."""
    world, rest = World(), Rest(20_000)
    world.feed(trade(1), trade(20_000))
    started_ns = world.now_ns
    while world.chain.holes:
        assert not world.backfill.hopeless(world.now_ns)
        path = world.backfill.next_path(world.now_ns)
        world.now_ns += 5_000 * MS  # what others leave of the limit
        if path is not None:
            world.outcomes += world.chain.fill(rest.answer(path), world.now_ns)
            world.backfill.answered(world.now_ns)
    assert world.now_ns - started_ns > 2 * GIVE_UP_AFTER_NS
    assert world.ids == list(range(1, 20_001))


def test_backfill_one_request_at_a_time() -> None:
    world = World()
    world.feed(trade(1), trade(5))
    assert world.backfill.next_path(world.now_ns) is None
    world.now_ns += SETTLE_NS
    assert world.backfill.next_path(world.now_ns) is not None
    assert world.backfill.next_path(world.now_ns + 10_000 * MS) is None
    assert world.backfill.next_deadline_ns(NEVER_NS) == NEVER_NS, "an answer, not time, is awaited"
    world.backfill.failed(world.now_ns)
    assert world.backfill.next_deadline_ns(NEVER_NS) == world.now_ns + RETRY_AFTER_NS
    assert world.backfill.next_path(world.now_ns + RETRY_AFTER_NS - 1) is None
    assert world.backfill.next_path(world.now_ns + RETRY_AFTER_NS) is not None


def test_backfill_asks_a_stale_cache_again() -> None:
    world, rest = World(), Rest(90)
    world.feed(trade(80), trade(100))
    world.play(rest, until_ms=1_000)
    assert world.chain.holes
    rest.newest = 100
    world.play(rest)
    assert world.ids == list(range(80, 101))


def test_backfill_gives_up_what_nobody_has_after_a_few_rounds() -> None:
    world, rest = World(), Rest(20, missing=range(12, 15))
    world.feed(trade(10), trade(20))
    world.play(rest)
    assert world.lost == 3
    assert world.ids == [10, 11, *range(15, 21)]
    assert VAIN_ROUNDS_MAX <= len(rest.paths) <= VAIN_ROUNDS_MAX + 2
    assert {urlsplit(path).path.rsplit("/")[-1] for path in rest.paths} == {
        "trades",
        "history-trades",
    }, "both sources were asked"


def test_backfill_that_waits_for_its_limit_gives_nothing_up() -> None:
    """A request may lie in the queue for as long as others, or a hold, make it wait."""
    world, rest = World(), Rest(20)
    world.feed(trade(10), trade(20))
    world.backfill.next_path(world.now_ns)
    world.now_ns += SETTLE_NS
    assert world.backfill.next_path(world.now_ns) is not None
    world.now_ns += 100 * GIVE_UP_AFTER_NS
    assert not world.backfill.hopeless(world.now_ns)
    world.backfill.failed(world.now_ns)
    world.play(rest)
    assert world.lost == 0


def test_backfill_without_answers_gives_up_after_its_time() -> None:
    world = World()
    world.feed(trade(1), trade(5))
    started_ns = world.now_ns
    world.play(None, until_ms=400_000)
    assert world.lost == 3
    assert GIVE_UP_AFTER_NS < world.now_ns - started_ns <= GIVE_UP_AFTER_NS + 2 * RETRY_AFTER_NS


def test_backfill_of_an_absurd_hole_is_given_up_at_once() -> None:
    world = World()
    world.feed(trade(1), trade(HOLE_MATCHES_MAX + 2))
    assert not world.backfill.hopeless(world.now_ns)
    world.feed(trade(HOLE_MATCHES_MAX + 4))
    assert world.backfill.hopeless(world.now_ns)


@pytest.mark.parametrize("pause_ms", [0, 1_000, 301_000, 3_600_000])
def test_backfill_of_the_next_hole_starts_anew(pause_ms: int) -> None:
    """However long ago the first hole was: the second gets its own time and rounds."""
    world, rest = World(), Rest(20)
    world.feed(trade(10), trade(20))
    world.play(rest)
    world.now_ns += pause_ms * MS
    rest.newest = 40
    world.feed(trade(40))
    world.play(rest)
    assert world.lost == 0
    assert world.ids == list(range(10, 41))


def test_backfill_after_a_loss_starts_anew() -> None:
    world = World()
    world.feed(trade(10), trade(20))
    world.play(None, until_ms=400_000)
    world.feed(trade(30))
    world.play(Rest(30))
    assert world.ids == [10, *range(20, 31)]
    assert world.lost == 9


@given(
    st.lists(
        st.tuples(st.integers(1, 4), st.booleans(), st.integers(0, 40_000)),
        min_size=2,
        max_size=40,
    )
)
def test_backfill_of_any_drops_completes_when_rest_has_all(
    script: list[tuple[int, bool, int]],
) -> None:
    """Rows of any count, some dropped, any pauses between: every match once, none lost."""
    world, rest, newest = World(), Rest(0), 100
    world.feed(trade(100))
    for count, dropped, pause_ms in [*script, (1, False, 0)]:
        newest += count
        rest.newest = newest
        if not dropped:
            world.feed(trade(newest, count))
        world.play(rest, until_ms=pause_ms)
        world.now_ns += pause_ms * MS
    world.play(rest)
    assert world.lost == 0
    assert world.ids == list(range(100, newest + 1))
