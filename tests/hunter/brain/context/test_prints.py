"""Large prints against a quantile worked out anew from all prints."""

from __future__ import annotations

import random
from math import exp2, floor, log2

import pytest
from fakes.context_rows import MS, START_NS, S

from hunter.brain.context.prints import (
    GENERATION_PRINTS,
    MEANS_MIN,
    PRINTS_MIN,
    REFRESH_PRINTS,
    LargePrints,
    Print,
)


def fed(sizes: list[float], side: int = 1) -> LargePrints:
    """One print each, a millisecond apart; the last one is not over yet."""
    prints = LargePrints()
    for number, size in enumerate(sizes):
        prints.add(START_NS + number * MS, 100.0, size, side, 1)
    return prints


def slow_limit(sizes: list[float]) -> float:
    """Of finished prints: which part of them is remembered, and the least edge of a bucket at or
    above which at most a hundredth of them lies."""
    generation = len(sizes) // GENERATION_PRINTS
    known = sizes[max(0, (generation - 1) * GENERATION_PRINTS) :]
    edge = floor(log2(max(known)) * 8) + 1
    while sum(size >= exp2((edge - 1) / 8) for size in known) <= len(known) // 100:
        edge -= 1
    return max(exp2(edge / 8), MEANS_MIN * sum(known) / len(known))


def draws(seed: int, count: int) -> list[float]:
    dice = random.Random(seed)
    return [dice.paretovariate(1.2) * dice.choice((0.01, 1.0)) for _ in range(count)]


@pytest.mark.parametrize("seed", range(5))
def test_limit_is_the_quantile_of_the_prints_before(seed: int) -> None:
    sizes = draws(seed, 4_000)
    prints, moved = LargePrints(), set()
    for number, size in enumerate(sizes):
        prints.add(START_NS + number * MS, 100.0, size, 1, 1)
        # `number` prints are over: the one just added is not.
        if number >= PRINTS_MIN and number % REFRESH_PRINTS == 0:
            assert prints.size_min == pytest.approx(slow_limit(sizes[:number]), rel=1e-12)
            moved.add(prints.size_min)
        elif number < PRINTS_MIN:
            assert not prints.size_min > 0.0
    assert len(moved) > 3


def test_about_one_print_in_a_hundred_is_large_where_the_tail_is_long() -> None:
    sizes = [random.Random(1).paretovariate(1.5)]
    dice = random.Random(2)
    sizes += [dice.paretovariate(1.5) for _ in range(20_000)]
    prints, large = LargePrints(), 0
    for number, size in enumerate(sizes):
        large += size >= prints.size_min
        prints.add(START_NS + number * MS, 100.0, size, 1, 1)
    assert 0.006 < large / len(sizes) < 0.013


def test_nothing_is_large_where_all_are_alike() -> None:
    prints = fed([3.0] * 1_000 + [14.9])
    assert prints.newest is None
    assert prints.flow(START_NS + S) == 0.0
    assert prints.size_min == 15.0  # five times the mean


def test_rows_of_one_order_are_one_print_and_count_with_it() -> None:
    prints = fed([1.0] * 400)
    at_ns = START_NS + S
    prints.add(at_ns, 100.0, 3.0, -1, 2)
    assert prints.newest is None
    volume = prints._volume
    prints.add(at_ns, 99.5, 4.0, -1, 1)
    assert prints.newest == Print(at_ns, -1, 7.0, 99.5, 3)
    prints.add(at_ns, 99.0, 2.0, -1, 5)
    assert prints.newest == Print(at_ns, -1, 9.0, 99.0, 8)
    flow = prints.flow(at_ns)
    assert flow == -9.0 / (volume + 6.0 + prints.size_min)
    # Another side, or another stamp, is another order.
    prints.add(at_ns, 99.0, 4.0, 1, 1)
    prints.add(at_ns + MS, 99.0, 4.0, 1, 1)
    assert prints.newest == Print(at_ns, -1, 9.0, 99.0, 8)


def test_order_does_not_go_on_over_a_hole() -> None:
    prints = fed([1.0] * 400)
    prints.add(START_NS + S, 100.0, 3.0, -1, 1)
    prints.end_order()
    prints.end_order()
    prints.add(START_NS + S, 100.0, 3.0, -1, 1)
    assert prints.newest is None


def test_flow_fades_when_nothing_is_traded() -> None:
    prints = fed([1.0] * 400 + [50.0])
    at_ns = START_NS + 400 * MS
    flows = [prints.flow(at_ns + minutes * 60 * S) for minutes in (0, 1, 10)]
    assert flows[0] is not None
    assert flows[0] > 0.1
    assert flows[1] is not None
    assert flows[1] < flows[0]
    assert flows[2] is not None
    assert 0.0 < flows[2] < 0.02
    assert fed([1.0] * 100).flow(at_ns) is None


def test_flow_forgets_half_in_a_minute() -> None:
    prints = fed([1.0] * 400 + [50.0])
    at_ns = START_NS + 400 * MS
    signed, volume = prints._signed, prints._volume
    assert signed == 50.0
    prints.add(at_ns + 60 * S, 100.0, 2.0, -1, 1)
    expected = signed / 2 / (volume / 2 + 2.0 + prints.size_min)
    assert prints.flow(at_ns + 60 * S) == pytest.approx(expected)


def test_late_row_weighs_as_much_as_its_stamp_or_the_newest() -> None:
    prints = fed([1.0] * 400)
    before = prints._volume
    prints.add(START_NS, 100.0, 2.0, 1, 1)
    assert prints._volume == before + 2.0


def test_sizes_beyond_all_measure_are_counted_at_the_ends() -> None:
    prints = fed([1e-30, 1e30] * 200)
    assert prints._now[0] + prints._now[-1] == 399


def test_limit_follows_the_market_within_two_generations() -> None:
    prints = fed([100.0] * 1_000 + draws(1, 3_000))
    assert prints.size_min < 100.0


@pytest.mark.parametrize("cut", [0, 1, 199, 999, 1_000, 2_345])
def test_loaded_state_goes_on_bit_for_bit(cut: int) -> None:
    sizes = draws(4, 3_000)
    whole, part = LargePrints(), LargePrints()
    for number, size in enumerate(sizes):
        if number == cut:
            part = LargePrints.loaded(part.state())
        for prints in (whole, part):
            prints.add(START_NS + number // 2 * MS, 100.0, size, 1 - number % 3, 2)
    assert part.state() == whole.state()
    assert (part.newest, part.size_min) == (whole.newest, whole.size_min)


def test_state_is_small_and_what_is_none_is_refused() -> None:
    state = fed(draws(1, 3_000)).state()
    assert len(state) < 2_300
    for bad in (b"", state[:-1], state + b"\0", b"\xff" * len(state)):
        with pytest.raises(ValueError, match="large prints"):
            LargePrints.loaded(bad)
