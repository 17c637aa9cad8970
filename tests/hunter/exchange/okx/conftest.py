"""Recorded frames, read next to the checkout; tests of whole files skip where they are missing."""

from __future__ import annotations

import gzip
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

CAPTURES = Path(__file__).resolve().parents[5] / "shared" / "captures"


def lines_of(path: Path) -> Iterator[bytes]:
    if path.suffix == ".gz":
        with gzip.open(path) as file:
            yield from file
    else:
        with path.open("rb") as file:
            yield from file


def frame_of(line: bytes) -> bytes:
    """The frame of a line, with or without a receive time before it; b"" for what we sent."""
    line = line.strip()
    if line.startswith(b"{"):
        return line
    head, _, rest = line.partition(b" ")
    if not head.rstrip(b":").replace(b".", b"").isdigit():
        return b""
    return rest


@pytest.fixture(scope="session")
def captured_frames() -> Callable[[str], list[bytes]]:
    """Frames of one recording by its path below `captures`."""

    def read(name: str) -> list[bytes]:
        path = CAPTURES / name
        if not path.exists():
            pytest.skip(f"no recording at {path}")
        return [frame for frame in map(frame_of, lines_of(path)) if frame]

    return read
