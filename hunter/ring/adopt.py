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
    """Raise SegmentError unless the heads are such as a writer leaves them, whenever it is killed.

    A head names the lane's newest row. An intent may be ahead of it by an unpublished batch, which
    is never more than half the lane; a larger one would hide rows from readers for ever. An arrival
    head may be behind the newest row's, never ahead.
    """
    for index, name in enumerate(layout.instruments):
        arrival_newest = 0
        for kind in Kind:
            capacity = layout.capacities[kind]
            if not capacity:
                continue
            lane = f"{name} {kind.name.lower()}"
            word = layout.intent_word(index, kind)
            intent, head = found.words[word], found.words[word + 1]
            row = last_row(found, layout, index, kind)
            if row is not None:
                if row[0] != head:
                    raise SegmentError(f"damaged: head of {lane} names no row")
                arrival_newest = max(arrival_newest, int(row[1]))
            if not head <= intent <= head + (capacity >> 1):
                raise SegmentError(f"damaged: intent of {lane} does not fit its head")
        if found.words[layout.arrival_word(index)] > arrival_newest:
            raise SegmentError(f"damaged: arrival head of {name} names no row")


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
