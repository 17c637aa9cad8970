"""The compiled way against the long one: the same bytes, and then the same of everything.

Each case goes through two writing roles at once, one of which has no kernel. What they put into
their rings, count, log, ask and remember must be equal, whatever came and however it was cut.
"""

from __future__ import annotations

import gzip
import itertools
import json
import random
from pathlib import Path

import pytest
from fakes.twin_market import Market
from fakes.twin_streams import INSTRUMENTS, MS, Twins
from fakes.websocket_peer import frame
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hunter.native import kernel
from hunter.ring.rows import Kind
from hunter.status.histogram import percentiles
from hunter.status.latency import Stage

pytestmark = pytest.mark.skipif(kernel is None, reason="there is no compiled half here")

ALL = ("trades", "bbo-tbt", "tickers", "books", "books5")
CHANNELS = (ALL, ("trades", "tickers", "books5", "bbo-tbt"), ("trades", "books", "bbo-tbt"))
ORDINARY = ("trade", "trades", "quote", "ticker", "update", "top5", "quote_before_its_book")
ODD = tuple(sorted(set(Market(0, ALL).kinds) - set(ORDINARY)))
# A notice begins a handover: whose successor then waits for an answer, the tests could not tell.
# Whether data of a subscription that ends are dropped depends, in Python, on the answers behind
# them in the same read; the compiled half never sees so far ahead.
LONE = tuple(kind for kind in ODD if kind not in ("notice", "ack"))
ODD_TICKER = {"last": "1e2", "askPx": "", "bidPx": "", "ts": "1790000000500"}
OUTSIDE = ("skip", "long skip", "reset", "close", "rest fails", "resubscribe", "sleep")


def opened(twins: Twins, market: Market) -> None:
    twins.each("connect")
    twins.each("send", market.opening())
    twins.each("send", market.opening())


def send(twins: Twins, data: bytes, cuts: list[int]) -> None:
    """In pieces; a connection that is given up on the way is made anew behind them."""
    places = sorted({cut % (len(data) + 1) for cut in cuts})
    for start, end in zip([0, *places], [*places, len(data)], strict=True):
        if end > start:
            twins.each("send", data[start:end])


def go_outside(twins: Twins, market: Market, what: str) -> None:
    """Things that happen between frames."""
    if what == "skip":
        twins.each("skip", 5)
    elif what == "sleep":
        twins.each("skip", 1_000)
    elif what == "long skip":
        twins.each("skip", 70_000)
    elif what == "rest fails":
        twins.each("answer", OSError("no"))
    elif what in ("reset", "close"):
        twins.each("hang_up", what == "reset")
    else:
        chosen = market.random.randrange(1_000)
        for side in twins.sides:
            subscriptions = sorted(side.link.session.subscription_states())
            with side.half():
                side.link.resubscribe(
                    (subscriptions[chosen % len(subscriptions)],), side.clock.monotonic_ns()
                )


def play(channels: tuple[str, ...], seed: int, plan: list[str], cuts: list[int]) -> int:
    """All of a plan; how many frames the compiled half took."""
    market = Market(seed, channels)
    with Twins(*channels) as twins:
        opened(twins, market)
        data = b""
        for step in plan:
            if step in OUTSIDE:
                send(twins, data, cuts)
                data = b""
                go_outside(twins, market, step)
                twins.reconnect_if_lost()
            else:
                data += market.frame_of(step)
        send(twins, data, cuts)
        twins.compare()
        if twins.reconnect_if_lost():
            twins.each("send", market.opening() + market.opening())
            twins.each("send", b"".join(market.frame_of(kind) for kind in ORDINARY))
            twins.compare()
        return twins.taken


@pytest.mark.parametrize("channels", CHANNELS)
def test_ordinary_frames_are_all_taken(channels: tuple[str, ...]) -> None:
    market = Market(1, channels)
    with Twins(*channels) as twins:
        opened(twins, market)
        before = twins.taken
        frames = [market.frame_of(random.Random(5).choice(ORDINARY[:4])) for _ in range(20)]
        frames += [market.frame_of(kind) for kind in ("trade", "ticker", "update", "top5") * 30]
        frames = [item for item in frames if item]
        twins.each("send", b"".join(frames))
        twins.compare()
        assert twins.taken - before == len(frames)


