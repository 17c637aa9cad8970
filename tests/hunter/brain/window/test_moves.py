from __future__ import annotations

from math import isnan, pi

import pytest
from fakes.brain_rows import MS, START_NS

from hunter.brain.window.moves import MidMoves

SECOND = 1_000 * MS


def walked(*steps: tuple[float, float]) -> MidMoves:
    """(seconds, mid), in one run."""
    moves = MidMoves()
    moves.begin(START_NS + int(steps[0][0] * SECOND), steps[0][1])
    for at_s, mid in steps[1:]:
        moves.follow(START_NS + int(at_s * SECOND), mid)
    return moves


def test_first_quote_of_a_run_is_no_move() -> None:
    moves = walked((0.0, 100.0))
    assert (moves.last_move, moves.moved_ns) == (0.0, 0)
    moves.lose()
    assert not moves.running
    moves.begin(START_NS + SECOND, 90.0)
    assert (moves.last_move, moves.moved_ns) == (0.0, 0)
    assert moves.variance_5s.read(START_NS + 2 * SECOND) == 0.0


def test_moves_have_a_sign_a_time_and_a_square() -> None:
    moves = walked((0.0, 100.0), (1.0, 102.0), (2.0, 102.0), (5.0, 101.0), (5.5, 101.0))
    assert (moves.last_move, moves.moved_ns) == (-1.0, START_NS + 5 * SECOND)
    squares = 4.0 * 2.0 ** (-4.0 / 5.0) + 1.0
    assert moves.variance_5s.state()[2] == pytest.approx(squares)
    assert moves.variance_5s.start_ns == START_NS


def test_sum_of_decayed_moves_is_the_mid_minus_its_mean() -> None:
    moves = walked((0.0, 100.0), (1.0, 102.0), (5.0, 101.0))
    # the mean went half way from 100 to 102 in the 4 s between, then half way to 101 in 4 s
    assert moves.moves_4s.read(START_NS + 5 * SECOND) == 101.0 - 101.0
    assert moves.moves_4s.read(START_NS + 9 * SECOND) == 0.0
    moves.follow(START_NS + 9 * SECOND, 103.0)
    assert moves.moves_4s.read(START_NS + 13 * SECOND) == 1.0
    moves.lose()
    moves.begin(START_NS + 13 * SECOND, 50.0)
    assert moves.moves_4s.read(START_NS + 13 * SECOND) == 0.0


def test_forgotten_moves_leave_the_volatility() -> None:
    moves = walked((0.0, 100.0), (1.0, 102.0))
    before = moves.variance_60s.state()
    moves.forget()
    assert moves.last_move == 0.0
    assert not moves.running
    assert moves.variance_60s.state() == before


def test_jump_share_is_that_of_the_moves_of_whole_seconds() -> None:
    moves = walked((0.2, 100.0), (1.5, 101.0), (2.5, 103.0), (3.5, 103.5), (4.2, 103.5))
    # at 1 s: 100, at 2 s: 101, at 3 s: 103, at 4 s: 103.5, so moves of 1, 2 and 0.5
    weights = [2.0 ** (-1.0 / 60.0), 1.0]
    realised = 4.0 * weights[0] + 0.25 * weights[1]
    bipower = pi / 2 * (2.0 * weights[0] + 1.0 * weights[1])
    expected = max(0.0, 1.0 - bipower / realised)
    assert moves.jump_share(START_NS + 5 * SECOND) == pytest.approx(expected)


def test_lonely_jump_is_all_jump_and_a_steady_walk_none() -> None:
    steps = [(float(i), 100.0 + (i > 30)) for i in range(60)]
    assert walked(*steps).jump_share(START_NS + 60 * SECOND) == 1.0
    steps = [(float(i), 100.0 + i) for i in range(60)]
    assert walked(*steps).jump_share(START_NS + 60 * SECOND) == 0.0
    assert isnan(walked((0.0, 100.0), (9.0, 100.0)).jump_share(START_NS + 60 * SECOND))


def test_seconds_without_a_quote_count_as_no_move() -> None:
    steps = [(float(i), 100.0 + i) for i in range(10)]
    steady = walked(*steps)
    broken = walked(*steps[:5], (20.0, 104.0), *((20.0 + i, 104.0 + i) for i in range(1, 6)))
    now_ns = START_NS + 30 * SECOND
    assert steady.jump_share(now_ns) == 0.0
    assert broken.jump_share(now_ns) == 0.0
    quiet_then_one = walked(*steps[:5], (20.0, 108.0), (22.0, 108.0))
    assert 0.0 < quiet_then_one.jump_share(now_ns) < 1.0


def test_state_continues() -> None:
    steps = [(0.3 * i, 100.0 + i % 4) for i in range(40)]
    straight, first = walked(*steps), walked(*steps[:17])
    other = MidMoves()
    for part, same in zip(other.parts(), first.parts(), strict=True):
        assert len(same.state()) == len(same.FORMAT)
        part.load(same.state())
    for at_s, mid in steps[17:]:
        other.follow(START_NS + int(at_s * SECOND), mid)
    for part, same in zip(other.parts(), straight.parts(), strict=True):
        assert part.state() == same.state()
