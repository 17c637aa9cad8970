from __future__ import annotations

from collections.abc import Iterator

import pytest
from fakes.brain_rows import random_rows
from fakes.brain_stage import Head

from hunter.brain.flow import FlowBrain
from hunter.brain.tracked import Missed, RingTracked
from hunter.ring import segment
from hunter.ring.rows import ROW_BYTES, Kind

ROWS = random_rows(seed=5, row_count=900)


@pytest.fixture
def there() -> Iterator[Head]:
    made = Head("ring.capacity=256")
    yield made
    made.close()


def ring_of(there: Head) -> RingTracked:
    return RingTracked(there.stage.ring_path(), there.stage.config)


def test_instruments_with_news_are_named_once(there: Head) -> None:
    ring = ring_of(there)
    assert [item.name for item in ring.changed()] == ["BTC-USDT-SWAP"], "the first look"
    assert ring.changed() == []
    there.write(ROWS[:3])
    assert len(ring.changed()) == 1
    assert ring.changed() == []


def test_rows_that_went_by_are_told_once_and_the_brain_is_told_before_the_next(
    there: Head, monkeypatch: pytest.MonkeyPatch
) -> None:
    ring = ring_of(there)
    (tracked,) = ring.tracked
    told: list[int] = []  # how many rows it had seen
    monkeypatch.setattr(FlowBrain, "on_gap", lambda b: told.append(sum(b.inputs.values())))
    there.write(ROWS[:100])
    rows, missed = tracked.poll(512)
    assert (len(rows), missed, told) == (100, Missed(0, 0), [])
    kind, row = rows[0]
    tracked.handlers[kind](row)
    there.write(ROWS[100:])
    rows, missed = tracked.poll(512)
    assert missed.lapped + len(rows) == 800
    assert missed.lapped > 0
    assert told == [1], "before the caller has given it one of these"
    assert tracked.arrival == rows[-1][1][1] == 900
    assert tracked.poll(512) == ([], Missed(0, 0))
    assert len(told) == 1


def test_checkpoint_is_of_all_instruments_and_goes_on_where_it_was(there: Head) -> None:
    ring = ring_of(there)
    assert ring.restore() == "cold: BTC-USDT-SWAP"
    there.write(ROWS[:50])
    ring.tracked[0].poll(20)
    ring.save()
    again = ring_of(there)
    assert again.restore() == "restored from its checkpoint"
    assert again.tracked[0].arrival == ring.tracked[0].arrival
    assert again.tracked[0].reader.cursors == ring.tracked[0].reader.cursors


def test_r6_damaged_rows_are_told_and_are_a_gap_for_the_brain(
    there: Head, monkeypatch: pytest.MonkeyPatch
) -> None:
    ring = ring_of(there)
    (tracked,) = ring.tracked
    told: list[int] = []  # how many rows it had seen
    monkeypatch.setattr(FlowBrain, "on_gap", lambda b: told.append(sum(b.inputs.values())))
    there.write(ROWS[:50])
    start = ring.layout.lane_offset(0, Kind.TRADE) + 2 * ROW_BYTES[Kind.TRADE]
    with segment.attach(there.stage.ring_path(), writable=True) as writable:
        writable.view[start + 40] ^= 1
    rows, missed = tracked.poll(512)
    assert (len(rows), missed) == (49, Missed(0, 1))
    assert len(told) == 1
    assert tracked.poll(512) == ([], Missed(0, 0))
