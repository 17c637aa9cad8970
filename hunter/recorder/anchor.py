"""Anchors: where a running brain stood, kept beside the recording that was made meanwhile.

A brain that learns is a function of all rows it has seen. A recording of a run that began earlier
does not hold the first of them, so the recorder keeps a copy of the brain's checkpoint, made when
the recording was already complete: from there on `hunter replay --verify` has everything.

    RECORDING/ring-0.anchor     a checkpoint of hunter.brain.checkpoint, byte for byte

Used by `hunter record`, about once a second until there is one for each ring.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from pathlib import Path
from typing import Final

from hunter.files import private_opener

SUFFIX: Final = ".anchor"
SETTLED_AFTER_NS: Final = 2_000_000_000
"""A checkpoint speaks of rows that were received before it was written, a second and more in a
brain that lags: rows of the first moments of the recording would be missed."""


class Anchors:
    """Those of one recording. `checkpoints` is the running instance's folder of them."""

    def __init__(self, checkpoints: Path, directory: Path, ring_count: int) -> None:
        self._checkpoints = checkpoints
        self._directory = directory
        self._wanted = [f"ring-{number}" for number in range(ring_count)]

    @property
    def is_complete(self) -> bool:
        """Whether there is nothing left to look for."""
        return not self._wanted

    def look(self, first_frame_ns: int) -> list[str]:
        """Keep what is new enough; the rings that have an anchor now and had none before. A disk
        that refuses is asked again at the next look. `first_frame_ns`: wall time since which all
        channels are being recorded.
        """
        found = []
        for ring in self._wanted:
            with contextlib.suppress(OSError):
                if self._keep(ring, first_frame_ns + SETTLED_AFTER_NS):
                    found.append(ring)
        self._wanted = [ring for ring in self._wanted if ring not in found]
        return found

    def _keep(self, ring: str, not_before_ns: int) -> bool:
        generations = [self._checkpoints / f"{ring}.{number}" for number in (0, 1)]
        written = [(path.stat().st_mtime_ns, path) for path in generations if path.exists()]
        newest_ns, path = max(written, default=(0, Path()))
        if newest_ns < not_before_ns:
            return False
        temporary = self._directory / f"{ring}{SUFFIX}.tmp"
        with path.open("rb") as source, open(temporary, "wb", opener=private_opener) as copy:
            shutil.copyfileobj(source, copy)
        os.replace(temporary, self._directory / f"{ring}{SUFFIX}")
        return True


def anchors_of(directory: Path) -> list[Path]:
    """The anchors kept with a recording, by ring."""
    return sorted(directory.glob(f"ring-*{SUFFIX}")) if directory.is_dir() else []