@pytest.mark.parametrize("kind", ODD)
@pytest.mark.parametrize("channels", CHANNELS[:2])
def test_odd_frame_among_ordinary_ones(channels: tuple[str, ...], kind: str) -> None:
    for seed in range(3):
        plan = [*ORDINARY, *ORDINARY, kind, *ORDINARY, kind, kind, *ORDINARY * 2]
        assert play(channels, seed, plan, []) > 0


@pytest.mark.parametrize("what", OUTSIDE)
def test_events_between_frames(what: str) -> None:
    for seed in range(3):
        plan = [*ORDINARY * 2, what, *ORDINARY, "hole", *ORDINARY, what, *ORDINARY * 2]
        assert play(ALL, seed, plan, [7, 500, 900]) > 0


def shown_waits(twins: Twins, since: list[list[int]]) -> list[float]:
    """The longest that a row has waited since the counters were `since`, of both sides."""
    found = []
    for now, before in zip(counted_waits(twins), since, strict=True):
        news = [count - old for count, old in zip(now, before, strict=True)]
        found.append(percentiles(news, [1.0])[0])
    return found


def counted_waits(twins: Twins) -> list[list[int]]:
    return [
        side.writing._parts.context.latencies.counts(Stage.RECEIVE_TO_RING).every
        for side in twins.sides
    ]


@pytest.mark.parametrize("before", ["pong", "trade"])
def test_no_row_waits_since_a_turn_before_its_own(before: str) -> None:
    market = Market(1, ALL)
    with Twins(*ALL) as twins:
        opened(twins, market)
        twins.each("send", market.frame_of(before))
        waits = counted_waits(twins)
        twins.each("skip", 5_000)
        for side in twins.sides:
            now_ns = side.clock.monotonic_ns()
            side.writing.waited(now_ns - MS, now_ns, MS, set())
        twins.each("send", market.frame_of("old_trade") + market.frame_of("two_updates"))
        assert max(shown_waits(twins, waits)) < 1_000 * MS


def test_long_way_is_counted_where_the_fast_one_publishes_its_rows() -> None:
    market = Market(1, ALL)
    with Twins(*ALL) as twins:
        opened(twins, market)
        before = [sum(counts) for counts in counted_waits(twins)]
        wakes = [side.wake.count for side in twins.sides]
        odd = market._push(market.books[INSTRUMENTS[0]], "tickers", [ODD_TICKER])
        twins.each("send", odd + market.frame_of("trade", INSTRUMENTS[1]))
        assert [sum(counts) for counts in counted_waits(twins)] == [at + 2 for at in before]
        assert [side.wake.count for side in twins.sides] == [at + 1 for at in wakes]


@pytest.mark.parametrize("reset", [False, True])
def test_end_right_behind_frames_that_were_taken(reset: bool) -> None:
    """They are counted in the session that received them."""
    market = Market(1, ALL)
    with Twins(*ALL) as twins:
        opened(twins, market)
        sessions = [side.link.session for side in twins.sides]
        before = sessions[0].statistics().data_count
        data = b"".join(market.frame_of("trade") for _ in range(200))
        for side in twins.sides:
            assert side.peer.link is not None
            side.peer.send(data)
            side._await_bytes(len(data))
        twins.each("hang_up", reset)
        told = [session.statistics() for session in sessions]
        assert told[0] == told[1]
        if not reset:  # which may overtake them
            assert told[0].data_count == before + 200
        twins.compare()


def test_book_is_hidden_at_the_time_it_is_hidden() -> None:
    """The last read was long ago."""
    market = Market(1, ALL)
    with Twins(*ALL) as twins:
        opened(twins, market)
        twins.each("skip", 4_000)
        twins.each("hang_up", True)
        for side in twins.sides:
            side.writing.publish()
            row = side.stage.rows(Kind.BOOK, INSTRUMENTS[0])[-1]
            assert row[4] == side.clock.wall_ns()


@pytest.mark.parametrize(
    "declined", ["old_trade", "malformed_trade", "update_missing", "bad_ticker"]
)
def test_a_declined_frame_keeps_nobody_else_from_being_taken(declined: str) -> None:
    """What follows it in the same read, of another instrument."""
    market = Market(1, ALL)
    with Twins(*ALL) as twins:
        opened(twins, market)
        before = twins.taken
        odd = market.frame_of(declined, INSTRUMENTS[0])
        twins.each("send", odd + b"".join(market.frame_of("trade", INSTRUMENTS[1]) for _ in "123"))
        twins.compare()
        assert twins.taken == before + 3


