from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fakes.brain_rows import CAPTURES, MS, START_NS, Row, captured_rows, random_rows
from fakes.twins import needs_kernel, twins
from fakes.window_rows import STALE_MS, Feed, bits

from hunter.brain.window.features import FEATURES, NAMES
from hunter.brain.window.quote import Source
from hunter.brain.window.recent import RecentFlow
from hunter.brain.window.window import FlowWindow, new_window
from hunter.native import kernel

RECORDINGS = sorted(CAPTURES.glob("okx-framed-binance*/*.jsonl.gz"))
Make = Callable[[int], FlowWindow]
windows = pytest.mark.parametrize("make", twins(FlowWindow))


@windows
def test_vector_of_nothing_has_a_place_for_every_feature(make: Make) -> None:
    vector = make(STALE_MS).vector(START_NS)
    assert len(vector) == len(FEATURES) == 30
    known = {name for name, value in zip(NAMES, vector, strict=True) if value == value}
    assert known == {"trades_per_s", "quotes_per_s"}


@windows
def test_reading_changes_nothing_at_whatever_moment(make: Make) -> None:
    feed, other = Feed(make(STALE_MS)), Feed(make(STALE_MS))
    for row, another in zip(random_rows(3, 300), random_rows(4, 300), strict=True):
        feed.give(row)
        other.give(another)
    window, mate = feed.windows[0], other.windows[0]
    before = window.state(), mate.state()
    for ms in range(-3_000, 5_000, 37):
        window.vector(feed.now_ns + ms * MS, mate)
        window.volatility_ratio(feed.now_ns + ms * MS)
    assert (window.state(), mate.state()) == before


@windows
def test_reading_before_the_newest_addition_amplifies_nothing(make: Make) -> None:
    feed = Feed(make(STALE_MS))
    for row in random_rows(5, 400):
        feed.give(row)
    window, now_ns = feed.windows[0], feed.now_ns
    names = ("ofi_250ms", "ofi_1s", "ofi_4s", "ofi_16s", "hawkes_imbalance", "depth_flow_1s")
    flows = [NAMES.index(name) for name in names]
    newest = window.vector(now_ns)
    assert all(newest[i] for i in flows)
    # long before every addition, each sum is as of its own newest one
    early, earlier = (window.vector(now_ns - ms * MS) for ms in (60_000, 3_600_000))
    for i in flows:
        assert early[i] == earlier[i]
        assert abs(early[i]) < 20.0 * abs(newest[i])


@windows
def test_quote_says_what_the_window_goes_by(make: Make) -> None:
    window = make(STALE_MS)
    assert window.quote.source == Source.NOWHERE
    window.on_quote(START_NS, START_NS, Source.BBO, 100.0, 3.0, 101.0, 1.0)
    quote = window.quote
    assert (quote.source, quote.stamp_ns, quote.stale_ns) == (0, START_NS, STALE_MS * MS)
    touch = (quote.bid, quote.bid_size, quote.ask, quote.ask_size, quote.mid)
    assert touch == (100.0, 3.0, 101.0, 1.0, 100.5)
    assert (quote.usable, quote.crossed) == (True, False)
    assert quote.outranks(Source.TICKER, START_NS + STALE_MS * MS)
    assert not quote.outranks(Source.TICKER, START_NS + STALE_MS * MS + 1)
    assert quote.is_stale(START_NS + STALE_MS * MS + 1)
    window.on_quote(START_NS, START_NS, Source.BBO, 102.0, 3.0, 101.0, 1.0)
    assert (window.quote.usable, window.quote.crossed) == (False, True)


@windows
def test_state_is_continued_bit_for_bit(make: Make) -> None:
    rows = random_rows(6, 900, step_ms=300, spoil=True)
    feed = Feed(make(STALE_MS), make(STALE_MS))
    for number, row in enumerate(rows):
        feed.give(row)
        if number % 97 == 0:
            fresh = make(STALE_MS)
            fresh.load(feed.windows[0].state())
            feed.windows = (fresh, feed.windows[1])
    straight = feed.windows[1]
    assert feed.windows[0].state() == straight.state()
    assert bits(feed.windows[0].vector(feed.now_ns)) == bits(straight.vector(feed.now_ns))
    assert len(straight.state()) == 1_640


@windows
def test_state_that_does_not_fit_is_refused(make: Make) -> None:
    state = make(STALE_MS).state()
    for wrong in (b"", state[:-8], state + b"x"):
        with pytest.raises(ValueError, match=f"has {len(state)} bytes, not {len(wrong)}"):
            make(STALE_MS).load(wrong)
    with pytest.raises(ValueError, match="6 bids and 0 asks, 5 at most"):
        make(STALE_MS).load(state[:16] + b"\6" + state[17:])
    window = make(STALE_MS)
    feed = Feed(window)
    for row in random_rows(1, 50):
        feed.give(row)
    state = window.state()
    # the bucket's place in the ring stands before its fill count and the ring's 100 numbers
    at = state_place_of_buckets()
    with pytest.raises(ValueError, match="place 50 of 0 buckets in a ring of 50"):
        make(STALE_MS).load(state[:at] + b"\x32" + state[at + 1 :])


def state_place_of_buckets() -> int:
    window = RecentFlow(STALE_MS)
    before = 8 * (4 + 20)
    for part in window._parts():
        if part is window.takers.buckets:
            return before + 8 * 3
        before += 8 * len(part.FORMAT)
    raise AssertionError("no buckets")


