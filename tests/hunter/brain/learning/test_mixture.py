"""The mixture, in Python and compiled: the same tests for both, and each against the other."""

from __future__ import annotations

import random
import struct
from collections.abc import Callable
from itertools import pairwise
from math import inf, isfinite, log, nan

import pytest
from fakes.brain_labels import move_after, negated, recorded_labels, vector
from fakes.brain_rows import CAPTURES
from fakes.twins import needs_kernel

from hunter.brain.learning.mixture import QUEUE_FULL, Assessment, Mixture, new_mixture, queue_term
from hunter.brain.learning.pool import OUTSIDE_MAX, WEIGHTS_FIRST
from hunter.brain.learning.prior import EXPERT_SIZES, prior_slope, published_prior
from hunter.brain.window.features import ODD_COUNT
from hunter.native import kernel

HORIZON_MS = 1_000
ZERO = (0.0,) * ODD_COUNT


def make_plain(outside_count: int = 0, horizon_ms: int = HORIZON_MS) -> Mixture:
    return Mixture(published_prior(horizon_ms), outside_count)


def make_chosen(outside_count: int = 0, horizon_ms: int = HORIZON_MS) -> Mixture:
    return new_mixture(published_prior(horizon_ms), outside_count)


Make = Callable[..., Mixture]
HALVES = [pytest.param(make_plain, id="python")]
if kernel is not None:
    HALVES.append(pytest.param(make_chosen, id="compiled"))
both = pytest.mark.parametrize("make", HALVES)


def teach(mixture: Mixture, seed: int, labels: int, slopes: tuple[float, ...] = (1.5,)) -> None:
    """Labels whose log-odds are `slopes` times the first features."""
    dice = random.Random(seed)
    for _ in range(labels):
        x = vector(dice)
        truth = sum(slope * one for slope, one in zip(slopes, x, strict=False))
        said = mixture.assess(x).said
        mixture.learn(x, (), move_after(dice, truth), 0.2, said)


@both
def test_it_starts_as_queue_imbalance(make: Make) -> None:
    mixture = make()
    x = (0.5, *ZERO[1:])
    said = mixture.assess(x)
    assert isinstance(said, Assessment)
    assert said.log_odds == pytest.approx(queue_term(0.5) * prior_slope(HORIZON_MS))
    assert said.weights == pytest.approx(WEIGHTS_FIRST)
    assert said.said == pytest.approx((1.5 * queue_term(0.5),) * 4)


def test_queue_term_lies_between_the_imbalance_and_the_log_ratio_of_the_queues() -> None:
    bid, ask = 30.0, 10.0
    imbalance = (bid - ask) / (bid + ask)
    assert queue_term(imbalance) == pytest.approx(imbalance / 2 + log(bid / ask) / 6)
    terms = [queue_term(step / 1_000) for step in range(-1_000, 1_001)]
    assert all(one < other for one, other in pairwise(terms))
    assert terms[0] == queue_term(-inf) == -1.5
    assert terms[1_000] == 0.0
    assert [-one for one in reversed(terms)] == terms
    assert queue_term(QUEUE_FULL) == pytest.approx(queue_term(QUEUE_FULL - 1e-12))
    assert queue_term(nan) == 0.0


@both
def test_constant_input_is_exactly_a_half_whatever_was_learnt(make: Make) -> None:
    mixture = make()
    teach(mixture, 1, 300, (1.0, -0.5, 0.3))
    assert mixture.assess(ZERO).probability_up == 0.5
    assert mixture.assess((nan,) * ODD_COUNT).probability_up == 0.5
    assert mixture.assess((-0.0,) * ODD_COUNT).probability_up == 0.5


@both
@pytest.mark.parametrize("spoil", [0.0, 0.1])
def test_mirrored_market_gives_the_mirrored_probability_bit_for_bit(
    make: Make, spoil: float
) -> None:
    dice = random.Random(2)
    one, other = make(1), make(1)
    for step in range(400):
        x, outside = vector(dice, spoil), dice.choice((nan, dice.gauss(0.0, 1.0)))
        a, b = one.assess(x, (outside,)), other.assess(negated(x), (-outside,))
        assert b.log_odds == -a.log_odds
        assert b.probability_up == 1.0 - a.probability_up
        assert b.weights == a.weights
        terms = one.contributions(x, (outside,))
        assert list(other.contributions(negated(x), (-outside,))) == negated(list(terms))
        move = dice.choice((-1, 1))
        one.learn(x, (outside,), move, 0.1, a.said if step % 2 else None)
        other.learn(negated(x), (-outside,), -move, 0.1, b.said if step % 2 else None)
        assert one.state() == other.state()