def test_a_quote_that_comes_again_is_no_reason_to_decline() -> None:
    """Whatever it says then: it is not compared."""
    market = Market(1, ALL)
    with Twins(*ALL) as twins:
        opened(twins, market)
        before = twins.taken
        twins.each("send", market.frame_of("repeated_quote", INSTRUMENTS[0]))
        twins.compare()
        assert twins.taken == before + 4


@pytest.mark.parametrize("channel", ALL)
@pytest.mark.parametrize("action", ["", "snapshot", "update", "other"])
def test_every_action_on_every_channel(channel: str, action: str) -> None:
    market = Market(1, ALL)
    kind = {"bbo-tbt": "quote", "trades": "trade", "tickers": "ticker", "books5": "top5"}
    with Twins(*ALL) as twins:
        opened(twins, market)
        for _ in range(3):
            whole = market.frame_of(kind.get(channel, "update"))
            message = json.loads(whole[whole.index(b"{") :])
            message |= {"action": action}
            twins.each("send", frame(json.dumps(message, separators=(",", ":")).encode()))
            twins.compare()


def test_rows_of_another_layout_are_refused() -> None:
    """What the compiled half stores would not fit into them."""
    segment = bytearray(1 << 20)
    places = [(8 + 2 * kind, 1 << 12, 4, 24) for kind in range(11)]
    lanes = kernel.Lanes(segment, 0, 0, 1, [0], places, [0])
    for kind in (
        kernel.ROUTE_TRADES,
        kernel.ROUTE_QUOTES,
        kernel.ROUTE_TICKERS,
        kernel.ROUTE_UPDATES,
        kernel.ROUTE_SNAPSHOTS,
    ):
        with pytest.raises(ValueError, match="layout"):
            kernel.FastPath(lanes).add(kernel.Route("c", "i", kind, 0))


def test_counters_that_are_not_aligned_are_refused() -> None:
    segment = bytearray(1 << 20)
    lanes = kernel.Lanes(segment, 0, 0, 1, [0], [(0, 0, 0, 0)] * 11, [0])
    counters = memoryview(bytearray(960 * 8 + 8))[1:]
    with pytest.raises(ValueError, match="counters"):
        kernel.FastPath(lanes).run(b"", 0, 0, 1, 1, counters)


CAPTURES = Path(__file__).resolve().parents[4] / "shared" / "captures"


@pytest.mark.parametrize(
    "name",
    [
        "okx-framed-binance-dev/BTC-USDT-SWAP-20230405.jsonl.gz",
        "okx-framed-binance/BTC-USDT-SWAP.jsonl.gz",
    ],
)
def test_recorded_market_is_taken_and_comes_out_alike(name: str) -> None:
    path = CAPTURES / name
    if not path.exists():
        pytest.skip(f"no recording at {path}")
    with gzip.open(path) as lines:
        frames = [frame(line.partition(b" ")[2].strip()) for line in itertools.islice(lines, 6_000)]
    with Twins("trades", "bbo-tbt", "tickers", "books", capacity=8_192) as twins:
        opened(twins, Market(1, ("nothing",)))
        for start in range(0, len(frames), 97):
            twins.each("send", b"".join(frames[start : start + 97]))
        twins.compare()
        # Quotes and books of these were made from streams of their own: where they contradict each
        # other, the long way is taken until that is settled.
        assert twins.taken > 0.6 * len(frames)


@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(
    channels=st.sampled_from(CHANNELS),
    seed=st.integers(0, 1_000),
    plan=st.lists(
        st.one_of(
            st.sampled_from(ORDINARY),
            st.sampled_from(ORDINARY),
            st.sampled_from(LONE),
            st.sampled_from(OUTSIDE),
        ),
        min_size=1,
        max_size=60,
    ),
    cuts=st.lists(st.integers(0, 100_000), max_size=8),
)
def test_whatever_comes_both_ways_end_alike(
    channels: tuple[str, ...], seed: int, plan: list[str], cuts: list[int]
) -> None:
    play(channels, seed, plan, cuts)
