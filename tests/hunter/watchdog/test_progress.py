"""ProgressTracker: only an actor that had work for a whole window and did none of it is stalled."""

from __future__ import annotations

from hunter.watchdog.progress import TAKEN_MIN, ProgressTracker

WINDOW = 1_000
PID = 7


def test_actor_that_takes_and_makes_nothing_is_stalled_after_the_window() -> None:
    tracker = ProgressTracker(WINDOW)
    assert not tracker.stalled("a", PID, 0, 0, 0)
    assert not tracker.stalled("a", PID, TAKEN_MIN, 0, WINDOW)
    assert tracker.stalled("a", PID, TAKEN_MIN, 0, WINDOW + 1)


def test_actor_that_makes_something_now_and_then_is_not_stalled() -> None:
    tracker = ProgressTracker(WINDOW)
    for step in range(100):
        assert not tracker.stalled("a", PID, 1_000 * step, step // 5, step * (WINDOW // 6))


def test_actor_without_work_is_not_stalled_however_long() -> None:
    tracker = ProgressTracker(WINDOW)
    for step in range(50):
        assert not tracker.stalled("a", PID, step, 0, step * WINDOW)


def test_new_incarnation_begins_anew() -> None:
    tracker = ProgressTracker(WINDOW)
    tracker.stalled("a", PID, 0, 0, 0)
    assert not tracker.stalled("a", PID + 1, 500, 0, 2 * WINDOW)
    assert tracker.stalled("a", PID + 1, 1_000, 0, 4 * WINDOW)


def test_forgotten_actor_begins_anew() -> None:
    tracker = ProgressTracker(WINDOW)
    tracker.stalled("a", PID, 0, 0, 0)
    tracker.forget("a")
    assert not tracker.stalled("a", PID, 500, 0, 2 * WINDOW)


def test_actors_are_told_apart() -> None:
    tracker = ProgressTracker(WINDOW)
    tracker.stalled("a", PID, 0, 0, 0)
    tracker.stalled("b", PID, 0, 0, 0)
    assert tracker.stalled("a", PID, 100, 0, 2 * WINDOW)
    assert not tracker.stalled("b", PID, 0, 0, 2 * WINDOW)
