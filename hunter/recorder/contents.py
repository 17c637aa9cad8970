"""What a recording holds: read once from end to end, before it is played."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from hunter.errors import NotFound
from hunter.exchange.okx.endpoints import Argument, channel_traits
from hunter.simulator.frames import PublishedTrade
from hunter.simulator.lines import Counts
from hunter.simulator.recording import Recording

FILE_PATTERNS: Final = ("*.jsonl", "*.jsonl.gz", "*.jsonl.zst")


@dataclass(frozen=True, slots=True)
class Contents:
    """`frames` by (channel, instrument, index or instrument type): data frames, each of which holds
    one row.
    """

    paths: tuple[Path, ...]
    frames: Counter[tuple[str, str]]
    matches: Counter[str]  # by instrument
    first_ns: int
    last_ns: int
    counts: Counts

    @property
    def instruments(self) -> tuple[str, ...]:
        """In order of appearance. An index or a type is no instrument of the recording."""
        return tuple(
            dict.fromkeys(
                name
                for channel, name in self.frames
                if channel_traits(channel).argument is Argument.INSTRUMENT
            )
        )

    @property
    def span_s(self) -> float:
        return (self.last_ns - self.first_ns) / 1e9


def recording_files(given: Sequence[Path]) -> tuple[Path, ...]:
    """The files named, and all segments of the folders named. Raises NotFound."""
    found: list[Path] = []
    for path in given:
        if path.is_dir():
            inside = sorted(file for pattern in FILE_PATTERNS for file in path.glob(pattern))
            if not inside:
                raise NotFound(f"no recording in {path}; it should hold {FILE_PATTERNS[-1]} files")
            found += inside
        elif path.is_file():
            found.append(path)
        else:
            raise NotFound(f"no recording at {path}")
    return tuple(found)


def read_contents(paths: tuple[Path, ...]) -> Contents:
    """Raises NotFound when there is no data frame."""
    counts = Counts()
    frames: Counter[tuple[str, str]] = Counter()
    matches: Counter[str] = Counter()
    first_ns: int | None = None
    last_ns = 0
    for received_ns, push in Recording(paths).pushes(counts):
        if first_ns is None:
            first_ns = received_ns
        last_ns = max(last_ns, received_ns)
        frames[push.channel, push.inst_id] += 1
        if isinstance(push.body, PublishedTrade):
            matches[push.inst_id] += push.body.match_count
    if first_ns is None:
        raise NotFound(f"{paths[0]} holds no market data; a line is: TIME_NS FRAME")
    return Contents(paths, frames, matches, first_ns, last_ns, counts)
