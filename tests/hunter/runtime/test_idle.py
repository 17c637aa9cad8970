from __future__ import annotations

from hunter.runtime.idle import IdleStrategy

US = 1_000


def test_without_busy_polling_a_turn_without_work_is_followed_by_a_wait() -> None:
    idle = IdleStrategy(0)
    assert idle.may_wait(0, 5)
    assert not idle.may_wait(1, 10)
    assert idle.may_wait(0, 10)


def test_loop_spins_for_so_long_after_the_last_work_and_no_longer() -> None:
    idle = IdleStrategy(100 * US)
    assert not idle.may_wait(3, 1_000 * US)
    assert not idle.may_wait(0, 1_099 * US)
    assert idle.may_wait(0, 1_100 * US)
    assert idle.may_wait(0, 9_000 * US), "a wait that brought nothing does not begin it anew"
    assert not idle.may_wait(1, 9_100 * US)
    assert not idle.may_wait(0, 9_199 * US)


def test_loop_that_has_never_worked_sleeps() -> None:
    assert IdleStrategy(100 * US).may_wait(0, 5)
