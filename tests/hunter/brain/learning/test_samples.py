from __future__ import annotations

import random
from math import isnan

import pytest

from hunter.brain.learning.samples import NEVER_NS, Label, Samples

S = 1_000_000_000
MS = 1_000_000
T0 = 1_700_000_000 * S


def filled(count: int, step_ms: int = 100) -> Samples:
    samples = Samples((1_000, 5_000), 2)
    for i in range(count):
        assert samples.take(T0 + i * step_ms * MS, 100.0 + i, (float(i), -float(i)))
    return samples


def known(labels: list[Label]) -> list[Label]:
    return [label for label in labels if not isnan(label.move)]


def test_label_is_the_move_by_the_mid_in_force_when_time_passed_the_horizon() -> None:
    samples = filled(3)
    assert samples.due_ns == T0 + S
    assert samples.resolve(T0 + S, 110.0, NEVER_NS) == []
    (label,) = samples.resolve(T0 + S + 1, 110.0, NEVER_NS)
    assert label == Label(0, T0, 100.0, 10.0, 0.1, (0.0, 0.0))
    assert samples.due_ns == T0 + S + 100 * MS
    two = samples.resolve(T0 + 5 * S + 1, 90.0, NEVER_NS)
    assert [(label.horizon, label.ts_ns, label.move) for label in two] == [
        (0, T0 + 100 * MS, -11.0),
        (0, T0 + 200 * MS, -12.0),
        (1, T0, -10.0),
    ]
    assert two[2].weight == 0.02
    assert len(samples) == 2


def test_mid_that_is_not_usable_or_too_old_gives_no_label() -> None:
    samples = filled(2)
    assert isnan(samples.resolve(T0 + S + 1, None, NEVER_NS)[0].move)
    late = samples.resolve(T0 + S + 200 * MS, 1.0, T0 + S + 99 * MS)
    assert isnan(late[0].move)
    assert late[0].vector == ()


def test_window_across_a_gap_gives_no_label_and_one_after_it_does() -> None:
    samples = filled(2)
    samples.break_off(T0 + 150 * MS)
    samples.take(T0 + 200 * MS, 5.0, (0.0, 0.0))
    labels = samples.resolve(T0 + 2 * S, 7.0, NEVER_NS)
    assert [isnan(label.move) for label in labels] == [True, True, False]
    samples.skip(T0 + 2 * S)
    assert known(samples.resolve(T0 + 9 * S, 7.0, NEVER_NS)) == []


def test_sparse_samples_count_by_the_time_they_stand_for() -> None:
    samples = filled(3, step_ms=700)
    weights = [label.weight for label in samples.resolve(T0 + 90 * S, 1.0, NEVER_NS)]
    assert weights == [0.1, 0.7, 0.7, 0.02, 0.14, 0.14]
    samples.take(T0 + 91 * S, 1.0, (0.0, 0.0))
    samples.take(T0 + 91 * S + 100 * MS, 1.0, (0.0, 0.0))
    samples.break_off(T0 + 92 * S)
    samples.take(T0 + 93 * S, 1.0, (0.0, 0.0))
    labels = [label for label in samples.resolve(T0 + 99 * S, 2.0, NEVER_NS) if not label.horizon]
    assert [label.weight for label in labels] == [1.0, 0.1, 0.1]


def test_next_boundary_is_of_event_time() -> None:
    samples = Samples((1_000,), 1)
    samples.take(T0 + 250 * MS, 1.0, (0.0,))
    assert samples.next_ns == T0 + 300 * MS
    samples.skip(T0 + 900 * MS)
    assert samples.next_ns == T0 + S
    assert samples.silent_ns(T0 + S) == 750 * MS
    assert Samples((1_000,), 1).silent_ns(T0) == 0


@pytest.mark.parametrize("longest_ms", [1_000, 10_000, 12_345, 600_000])
def test_memory_is_fixed_however_the_rows_fall(longest_ms: int) -> None:
    dice = random.Random(longest_ms)
    samples = Samples((500, longest_ms), 1)
    now_ns = T0
    most = 0
    for _ in range(5_000):
        now_ns += dice.choice((1, 30, 99, 5_000)) * MS
        if samples.due_ns < now_ns:
            samples.resolve(now_ns, 1.0, NEVER_NS)
        if now_ns >= samples.next_ns:
            samples.take(now_ns, 1.0, (0.0,))
        most = max(most, len(samples))
    assert most <= samples.capacity <= 102


def test_every_sample_gets_one_label_a_horizon_in_order() -> None:
    dice = random.Random(4)
    samples = Samples((300, 1_000, 2_500), 1)
    now_ns, taken = T0, []
    found: list[list[int]] = [[], [], []]
    for _ in range(3_000):
        now_ns += dice.randrange(1, 400) * MS
        for label in samples.resolve(now_ns, 1.0, NEVER_NS) if samples.due_ns < now_ns else ():
            found[label.horizon].append(label.ts_ns)
        if now_ns >= samples.next_ns:
            samples.take(now_ns, 1.0, (0.0,))
            taken.append(now_ns)
    for one in found:
        assert one == taken[: len(one)]
        assert len(one) > len(taken) - 30


def test_numbers_beyond_any_market_are_not_kept() -> None:
    samples = Samples((1_000,), 1)
    assert not samples.take(T0, 1.0, (1e300,))
    assert len(samples) == 0
    assert samples.due_ns == NEVER_NS


def test_state_goes_round_at_any_moment() -> None:
    one, other = filled(30), Samples((1_000, 5_000), 2)
    one.resolve(T0 + 2 * S, 5.0, NEVER_NS)
    one.break_off(T0 + 3 * S)
    other.load(one.state())
    assert other.state() == one.state()
    assert (other.due_ns, other.next_ns, len(other)) == (one.due_ns, one.next_ns, len(one))
    assert str(other.resolve(T0 + 9 * S, 5.0, NEVER_NS)) == str(
        one.resolve(T0 + 9 * S, 5.0, NEVER_NS)
    )
    empty = Samples((1_000, 5_000), 2)
    empty.load(empty.state())
    assert empty.due_ns == NEVER_NS


def test_state_that_does_not_fit_is_refused_and_changes_nothing() -> None:
    good = filled(5).state()
    samples = filled(2)
    before = samples.state()
    wide = Samples((1_000, 5_000), 3).state()
    crooked = bytearray(good)
    crooked[48:56] = (99).to_bytes(8, "little")
    for wrong in (b"", good[:-1], good + b"x", wide, bytes(crooked), Samples((9,), 2).state()):
        with pytest.raises(ValueError, match="samples"):
            samples.load(wrong)
    assert samples.state() == before