@both
def test_contributions_add_up_to_the_log_odds(make: Make) -> None:
    dice, mixture = random.Random(3), make(2)
    for step in range(300):
        x, outside = vector(dice), (nan if step % 3 else 1.2, dice.gauss(0.0, 1.0))
        for fallen_back in (False, True):
            mixture.fall_back(fallen_back)
            log_odds = mixture.assess(x, outside).log_odds
            terms = mixture.contributions(x, outside)
            assert len(terms) == ODD_COUNT + 2
            assert sum(terms) == pytest.approx(log_odds, abs=1e-12)
        # the second outside expert is right, so that it comes to be heard
        mixture.learn(x, (outside[0], 2.0), 1, 1.0)
    mixture.fall_back(False)
    assert mixture.assess(ZERO, (0.0, 1.0)).weights[5] > 0.1
    assert mixture.contributions(ZERO, (0.0, 1.0))[ODD_COUNT + 1] > 0.0


@both
def test_it_learns_what_queue_imbalance_does_not_know(make: Make) -> None:
    mixture = make()
    teach(mixture, 4, 4_000, (0.3, 0.0, 0.0, 0.8))
    dice, ours, queue = random.Random(5), 0.0, 0.0
    for _ in range(1_000):
        x = vector(dice)
        move = move_after(dice, 0.3 * x[0] + 0.8 * x[3])
        p = mixture.assess(x).probability_up
        ours -= log(p if move > 0 else 1.0 - p)
        q = 1.0 / (1.0 + 2.718281828459045 ** (-0.3 * x[0] * move))
        queue -= log(q)
    assert ours < 0.9 * queue
    assert mixture.assess(ZERO).weights[0] < 0.15


@both
def test_where_there_is_nothing_to_learn_it_says_so(make: Make) -> None:
    dice, mixture = random.Random(6), make()
    loss = 0.0
    for step in range(2_400):
        x, move = vector(dice), dice.choice((-1, 1))
        said = mixture.assess(x)
        if step >= 1_200:
            loss -= log(said.probability_up if move > 0 else 1.0 - said.probability_up) / 1_200
        mixture.learn(x, (), move, 0.2, said.said)
    assert loss < log(2.0) + 0.01


@both
def test_any_input_leaves_everything_finite(make: Make) -> None:
    dice, mixture = random.Random(7), make(1)
    odd = (nan, inf, -inf, 1e308, -1e308, 5e-324)
    for _ in range(1_500):
        x, outside = vector(dice, spoil=0.4), (dice.choice(odd),)
        said = mixture.assess(x, outside)
        assert abs(said.log_odds) <= 30.0
        assert 0.0 <= said.probability_up <= 1.0
        assert all(map(isfinite, mixture.contributions(x, outside)))
        mixture.learn(x, outside, dice.choice((-1, 1)), dice.choice((0.01, 1.0)), said.said)
    numbers = mixture.state()[28:]
    assert all(map(isfinite, struct.unpack(f"<{len(numbers) // 8}d", numbers)))


@both
def test_assessing_changes_nothing(make: Make) -> None:
    mixture = make()
    teach(mixture, 8, 50)
    state = mixture.state()
    mixture.assess(vector(random.Random(1)))
    mixture.contributions(vector(random.Random(1)))
    assert mixture.state() == state


@both
def test_fallen_back_it_is_queue_imbalance_alone_and_learns_on(make: Make) -> None:
    mixture = make()
    teach(mixture, 9, 500, (0.0, 2.0))
    mixture.fall_back(True)
    x = [0.0] * ODD_COUNT
    x[1] = 3.0
    assert mixture.assess(x).probability_up == 0.5
    assert mixture.assess(x).weights == (1.0, 0.0, 0.0, 0.0)
    before = mixture.state()
    teach(mixture, 10, 10)
    assert mixture.state() != before
    mixture.fall_back(False)
    assert mixture.assess(x).probability_up > 0.5


