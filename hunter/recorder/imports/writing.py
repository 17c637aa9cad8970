"""From frames to the segments of a recording: lines in parts of a megabyte. One thread."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Final

from hunter.recorder.imports.tally import ImportRefused
from hunter.recorder.segments import Segments

PART_BYTES_MAX: Final = 1 << 20
SEGMENT_BYTES_MAX: Final = 64_000_000


class ImportWriter:
    """Writes one recording into a folder of its own."""

    def __init__(self, directory: Path, name: str) -> None:
        """Raises ImportRefused when the folder holds something, RecordingError without one."""
        if directory.is_dir() and any(directory.iterdir()):
            raise ImportRefused(f"{directory} is not empty; an import needs a folder of its own")
        self.segments = Segments(directory, name, SEGMENT_BYTES_MAX, sys.maxsize)
        self._lines = bytearray()

    def write(self, received_ns: int, frame: bytes) -> None:
        """Raises RecordingError."""
        self._lines += b"%d %b\n" % (received_ns, frame)
        if len(self._lines) >= PART_BYTES_MAX:
            self._flush()

    def close(self) -> None:
        """Write what is left; a folder that nothing came into is taken away again."""
        try:
            self._flush()
        finally:
            self.segments.close()
        if not self.segments.paths and not any(self.segments.directory.iterdir()):
            self.segments.directory.rmdir()

    def _flush(self) -> None:
        if self._lines:
            self.segments.append(bytes(self._lines))
            self._lines.clear()
