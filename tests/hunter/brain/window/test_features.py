from __future__ import annotations

import random
from collections.abc import Callable
from math import isclose
from pathlib import Path

import pytest
from fakes.brain_rows import (
    CAPTURES,
    MS,
    START_NS,
    BookRow,
    Row,
    TradeRow,
    bbo,
    book,
    captured_rows,
    mirrored,
    random_rows,
    ticker,
    trade,
)
from fakes.feature_oracle import KINDS, accepted_quotes, batch_features
from fakes.twins import twins
from fakes.window_rows import STALE_MS, Feed, bits
from hypothesis import given, settings
from hypothesis import strategies as st

from hunter.brain.window.features import (
    EVEN_COUNT,
    FEATURES,
    NAMES,
    ODD_COUNT,
    named,
    read_features,
)
from hunter.brain.window.window import FlowWindow, new_window
from hunter.native import kernel

RECORDINGS = sorted(CAPTURES.glob("okx-framed-binance*/*.jsonl.gz"))
PAIR = [
    CAPTURES / "okx-framed-binance" / name
    for name in ("BTC-USDT-SWAP.jsonl.gz", "BTC-USDT.jsonl.gz")
]
SECOND = 1_000 * MS
OF_MATE = {"mate_queue_imbalance", "mate_ofi_250ms", "basis_deviation"}
OF_BOOK = {"depth_imbalance_5", "micro_price_deviation", "vamp_deviation_5"}
SLOW = {"vpin"}  # has nothing to say in its first minute
Make = Callable[[int], FlowWindow]
HALVES = (FlowWindow,) if kernel is None else (FlowWindow, kernel.FlowWindow)
windows = pytest.mark.parametrize("make", twins(FlowWindow))


def filled(rows: list[Row], make: Make = new_window) -> tuple[FlowWindow, int]:
    """A window after `rows`, and event time."""
    feed = Feed(make(STALE_MS))
    for row in rows:
        feed.give(row)
    return feed.windows[0], feed.now_ns


def streamed(rows: list[Row], make: Make = new_window) -> dict[str, float]:
    return read_features(*filled(rows, make))


def complete(rows: list[Row]) -> bool:
    return all(any(isinstance(row, kind) for row in rows) for kind in KINDS)


def assert_same(found: dict[str, float], expected: dict[str, float]) -> None:
    assert found.keys() == expected.keys()
    assert found == pytest.approx(expected, rel=1e-9, abs=1e-9)


# ---- streaming is the batch


@windows
@pytest.mark.parametrize("step_ms", [40, 300, 1_200])
@pytest.mark.parametrize("seed", range(6))
def test_streaming_features_equal_the_batch_on_random_rows(
    make: Make, seed: int, step_ms: int
) -> None:
    rows = random_rows(seed, 450, step_ms=step_ms)
    assert complete(rows)
    found = streamed(rows, make)
    assert_same(found, batch_features(rows))
    assert step_ms != 300 or found.keys() >= set(NAMES) - OF_MATE - OF_BOOK - SLOW
    assert step_ms != 1_200 or "vpin" in found


