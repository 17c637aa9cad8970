"""The status block: a file of pages, one per actor, in the instance's shared directory.

    0x0000 header page: magic 8s | version u4 | page_count u4 | page_bytes u8 | created wall ns u8
           | boot id 16s | instance name 64s; from 0x100 the actors' names, 64 B each
    0x1000 pages

Made by the composition root before the first actor; attached by everybody else.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from hunter.config import ACTORS_MAX
from hunter.errors import SegmentError
from hunter.ring import segment
from hunter.status.page import Page, page_bytes

FILE_NAME: Final = "status"
SUPERVISOR: Final = "supervisor"
PAGES_MAX: Final = 60
_MAGIC: Final = b"HUNTSTAT"
_VERSION: Final = 1
_HEADER: Final = struct.Struct("<8sIIQQ16s64s")
_NAMES_OFFSET: Final = 0x100
_NAME_BYTES: Final = 64
_PAGES_OFFSET: Final = 0x1000
assert _HEADER.size <= _NAMES_OFFSET
assert ACTORS_MAX < PAGES_MAX
assert _NAMES_OFFSET + PAGES_MAX * _NAME_BYTES <= _PAGES_OFFSET


class StatusBlock:
    """All pages of an instance. `actors` are the page names, the supervisor's first."""

    def __init__(self, shared: segment.Segment) -> None:
        self._shared = shared
        view = shared.view
        magic, version, count, size, created, boot, name = _HEADER.unpack_from(view, 0)
        if magic != _MAGIC or version != _VERSION or len(view) != _PAGES_OFFSET + count * size:
            raise SegmentError(f"{shared.path} is not a status block of this hunter version")
        if boot != segment.boot_id():
            raise SegmentError(f"{shared.path} is from before the last boot")
        self.created_wall_ns = created
        self.instance = name.rstrip(b"\0").decode()
        self.page_bytes = size
        self.actors = [
            bytes(view[start : start + _NAME_BYTES]).rstrip(b"\0").decode()
            for start in range(_NAMES_OFFSET, _NAMES_OFFSET + count * _NAME_BYTES, _NAME_BYTES)
        ]
        self.pages = {
            actor: Page(shared, _PAGES_OFFSET + index * size, size)
            for index, actor in enumerate(self.actors)
        }

    @property
    def total_bytes(self) -> int:
        return len(self._shared.view)

    def close(self) -> None:
        self._shared.close()


def create(
    directory: Path, instance: str, actors: Sequence[str], document_bytes_max: int, now_wall_ns: int
) -> StatusBlock:
    """Make the block with an empty page for the supervisor and each of `actors`, replacing a former
    one.
    """
    names = [SUPERVISOR, *actors]
    assert len(names) <= PAGES_MAX, "more actors than the block has pages"
    size = page_bytes(document_bytes_max)

    def initialise(view: memoryview) -> None:
        _HEADER.pack_into(
            view,
            0,
            _MAGIC,
            _VERSION,
            len(names),
            size,
            now_wall_ns,
            segment.boot_id(),
            instance.encode(),
        )
        for index, name in enumerate(names):
            start = _NAMES_OFFSET + index * _NAME_BYTES
            view[start : start + len(name)] = name.encode()

    return StatusBlock(
        segment.create(directory / FILE_NAME, _PAGES_OFFSET + len(names) * size, initialise)
    )


def attach(directory: Path, *, writable: bool = False) -> StatusBlock:
    """Map the block of an instance.

    Raises SegmentError when there is none or it is of another version.
    """
    return StatusBlock(segment.attach(directory / FILE_NAME, writable=writable))
