from __future__ import annotations

import itertools
import struct
import zlib
from dataclasses import replace

import pytest
from fakes.ring_rows import NOW_NS, ring_layout
from hypothesis import given
from hypothesis import strategies as st

from hunter.errors import SegmentError
from hunter.ring import layout as layout_module
from hunter.ring import segment
from hunter.ring.layout import (
    EPOCH_WORD,
    HEADER_BYTES,
    INSTRUMENTS_MAX,
    NAME_BYTES,
    WRITER_PID_WORD,
    WRITER_SINCE_WORD,
    RingLayout,
    capacities_of,
    source_hash,
)
from hunter.ring.rows import ROW_BYTES, Kind

capacities = st.sampled_from([0, 0, 8, 64])
ALL_EIGHT = (8,) * len(Kind)
layouts = st.builds(
    RingLayout,
    st.integers(1, 40).map(lambda count: tuple(f"A{number}-USDT" for number in range(count))),
    st.tuples(*(capacities for _ in Kind)),
    st.integers(0, 2**64 - 1),
    st.integers(0, 2**63),
)
pairs = st.builds(
    lambda count, pairs: replace(
        RingLayout(tuple(f"A{number}-USDT" for number in range(count)), ALL_EIGHT),
        groups=tuple(
            number - 1 if number % 2 and number in pairs else number for number in range(count)
        ),
    ),
    st.integers(1, 40),
    st.sets(st.integers(0, 39)),
)


def written(layout: RingLayout) -> bytearray:
    raw = bytearray(layout.total_bytes)
    layout.write_header(memoryview(raw))
    return raw


def sealed(raw: bytearray, instrument_count: int = 2) -> memoryview:
    """The header with a checksum that fits: only the meaning of its fields is wrong."""
    groups_end = HEADER_BYTES + (NAME_BYTES + 8) * instrument_count
    crc = zlib.crc32(raw[HEADER_BYTES:groups_end], zlib.crc32(raw[:0x98]))
    struct.pack_into("<I", raw, 0x98, crc)
    return memoryview(raw)


@given(st.one_of(layouts, pairs))
def test_header_round_trip(layout: RingLayout) -> None:
    assert RingLayout.read_header(memoryview(written(layout))) == layout


@given(st.one_of(layouts, pairs))
def test_members_are_the_instruments_group_by_group(layout: RingLayout) -> None:
    assert sorted(place for places in layout.members for place in places) == list(
        range(len(layout.instruments))
    )
    assert all(layout.groups[place] == places[0] for places in layout.members for place in places)


@given(layouts)
def test_parts_are_aligned_and_do_not_overlap(layout: RingLayout) -> None:
    count = len(layout.instruments)
    parts = [(0, HEADER_BYTES), (HEADER_BYTES, HEADER_BYTES + NAME_BYTES * count)]
    for index in range(count):
        group = layout.group_offset + 8 * index
        parts += [(group, group + 8)]
        parts.append((8 * layout.arrival_word(index), 8 * layout.arrival_word(index) + 8))
        for kind in Kind:
            word = 8 * layout.intent_word(index, kind)
            parts.append((word, word + 16))
            if layout.capacities[kind]:
                start = layout.lane_offset(index, kind)
                assert start % 4096 == 0
                parts.append((start, start + layout.capacities[kind] * ROW_BYTES[kind]))
    parts.sort()
    assert all(end <= start for (_, end), (start, _) in itertools.pairwise(parts))
    assert parts[-1][1] <= layout.total_bytes


def test_lane_table_gives_each_instrument_a_line_of_its_own() -> None:
    layout = ring_layout()
    assert layout.lane_table_offset % 256 == 0
    assert layout.intent_word(1, Kind.TRADE) - layout.intent_word(0, Kind.TRADE) == 32


def test_header_fields_lie_where_they_are_drawn() -> None:
    layout = ring_layout()
    raw = written(layout)
    assert raw[:8] == b"HUNTRING"
    assert struct.unpack_from("<II", raw, 0x008) == (4, 2)
    assert struct.unpack_from("<Q", raw, 0x010) == (layout.total_bytes,)
    assert struct.unpack_from("<11Q", raw, 0x018) == layout.capacities
    assert struct.unpack_from("<QQQ", raw, 0x070) == (layout_module.layout_hash(), NOW_NS, 7)
    assert raw[0x088:0x098] == segment.boot_id()
    assert [8 * word for word in (EPOCH_WORD, WRITER_PID_WORD, WRITER_SINCE_WORD)] == [
        0x0C0, 0x0C8, 0x0D0,
    ]  # fmt: skip
    assert raw[0x09C:HEADER_BYTES] == bytes(HEADER_BYTES - 0x09C), "the writer's words are its own"


