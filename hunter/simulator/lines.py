"""Lines out of recording files: unpacked as they are read, several files merged by time.

Forms, told apart line by line:

    <receive time, ns since the epoch> <frame>      hunter's own
    <epoch s>: <frame>                              received, cryptofeed 2022
    <url> <- <epoch s>: <frame>                     sent by that client: skipped
    <url> <-> <epoch s>                             a connect: skipped

Plain, .gz or .zst, each of one packed part or of many in a row. A recorder that was killed leaves a
last part that breaks off: what comes before it is read, the rest counted in `torn`. A file is open
only while the merge is inside its span of time, so a recording may have any number of segments.
"""

from __future__ import annotations

import heapq
import zlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import IO, Final, Protocol

import zstandard

READ_BYTES: Final = 64 << 10
# Of packed data: four bytes of zstd can stand for 128 kB, and a file may come from anybody.
PACKED_READ_BYTES: Final = 2 << 10
LINE_BYTES_MAX: Final = 32 << 20  # twice the longest frame that is received
_GZIP_WBITS: Final = 31  # zlib's number for a gzip member with its header and its checksum
# A packed frame may say how much memory its reader needs; this is zstd's own default limit.
_WINDOW_BYTES_MAX: Final = 128 << 20
_TIME_DIGITS_MAX: Final = 20

Line = tuple[int, bytes]


class Counts:
    """What reading found; shown in /sim/counts."""

    def __init__(self) -> None:
        self.frames = 0
        self.skipped = 0
        self.malformed = 0
        self.torn = 0  # files that break off, or are damaged from some point on


class _Unpacker(Protocol):
    """Of one packed part; zlib's and zstandard's are alike."""

    @property
    def eof(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, /) -> bytes: ...


def merged_lines(paths: Sequence[Path], counts: Counts) -> Iterator[Line]:
    """(receive time in ns, frame) of all received lines of all files, in time order; what shares a
    time in the order of `paths`, and each file's lines in their own order.
    """
    unopened: list[tuple[int, int]] = []
    for index, path in enumerate(paths):
        first = next(file_lines(path, Counts()), None)
        if first is None:
            for _ in file_lines(path, counts):
                pass  # to count what is wrong with it
        else:
            unopened.append((first[0], index))
    heapq.heapify(unopened)
    heads: list[tuple[int, int, bytes, Iterator[Line]]] = []
    while unopened or heads:
        if unopened and (not heads or unopened[0] < heads[0][:2]):
            _, index = heapq.heappop(unopened)
            lines = file_lines(paths[index], counts)
            received_ns, frame = next(lines)
            heapq.heappush(heads, (received_ns, index, frame, lines))
            continue
        received_ns, index, frame, lines = heads[0]
        yield received_ns, frame
        following = next(lines, None)
        if following is None:
            heapq.heappop(heads)
        else:
            heapq.heapreplace(heads, (following[0], index, following[1], lines))


def file_lines(path: Path, counts: Counts) -> Iterator[Line]:
    """The received lines of one file, in its order."""
    torn_before = counts.torn
    rest = b""
    with path.open("rb") as file:
        for text in _texts(file, path.suffix, counts):
            *whole, rest = (rest + text).split(b"\n")
            for line in whole:
                if (parsed := _parse(line, counts)) is not None:
                    yield parsed
            if len(rest) > LINE_BYTES_MAX:
                counts.torn += 1
                return
    # Half a line is as good as none; a whole one may lack its line end in a file made by hand.
    if rest and counts.torn == torn_before and (parsed := _parse(rest, counts)) is not None:
        yield parsed


def _texts(file: IO[bytes], suffix: str, counts: Counts) -> Iterator[bytes]:
    if suffix == ".gz":
        return _unpacked(file, lambda: zlib.decompressobj(_GZIP_WBITS), counts)
    if suffix == ".zst":
        context = zstandard.ZstdDecompressor(max_window_size=_WINDOW_BYTES_MAX)
        return _unpacked(file, context.decompressobj, counts)
    return iter(lambda: file.read(READ_BYTES), b"")


def _unpacked(file: IO[bytes], begin: Callable[[], _Unpacker], counts: Counts) -> Iterator[bytes]:
    unpacker, is_inside = begin(), False
    while packed := file.read(min(READ_BYTES, PACKED_READ_BYTES)):
        while packed:
            try:
                text = unpacker.decompress(packed)
            except (zlib.error, zstandard.ZstdError):
                counts.torn += 1
                return
            if text:
                yield text
            packed, is_inside = b"", True
            if unpacker.eof:
                packed = unpacker.unused_data
                unpacker, is_inside = begin(), False
    counts.torn += is_inside


def _parse(line: bytes, counts: Counts) -> Line | None:
    head, _, rest = line.rstrip(b"\r").partition(b" ")
    if len(head) > _TIME_DIGITS_MAX:
        head = b""
    if head.isdigit():
        return int(head), rest
    if head.endswith(b":") and head[:-1].replace(b".", b"", 1).isdigit():
        return _seconds_to_ns(head[:-1].decode()), rest
    if b"<-" in rest[:4]:
        counts.skipped += 1
    else:
        counts.malformed += 1
    return None


def _seconds_to_ns(text: str) -> int:
    whole, _, part = text.partition(".")
    return int(whole or "0") * 1_000_000_000 + int(part[:9].ljust(9, "0"))
