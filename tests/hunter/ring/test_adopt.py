from __future__ import annotations

import errno
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from fakes.ring_rows import NOW_NS, Feeder, make_ring, ring_layout

from hunter.errors import SegmentError, SegmentUnusable
from hunter.ring import layout as layout_module
from hunter.ring import segment
from hunter.ring.adopt import adopt_or_create, check_heads, last_row
from hunter.ring.layout import RingLayout, capacities_of
from hunter.ring.reader import LaneReader
from hunter.ring.rows import Kind

WANTED = ring_layout(created_wall_ns=0)
LATER_NS = NOW_NS + 1
EVERY_LANE = dict.fromkeys(Kind, 16)


def names(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir())


def poke(path: Path, word: int, value: int) -> None:
    with segment.attach(path, writable=True) as damaged:
        damaged.words[word] = value


@pytest.fixture
def used_ring(feeder: Feeder, ring_path: Path) -> Path:
    """A ring with six rows in each lane of the first instrument, none in the second's."""
    for kind in Kind:
        feeder.put(0, kind, 6)
    feeder.publish()
    return ring_path


def test_first_start_makes_an_empty_ring(shm_dir: Path) -> None:
    adopted = adopt_or_create(shm_dir / "ring-0", WANTED, NOW_NS)
    assert adopted == (f"{NOW_NS:016x}", False, "first start")
    with segment.attach(shm_dir / "ring-0") as found:
        layout = RingLayout.read_header(found.view)
        assert replace(layout, created_wall_ns=0) == WANTED
        assert last_row(found, layout, 0, Kind.TRADE) is None


def test_next_start_keeps_the_rows(used_ring: Path, layout: RingLayout) -> None:
    adopted = adopt_or_create(used_ring, WANTED, LATER_NS)
    assert adopted == (layout.ring_id, True, "kept")
    with segment.attach(used_ring) as found:
        for kind in Kind:
            rows = LaneReader(found, layout, 0, kind).last(99)
            assert [row[0] for row in rows] == [1, 2, 3, 4, 5, 6]


def test_rows_begun_by_a_killed_writer_do_not_matter(used_ring: Path, feeder: Feeder) -> None:
    feeder.put(0, Kind.TRADE, 3)  # never published
    assert adopt_or_create(used_ring, WANTED, LATER_NS).kept


@pytest.mark.parametrize(
    "wanted",
    [
        replace(WANTED, instruments=("BTC-USDT-SWAP",)),
        replace(WANTED, instruments=WANTED.instruments[::-1]),
        replace(WANTED, capacities=capacities_of(EVERY_LANE | {Kind.TRADE: 32})),
        replace(WANTED, capacities=capacities_of(EVERY_LANE | {Kind.CANDLE: 32})),
        replace(WANTED, capacities=capacities_of(EVERY_LANE | {Kind.BBO: 0})),
        replace(WANTED, capacities=capacities_of(EVERY_LANE | {Kind.MARK: 0})),
        replace(WANTED, source=8),
    ],
    ids=[
        "instruments",
        "order",
        "capacity",
        "candles",
        "channel",
        "mark-price",
        "source",
    ],
)
def test_other_configuration_makes_a_new_ring(used_ring: Path, wanted: RingLayout) -> None:
    adopted = adopt_or_create(used_ring, wanted, LATER_NS)
    assert not adopted.kept
    assert "configuration" in adopted.reason
    assert names(used_ring.parent) == ["ring-0"], "a sound ring is no evidence of anything"
    with segment.attach(used_ring) as found:
        assert replace(RingLayout.read_header(found.view), created_wall_ns=0) == wanted


def flip(path: Path, layout: RingLayout) -> None:
    raw = bytearray(path.read_bytes())
    raw[0x020] ^= 1
    path.write_bytes(raw)


def truncate(path: Path, layout: RingLayout) -> None:
    os.truncate(path, layout.total_bytes - 4096)


def cut_to_nothing(path: Path, layout: RingLayout) -> None:
    os.truncate(path, 0)


def replace_by_text(path: Path, layout: RingLayout) -> None:
    path.write_bytes(b"not a ring" * 1000)


def move_head(path: Path, layout: RingLayout) -> None:
    poke(path, layout.intent_word(0, Kind.BOOK) + 1, 5000)