@pytest.mark.parametrize("path", RECORDINGS, ids=lambda path: path.name)
def test_streaming_features_equal_the_batch_on_a_recorded_minute(path: Path) -> None:
    rows = first_minute(path)
    assert complete(rows)
    for end in (len(rows) // 3, len(rows)):
        part = rows[:end]
        batch = batch_features(part)
        for make in HALVES:
            found = streamed(part, make)
            assert_same(found, batch)
    assert found.keys() >= set(NAMES) - OF_MATE - SLOW


def first_minute(path: Path) -> list[Row]:
    rows = captured_rows(path, 12_000)
    end_ns = rows[0].received_ts_ns + 60 * SECOND
    return [row for row in rows if row.received_ts_ns <= end_ns]


class Pair:
    """Two instruments, their rows in the order of reception; the basis is noted every 100 ms."""

    def __init__(self, make: Make) -> None:
        self.feeds = Feed(make(STALE_MS)), Feed(make(STALE_MS))
        self.samples: list[tuple[int, float]] = []
        self._due_ns = 0

    def give(self, which: int, row: Row) -> None:
        own, mate = self.feeds
        self.feeds[which].give(row)
        if which == 0 and own.now_ns >= self._due_ns:
            self._due_ns = own.now_ns + 100 * MS
            own.windows[0].on_mate(own.now_ns, mate.windows[0])
            self.samples.append((own.now_ns, self._level()))

    def _level(self) -> float:
        (own, mate), now_ns = self.feeds, self.feeds[0].now_ns
        quotes = own.windows[0].quote, mate.windows[0].quote
        if all(quote.usable and not quote.is_stale(now_ns) for quote in quotes):
            return quotes[1].mid - quotes[0].mid
        return float("nan")

    def read(self) -> dict[str, float]:
        own, mate = self.feeds
        return read_features(own.windows[0], own.now_ns, mate.windows[0])

    def expected(self, rows: list[Row], others: list[Row]) -> dict[str, float]:
        """The batch, the mate's as of one's own event time."""
        now_ns = self.feeds[0].now_ns
        beside = batch_features(others, now_ns)
        samples = [*self.samples, (now_ns, self._level())]
        values = batch_features(rows, now_ns, samples)
        return values | {f"mate_{name}": beside[name] for name in ("queue_imbalance", "ofi_250ms")}


def merged(rows: list[Row], others: list[Row]) -> list[tuple[int, Row]]:
    both = [(0, row) for row in rows] + [(1, row) for row in others]
    return sorted(both, key=lambda item: item[1].received_ts_ns)


def ended_on_own(given: list[tuple[int, Row]]) -> list[tuple[int, Row]]:
    """The rows up to where nothing of the mate is later than oneself: what is later is read as of
    its own time, which the batch does not do."""
    while True:
        newest = [
            max(row.exchange_ts_ns for side, row in given if side == which) for which in (0, 1)
        ]
        if newest[0] >= newest[1]:
            return given
        given = given[:-1]


@windows
@pytest.mark.parametrize("seed", range(4))
def test_features_with_a_mate_equal_the_batch(make: Make, seed: int) -> None:
    rows, others = random_rows(seed, 300, step_ms=200), random_rows(seed + 9, 300, step_ms=200)
    given = ended_on_own(merged(rows, others)[:560])
    pair = Pair(make)
    for which, row in given:
        pair.give(which, row)
    parts = [[row for side, row in given if side == which] for which in (0, 1)]
    found = pair.read()
    assert found.keys() >= set(NAMES) - OF_BOOK - SLOW
    assert_same(found, pair.expected(*parts))


@windows
def test_features_of_a_recorded_pair_equal_the_batch(make: Make) -> None:
    if not all(path.exists() for path in PAIR):
        pytest.skip("no recorded pair beside this checkout")
    rows, others = (captured_rows(path, 2_500) for path in PAIR)
    end_ns = min(rows[-1].received_ts_ns, others[-1].received_ts_ns)
    both = merged(rows, others)
    given = ended_on_own([item for item in both if item[1].received_ts_ns <= end_ns])
    pair = Pair(make)
    for which, row in given:
        pair.give(which, row)
    parts = [[row for side, row in given if side == which] for which in (0, 1)]
    found = pair.read()
    assert found.keys() >= OF_MATE
    assert_same(found, pair.expected(*parts))


@windows
@pytest.mark.parametrize("seed", range(6))
def test_truncating_the_future_changes_no_feature(make: Make, seed: int) -> None:
    rows = random_rows(seed, 600, step_ms=250, spoil=True)
    feed = Feed(make(STALE_MS))
    for i, row in enumerate(rows, 1):
        feed.give(row)
        if i % 150 == 0:
            window, now_ns = filled(rows[:i], make)
            assert bits(feed.windows[0].vector(feed.now_ns)) == bits(window.vector(now_ns))


# ---- symmetry and units


@windows
@settings(deadline=None, max_examples=40)
@given(seed=st.integers(0, 2**32), row_count=st.integers(20, 260), step_ms=st.integers(5, 500))
def test_side_swap_negates_odd_features_and_keeps_even_ones_exactly(
    make: Make, seed: int, row_count: int, step_ms: int
) -> None:
    rows = random_rows(seed, row_count, step_ms=step_ms)
    others = random_rows(seed + 1, row_count, step_ms=step_ms)
    quotes = accepted_quotes(rows)
    if not quotes:
        return
    pairs = Pair(make), Pair(make)
    for which, row in merged(rows, others):
        pairs[0].give(which, row)
    # Reflected at the newest mid, so that basis points are taken of the same price.
    center = pairs[0].feeds[0].windows[0].quote.mid
    for which, row in merged(rows, others):
        pairs[1].give(which, mirrored(row, center))
    straight, swapped = (pair.read() for pair in pairs)
    assert straight.keys() == swapped.keys()
    for name, parity, _ in FEATURES:
        if name in straight:
            expected = -straight[name] if parity == "odd" else straight[name]
            assert swapped[name] == expected, name


def rescaled(row: Row, factor: float) -> Row:
    if isinstance(row, TradeRow):
        return row._replace(size=row.size * factor)
    if isinstance(row, BookRow):
        sides = {
            side: tuple(x * factor if i % 2 else x for i, x in enumerate(getattr(row, side)))
            for side in ("bids", "asks")
        }
        return row._replace(**sides)
    sizes = {"bid_size": row.bid_size * factor, "ask_size": row.ask_size * factor}
    return row._replace(**sizes)


@windows
@pytest.mark.parametrize("factor", [2.0**-7, 2.0**20, 0.01, 1e4 / 3])
def test_unit_of_sizes_changes_no_feature(make: Make, factor: float) -> None:
    rows = random_rows(2, 700, step_ms=200)
    plain, other = streamed(rows, make), streamed([rescaled(row, factor) for row in rows], make)
    assert plain.keys() == other.keys() == set(NAMES) - OF_MATE
    for name, value in plain.items():
        if factor in (2.0**-7, 2.0**20):
            assert other[name] == value, name
        assert isclose(other[name], value, rel_tol=1e-9, abs_tol=1e-9), name


@windows
def test_constant_market_has_no_direction(make: Make) -> None:
    rows: list[Row] = []
    for i in range(700):
        now_ns = START_NS + i * 100 * MS
        rows += [bbo(now_ns), book(now_ns), ticker(now_ns)]
        rows += [trade(now_ns, side=side, trade_id=2 * i) for side in (1, -1)]
    vector = dict(zip(NAMES, filled(rows, make)[0].vector(rows[-1].exchange_ts_ns), strict=True))
    odd = {name: vector[name] for name, parity, _ in FEATURES if parity == "odd"}
    assert {name for name, value in odd.items() if value != value} == OF_MATE | {
        "ofi_1s_by_volatility",
        "return_4s",
        "last_move_sign",
    }
    # a negative zero would be a direction that nobody sees
    assert {str(value) for value in odd.values()} == {"0.0", "nan"}
    assert vector["vpin"] < 0.1


# ---- one by one


def test_names_are_unique_and_say_the_function() -> None:
    assert len(set(NAMES)) == len(NAMES) == ODD_COUNT + EVEN_COUNT == 30
    assert all(feature.function.__name__ == feature.name for feature in FEATURES)
    parities = [feature.parity for feature in FEATURES]
    assert parities == ["odd"] * ODD_COUNT + ["even"] * EVEN_COUNT == ["odd"] * 20 + ["even"] * 10


def test_features_without_input_are_left_out() -> None:
    assert streamed([trade(START_NS)]) == {
        "trade_flow_1s": 1.0,
        "trade_flow_16s": 1.0,
        "trade_flow_4s": 1.0,
        "hawkes_imbalance": 0.5,
        "trades_per_s": 0.0,
        "quotes_per_s": 0.0,
    }
    quoted = streamed([bbo(START_NS)])
    assert "depth_imbalance_5" not in quoted
    assert "last_move_sign" not in quoted
    assert quoted["queue_imbalance"] == 0.0


def test_queue_imbalance_is_left_out_of_a_stale_quote() -> None:
    rows = [bbo(START_NS), trade(START_NS + 2_001 * MS)]
    assert "queue_imbalance" not in streamed(rows)
    assert "spread_bp" not in streamed(rows)


def test_features_of_the_book_are_left_out_when_it_is_stale_invalid_or_locked() -> None:
    later = bbo(START_NS + 3_000 * MS)
    assert "micro_price_deviation" in streamed([book(START_NS)])
    assert "micro_price_deviation" not in streamed([book(START_NS), later])
    assert "depth_imbalance_5" not in streamed([book(START_NS), book(START_NS, valid=0)])
    locked = streamed([book(START_NS, ((100.0, 1.0),), ((100.0, 1.0),))])
    assert "micro_price_deviation" not in locked
    assert "depth_imbalance_5" not in streamed([book(START_NS, asks=())])


@pytest.mark.parametrize("make", [bbo, ticker])
def test_queue_imbalance_is_of_the_touch(make: type) -> None:
    row = make(START_NS, (100.0, 3.0), (100.5, 1.0))
    assert streamed([row])["queue_imbalance"] == 0.5


def test_micro_price_of_one_level_is_half_the_queue_imbalance() -> None:
    found = streamed([book(START_NS, ((100.0, 3.0),), ((101.0, 1.0),))])
    assert found["micro_price_deviation"] == found["queue_imbalance"] / 2 == 0.25


def test_numbers_that_are_not_finite_never_come_out() -> None:
    rows = [bbo(START_NS), trade(START_NS, size=1e308), trade(START_NS, size=1e308)]
    assert "trade_flow_1s" not in streamed(rows)
    assert named((float("nan"),) * 29 + (1.0,)) == {"vpin": 1.0}


@windows
def test_hostile_numbers_raise_nothing(make: Make) -> None:
    dice = random.Random(8)
    odd_ones = (0.0, -0.0, 5e-324, 1e-308, -1.0, 1e308, float("inf"), float("nan"), 100.0, 100.5)

    def four() -> tuple[float, ...]:
        return tuple(dice.choice(odd_ones) for _ in range(4))

    feeds = Feed(make(STALE_MS)), Feed(make(STALE_MS))
    for i in range(4_000):
        now_ns = START_NS + i * 10 * MS
        bid, bid_size, ask, ask_size = four()
        rows: list[Row] = [
            bbo(now_ns, (bid, bid_size), (ask, ask_size)),
            ticker(now_ns, (bid, bid_size), (ask, ask_size)),
            book(now_ns, ((bid, bid_size), (ask, 1.0)), ((ask, ask_size), (bid, 1.0))),
            trade(now_ns, size=bid_size, price=bid),
        ]
        for feed in feeds:
            feed.give(dice.choice(rows))
        window, mate = feeds[0].windows[0], feeds[1].windows[0]
        window.on_mate(now_ns, mate)
        vector = window.vector(now_ns + dice.choice((-1, 0, 1)) * MS, mate)
        assert all(value != value or abs(value) < float("inf") for value in vector)


def test_queue_imbalance_weighs_more_on_a_spread_narrower_than_usual() -> None:
    quotes: list[Row] = [bbo(START_NS, (100.0, 3.0), (101.0, 1.0))]
    quotes.append(bbo(START_NS + 60 * SECOND, (100.0, 3.0), (100.5, 1.0)))
    found = streamed(quotes)
    assert found["queue_imbalance"] == 0.5
    assert found["queue_imbalance_per_spread"] == 1.0


def test_vamp_weighs_each_level_by_the_size_opposite() -> None:
    found = streamed([book(START_NS, ((100.0, 3.0), (99.0, 1.0)), ((101.0, 1.0), (103.0, 1.0)))])
    # (0.5 * 3 - 0.5 * 1) + (2.5 * 1 - 1.5 * 1), over the sizes' sum of 6
    assert found["vamp_deviation_5"] == 2.0 / 6.0


def test_return_is_in_units_of_volatility_and_cut_off() -> None:
    quotes: list[Row] = [bbo(START_NS + i * SECOND) for i in range(120)]
    jump = bbo(START_NS + 120 * SECOND, (103.0, 2.0), (103.5, 2.0))
    assert streamed([*quotes, jump])["return_4s"] == 4.0
    assert streamed([*quotes, jump, trade(START_NS + 121 * SECOND)])["return_4s"] < 4.0


def test_age_of_the_last_move_is_told_from_a_millisecond_on() -> None:
    quotes: list[Row] = [bbo(START_NS), bbo(START_NS + SECOND, (100.0, 2.0), (101.0, 2.0))]
    assert streamed(quotes)["move_age_log"] == pytest.approx(-6.907755)
    quotes.append(bbo(START_NS + 2 * SECOND, (100.0, 2.0), (101.0, 2.0)))
    assert streamed(quotes)["move_age_log"] == 0.0


def test_mate_that_is_stale_or_one_sided_tells_nothing() -> None:
    window, _ = filled([bbo(START_NS)])
    mate, _ = filled([bbo(START_NS, (100.0, 3.0), (100.5, 1.0))])
    assert read_features(window, START_NS, mate)["mate_queue_imbalance"] == 0.5
    assert not read_features(window, START_NS + 3 * SECOND, mate).keys() & OF_MATE
    half, _ = filled([bbo(START_NS, (100.0, 3.0), (100.5, 0.0))])
    assert not read_features(window, START_NS, half).keys() & OF_MATE
    assert not read_features(window, START_NS).keys() & OF_MATE


def test_basis_above_its_mean_is_positive() -> None:
    feeds = Feed(new_window(STALE_MS)), Feed(new_window(STALE_MS))
    for i, lift in enumerate((0.0, 0.5) * 20 + (3.0,)):
        now_ns = START_NS + i * SECOND
        feeds[0].give(bbo(now_ns))
        feeds[1].give(bbo(now_ns, (100.0 + lift, 2.0), (100.5 + lift, 2.0)))
        window, mate = feeds[0].windows[0], feeds[1].windows[0]
        if lift < 3.0:
            window.on_mate(now_ns, mate)
    assert read_features(window, now_ns, mate)["basis_deviation"] == 4.0
    assert read_features(window, now_ns - SECOND, mate).keys() >= OF_MATE
