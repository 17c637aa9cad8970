"""P(move), in Python and compiled: the same tests for both, and each against the other."""

from __future__ import annotations

import random
import struct
from collections.abc import Callable
from math import exp, isfinite, log, nan

import pytest
from fakes.brain_labels import even_vector, recorded_labels
from fakes.brain_rows import CAPTURES
from fakes.twins import needs_kernel

from hunter.brain.learning.movement import (
    COEFFICIENTS,
    MOVE_BP_MAX,
    Movement,
    MovementPrior,
    new_movement,
    published_movement,
)
from hunter.brain.window.features import EVEN_COUNT
from hunter.native import kernel

TYPICAL = [exp(-3.7), exp(-1.6), exp(-1.35), -0.2, exp(3.0), 0.0, exp(3.3), 0.9, 0.65, 0.65]


def make_plain(horizon_ms: int = 1_000) -> Movement:
    return Movement(published_movement(horizon_ms))


def make_chosen(horizon_ms: int = 1_000) -> Movement:
    return new_movement(published_movement(horizon_ms))


Make = Callable[..., Movement]
HALVES = [pytest.param(make_plain, id="python")]
if kernel is not None:
    HALVES.append(pytest.param(make_chosen, id="compiled"))
both = pytest.mark.parametrize("make", HALVES)


@both
@pytest.mark.parametrize(("horizon_ms", "mean"), COEFFICIENTS)
def test_a_typical_market_gets_the_intercept(
    make: Make, horizon_ms: int, mean: tuple[float, ...]
) -> None:
    probability, move_bp = make(horizon_ms).assess(TYPICAL)
    assert probability == pytest.approx(1.0 / (1.0 + exp(-mean[0])))
    assert move_bp == 0.0
    assert make(horizon_ms).assess([nan] * EVEN_COUNT)[0] == pytest.approx(probability)


@both
def test_more_trades_and_a_fresh_move_make_a_move_likelier(make: Make) -> None:
    busy, calm = list(TYPICAL), list(TYPICAL)
    busy[4], busy[7] = 100.0, -2.0
    calm[4], calm[7] = 1.0, 4.0
    assert make().assess(busy)[0] > make().assess(TYPICAL)[0] > make().assess(calm)[0]


def test_between_the_published_horizons_the_coefficients_lie_between() -> None:
    near, middle, far = (published_movement(ms).mean[0] for ms in (1_000, 2_236, 5_000))
    assert middle == pytest.approx((near + far) / 2, abs=1e-3)
    assert published_movement(100).mean == published_movement(1_000).mean
    assert published_movement(60_000).mean == published_movement(10_000).mean


@both
def test_probabilities_are_learnt_and_calibrated(make: Make) -> None:
    dice, movement = random.Random(1), make()
    told: list[tuple[float, bool]] = []
    for step in range(5_000):
        even = even_vector(dice)
        moved = dice.random() < 1.0 / (1.0 + exp(1.5 - 0.8 * log(even[2])))
        if step >= 2_500:
            told.append((movement.assess(even)[0], moved))
        movement.learn(even, moved, dice.expovariate(0.5), 1.0)
    told.sort()
    for part in range(5):
        bucket = told[part * 500 : (part + 1) * 500]
        said = sum(p for p, _ in bucket) / 500
        assert sum(moved for _, moved in bucket) / 500 == pytest.approx(said, abs=0.06)
    assert movement.assess(TYPICAL)[1] == pytest.approx(2.0, abs=0.4)


@both
def test_size_is_the_mean_of_moves_without_their_sign_and_of_nothing_else(make: Make) -> None:
    movement = make()
    movement.learn(TYPICAL, False, 7.0, 0.1)
    assert movement.assess(TYPICAL)[1] == 0.0
    for move_bp in (1.0, -3.0, 2.0):
        movement.learn(TYPICAL, True, move_bp, 0.1)
    assert movement.assess(TYPICAL)[1] == pytest.approx(2.0)
    movement.learn(TYPICAL, True, nan, 0.3)
    assert movement.assess(TYPICAL)[1] == pytest.approx(1.0)
    movement.learn(TYPICAL, True, 1e300, 600.0)
    assert 1.0 < movement.assess(TYPICAL)[1] <= 2 * MOVE_BP_MAX


@both
def test_old_sizes_are_forgotten(make: Make) -> None:
    movement = make()
    for _ in range(600):
        movement.learn(TYPICAL, True, 1.0, 1.0)
    for _ in range(1_500):
        movement.learn(TYPICAL, True, 5.0, 1.0)
    assert movement.assess(TYPICAL)[1] > 4.5