@pytest.mark.parametrize("start", [0, HEADER_BYTES], ids=["header", "names and groups"])
def test_any_flipped_bit_is_refused(start: int) -> None:
    raw = written(ring_layout())
    size = 0x9C if start == 0 else 2 * (NAME_BYTES + 8)
    for bit in range(8 * start, 8 * (start + size)):
        raw[bit // 8] ^= 1 << bit % 8
        with pytest.raises(SegmentError):
            RingLayout.read_header(memoryview(raw))
        raw[bit // 8] ^= 1 << bit % 8
    RingLayout.read_header(memoryview(raw))


def test_foreign_file_is_refused() -> None:
    raw = written(ring_layout())
    raw[:8] = b"SOMEBODY"
    with pytest.raises(SegmentError, match="not a hunter ring"):
        RingLayout.read_header(sealed(raw))


def test_other_version_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(layout_module, "VERSION", layout_module.VERSION + 1)
        newer = written(ring_layout())
    with pytest.raises(SegmentError, match="another hunter version"):
        RingLayout.read_header(memoryview(newer))


def test_other_rows_are_another_version(monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(layout_module, "layout_text", lambda: "other fields")
        other = written(ring_layout())
    with pytest.raises(SegmentError, match="another hunter version"):
        RingLayout.read_header(memoryview(other))


def test_other_boot_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(layout_module, "boot_id", lambda: b"another boot id.")
        former = written(ring_layout())
    with pytest.raises(SegmentError, match="last boot"):
        RingLayout.read_header(memoryview(former))


@pytest.mark.parametrize("cut_bytes", [1, 4096])
def test_truncated_ring_is_refused(cut_bytes: int) -> None:
    raw = written(ring_layout())
    with pytest.raises(SegmentError, match="size does not fit"):
        RingLayout.read_header(memoryview(raw)[:-cut_bytes])


@pytest.mark.parametrize("count", [0, INSTRUMENTS_MAX + 1])
def test_impossible_instrument_count_is_refused(count: int) -> None:
    raw = written(ring_layout())
    struct.pack_into("<I", raw, 0x00C, count)
    with pytest.raises(SegmentError, match="size does not fit"):
        RingLayout.read_header(sealed(raw))


@pytest.mark.parametrize("capacity", [7, 24, 1 << 60], ids=str)
def test_impossible_capacity_is_refused(capacity: int) -> None:
    raw = written(ring_layout())
    struct.pack_into("<Q", raw, 0x018, capacity)
    with pytest.raises(SegmentError, match="header is damaged"):
        RingLayout.read_header(sealed(raw))


@pytest.mark.parametrize("leaders", [(1, 1), (0, 2), (1, 0)], ids=str)
def test_impossible_groups_are_refused(leaders: tuple[int, int]) -> None:
    layout = ring_layout()
    raw = written(layout)
    struct.pack_into("<2Q", raw, layout.group_offset, *leaders)
    with pytest.raises(SegmentError, match="header is damaged"):
        RingLayout.read_header(sealed(raw))


def test_groups_lie_after_the_names() -> None:
    layout = replace(ring_layout(), groups=(0, 0))
    assert layout.group_offset == HEADER_BYTES + 2 * NAME_BYTES
    assert struct.unpack_from("<2Q", written(layout), layout.group_offset) == (0, 0)
    assert struct.unpack_from("<2Q", written(ring_layout()), layout.group_offset) == (0, 1)


def test_sizes_that_contradict_each_other_are_refused() -> None:
    raw = written(ring_layout())
    struct.pack_into("<Q", raw, 0x018, 4096)
    with pytest.raises(SegmentError, match="header is damaged"):
        RingLayout.read_header(sealed(raw))


@pytest.mark.parametrize(
    ("instruments", "sizes"),
    [
        ((), ALL_EIGHT),
        (("A-B", "A-B"), ALL_EIGHT),
        (("A" * 65,), ALL_EIGHT),
        (("A-B",), (12, *ALL_EIGHT[1:])),
        (("A-B",), (*ALL_EIGHT[:-1], 4)),
        (("A-B",), (1 << 23, *ALL_EIGHT[1:])),
        (("A-B",), (8, 8, 8, 8)),
        (("A-B",), (*ALL_EIGHT, 8)),
    ],
)
def test_impossible_layout_is_a_programmers_error(
    instruments: tuple[str, ...], sizes: tuple[int, ...]
) -> None:
    RingLayout(("A-B",), ALL_EIGHT)
    with pytest.raises(AssertionError):
        RingLayout(instruments, sizes)


def test_capacities_stand_in_the_order_of_kind() -> None:
    sizes = capacities_of({Kind.CANDLE: 64, Kind.TRADE: 8})
    assert sizes == (8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 64)
    assert RingLayout(("A-B",), sizes).capacities[Kind.CANDLE] == 64


def test_ring_id_tells_two_creations_apart() -> None:
    layout = ring_layout()
    assert layout.ring_id != replace(layout, created_wall_ns=NOW_NS + 1).ring_id
    assert len(layout.ring_id) == 16


def test_source_hash_tells_exchanges_apart() -> None:
    assert source_hash("wss://ws.okx.com") != source_hash("simulated")
