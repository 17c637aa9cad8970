"""Where everything lies in a ring segment.

    0x0000  header page
      0x000 magic 8s | 0x008 version u4 | 0x00C instrument_count u4 | 0x010 total_bytes u8
      0x018 capacity u8 x 11, by Kind (0 = no such lane)
      0x070 layout hash u8
      0x078 created_wall_ns u8 | 0x080 source hash u8 | 0x088 boot id 16s | 0x098 crc32 u4
            all constant after creation
      0x0C0 epoch u8 | 0x0C8 writer pid u8 | 0x0D0 writer since, wall ns u8: the writer's
      0x200 log of the last 64 epochs: {epoch u8, pid u8, wall_ns u8, first arrival u8}
    0x1000  instrument names, 64 B each, padded with zeros
      ...   groups, u8 each: the place of the group's first instrument; constant, in the crc32 too
      ...   arrival heads, u8 each, side by side: one compare tells a reader what is new
      ...   lane table, 256 B per instrument: {intent u8, head u8} x 11 kinds, the rest unused
      ...   lanes, page aligned, instrument by instrument, kind by kind: capacity x row bytes

All sizes follow from the constant part of the header, so a reader needs no configuration.
Instruments of one group (mates) take their arrival numbers from one counter. Each has an arrival
head of its own, the number of its newest row: one compare tells which of them has news.
"""

from __future__ import annotations

import hashlib
import struct
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from hunter.errors import SegmentError
from hunter.ring.rows import ROW_BYTES, Kind, layout_text
from hunter.ring.segment import boot_id

MAGIC: Final = b"HUNTRING"
VERSION: Final = 4
HEADER_BYTES: Final = 4096
NAME_BYTES: Final = 64
LANE_LINE_BYTES: Final = 256
INSTRUMENTS_MAX: Final = 1024
CAPACITY_MAX: Final = 1 << 22

EPOCH_WORD: Final = 0x0C0 // 8
WRITER_PID_WORD: Final = 0x0C8 // 8
WRITER_SINCE_WORD: Final = 0x0D0 // 8
EPOCH_LOG_OFFSET: Final = 0x200
EPOCH_LOG_ENTRIES: Final = 64

_HEADER: Final = struct.Struct(f"<8sIIQ{len(Kind)}QQQQ16s")
_CRC: Final = struct.Struct("<I")
_CRC_OFFSET: Final = 0x098
assert _HEADER.size == _CRC_OFFSET
assert _CRC_OFFSET + _CRC.size <= 8 * EPOCH_WORD
assert EPOCH_LOG_OFFSET + EPOCH_LOG_ENTRIES * 32 <= HEADER_BYTES
assert 2 * 8 * len(Kind) <= LANE_LINE_BYTES


def layout_hash() -> int:
    return int.from_bytes(hashlib.blake2s(layout_text().encode(), digest_size=8).digest(), "little")


def capacities_of(row_counts: Mapping[Kind, int]) -> tuple[int, ...]:
    """Capacities in the order of Kind; a kind that is not named has no lane."""
    return tuple(row_counts.get(kind, 0) for kind in Kind)


def source_hash(source: str) -> int:
    return int.from_bytes(hashlib.blake2s(source.encode(), digest_size=8).digest(), "little")


def _groups(instrument_count: int) -> struct.Struct:
    return struct.Struct(f"<{instrument_count}Q")


def _page_up(offset: int) -> int:
    return (offset + 4095) & ~4095


