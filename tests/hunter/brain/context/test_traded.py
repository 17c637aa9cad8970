"""Windows and absorption against sums over every trade there was."""

from __future__ import annotations

import random
from fractions import Fraction
from itertools import groupby, pairwise
from math import exp2, log, nan, sqrt

import pytest
from fakes.context_rows import MS, START_NS, Fill, S
from hypothesis import given
from hypothesis import strategies as st

from hunter.brain.context.traded import RINGS, Traded


def fed(fills: list[Fill]) -> Traded:
    traded = Traded()
    for stamp_ns, price, size, side, _ in fills:
        traded.add(stamp_ns, price, size, side)
    return traded


def seconds(fills: list[Fill]) -> list[tuple[int, Fill]]:
    """Each with the second it counts in: its own, or the one under way if that is later."""
    found, second = [], 0
    for fill in fills:
        second = max(second, fill.stamp_ns // S)
        found.append((second, fill))
    return found


def random_fills(seed: int, count: int, step_ms: int = 400) -> list[Fill]:
    dice, now_ns, fills = random.Random(seed), START_NS, []
    for _ in range(count):
        now_ns += dice.choice((1, 1, 1, 1, 30)) * dice.randrange(step_ms) * MS
        price, size = dice.randrange(200, 240) / 2, dice.randrange(1, 99) / 10
        stamp_ns = now_ns - dice.choice((0, 0, 0, 900)) * MS
        fills.append(Fill(stamp_ns, price, size, dice.choice((-1, 1))))
    return fills


FILLS = st.builds(random_fills, st.integers(0, 10_000), st.integers(1, 400))


@given(FILLS, st.integers(0, 400), st.sampled_from([0, 1, 2]))
def test_window_is_the_sum_over_its_trades(fills: list[Fill], later_s: int, place: int) -> None:
    traded = fed(fills)
    window_s, cell_s = RINGS[place]
    now_ns = max(fill.stamp_ns for fill in fills) + later_s * S
    first = now_ns // S // cell_s - window_s // cell_s + 1
    inside = [fill for second, fill in seconds(fills) if second // cell_s >= first]
    signed, size, vwap_minus_last = traded.window(now_ns, place)
    assert signed == pytest.approx(sum(fill.size * fill.side for fill in inside), abs=1e-9)
    assert size == pytest.approx(sum(fill.size for fill in inside), abs=1e-9)
    if not inside:
        assert vwap_minus_last is None
        return
    paid = sum(Fraction(fill.price) * Fraction(fill.size) for fill in inside)
    vwap = float(paid / sum(Fraction(fill.size) for fill in inside))
    assert vwap_minus_last == pytest.approx(vwap - fills[-1].price, abs=1e-9)


def slow_absorption(fills: list[Fill], now_s: int) -> float | None:
    """By the definition, out of every second there was."""
    placed = seconds(fills)
    flows, mids, bought, sold = [], [], nan, nan
    for second, group in groupby(placed, key=lambda item: item[0]):
        flow = 0.0
        for _, fill in group:
            flow += fill.size * fill.side
            if fill.side > 0:
                bought = fill.price
            else:
                sold = fill.price
        flows.append((second, flow))
        mids.append((second, (bought + sold) / 2))
    closed = flows[:-1]
    spread_s = 4.0 / (2.0 * log(2.0))
    seen = 1.0 - exp2((flows[0][0] - now_s) / 300.0)
    per_s = log(2.0) / 300.0 / seen * spread_s

    def faded(pairs: list[tuple[int, float]], half_life_s: float) -> float:
        return sum(value * exp2((second - now_s) / half_life_s) for second, value in pairs)

    usual_flow = sqrt(faded([(k, x * x) for k, x in closed], 300.0) * per_s)
    known = [(k, mid) for k, mid in mids[:-1] if mid == mid]
    if not usual_flow or not known or bought + sold != bought + sold:
        return None
    moves = [(k, (mid - before) ** 2) for (_, before), (k, mid) in pairwise(known)]
    usual_move = sqrt(faded(moves, 300.0) * per_s)
    # The first mid held for ever; each holds until the next.
    starts = [-1e9, *(k for k, _ in known[1:]), now_s]
    mean = sum(
        mid * (exp2((end - now_s) / 4.0) - exp2((start - now_s) / 4.0))
        for (_, mid), start, end in zip(known, starts, starts[1:], strict=False)
    )
    away = abs(mids[-1][1] - mean)
    if away >= usual_move:
        return 0.0
    return faded(flows, 4.0) / usual_flow * (1.0 - away / usual_move)


@pytest.mark.parametrize("seed", range(8))
def test_absorption_is_what_its_definition_says(seed: int) -> None:
    fills = random_fills(seed, 400, step_ms=120)
    found = 0
    for count in range(300, 400):
        some = fills[:count]
        now_ns = max(fill.stamp_ns for fill in some) + seed * S // 2
        value = fed(some).absorption(now_ns)
        expected = slow_absorption(some, now_ns // S)
        if value is None or expected is None:
            assert value is None
            assert expected is None or now_ns - START_NS < 61 * S
        else:
            assert value == pytest.approx(expected, abs=1e-9)
            found += value != 0.0
    assert found > 10


def pushed(step: float) -> Traded:
    """Two minutes of both sides, then five seconds of buying at prices that rise by `step`."""
    traded, dice = Traded(), random.Random(3)
    for tenth in range(1_200):
        wiggle = dice.choice((-0.5, 0.0, 0.5))
        side = dice.choice((-1, 1))
        traded.add(START_NS + tenth * 100 * MS, 100.0 + wiggle + side / 4, 1.0, side)
    for tenth in range(1_200, 1_250):
        price = 100.25 + step * (tenth - 1_200)
        traded.add(START_NS + tenth * 100 * MS, price, 5.0, 1)
        traded.add(START_NS + tenth * 100 * MS, price - 0.5, 0.5, -1)
    return traded


def test_buying_that_moves_nothing_is_absorbed_and_buying_that_moves_the_price_is_not() -> None:
    now_ns = START_NS + 125 * S
    ignored, moving = pushed(0.0).absorption(now_ns), pushed(0.05).absorption(now_ns)
    assert ignored is not None
    assert ignored > 3.0
    assert moving == 0.0


def test_price_that_never_moved_absorbs_everything() -> None:
    traded = Traded()
    for second in range(70):
        traded.add(START_NS + second * S, 10.5, 1.0, 1)
        traded.add(START_NS + second * S, 10.0, 2.0, -1)
    absorbed = traded.absorption(START_NS + 70 * S)
    assert absorbed is not None
    assert absorbed < -1.0


def test_one_sided_market_has_no_mid() -> None:
    traded = fed([Fill(START_NS + n * S, 10.0, 1.0, 1) for n in range(90)])
    assert traded.absorption(START_NS + 90 * S) is None


def test_window_is_covered_when_all_of_it_was_seen() -> None:
    traded = Traded()
    assert not traded.covers(START_NS, 0)
    traded.add(START_NS, 10.0, 1.0, 1)
    assert not traded.covers(START_NS + 60 * S - 1, 60)
    assert traded.covers(START_NS + 60 * S, 60)
    traded.note_hole()
    assert not traded.covers(START_NS + 70 * S, 60)
    traded.add(START_NS + 70 * S, 10.0, 1.0, 1)
    assert not traded.covers(START_NS + 129 * S, 60)
    assert traded.covers(START_NS + 130 * S, 60)


def test_what_is_usual_is_learnt_anew_after_a_hole() -> None:
    before, after = random_fills(1, 300, step_ms=120), random_fills(2, 400, step_ms=120)
    later_ns = 900 * S
    after = [fill._replace(stamp_ns=fill.stamp_ns + later_ns) for fill in after]
    holed, fresh = fed(before), fed(after)
    holed.note_hole()
    for stamp_ns, price, size, side, _ in after:
        holed.add(stamp_ns, price + 50.0, size, side)  # the price has jumped meanwhile
    found = 0
    for later_s in range(10):
        now_ns = after[-1].stamp_ns + later_s * S
        value = holed.absorption(now_ns)
        assert value is not None
        assert value == pytest.approx(fresh.absorption(now_ns), abs=1e-9)
        found += value != 0.0
    assert found
    assert holed.window(now_ns, 0)[:2] == pytest.approx(fresh.window(now_ns, 0)[:2])
    _, hour_size, _ = holed.window(now_ns, 2)
    assert hour_size == pytest.approx(sum(fill.size for fill in before + after))


def test_second_that_a_hole_cut_in_two_is_one_cell() -> None:
    traded = Traded()
    traded.add(START_NS, 10.0, 1.0, 1)
    traded.note_hole()
    traded.note_hole()
    traded.add(START_NS + S // 2, 11.0, 3.0, -1)
    traded.add(START_NS + S, 11.0, 1.0, -1)
    assert traded.window(START_NS + S, 0) == pytest.approx((-3.0, 5.0, -0.2))
    assert [len(cells) for cells in traded._cells] == [1, 1, 1]


@given(FILLS, st.integers(0, 400))
def test_loaded_state_goes_on_bit_for_bit(fills: list[Fill], cut: int) -> None:
    traded, other = fed(fills[:cut]), fed(fills[:cut])
    if cut % 3 == 0:
        traded.note_hole()
        other.note_hole()
    again = Traded.loaded(traded.state())
    for stamp_ns, price, size, side, _ in fills[cut:]:
        again.add(stamp_ns, price, size, side)
        other.add(stamp_ns, price, size, side)
    assert again.state() == other.state()
    now_ns = fills[-1].stamp_ns + S
    assert again.absorption(now_ns) == other.absorption(now_ns)


def test_state_is_small_and_what_is_none_is_refused() -> None:
    fills = [Fill(START_NS + n * S, 100.0 + n % 7, 1.0, 1 - n % 2 * 2) for n in range(8_000)]
    state = fed(fills).state()
    assert len(state) < 5_100
    for bad in (b"", state[:50], state[:-1], state + b"\0"):
        with pytest.raises(ValueError, match="state"):
            Traded.loaded(bad)