@both
def test_after_a_reset_a_market_turned_round_is_followed_faster(make: Make) -> None:
    losses = []
    for resets in (False, True):
        mixture, dice = make(), random.Random(11)
        teach(mixture, 12, 1_200, (2.0, 1.0))
        if resets:
            weights = mixture.assess(ZERO).weights
            mixture.reset()
            assert mixture.assess(ZERO).weights != weights
        loss = 0.0
        for _ in range(400):
            x = vector(dice)
            move = move_after(dice, -2.0 * x[0] - 1.0 * x[1])
            said = mixture.assess(x)
            p = said.probability_up if move > 0 else 1.0 - said.probability_up
            loss -= log(max(p, 1e-12))
            mixture.learn(x, (), move, 0.2, said.said)
        losses.append(loss)
    assert losses[1] < 0.9 * losses[0]


@both
def test_state_continues_bit_for_bit(make: Make) -> None:
    dice, mixture = random.Random(13), make(2)

    def step(one: Mixture, seed: int) -> Assessment:
        own = random.Random(seed)
        x, outside = vector(own, 0.02), (own.gauss(0.0, 1.0), nan)
        said = one.assess(x, outside)
        one.learn(x, outside, own.choice((-1, 1)), 0.1, said.said)
        return said

    for _ in range(200):
        step(mixture, dice.randrange(1 << 30))
    for _ in range(60):
        mixture.learn(ZERO, (3.0, nan), 1, 1.0)
    assert mixture.assess(ZERO, (1.0, 1.0)).weights[4] > 0.1
    mixture.fall_back(True)
    other = make(2)
    other.load(mixture.state())
    assert other.state() == mixture.state()
    for one in (mixture, other):
        one.fall_back(False)
    assert other.assess(ZERO, (1.0, 1.0)) == mixture.assess(ZERO, (1.0, 1.0))
    for _ in range(100):
        seed = dice.randrange(1 << 30)
        assert step(other, seed) == step(mixture, seed)
    assert other.state() == mixture.state()


@both
def test_state_that_does_not_fit_is_refused_and_changes_nothing(make: Make) -> None:
    mixture = make(1)
    x = vector(random.Random(1))
    mixture.learn(x, (0.4,), 1, 1.0)
    state = mixture.state()
    weights_at = 28 + 8 * (ODD_COUNT + 1)

    def with_number(at: int, number: float) -> bytes:
        return state[:at] + struct.pack("<d", number) + state[at + 8 :]

    wrong = {
        "another prior": make(1, 5_000).state(),
        "outside": make(0).state(),
        "no state": state[:20],
        "bytes": state[:-8],
        "bytes of state": state + b"\0" * 8,
        "flags": state[:20] + struct.pack("<I", 2) + state[24:],
        "not finite": with_number(weights_at, nan),
        "weight": with_number(weights_at, 0.0),
        "variance": with_number(len(state) - 8, -1.0),
    }
    for what, one in wrong.items():
        with pytest.raises(ValueError, match=what):
            mixture.load(one)
        assert mixture.state() == state


@both
def test_arguments_that_cannot_be_are_refused(make: Make) -> None:
    mixture = make(1)
    with pytest.raises(AssertionError, match="without a move"):
        mixture.learn(ZERO, (0.0,), 0, 1.0)
    with pytest.raises(AssertionError, match="each outside expert"):
        mixture.assess(ZERO)
    with pytest.raises(AssertionError, match="each outside expert"):
        mixture.learn(ZERO, (0.0, 1.0), 1, 1.0)
    with pytest.raises(IndexError):
        mixture.assess(ZERO[1:], (0.0,))
    with pytest.raises(ValueError, match="built-in"):
        mixture.learn(ZERO, (0.0,), 1, 1.0, (0.0,) * 5)
    with pytest.raises(TypeError):
        mixture.assess(("a",) * ODD_COUNT, (0.0,))  # type: ignore[arg-type]
    for count in (-1, OUTSIDE_MAX + 1):
        with pytest.raises(ValueError, match="outside experts"):
            make(count)


