"""Take over the ring that a former run left, or make a new one.

Called by the composition root before any actor starts, so that every actor finds the segment there.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from hunter.errors import SegmentError
from hunter.ring import segment
from hunter.ring.layout import RingLayout
from hunter.ring.rows import ROW_BYTES, STRUCTS, Kind


class Adopted(NamedTuple):
    """`kept` tells whether the rows of a former run are still there; `reason` why not."""

    ring_id: str
    kept: bool
    reason: str


def adopt_or_create(path: Path, wanted: RingLayout, now_wall_ns: int) -> Adopted:
    """Make sure a sound ring with `wanted` instruments and capacities lies at `path`.

    A sound ring of another configuration is removed. A damaged one is put aside as `NAME.rejected`
    (one generation), never written over: it is evidence. Raises SegmentUnusable when there is no
    room.
    """
    reason = "first start"
    if path.exists():
        try:
            layout = _read_sound(path)
            if replace(layout, created_wall_ns=0) == wanted:
                return Adopted(layout.ring_id, True, "kept")
            reason = "the configuration has other instruments, capacities or source"
            path.unlink()
        except SegmentError as error:
            reason = str(error)
            path.rename(path.with_name(path.name + ".rejected"))
    fresh = replace(wanted, created_wall_ns=now_wall_ns)
    segment.create(path, fresh.total_bytes, fresh.write_header).close()
    return Adopted(fresh.ring_id, False, reason)


def _read_sound(path: Path) -> RingLayout:
    with segment.attach(path) as found:
        layout = RingLayout.read_header(found.view)
        check_heads(found, layout)
        return layout


def check_heads(found: segment.Segment, layout: RingLayout) -> None:
    """Raise SegmentError unless the last published row of each lane is the one its head names."""
    for index in range(len(layout.instruments)):
        for kind in Kind:
            if not layout.capacities[kind]:
                continue
            head = found.words[layout.intent_word(index, kind) + 1]
            row = last_row(found, layout, index, kind)
            if head and (row is None or row[0] != head):
                name = layout.instruments[index]
                raise SegmentError(f"damaged: head of {name} {kind.name.lower()} names no row")


def last_row(
    found: segment.Segment, layout: RingLayout, instrument_index: int, kind: Kind
) -> tuple[int | float, ...] | None:
    """The newest published row's fields, for the process that holds the lease (not validated)."""
    capacity = layout.capacities[kind]
    head = found.words[layout.intent_word(instrument_index, kind) + 1]
    if not head or not capacity:
        return None
    slot = (head - 1) & (capacity - 1)
    offset = layout.lane_offset(instrument_index, kind) + slot * ROW_BYTES[kind]
    return STRUCTS[kind].unpack_from(found.view, offset)
