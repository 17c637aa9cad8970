"""The status block: a file of pages, one per actor, in the instance's shared directory.

    0x0000 header page: magic 8s | version u4 | page_count u4 | page_bytes u8 | created wall ns u8
           | boot id 16s | instance name 64s | crc32 u4 of these and of the names;
           from 0x100 the actors' names, 64 B each
    0x1000 pages

Made by the composition root before the first actor; attached by everybody else.
"""

from __future__ import annotations

import struct
import zlib
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
_VERSION: Final = 3
_HEADER: Final = struct.Struct("<8sIIQQ16s64s")
_NAMES_OFFSET: Final = 0x100
_NAME_BYTES: Final = 64
_PAGES_OFFSET: Final = 0x1000
_CRC: Final = struct.Struct("<I")
assert _HEADER.size + _CRC.size <= _NAMES_OFFSET
assert ACTORS_MAX < PAGES_MAX
assert _NAMES_OFFSET + PAGES_MAX * _NAME_BYTES <= _PAGES_OFFSET


class StatusBlock:
    """All pages of an instance. `actors` are the page names, the supervisor's first."""

    def __init__(self, shared: segment.Segment) -> None:
        self._shared = shared
        view = shared.view
        magic, version, count, size, created, boot, name = _HEADER.unpack_from(view, 0)
        fits = 1 <= count <= PAGES_MAX and len(view) == _PAGES_OFFSET + count * size
        (crc,) = _CRC.unpack_from(view, _HEADER.size)
        if magic != _MAGIC or version != _VERSION or not fits or crc != _crc(view, count):
            raise SegmentError(
                f"{shared.path} is damaged, or not a status block of this hunter version"
            )
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


def _crc(view: memoryview, name_count: int) -> int:
    """Of all that never changes: a damaged name or size must not be followed."""
    names = view[_NAMES_OFFSET : _NAMES_OFFSET + name_count * _NAME_BYTES]
    return zlib.crc32(names, zlib.crc32(view[: _HEADER.size]))


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
        _CRC.pack_into(view, _HEADER.size, _crc(view, len(names)))

    return StatusBlock(
        segment.create(directory / FILE_NAME, _PAGES_OFFSET + len(names) * size, initialise)
    )


def attach(directory: Path, *, writable: bool = False) -> StatusBlock:
    """Map the block of an instance.

    Raises SegmentError when there is none or it is of another version.
    """
    return StatusBlock(segment.attach(directory / FILE_NAME, writable=writable))