def move_head_of_the_empty(path: Path, layout: RingLayout) -> None:
    poke(path, layout.intent_word(1, Kind.TRADE) + 1, 1)


def move_head_of_the_last_kind(path: Path, layout: RingLayout) -> None:
    poke(path, layout.intent_word(0, Kind.CANDLE) + 1, 5000)


def leap_intent(path: Path, layout: RingLayout) -> None:
    poke(path, layout.intent_word(0, Kind.TRADE), 6 + 16 // 2 + 1)


def drop_intent(path: Path, layout: RingLayout) -> None:
    poke(path, layout.intent_word(0, Kind.TRADE), 5)


def leap_intent_of_the_last_kind(path: Path, layout: RingLayout) -> None:
    poke(path, layout.intent_word(0, Kind.CANDLE), 6 + 16 // 2 + 1)


def leap_arrival(path: Path, layout: RingLayout) -> None:
    poke(path, layout.arrival_word(0), 6 * len(Kind) + 1)


@pytest.mark.parametrize(
    "damage",
    [
        flip, truncate, cut_to_nothing, replace_by_text, move_head, move_head_of_the_empty,
        move_head_of_the_last_kind, leap_intent, leap_intent_of_the_last_kind, drop_intent,
        leap_arrival,
    ],
)  # fmt: skip
def test_damaged_ring_is_put_aside(
    used_ring: Path, layout: RingLayout, damage: Callable[[Path, RingLayout], None]
) -> None:
    damage(used_ring, layout)
    evidence = used_ring.read_bytes()
    adopted = adopt_or_create(used_ring, WANTED, LATER_NS)
    assert not adopted.kept
    assert adopted.reason
    assert names(used_ring.parent) == ["ring-0", "ring-0.rejected"]
    assert used_ring.with_name("ring-0.rejected").read_bytes() == evidence
    assert adopt_or_create(used_ring, WANTED, LATER_NS).kept


def test_ring_of_another_version_or_boot_is_put_aside(
    shm_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = shm_dir / "ring-0"
    for name, value in (("VERSION", 9), ("boot_id", lambda: bytes(range(16)))):
        with monkeypatch.context() as patch:
            patch.setattr(layout_module, name, value)
            make_ring(path, ring_layout())
        assert not adopt_or_create(path, WANTED, LATER_NS).kept
        assert names(shm_dir) == ["ring-0", "ring-0.rejected"], "one generation of evidence"


def test_no_room_is_unusable_and_leaves_no_file(
    shm_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", refuse)
    with pytest.raises(SegmentUnusable):
        adopt_or_create(shm_dir / "ring-0", WANTED, NOW_NS)
    assert names(shm_dir) == []


def test_check_heads_names_the_lane(used_ring: Path, layout: RingLayout) -> None:
    with segment.attach(used_ring) as found:
        check_heads(found, layout)
    move_head(used_ring, layout)
    with (
        segment.attach(used_ring) as found,
        pytest.raises(SegmentError, match=r"head of BTC-USDT-SWAP book"),
    ):
        check_heads(found, layout)


def test_last_row_is_the_newest_published(used_ring: Path, layout: RingLayout) -> None:
    with segment.attach(used_ring) as found:
        row = last_row(found, layout, 0, Kind.TRADE)
        assert row is not None
        assert row[0] == 6
        assert last_row(found, layout, 1, Kind.TRADE) is None


def test_arrival_head_is_sound_when_its_row_is_of_any_kind(
    shm_dir: Path, layout: RingLayout
) -> None:
    for kind in Kind:
        path = make_ring(shm_dir / "ring-0", layout)
        feeder = Feeder(path)
        feeder.put(0, kind)
        feeder.publish()
        feeder.close()
        assert adopt_or_create(path, WANTED, LATER_NS).kept, kind
        path.unlink()


def test_lanes_that_no_channel_feeds_are_sound(shm_dir: Path) -> None:
    wanted = ring_layout(kinds=(Kind.TRADE,), created_wall_ns=0)
    adopt_or_create(shm_dir / "ring-0", wanted, NOW_NS)
    assert adopt_or_create(shm_dir / "ring-0", wanted, LATER_NS).kept
