"""Files in /dev/shm mapped into memory, and the lease that makes one process their writer.

Invariants: a file appears under its name only whole (written aside, then renamed); its pages are
allocated at once (a sparse file would end in SIGBUS when the tmpfs is full, a full one is an error
at start); readers map read-only; nothing here unlinks a file but `unlink`.
multiprocessing.shared_memory is not used because on Python <= 3.12 any attaching process that exits
unlinks the segment under its creator (cpython gh-82300).
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import mmap
import os
import stat
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

from hunter import native
from hunter.errors import SegmentError, SegmentUnusable
from hunter.ring.ordering import require_order

SHARED_ROOT = Path("/dev/shm")


def shared_dir(name: str, runtime_dir: Path) -> Path:
    """Where an instance keeps its shared memory.

    The runtime directory is part of the name: two instances called "default" with runtime
    directories of their own must not meet here.
    """
    digest = hashlib.blake2s(str(runtime_dir).encode(), digest_size=3).hexdigest()
    return SHARED_ROOT / f"hunter-{os.getuid()}-{name}-{digest}"


def make_private_dir(path: Path) -> None:
    """Create `path` with mode 0700, or check that it is a directory of ours that nobody else can
    enter.
    """
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise SegmentUnusable(
            f"{path} cannot be a directory: {error.strerror}; remove it or set [hunter] runtime_dir"
        ) from error
    info = path.lstat()
    if not stat.S_ISDIR(info.st_mode) or info.st_uid != os.getuid():
        raise SegmentUnusable(
            f"{path} is not a directory of this user; remove it or set [hunter] name"
        )
    for folder in path.parents:
        _refuse_squatted(folder)
    if info.st_mode & 0o077:
        path.chmod(0o700)


def _refuse_squatted(folder: Path) -> None:
    """Where everybody can make folders, such as /tmp, another user may have made this one before
    us: what lies in it would be theirs to exchange.
    """
    anybody = folder.parent.stat().st_mode & stat.S_IWOTH
    if anybody and folder.parent != folder and folder.lstat().st_uid not in (0, os.getuid()):
        raise SegmentUnusable(f"{folder} belongs to another user; set [hunter] runtime_dir")


def boot_id() -> bytes:
    """16 bytes that change at each boot: monotonic stamps in a kept file mean nothing after one."""
    try:
        text = Path("/proc/sys/kernel/random/boot_id").read_text()
    except OSError:
        return bytes(16)
    return bytes.fromhex(text.strip().replace("-", ""))


class Segment:
    """One mapped file. `view` is its bytes; `words` the same as aligned 8-byte words.

    A store through `words` is one aligned 8-byte store, so another process sees the old or the new
    value. struct.pack_into is not: it zeroes its target first, and a reader can see that zero. It
    comes after all stores made before it and before all made after it, and a load through `words`
    likewise among loads: on x86-64 by itself, elsewhere by the compiled half.
    """

    def __init__(self, path: Path, mapped: mmap.mmap, inode: int) -> None:
        self.path = path
        self.inode = inode
        self._mapped = mapped
        self.view = memoryview(mapped)
        words = self.view[: len(self.view) & ~7].cast("Q")
        # the compiled ones can do what a memoryview is used for here, slices in no order among them
        self.words: memoryview = words if native.kernel is None else native.kernel.Words(words)
        self._parts: list[memoryview] = []

    def part(self, start: int, end: int) -> memoryview:
        """A window on some of the bytes; it ends with the segment."""
        window = self.view[start:end]
        self._parts.append(window)
        return window

    def word_part(self, start: int, end: int) -> memoryview:
        """The same as plain words, for counters whose order among other stores does not matter."""
        window = self.view[start:end].cast("Q")
        self._parts.append(window)
        return window

    def close(self) -> None:
        for window in (*self._parts, self.words, self.view):
            window.release()
        self._mapped.close()

    def is_current(self) -> bool:
        """Whether the file under this name still is the one mapped here."""
        try:
            return self.path.stat().st_ino == self.inode
        except OSError:
            return False

    def is_cut_short(self) -> bool:
        """Whether the file has lost bytes since: to touch them would be the end of this process, by
        SIGBUS. Actors do not ask, they are restarted; who must live through it does.
        """
        try:
            info = self.path.stat()
        except OSError:
            return False  # the name is gone, the bytes are not
        return info.st_ino == self.inode and info.st_size < len(self.view)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def attach(path: Path, *, writable: bool = False) -> Segment:
    """Map an existing file whole.

    Raises SegmentError when there is none, or when it is empty or not ours; SegmentUnusable on a
    processor that needs the compiled half, without it.
    """
    require_order()
    # O_NONBLOCK: a fifo under this name must not keep us waiting
    flags = os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
    flags |= os.O_RDWR if writable else os.O_RDONLY
    try:
        descriptor = os.open(path, flags)
    except OSError as error:
        raise SegmentError(f"no shared memory at {path}: {error.strerror}") from error
    try:
        info = os.fstat(descriptor)
        if not stat.S_ISREG(info.st_mode) or info.st_uid != os.getuid() or info.st_size < 4096:
            raise SegmentError(f"{path} is not a segment of this user")
        access = mmap.ACCESS_WRITE if writable else mmap.ACCESS_READ
        mapped = mmap.mmap(descriptor, info.st_size, access=access)
        if writable:
            # a forked helper must never hold a writable copy of the ring
            mapped.madvise(mmap.MADV_DONTFORK)
        return Segment(path, mapped, info.st_ino)
    finally:
        os.close(descriptor)


def create(path: Path, size_bytes: int, initialise: Callable[[memoryview], None]) -> Segment:
    """Make a file of `size_bytes` zeros, let `initialise` write its header, then give it its name.

    Raises SegmentUnusable when the file system has no room for it, and as `attach` does.
    """
    require_order()
    aside = path.with_name(f".{path.name}.{os.getpid()}.new")
    for stale in path.parent.glob(f".{path.name}.*.new"):
        stale.unlink(missing_ok=True)
    descriptor = os.open(
        aside, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600
    )
    try:
        os.posix_fallocate(descriptor, 0, size_bytes)
        with mmap.mmap(descriptor, size_bytes) as mapped, memoryview(mapped) as view:
            initialise(view)
        os.rename(aside, path)
    except OSError as error:
        with contextlib.suppress(OSError):
            aside.unlink()
        if error.errno in (errno.ENOSPC, errno.ENOMEM, errno.EFBIG, errno.EDQUOT):
            raise SegmentUnusable(
                f"{path.parent} has no room for {size_bytes:,} bytes; enlarge it"
                " (Docker: --shm-size) or lower [ring] capacity"
            ) from error
        raise
    finally:
        os.close(descriptor)
    return attach(path, writable=True)


def unlink(path: Path) -> None:
    path.unlink(missing_ok=True)


class WriterLease:
    """The right to write a segment: a flock, which the kernel takes back at the holder's death,
    whatever kills it. flock and not lockf: any close of the file in this process would drop a POSIX
    lock.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._descriptor = os.open(
            path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600
        )
        self.held = False

    def acquire(self) -> bool:
        """Take the lease if nobody has it; never waits."""
        if not self.held:
            try:
                fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return False
            self.held = True
        return True

    def release(self) -> None:
        if self.held:
            fcntl.flock(self._descriptor, fcntl.LOCK_UN)
            self.held = False

    def close(self) -> None:
        os.close(self._descriptor)
        self.held = False
