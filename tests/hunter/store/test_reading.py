from __future__ import annotations

from collections.abc import Callable

import pytest
from fakes.store_stage import StoreStage

from hunter.store.files import StoreFiles
from hunter.store.reading import StoredRing


def begun(stage: StoreStage) -> StoredRing:
    files = StoreFiles(stage.store_dir)
    assert files.open() == ""
    ring = StoredRing(stage.stage.ring_path(), stage.stage.config)
    ring.find_starts(files)
    ring.begin()
    files.close()
    return ring


def waiting(ring: StoredRing) -> dict[str, int]:
    return {lane.lane.table: lane.row_count for one in ring.instruments for lane in one.waiting}


def test_lanes_take_in_what_is_new_and_only_then(stage: StoreStage) -> None:
    ring = begun(stage)
    assert ring.poll(1) == 0
    assert ring.changed() == []
    stage.trade(1, 2)
    stage.book(7)
    assert len(ring.changed()) == 1
    assert ring.poll(2) == 2 * 64 + 704
    assert waiting(ring) == {"trades": 2, "books": 1, "candles": 0}
    assert ring.poll(3) == 0
    assert ring.changed() == []
    ring.close()


@pytest.mark.parametrize(
    ("tables", "expected"),
    [
        ('["trades"]', {"trades": 130}),
        ('["books"]', {"books": 0}),
        ('["candles"]', {"candles": 2}),
        ('["candles", "trades"]', {"trades": 130, "candles": 2}),
    ],
)
def test_only_the_tables_that_are_wanted(
    make_stage: Callable[..., StoreStage], tables: str, expected: dict[str, int]
) -> None:
    stage = make_stage(f"store.tables={tables}")
    stage.trade(*range(1, 131))
    ring = begun(stage)
    while ring.poll(1):
        pass
    assert waiting(ring) == expected
    ring.close()


def test_what_the_ring_overwrote_before_it_was_read_is_counted(
    make_stage: Callable[..., StoreStage],
) -> None:
    stage = make_stage("ring.capacity=64")
    ring = begun(stage)
    stage.trade(1)
    ring.poll(1)
    stage.trade(*range(2, 102))
    ring.poll(2)
    (one,) = ring.instruments
    found = one.lapped()
    assert found["trades"] + waiting(ring)["trades"] == 101
    assert found["trades"] >= 36
    assert one.lapped() == {}
    assert one.overlapping == 0
    ring.close()


def test_a_store_that_comes_late_misses_nothing_that_was_its_own(
    make_stage: Callable[..., StoreStage],
) -> None:
    stage = make_stage("ring.capacity=64")
    stage.trade(*range(1, 102))
    ring = begun(stage)
    ring.poll(1)
    assert ring.instruments[0].lapped() == {}
    assert 40 < waiting(ring)["trades"] <= 64
    ring.close()
