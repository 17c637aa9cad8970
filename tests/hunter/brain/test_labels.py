from __future__ import annotations

from hunter.brain.labels import NEVER_NS, PendingLabels

MS = 1_000_000
FOREVER = 1 << 61


def test_label_is_the_sign_of_the_move_over_the_horizon() -> None:
    labels = PendingLabels(1_000)
    labels.push(0, 100.0, (0.5,))
    labels.push(10 * MS, 102.0, (0.7,))
    assert labels.due_ns == 1_000 * MS
    assert labels.resolve(2_000 * MS, 101.0, FOREVER) == [((0.5,), 1), ((0.7,), -1)]
    assert labels.due_ns == NEVER_NS
    assert len(labels) == 0


def test_label_waits_until_time_is_past_its_due() -> None:
    labels = PendingLabels(1_000)
    labels.push(0, 100.0, (0.5,))
    assert labels.resolve(1_000 * MS, 101.0, FOREVER) == []
    assert len(labels) == 1
    assert len(labels.resolve(1_000 * MS + 1, 101.0, FOREVER)) == 1


def test_window_without_a_move_gives_no_label() -> None:
    labels = PendingLabels(1_000)
    labels.push(0, 100.0, (0.5,))
    assert labels.resolve(9_000 * MS, 100.0, FOREVER) == []
    assert len(labels) == 0


def test_window_that_ends_without_a_good_quote_gives_no_label() -> None:
    labels = PendingLabels(1_000)
    labels.push(0, 100.0, (0.5,))
    labels.push(5 * MS, 100.0, (0.6,))
    assert labels.resolve(1_001 * MS, None, FOREVER) == []
    assert labels.resolve(9_000 * MS, 101.0, 1_004 * MS) == []
    assert len(labels) == 0


def test_state_continues() -> None:
    labels, other = PendingLabels(1_000), PendingLabels(1_000)
    labels.push(0, 100.0, (0.5,))
    other.load(labels.state())
    assert other.due_ns == labels.due_ns
    assert other.resolve(2_000 * MS, 99.0, FOREVER) == [((0.5,), -1)]
    other.load([])
    assert other.due_ns == NEVER_NS