@dataclass(frozen=True)
class RingLayout:
    """Instruments and capacities of a segment, and the offsets that follow from them.

    `capacities`: rows per lane in the order of Kind (see `capacities_of`); powers of two, or 0
    where no channel feeds the lane.
    `source`: hash of where the rows come from (`source_hash`): the rows of a simulator must never
    be continued by a market's.
    `groups`: for each instrument the place of the first of its group, which is in it before all
    others; each is alone when none are given.
    """

    instruments: tuple[str, ...]
    capacities: tuple[int, ...]
    source: int = 0
    created_wall_ns: int = 0
    groups: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        if not self.groups:
            object.__setattr__(self, "groups", tuple(range(len(self.instruments))))
        assert 1 <= len(self.instruments) <= INSTRUMENTS_MAX, len(self.instruments)
        assert len(set(self.instruments)) == len(self.instruments), "an instrument is named twice"
        assert all(len(name.encode()) <= NAME_BYTES for name in self.instruments)
        assert len(self.capacities) == len(Kind), self.capacities
        assert all(
            c == 0 or (c & (c - 1) == 0 and 8 <= c <= CAPACITY_MAX) for c in self.capacities
        ), self.capacities
        assert len(self.groups) == len(self.instruments), self.groups
        assert all(
            leader <= place and self.groups[leader] == leader
            for place, leader in enumerate(self.groups)
        ), self.groups

    @property
    def ring_id(self) -> str:
        """Names this segment among all there ever were on this host; signals carry it."""
        return f"{self.created_wall_ns:016x}"

    @cached_property
    def members(self) -> tuple[tuple[int, ...], ...]:
        """The places of each group's instruments, groups in the order of their first."""
        found: dict[int, list[int]] = {}
        for place, leader in enumerate(self.groups):
            found.setdefault(leader, []).append(place)
        return tuple(map(tuple, found.values()))

    @cached_property
    def group_offset(self) -> int:
        return HEADER_BYTES + NAME_BYTES * len(self.instruments)

    @cached_property
    def arrival_offset(self) -> int:
        return self.group_offset + 8 * len(self.instruments)

    @cached_property
    def lane_table_offset(self) -> int:
        end = self.arrival_offset + 8 * len(self.instruments)
        return (end + LANE_LINE_BYTES - 1) & ~(LANE_LINE_BYTES - 1)

    @cached_property
    def lanes_offset(self) -> int:
        return _page_up(self.lane_table_offset + LANE_LINE_BYTES * len(self.instruments))

    @cached_property
    def instrument_bytes(self) -> int:
        return sum(_page_up(self.capacities[kind] * ROW_BYTES[kind]) for kind in Kind)

    @cached_property
    def total_bytes(self) -> int:
        return self.lanes_offset + self.instrument_bytes * len(self.instruments)

    def arrival_word(self, instrument_index: int) -> int:
        return self.arrival_offset // 8 + instrument_index

    def intent_word(self, instrument_index: int, kind: Kind) -> int:
        """The lane's intent; its head is the next word."""
        return (self.lane_table_offset + LANE_LINE_BYTES * instrument_index) // 8 + 2 * kind

    def lane_offset(self, instrument_index: int, kind: Kind) -> int:
        before = sum(_page_up(self.capacities[k] * ROW_BYTES[k]) for k in Kind if k < kind)
        return self.lanes_offset + self.instrument_bytes * instrument_index + before

    def write_header(self, view: memoryview) -> None:
        """Fill the constant part, names and groups of a fresh, zeroed segment."""
        for index, name in enumerate(self.instruments):
            encoded = name.encode()
            start = HEADER_BYTES + NAME_BYTES * index
            view[start : start + len(encoded)] = encoded
        _groups(len(self.groups)).pack_into(view, self.group_offset, *self.groups)
        _HEADER.pack_into(
            view,
            0,
            MAGIC,
            VERSION,
            len(self.instruments),
            self.total_bytes,
            *self.capacities,
            layout_hash(),
            self.created_wall_ns,
            self.source,
            boot_id(),
        )
        _CRC.pack_into(view, _CRC_OFFSET, self._crc(view))

    def _crc(self, view: memoryview) -> int:
        names_and_groups = view[HEADER_BYTES : self.arrival_offset]
        return zlib.crc32(names_and_groups, zlib.crc32(view[:_CRC_OFFSET]))

    @classmethod
    def read_header(cls, view: memoryview) -> RingLayout:
        """The layout of an existing segment.

        Raises SegmentError when it is foreign, of another version or boot, cut short or damaged.
        """
        magic, version, count, total, *rest = _HEADER.unpack_from(view, 0)
        capacities = tuple(rest[: len(Kind)])
        layout, created, source, boot = rest[len(Kind) :]
        if magic != MAGIC:
            raise SegmentError("not a hunter ring")
        if version != VERSION or layout != layout_hash():
            raise SegmentError("a ring of another hunter version")
        if boot != boot_id():
            raise SegmentError("a ring from before the last boot")
        if total != len(view) or not 1 <= count <= INSTRUMENTS_MAX:
            raise SegmentError("a ring whose size does not fit its header")
        names = tuple(
            bytes(view[start : start + NAME_BYTES]).rstrip(b"\0").decode("ascii", "replace")
            for start in range(HEADER_BYTES, HEADER_BYTES + NAME_BYTES * count, NAME_BYTES)
        )
        try:
            groups = _groups(count).unpack_from(view, HEADER_BYTES + NAME_BYTES * count)
            found = cls(names, capacities, source, created, groups)
        except (AssertionError, IndexError, struct.error) as error:
            raise SegmentError("a ring whose header is damaged") from error
        if found.total_bytes != total or _CRC.unpack_from(view, _CRC_OFFSET)[0] != found._crc(view):
            raise SegmentError("a ring whose header is damaged")
        return found
