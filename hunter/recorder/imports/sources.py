"""The lines of the files somebody downloaded: plain, .gz, .zip, .tar or .tar.gz.

Told apart by their first bytes, not by their names. Members of an archive are read one after the
other and never written anywhere, so their names do no harm. Lines and nesting have limits; a file
that breaks off gives what comes before, and the tally says so.
"""

from __future__ import annotations

import gzip
import io
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, Final, NamedTuple

from hunter.errors import NotFound
from hunter.recorder.imports.tally import ImportTally

LINE_BYTES_MAX: Final = 32 << 20
NESTING_MAX: Final = 3
_READ_BYTES: Final = 256 << 10
_GZIP: Final = b"\x1f\x8b"
_ZIP: Final = b"PK\x03\x04"
_TAR_AT: Final = 257
_ZIP_METHODS: Final = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
# What the standard readers raise about a file that is damaged, broken off, or no archive at all.
_DAMAGE: Final = (
    EOFError,
    zlib.error,
    gzip.BadGzipFile,
    zipfile.BadZipFile,
    tarfile.TarError,
)


class SourceLine(NamedTuple):
    """A line without its end; `name` is that of the file, or of the member of an archive."""

    name: str
    text: bytes


class Sources:
    """The files of one import. `lines(index)` may be asked for each once."""

    def __init__(self, paths: tuple[Path, ...], tally: ImportTally) -> None:
        """Raises NotFound for a path that is no file."""
        self._paths = paths
        self._tally = tally
        self._sizes = []
        for path in paths:
            if not path.is_file():
                raise NotFound(f"no file to import at {path}")
            self._sizes.append(path.stat().st_size)
        self._read = [0] * len(paths)

    def __len__(self) -> int:
        return len(self._paths)

    def name(self, index: int) -> str:
        return self._paths[index].name

    @property
    def part_read(self) -> float:
        """0 to 1: how much of the packed bytes has been read."""
        return sum(self._read) / max(1, sum(self._sizes))

    def lines(self, index: int) -> Iterator[SourceLine]:
        """Lines that are not empty, of all members in their order."""
        with self._paths[index].open("rb") as file:
            name = self.name(index)
            try:
                for member, stream in _members(name, file, 0):
                    for text in _lines(stream):
                        self._read[index] = file.tell()
                        if text:
                            self._tally.lines += 1
                            yield SourceLine(member, text)
            except _DAMAGE as error:
                self._tally.tear(name, error)
        self._read[index] = self._sizes[index]


def _members(name: str, file: Any, depth: int) -> Iterator[tuple[str, IO[bytes]]]:
    if depth > NESTING_MAX:
        raise tarfile.TarError(f"archives within archives, more than {NESTING_MAX} deep")
    # The readers of the standard library are raw files in all but their types.
    stream = file if isinstance(file, io.BufferedReader) else io.BufferedReader(file, _READ_BYTES)
    head = stream.peek(_TAR_AT + 5)
    if head.startswith(_ZIP) and depth == 0:
        with zipfile.ZipFile(stream) as archive:
            for entry in archive.infolist():
                if entry.is_dir():
                    continue
                if entry.flag_bits & 1 or entry.compress_type not in _ZIP_METHODS:
                    raise zipfile.BadZipFile(f"{entry.filename} is encrypted or packed unusually")
                with archive.open(entry) as member:
                    yield from _members(entry.filename, member, depth + 1)
    elif head.startswith(_GZIP):
        with gzip.GzipFile("", "rb", fileobj=stream) as unpacked:
            yield from _members(name, unpacked, depth + 1)
    elif head[_TAR_AT : _TAR_AT + 5] == b"ustar":
        with tarfile.open(fileobj=stream, mode="r|") as files:
            for info in files:
                inside = files.extractfile(info) if info.isreg() else None
                if inside is not None:
                    yield from _members(info.name, inside, depth + 1)
    else:
        yield name, stream


def _lines(stream: IO[bytes]) -> Iterator[bytes]:
    while text := stream.readline(LINE_BYTES_MAX):
        if not text.endswith(b"\n") and len(text) == LINE_BYTES_MAX:
            raise EOFError(f"a line of more than {LINE_BYTES_MAX >> 20} MiB")
        yield text.strip()
