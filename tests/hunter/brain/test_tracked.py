from __future__ import annotations

from collections.abc import Iterator

import msgspec
import pytest
from fakes.brain_rows import random_rows
from fakes.brain_stage import Head, put

from hunter.brain.flow import FlowBrain
from hunter.brain.group import Missed
from hunter.brain.tracked import RingTracked
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


@pytest.fixture
def many() -> Iterator[Head]:
    names = ",".join(f'"C{number}-USDT-SWAP"' for number in range(70))
    made = Head("ring.capacity=64", f"okx.instruments=[{names}]")
    yield made
    made.close()


def test_instruments_with_news_are_found_among_many(many: Head) -> None:
    ring = ring_of(many)
    assert len(ring.changed()) == 70
    for indexes in ([0], [69], [31, 32, 33], [5, 64], list(range(70))):
        for index in indexes:
            put(many.writer, ROWS[0], index)
        many.writer.publish()
        assert ring.has_news
        assert [item.name for item in ring.changed()] == [f"C{i}-USDT-SWAP" for i in indexes]
        assert not ring.has_news


def test_checkpoint_is_made_in_pieces_and_says_of_each_how_far_it_was_read(many: Head) -> None:
    ring = ring_of(many)
    ring.save()
    for index in range(70):
        put(many.writer, ROWS[0], index)
    many.writer.publish()
    for group in ring.groups[:20]:
        group.poll(512)
    ring.begin_save()
    ring.save_some(12)
    assert ring.is_saving
    assert [group.is_part_new for group in ring.groups[:20]] == [True] * 12 + [False] * 8
    ring.groups[0].poll(512)
    ring.groups[69].poll(512)  # news after its predecessor's part was made, before its own
    ring.save_some(12)
    assert not ring.is_saving, "only what has changed is made anew"
    ring.write()
    again = ring_of(many)
    again.restore()
    assert [group.arrival for group in again.groups] == [1] * 20 + [0] * 49 + [1]


def test_rows_that_went_by_are_told_once_and_the_brain_is_told_before_the_next(
    there: Head, monkeypatch: pytest.MonkeyPatch
) -> None:
    ring = ring_of(there)
    (group,) = ring.groups
    told: list[int] = []  # how many rows it had seen
    monkeypatch.setattr(FlowBrain, "on_gap", lambda b: told.append(sum(b.inputs.values())))
    there.write(ROWS[:100])
    rows, missed = group.poll(512)
    assert (len(rows), missed, told) == (100, (), [])
    kind, row = rows[0]
    group.handlers[kind](row)
    there.write(ROWS[100:])
    rows, missed = group.poll(512)
    assert missed[0].lapped + len(rows) == 800
    assert missed[0].lapped > 0
    assert told == [1], "before the caller has given it one of these"
    assert group.arrival == rows[-1][1][1] == 900
    assert group.poll(512) == ([], ())
    assert len(told) == 1


def test_checkpoint_is_of_all_instruments_and_goes_on_where_it_was(there: Head) -> None:
    ring = ring_of(there)
    assert ring.restore() == "cold: BTC-USDT-SWAP"
    there.write(ROWS[:50])
    ring.groups[0].poll(20)
    ring.save()
    again = ring_of(there)
    assert again.restore() == "restored from its checkpoint"
    assert again.groups[0].arrival == ring.groups[0].arrival
    assert again.groups[0].reader.positions == ring.groups[0].reader.positions


def test_r6_damaged_rows_are_told_and_are_a_gap_for_the_brain(
    there: Head, monkeypatch: pytest.MonkeyPatch
) -> None:
    ring = ring_of(there)
    (group,) = ring.groups
    told: list[int] = []  # how many rows it had seen
    monkeypatch.setattr(FlowBrain, "on_gap", lambda b: told.append(sum(b.inputs.values())))
    there.write(ROWS[:50])
    start = ring.layout.lane_offset(0, Kind.TRADE) + 2 * ROW_BYTES[Kind.TRADE]
    with segment.attach(there.stage.ring_path(), writable=True) as writable:
        writable.view[start + 40] ^= 1
    rows, missed = group.poll(512)
    assert (len(rows), missed) == (49, [Missed("BTC-USDT-SWAP", 0, 1)])
    assert len(told) == 1
    assert group.poll(512) == ([], ())


@pytest.mark.parametrize(
    ("key", "value", "is_same"),
    [("cpus", "0", True), ("busy_poll_us", 50, True), ("interval_ms", 200, False)],
)
def test_checkpoint_is_of_all_that_shapes_a_brain_and_not_of_where_it_runs(
    there: Head, key: str, value: object, is_same: bool
) -> None:
    section = msgspec.structs.replace(there.stage.config.brain, **{key: value})
    other = msgspec.structs.replace(there.stage.config, brain=section)
    hashes = {
        RingTracked(there.stage.ring_path(), config).config_hash
        for config in (there.stage.config, other)
    }
    assert (len(hashes) == 1) == is_same
