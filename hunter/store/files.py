"""StoreFiles: the directory of the store, and all that is done to files in it.

    DIR/TABLE/instrument=.../date=.../part-*.parquet   what readers see
    DIR/.work/                                         files and folders that are being made
    DIR/.lock                                          flock: one store writes here

Invariants. A part appears under its name whole and written through to the disk, or not at all; rows
and the position they bring appear by the same rename. Parts are merged in a folder aside, which
then changes places with the folder that readers see: whoever lists it finds the rows once, before,
during and after, whenever this process is killed. Where the file system cannot do that, the day is
gone for a moment, and the next start puts it back if need be; it is never there twice. Only files
that this store wrote are removed: by their place, name, and what their end says.

All methods but the properties may wait for the disk: the writing thread calls them. They raise
OSError when the disk refuses.
"""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Final

from hunter.files import private_opener
from hunter.ring.segment import WriterLease
from hunter.store.parts import Folder, PartFile, StoredLane, merged, parse_folder, parse_part
from hunter.store.swap import exchange
from hunter.store.tables import encodings, schema_of

if TYPE_CHECKING:
    import pyarrow as pa

WORK: Final = ".work"
LOCK: Final = ".lock"
_MARK: Final = b"hunter.store"
"""Key of a file's metadata: a store wrote it; the value is the hash of where its rows came from."""
MERGE_BYTES: Final = 16 << 20
"""Of rows in memory, while parts are merged; one row group of the file they become."""
_READ_ROWS: Final = 8_192
_NO_LINKS: Final = frozenset((errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK))
"""What a file system says that has none."""