@both
def test_any_input_leaves_everything_finite(make: Make) -> None:
    dice, movement = random.Random(2), make()
    for _ in range(1_500):
        even = even_vector(dice, spoil=0.5)
        probability, move_bp = movement.assess(even)
        assert 0.0 <= probability <= 1.0
        assert isfinite(move_bp)
        movement.learn(even, dice.random() < 0.5, even[0], dice.choice((0.01, 1.0)))
    numbers = movement.state()[16:]
    assert all(map(isfinite, struct.unpack(f"<{len(numbers) // 8}d", numbers)))


@both
def test_reset_makes_it_learn_as_at_the_start(make: Make) -> None:
    movement = make()
    for _ in range(1_000):
        movement.learn(TYPICAL, True, 1.0, 1.0)
    state, before = movement.state(), movement.assess(TYPICAL)[0]
    steps = []
    for resets in (False, True):
        movement.load(state)
        if resets:
            movement.reset()
        assert movement.assess(TYPICAL)[0] == before
        movement.learn(TYPICAL, False, 0.0, 1.0)
        steps.append(before - movement.assess(TYPICAL)[0])
    assert steps[1] > 10 * steps[0]


@both
def test_state_continues_bit_for_bit_and_a_wrong_one_is_refused(make: Make) -> None:
    dice, movement, other = random.Random(3), make(), make()
    for _ in range(50):
        movement.learn(even_vector(dice), dice.random() < 0.5, 1.5, 0.1)
    state = movement.state()
    other.load(state)
    even = even_vector(dice)
    for one in (movement, other):
        one.learn(even, True, 3.0, 0.1)
    assert other.state() == movement.state()
    other.load(state)

    def with_number(at: int, number: float) -> bytes:
        return state[:at] + struct.pack("<d", number) + state[at + 8 :]

    wrong = {
        "another prior": make(5_000).state(),
        "another": b"",
        "bytes": state[:-8],
        "below zero": with_number(24, -1.0),
        "finite": with_number(32, nan),
        "positive": with_number(len(state) - 8, 0.0),
    }
    for what, one in wrong.items():
        with pytest.raises(ValueError, match=what):
            other.load(one)
        assert other.state() == state


@both
def test_vector_of_another_length_is_refused(make: Make) -> None:
    for count in (EVEN_COUNT - 1, EVEN_COUNT + 1):
        with pytest.raises((ValueError, IndexError)):
            make().assess([0.0] * count)


def test_prior_that_does_not_fit_is_refused() -> None:
    prior = published_movement(1_000)
    wrong = {
        "coefficients": MovementPrior(1_000, prior.mean[1:], prior.precision),
        "coefficient of nan": prior._replace(mean=(nan, *prior.mean[1:])),
        "precision of 0": prior._replace(precision=(0.0, *prior.precision[1:])),
    }
    for what, one in wrong.items():
        for make in (Movement, new_movement):
            with pytest.raises(ValueError, match=what):
                make(one)


@needs_kernel
@pytest.mark.parametrize("spoil", [0.0, 0.2])
def test_halves_agree_to_the_last_bit(spoil: float) -> None:
    dice, plain, compiled = random.Random(4), make_plain(5_000), make_chosen(5_000)
    assert type(plain) is not type(compiled)
    for step in range(800):
        even = even_vector(dice, spoil)
        assert repr(compiled.assess(even)) == repr(plain.assess(even))
        label = (dice.random() < 0.3, dice.gauss(0.0, 2.0), dice.choice((0.01, 0.1)))
        for one in (plain, compiled):
            one.learn(even, *label)
            if step == 400:
                one.reset()
        if step % 100 == 0:
            compiled.load(plain.state())
    assert compiled.state() == plain.state()


@needs_kernel
def test_halves_agree_on_a_recorded_market() -> None:
    path = CAPTURES / "okx-framed-binance-dev" / "ETH-USDT-SWAP-20240719.jsonl.gz"
    if not path.exists():
        pytest.skip(f"no recording {path.name} beside the checkout")
    plain, compiled = make_plain(), make_chosen()
    for _, even, move_bp in recorded_labels(path, 6_000, step_ms=100, horizon_ms=1_000):
        assert repr(compiled.assess(even)) == repr(plain.assess(even))
        for one in (plain, compiled):
            one.learn(even, move_bp != 0.0, move_bp, 0.1)
    assert compiled.state() == plain.state()
    assert plain.assess([nan] * EVEN_COUNT)[1] > 0.0
