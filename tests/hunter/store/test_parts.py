from __future__ import annotations

import pytest

from hunter.store.parts import (
    DAY_MAX,
    MERGE_COUNT,
    Folder,
    PartFile,
    Place,
    StoredLane,
    StoreLimits,
    day_of,
    day_text,
    merged,
    parse_folder,
    parse_part,
    parts_to_merge,
    parts_to_remove,
)

DAY_NS = 86_400_000_000_000
RING = "18c0ffee00000001"
FOLDER = Folder(StoredLane("trades", "BTC-USDT-SWAP"), 20_000)


def part(last: int, folder: Folder = FOLDER, level: int = 0, size_bytes: int = 10) -> PartFile:
    return PartFile(folder, Place(1, RING, last), last, level, size_bytes)


def at_day(day: int, instrument: str = "BTC-USDT-SWAP") -> Folder:
    return Folder(StoredLane("trades", instrument), day)


def test_a_folder_is_named_as_hive_does_and_read_back() -> None:
    assert FOLDER.path == "trades/instrument=BTC-USDT-SWAP/date=2024-10-04"
    assert parse_folder("trades", "instrument=BTC-USDT-SWAP", "date=2024-10-04") == FOLDER


@pytest.mark.parametrize(
    "names",
    [
        ("quotes", "instrument=BTC-USDT", "date=2024-10-04"),
        ("trades", "BTC-USDT", "date=2024-10-04"),
        ("trades", "instrument=..", "date=2024-10-04"),
        ("trades", "instrument=BTC-USDT", "date=20241004"),
        ("trades", "instrument=BTC-USDT", "date=soon"),
        ("trades", "instrument=BTC-USDT", "2024-10-04"),
    ],
)
def test_other_folders_are_not_ours(names: tuple[str, str, str]) -> None:
    assert parse_folder(*names) is None


def test_a_parts_name_says_where_its_lane_goes_on() -> None:
    one = part(12, level=3)
    assert parse_part(FOLDER, one.name, 10) == one
    assert parse_part(FOLDER, "part-0.parquet", 10) is None
    assert parse_part(FOLDER, one.name + ".bak", 10) is None


def test_names_sort_as_the_lane() -> None:
    rings = [
        PartFile(FOLDER, Place(s, f"{9 - s:016x}", n), n) for s in (1, 2) for n in (9, 10, 400)
    ]
    assert sorted(one.name for one in rings) == [one.name for one in rings]
    shuffled = [*rings[3:], *rings[:3]]
    assert sorted(shuffled, key=lambda one: one.order) == rings


def test_days_have_limits() -> None:
    assert day_of(0) == day_of(-5) == 0
    assert day_text(day_of(2**62)) == "2116-02-20"
    assert day_text(DAY_MAX) == "9999-12-31"


def test_parts_of_a_day_under_way_are_merged_when_there_are_many_of_a_level() -> None:
    now = 20_000 * DAY_NS + 1
    many = [part(n) for n in range(1, MERGE_COUNT + 1)]
    assert parts_to_merge(many[1:], now) == []
    assert parts_to_merge(many[::-1], now) == many
    assert parts_to_merge([*many[1:], part(500, level=1)], now) == []
    levels = [part(n, level=1) for n in range(1, MERGE_COUNT + 1)]
    assert parts_to_merge([*levels, part(900)], now) == levels
    assert parts_to_merge([], now) == []


def test_a_day_that_is_over_becomes_one_part() -> None:
    two = [part(1, level=2), part(2)]
    assert parts_to_merge(two, 20_001 * DAY_NS + DAY_NS // 100) == []
    assert parts_to_merge(two, 20_001 * DAY_NS + DAY_NS // 24) == two
    assert parts_to_merge(two[:1], 20_009 * DAY_NS) == []


def test_a_merged_part_goes_on_where_its_newest_does() -> None:
    whole = merged([part(3, level=1), part(7)])
    assert (whole.first, whole.place.last, whole.level) == (3, 7, 2)
    assert merged([part(3, level=9), part(7)]).level == 9


def test_days_before_the_retention_go_and_no_others() -> None:
    days = [part(n, at_day(n)) for n in range(100, 104)]
    limits = StoreLimits(2, 1_000)
    assert parts_to_remove(days, days[-1:], limits, 103 * DAY_NS) == days[:2]
    assert parts_to_remove(days, days[-1:], StoreLimits(0, 1_000), 200 * DAY_NS) == []


def test_a_clock_that_jumps_ahead_removes_nothing() -> None:
    days = [part(n, at_day(n)) for n in range(100, 104)]
    assert parts_to_remove(days, days[-1:], StoreLimits(4, 1_000), 9_000 * DAY_NS) == []
    assert parts_to_remove(days, days[-1:], StoreLimits(3, 1_000), 9_000 * DAY_NS) == days[:1]


def test_above_the_budget_the_oldest_day_of_any_lane_goes_first() -> None:
    days = [part(n, at_day(n, name)) for n in (100, 101) for name in ("A-B", "C-D")]
    assert parts_to_remove(days, (), StoreLimits(0, 25), 101 * DAY_NS) == days[:2]
    assert parts_to_remove(days, (), StoreLimits(0, 40), 101 * DAY_NS) == []


def test_the_newest_part_of_a_lane_stays_whatever_the_limits_say() -> None:
    old, new = part(1, at_day(100)), part(2, at_day(101))
    assert parts_to_remove([old, new], [new], StoreLimits(1, 1), 300 * DAY_NS) == [old]
