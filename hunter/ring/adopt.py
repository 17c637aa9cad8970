"""Take over the ring that a former run left, or make a new one.

Called by the composition root before any actor starts, so that every actor finds the segment there.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import NamedTuple

from hunter.errors import SegmentError, SegmentUnusable
from hunter.ring import segment
from hunter.ring.check import are_sound
from hunter.ring.layout import RingLayout
from hunter.ring.rows import FIRST_ALIKE, ROW_BYTES, STRUCTS, Kind


class Adopted(NamedTuple):
    """`kept` tells whether the rows of a former run are still there; `reason` why not."""

    ring_id: str
    kept: bool
    reason: str


def adopt_or_create(path: Path, wanted: RingLayout, now_wall_ns: int) -> Adopted:
    """Make sure a sound ring with `wanted` instruments and capacities lies at `path`.

    A sound ring of another configuration is removed. A damaged one is put aside as `NAME.rejected`
    (one generation), never written over: it is evidence, as long as there is room for it beside the
    new one. Raises SegmentUnusable when there is no room for that.
    """
    reason, rejected = "first start", path.with_name(path.name + ".rejected")
    if path.exists():
        try:
            layout = _read_sound(path)
            if replace(layout, created_wall_ns=0) == wanted:
                return Adopted(layout.ring_id, True, "kept")
            reason = "the configuration has other instruments, capacities or source"
            path.unlink()
        except SegmentError as error:
            reason = str(error)
            _remove(rejected)
            path.rename(rejected)
    fresh = replace(wanted, created_wall_ns=now_wall_ns)
    try:
        segment.create(path, fresh.total_bytes, fresh.write_header).close()
    except SegmentUnusable:
        if not rejected.exists():
            raise
        _remove(rejected)
        segment.create(path, fresh.total_bytes, fresh.write_header).close()
    return Adopted(fresh.ring_id, False, reason)


def _remove(path: Path) -> None:
    """Whatever lies there: a directory cannot be renamed over, nor over anything else."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def open_ring(path: Path, *, writable: bool = False) -> tuple[segment.Segment, RingLayout]:
    """An existing ring, for those who did not make it. Raises SegmentError, which says what to do.

    Only the next start makes a ring anew: its readers and its writer have to find the same one.
    """
    found = segment.attach(path, writable=writable)
    try:
        return found, RingLayout.read_header(found.view)
    except SegmentError as error:
        found.close()
        raise SegmentError(unusable_text(path, str(error))) from error


def unusable_text(path: Path, why: str) -> str:
    return f"{path.name}: {why}; make it anew: hunter stop, then hunter start"


def _read_sound(path: Path) -> RingLayout:
    with segment.attach(path) as found:
        layout = RingLayout.read_header(found.view)
        check_heads(found, layout)
        return layout


def check_heads(found: segment.Segment, layout: RingLayout) -> None:
    """Raise SegmentError unless the heads are such as a writer leaves them, whenever it is killed.

    A head names the lane's newest row. An intent may be ahead of it by an unpublished batch, which
    is never more than half the lane; a larger one would hide rows from readers for ever. An arrival
    head may be behind the newest row's of its group, never ahead. Damaged rows are left to the
    readers, who leave them out: as long as one sound row says that the head is right, the ring goes
    on.
    """
    for index, name in enumerate(layout.instruments):
        for kind in Kind:
            capacity = layout.capacities[kind]
            if not capacity:
                continue
            lane = f"{name} {kind.name.lower()}"
            word = layout.intent_word(index, kind)
            intent, head = found.words[word], found.words[word + 1]
            row = last_row(found, layout, index, kind)
            if head and row is None:
                raise SegmentError(f"damaged: head of {lane} names no row")
            if not head <= intent <= head + (capacity >> 1):
                raise SegmentError(f"damaged: intent of {lane} does not fit its head")
    for members in layout.members:
        newest = newest_arrival(found, layout, members)
        for index in members:
            if found.words[layout.arrival_word(index)] > newest:
                name = layout.instruments[index]
                raise SegmentError(f"damaged: arrival head of {name} names no row")


def newest_arrival(found: segment.Segment, layout: RingLayout, members: Sequence[int]) -> int:
    """The highest arrival number that a published row of a group's instruments may have.

    Only rows of the market take numbers, one each: whatever numbers damaged rows had, there are no
    more of them than of those rows, in all lanes of the group.
    """
    newest = damaged_row_count = 0
    for index, kind in product(members, Kind):
        row = last_row(found, layout, index, kind)
        if row is not None:
            newest = max(newest, int(row[1]))
            if kind < FIRST_ALIKE:
                head = found.words[layout.intent_word(index, kind) + 1]
                damaged_row_count += head - int(row[0])
    return newest + damaged_row_count


def last_row(
    found: segment.Segment, layout: RingLayout, instrument_index: int, kind: Kind
) -> tuple[int | float, ...] | None:
    """The newest published row that is sound, for the process that holds the lease; None for an
    empty lane, and for a head that is not to be believed: no row confirms it.

    If the newest ones are damaged, whoever takes the ring over resumes from the one before: the
    trades in between are missing in its chain then, and are fetched like any others.
    """
    capacity, size = layout.capacities[kind], ROW_BYTES[kind]
    word = layout.intent_word(instrument_index, kind)
    intent, head = found.words[word], found.words[word + 1]
    start = layout.lane_offset(instrument_index, kind)
    for position in range(head - 1, max(0, intent - capacity, head - capacity) - 1, -1):
        offset = start + (position & (capacity - 1)) * size
        if are_sound(found.view[offset : offset + size], size):
            row = STRUCTS[kind].unpack_from(found.view, offset)
            return row if row[0] == position + 1 else None
    return None