@both
def test_snapshot_of_three_horizons_is_small(make: Make) -> None:
    assert sum(len(make(4, horizon).state()) for horizon in (1_000, 5_000, 10_000)) < 20_000
    numbers = sum(size + size * (size + 1) // 2 for size in EXPERT_SIZES)
    assert len(make().state()) == 28 + 8 * (ODD_COUNT + 1 + 4 + 2 * 5 + numbers)


@both
def test_feature_on_another_scale_comes_to_mean_the_same(make: Make) -> None:
    plain, blown_up = make(), make()
    dice = random.Random(14)
    for _ in range(1_200):
        x = vector(dice)
        move = move_after(dice, 0.5 * x[0] + 0.5 * x[10])
        plain.learn(x, (), move, 1.0)
        x[10] *= 1_000.0
        blown_up.learn(x, (), move, 1.0)
    x = vector(dice)
    said = plain.assess(x).log_odds
    x[10] *= 1_000.0
    assert blown_up.assess(x).log_odds == pytest.approx(said, abs=0.15)


@needs_kernel
@pytest.mark.parametrize("outside_count", [0, 1, 3])
@pytest.mark.parametrize("spoil", [0.0, 0.1])
def test_halves_agree_to_the_last_bit(outside_count: int, spoil: float) -> None:
    dice = random.Random(20 + outside_count)
    plain, compiled = make_plain(outside_count), make_chosen(outside_count)
    assert type(plain) is not type(compiled)
    assert compiled.outside_count == outside_count
    for step in range(400):
        x = vector(dice, spoil)
        outside = tuple(dice.choice((nan, dice.gauss(0.5, 2.0))) for _ in range(outside_count))
        said = plain.assess(x, outside)
        assert repr(compiled.assess(tuple(x), outside)) == repr(said)
        assert repr(compiled.contributions(x, outside)) == repr(plain.contributions(x, outside))
        label = (move_after(dice, 1.5 * x[0] if abs(x[0]) <= 1 else 0.0), dice.choice((0.01, 0.1)))
        for one in (plain, compiled):
            one.learn(x, outside, *label, said.said if step % 2 else None)
        if step % 100 == 99:
            assert compiled.state() == plain.state()
            compiled.load(plain.state())
            for one in (plain, compiled):
                one.fall_back(step == 199)
                if step == 299:
                    one.reset()
    assert compiled.state() == plain.state()


@needs_kernel
def test_halves_agree_on_a_recorded_market() -> None:
    path = CAPTURES / "okx-framed-binance-dev" / "BTC-USDT-SWAP-20240719.jsonl.gz"
    if not path.exists():
        pytest.skip(f"no recording {path.name} beside the checkout")
    labels = recorded_labels(path, 12_000, step_ms=100, horizon_ms=1_000)
    plain, compiled = make_plain(), make_chosen()
    moves = 0
    for odd, _, move_bp in labels:
        said = plain.assess(odd)
        assert repr(compiled.assess(odd)) == repr(said)
        if move_bp:
            moves += 1
            for one in (plain, compiled):
                one.learn(odd, (), 1 if move_bp > 0.0 else -1, 0.1, said.said)
    assert moves > 100
    assert compiled.state() == plain.state()


@needs_kernel
def test_covariances_stay_positive_over_a_million_labels() -> None:
    """What load() refuses, a variance that is not positive, never comes to be."""
    mixture, dice = make_chosen(), random.Random(21)
    vectors = [vector(dice, 0.02) for _ in range(1_009)]
    # some say nearly the same, which is what makes a covariance hard to keep positive
    for x in vectors:
        x[13] = x[1] * (1.0 + 1e-9)
        x[2] = 0.0
    labels = [(dice.choice((-1, 1)), dice.choice((0.01, 0.1, 1.0))) for _ in range(997)]
    for step in range(1_000_000):
        mixture.learn(vectors[step % 1_009], (), *labels[step % 997])
    make_chosen().load(mixture.state())
    lows = [lowest_pivot(mixture.state(), which) for which in range(4)]
    assert min(lows) > 0.0


def lowest_pivot(state: bytes, which: int) -> float:
    """The smallest pivot of Cholesky's decomposition of an expert's covariance."""
    at = 28 + 8 * (ODD_COUNT + 1 + 4 + 2 * 5)
    for size in EXPERT_SIZES[:which]:
        at += 8 * (size + size * (size + 1) // 2)
    size = EXPERT_SIZES[which]
    numbers = struct.unpack_from(f"<{size * (size + 1) // 2}d", state, at + 8 * size)
    rows = [list(numbers[i * (i + 1) // 2 : (i + 1) * (i + 2) // 2]) for i in range(size)]
    pivots = []
    for j in range(size):
        pivots.append(rows[j][j] - sum(one * one for one in rows[j][:j]))
        root = pivots[-1] ** 0.5 if pivots[-1] > 0.0 else nan
        rows[j][j] = root
        for i in range(j + 1, size):
            done = sum(a * b for a, b in zip(rows[i][:j], rows[j][:j], strict=True))
            rows[i][j] = (rows[i][j] - done) / root
    return min(pivots)