@needs_kernel
def test_compiled_window_takes_no_other_arguments() -> None:
    window = kernel.FlowWindow(STALE_MS)
    for call in (
        lambda: window.on_trade(1, 2.0, 3.0, 1),
        lambda: window.on_quote(1, 1, 0, 1.0, 1.0, 2.0),
        lambda: window.on_book(1, 1, [1.0, 1.0], ()),
        lambda: window.on_book(1, 1, (1.0, "x"), ()),
        lambda: window.on_trade(1, "x", 3.0, 1, 1),
        lambda: window.on_mate(1, FlowWindow(STALE_MS)),
        lambda: window.vector(1, FlowWindow(STALE_MS)),
        lambda: window.vector(),
        lambda: window.vector("x"),
        lambda: window.volatility_ratio(0.5),
        lambda: window.load(bytearray(8)),
        lambda: kernel.FlowWindow(),
        lambda: type(window.quote)(),
    ):
        with pytest.raises(TypeError):
            call()
    with pytest.raises(ValueError, match="stale_ms"):
        kernel.FlowWindow(-1)
    with pytest.raises(OverflowError):
        window.on_trade(1 << 63, 1.0, 1.0, 1, 1)


@needs_kernel
def test_compiled_window_bears_stamps_at_the_ends_of_the_range() -> None:
    far = (1 << 63) - 1
    window = kernel.FlowWindow(STALE_MS)
    for stamp_ns in (-far - 1, far, 0, -far, START_NS):
        window.on_trade(stamp_ns, 1.0, 1.0, 1, 1)
        window.on_quote(stamp_ns, stamp_ns, 0, 100.0, 1.0, 101.0, 1.0)
        window.on_book(stamp_ns, stamp_ns, (100.0, 1.0), (101.0, 1.0))
        window.on_mate(stamp_ns, window)
        for now_ns in (-far - 1, far):
            window.vector(now_ns, window)


def test_new_window_is_compiled_where_that_is_there() -> None:
    expected: type[Any] = FlowWindow if kernel is None else kernel.FlowWindow
    assert type(new_window(STALE_MS)) is expected


def test_compiled_window_lets_go_of_its_quote() -> None:
    quote = new_window(STALE_MS).quote
    assert sys.getrefcount(quote) <= 2 + (kernel is None)
    assert quote.source == Source.NOWHERE


# ---- one truth in two hands


def same_in_both(rows: list[Row], others: list[Row], every: int) -> int:
    """Two instruments side by side in both halves; how many numbers were compared."""
    own = Feed(FlowWindow(STALE_MS), kernel.FlowWindow(STALE_MS))
    mate = Feed(FlowWindow(STALE_MS), kernel.FlowWindow(STALE_MS))
    known = 0
    for number, (row, other) in enumerate(zip(rows, others, strict=False)):
        mate.give(other)
        now_ns = own.give(row)
        pairs = tuple(zip(own.windows, mate.windows, strict=True))
        if number % 7 == 0:
            for window, beside in pairs:
                window.on_mate(now_ns, beside)
        if number % 331 == 330:
            for window in own.windows:
                window.on_gap()
        if number % every:
            continue
        for at_ns in (now_ns, now_ns + 137 * MS, now_ns - 50 * MS):
            plain, compiled = (window.vector(at_ns, beside) for window, beside in pairs)
            assert bits(plain) == bits(compiled), number
            known += sum(value == value for value in plain)
        assert own.windows[0].state() == own.windows[1].state(), number
        ratios = [window.volatility_ratio(now_ns) for window in own.windows]
        assert ratios[0] == ratios[1]
    return known


@needs_kernel
@pytest.mark.parametrize("step_ms", [40, 700])
@pytest.mark.parametrize("seed", range(4))
def test_both_halves_say_the_same_of_random_rows(seed: int, step_ms: int) -> None:
    rows = random_rows(seed, 1_200, step_ms=step_ms, spoil=True)
    others = random_rows(seed + 50, 1_200, step_ms=step_ms, spoil=True)
    assert same_in_both(rows, others, 11) > 4_000


@needs_kernel
@pytest.mark.parametrize("path", RECORDINGS, ids=lambda path: path.name)
def test_both_halves_say_the_same_of_recorded_rows(path: Path) -> None:
    rows = captured_rows(path, 3_000)
    mates = [path.with_name(name) for name in ("BTC-USDT.jsonl.gz", "BTC-USDT-SWAP.jsonl.gz")]
    other = mates[0] if path.name == "BTC-USDT-SWAP.jsonl.gz" else mates[1]
    others = captured_rows(other, 3_000) if other.exists() else rows
    assert same_in_both(rows, others, 29) > 6_000


@needs_kernel
def test_a_state_of_one_half_is_a_state_of_the_other() -> None:
    rows = random_rows(9, 800, step_ms=200, spoil=True)
    feed = Feed(FlowWindow(STALE_MS), kernel.FlowWindow(STALE_MS))
    for number, row in enumerate(rows):
        feed.give(row)
        if number == 400:
            crossed = FlowWindow(STALE_MS), kernel.FlowWindow(STALE_MS)
            crossed[0].load(feed.windows[1].state())
            crossed[1].load(feed.windows[0].state())
            feed.windows = crossed
    assert feed.windows[0].state() == feed.windows[1].state()