class StoreFiles:
    """`open` first. `parts` are all there are, by folder; `newest` those of each lane.

    `free_min_bytes`: below it nothing is written, for the journal may need the room.
    """

    def __init__(self, directory: Path, free_min_bytes: int = 0) -> None:
        self.directory = directory
        self._free_min_bytes = free_min_bytes
        self._lease: WriterLease | None = None
        self._folders: dict[Folder, list[PartFile]] = {}
        self._newest: dict[StoredLane, PartFile] = {}
        self.file_count = 0
        self.size_bytes = 0
        self.removed_count = 0
        self.merged_count = 0

    # what there is

    def parts(self) -> list[PartFile]:
        return [part for parts in self._folders.values() for part in parts]

    def folders(self) -> list[list[PartFile]]:
        """The parts of each folder."""
        return list(self._folders.values())

    def newest(self, lane: StoredLane) -> PartFile | None:
        """The part that says where the lane goes on."""
        return self._newest.get(lane)

    def newest_parts(self) -> list[PartFile]:
        return list(self._newest.values())

    def parts_of(self, lane: StoredLane) -> list[PartFile]:
        """The lane's parts, in order."""
        found = [p for folder, parts in self._folders.items() if folder.lane == lane for p in parts]
        return sorted(found, key=lambda part: part.order)

    def source_of(self, part: PartFile) -> int | None:
        """Where its rows come from; None when no store wrote it. FileNotFoundError: it is gone."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        try:
            found = (pq.read_metadata(self.full_path(part)).metadata or {}).get(_MARK)
            return None if found is None else int(found)
        except (pa.ArrowException, ValueError):
            return None
        except OSError as error:
            if error.errno is not None:
                raise
            return None  # what the library says of damage

    def full_path(self, part: PartFile) -> Path:
        return self.directory / part.path

    # opening

    def look_again(self) -> None:
        """Somebody else has changed what is there."""
        self._scan()

    def open(self) -> str:
        """Take the lock, tidy up after a former process, and look what there is.

        Why it cannot be opened, if another process writes here; "" when it is open.
        """
        if self._lease is None:
            self.directory.mkdir(parents=True, exist_ok=True)
            lease = WriterLease(self.directory / LOCK)
            if not lease.acquire():
                lease.close()
                return f"another store writes to {self.directory}; set [store] dir"
            self._lease = lease
        self._tidy()
        self._scan()
        return ""

    def close(self) -> None:
        if self._lease is not None:
            self._lease.close()
            self._lease = None

    def _tidy(self) -> None:
        """What a process that was killed left: drafts go; a folder that was put aside for its
        merged one goes back, if that did not take its place.
        """
        work = self.directory / WORK
        aside = work / "aside"
        for path in sorted(aside.glob("*/*/*")):
            self._put_back(path.relative_to(aside))
        if work.exists():
            shutil.rmtree(work)
        work.mkdir(mode=0o700)

    def _put_back(self, folder: Path) -> None:
        """What was put aside, if nothing has its place."""
        place, aside = self.directory / folder, self.directory / WORK / "aside" / folder
        if aside.exists() and not place.exists():
            place.parent.mkdir(parents=True, exist_ok=True)
            aside.rename(place)

    def _stay_open(self) -> None:
        """Somebody may have removed everything, the lock among it."""
        if self._lease is None or not (self.directory / LOCK).exists():
            self.close()
            if why := self.open():
                raise OSError(errno.EAGAIN, why)

    def _scan(self) -> None:
        self._folders.clear()
        self._newest.clear()
        self.file_count = self.size_bytes = 0
        for path in self.directory.glob("*/instrument=*/date=*"):
            folder = parse_folder(path.parent.parent.name, path.parent.name, path.name)
            if folder is None or path.is_symlink():
                continue
            with os.scandir(path) as entries:
                for entry in entries:
                    if entry.is_file(follow_symlinks=False):
                        size = entry.stat(follow_symlinks=False).st_size
                        part = parse_part(folder, entry.name, size)
                        if part is not None:
                            self._add(part)

    def _add(self, part: PartFile) -> None:
        self._folders.setdefault(part.folder, []).append(part)
        newest = self._newest.get(part.folder.lane)
        if newest is None or newest.order <= part.order:
            self._newest[part.folder.lane] = part
        self.file_count += 1
        self.size_bytes += part.size_bytes

    def _forget(self, part: PartFile) -> None:
        parts = self._folders[part.folder]
        parts.remove(part)
        if not parts:
            del self._folders[part.folder]
        self.file_count -= 1
        self.size_bytes -= part.size_bytes

    # writing

    def write(self, part: PartFile, table: pa.Table, source: int) -> PartFile:
        """Make the part; the same one again, after an error, replaces itself. Its size is filled
        in. `source`: as of the ring's layout; merged parts have that of their newest.
        """
        self._stay_open()
        self._leave_room()
        draft = self.directory / WORK / part.name
        try:
            draft.parent.mkdir(mode=0o700, exist_ok=True)
            with _writer(draft, part.folder.lane.table, source) as (writer, _):
                writer.write_table(table)
            size = draft.stat().st_size
            path = self.full_path(part)
            self._put_back(Path(part.folder.path))
            is_new_folder = not path.parent.exists()
            path.parent.mkdir(parents=True, exist_ok=True)
            draft.rename(path)
        except OSError:
            with contextlib.suppress(OSError):
                draft.unlink()
            raise
        written = part._replace(size_bytes=size)
        # It can be seen from here on, and has to count, whatever else fails.
        for known in [p for p in self._folders.get(part.folder, ()) if p.name == part.name]:
            self._forget(known)
        self._add(written)
        with contextlib.suppress(OSError):
            _sync_directory(path.parent)
            if is_new_folder:
                _sync_directory(path.parent.parent)
        return written

    def _leave_room(self) -> None:
        found = os.statvfs(self.directory)
        if found.f_bavail * found.f_frsize < self._free_min_bytes:
            least_mb = self._free_min_bytes >> 20
            reason = f"less than watchdog.disk_free_mb = {least_mb} is free, kept for the journal"
            raise OSError(errno.ENOSPC, reason, str(self.directory))

    def merge(self, parts: Sequence[PartFile]) -> Iterator[None]:
        """Make one part of these, which are of one folder and in order; each step is a short one.

        Parts that are written between two steps are kept as they are. Nothing changes when one of
        these is damaged, or no store wrote it.
        """
        folder = parts[0].folder
        whole = merged(parts)
        seen = self.directory / folder.path
        fresh = self.directory / WORK / "fresh" / folder.path
        if fresh.exists():
            shutil.rmtree(fresh)
        names = {part.name for part in parts}
        source = self.source_of(parts[-1])
        if source is None:
            raise OSError(errno.EIO, f"{parts[-1].path} is not the store's")
        try:
            fresh.mkdir(parents=True)
            with _writer(fresh / whole.name, folder.lane.table, source) as (writer, file):
                paths = [self.full_path(part) for part in parts]
                for table in tables_of(paths, schema_of(folder.lane.table)):
                    writer.write_table(table)
                    # Piece by piece: all of a day at the end would keep new rows waiting.
                    file.flush()
                    os.fdatasync(file.fileno())
                    yield
            _carry_over(seen, fresh, names)
            _sync_directory(fresh)
            old = self._take_place(fresh, seen)
        except OSError:
            shutil.rmtree(fresh, ignore_errors=True)  # what is full is not to be filled by it
            raise
        for part in parts:
            self._forget(part)
        self._add(whole._replace(size_bytes=(seen / whole.name).stat().st_size))
        self.merged_count += len(parts)
        _rescue(old, seen, names)
        shutil.rmtree(old)

    def _take_place(self, fresh: Path, seen: Path) -> Path:
        """Show `fresh` where `seen` was; where that is now."""
        if exchange(fresh, seen):
            old = fresh
        else:
            old = self.directory / WORK / "aside" / seen.relative_to(self.directory)
            if old.exists():
                shutil.rmtree(old)  # of a merge before: `seen` is there, so it was replaced
            old.parent.mkdir(parents=True, exist_ok=True)
            seen.rename(old)
            try:
                fresh.rename(seen)
            except OSError:
                old.rename(seen)
                raise
        _sync_directory(seen.parent)
        return old

    def remove(self, part: PartFile) -> bool:
        """Remove a part; False when the file is not one that a store wrote. It is not counted any
        more in either case.
        """
        path = self.full_path(part)
        try:
            is_ours = self.source_of(part) is not None
            if is_ours:
                path.unlink()
                self.removed_count += 1
        except FileNotFoundError:
            is_ours = True
        self._forget(part)
        for folder in (path.parent, path.parent.parent):
            with contextlib.suppress(OSError):  # there is something left in it
                folder.rmdir()
        return is_ours


def _carry_over(seen: Path, fresh: Path, names: set[str]) -> None:
    """Whatever lies beside the parts of these names lies beside the merged one, too."""
    with os.scandir(seen) as entries:
        for entry in entries:
            if entry.name in names:
                continue
            if entry.is_dir(follow_symlinks=False):
                raise OSError(errno.ENOTEMPTY, f"{entry.path} is a folder: move it out of here")
            try:
                os.link(entry.path, fresh / entry.name, follow_symlinks=False)
            except OSError as error:
                if error.errno not in _NO_LINKS:
                    raise
                copy = shutil.copy2(entry.path, fresh / entry.name, follow_symlinks=False)
                with open(copy, "rb") as file:
                    os.fsync(file.fileno())


def _rescue(old: Path, seen: Path, names: set[str]) -> None:
    """What somebody put into the folder just before its merged one took its place."""
    with os.scandir(old) as entries:
        for entry in entries:
            if entry.name not in names and not (seen / entry.name).exists():
                os.rename(entry.path, seen / entry.name)


@contextlib.contextmanager
def _writer(
    path: Path, table: str, source: int
) -> Iterator[tuple[pa.parquet.ParquetWriter, BinaryIO]]:
    """Parquet at `path`, written through to the disk at the end."""
    import pyarrow.parquet as pq

    schema = schema_of(table).with_metadata({_MARK: b"%d" % source})
    with open(path, "wb", opener=private_opener) as file:
        writer = pq.ParquetWriter(file, schema, **encodings(table))
        try:
            yield writer, file
            writer.close()
        finally:
            writer.is_open = False  # or it would try once more whenever it is collected
        file.flush()
        os.fsync(file.fileno())


@contextlib.contextmanager
def opened_part(path: Path) -> Iterator[pa.parquet.ParquetFile]:
    """A file to read; that it is damaged is an OSError, which names it."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path) as file:
            yield file
    except (OSError, pa.ArrowException, ValueError, KeyError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        why = f"{path} cannot be read: {error}; move it away"
        raise OSError(errno.EIO, why) from error


def tables_of(paths: Sequence[Path], schema: pa.Schema) -> Iterator[pa.Table]:
    """The rows of all files, in pieces of about MERGE_BYTES. A file that is no Parquet, of other
    columns, or that no store wrote is an OSError too: it has to be looked at by somebody.
    """
    import pyarrow as pa

    held: list[pa.RecordBatch] = []
    held_bytes = 0
    for path in paths:
        with opened_part(path) as file:
            if _MARK not in (file.metadata.metadata or {}):
                raise OSError(errno.EIO, f"{path} is not the store's; move it away")
            if not file.schema_arrow.equals(schema):
                raise OSError(errno.EIO, f"{path} has other columns; move it away")
            for batch in file.iter_batches(_READ_ROWS):
                held.append(batch)
                held_bytes += batch.nbytes
                if held_bytes >= MERGE_BYTES:
                    yield pa.Table.from_batches(held)
                    held, held_bytes = [], 0
    if held:
        yield pa.Table.from_batches(held)


def _sync_directory(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
