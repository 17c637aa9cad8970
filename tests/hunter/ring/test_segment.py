from __future__ import annotations

import errno
import os
import shutil
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from hunter.errors import SegmentError, SegmentUnusable
from hunter.ring import segment
from hunter.ring.segment import Segment, WriterLease

SIZE_BYTES = 8192

ON_A_SMALL_TMPFS = """
import subprocess, sys
from pathlib import Path
from hunter.errors import SegmentUnusable
from hunter.ring import segment
directory = Path(sys.argv[1])
subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", directory], check=True)
segment.create(directory / "fits", 512 * 1024, lambda view: None).close()
try:
    segment.create(directory / "ring-0", 4 << 20, lambda view: None)
except SegmentUnusable as error:
    print(error.exit_code, sorted(path.name for path in directory.iterdir()), error)
"""

OVER_THE_FILE_LIMIT = """
import resource, sys
from pathlib import Path
from hunter.errors import SegmentUnusable
from hunter.ring import segment
resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
directory = Path(sys.argv[1])
try:
    segment.create(directory / "ring-0", 1 << 20, lambda view: None)
except SegmentUnusable as error:
    print(sorted(path.name for path in directory.iterdir()), error)
"""

HOLDS_THE_LEASE = """
import sys
from pathlib import Path
from hunter.ring.segment import WriterLease
lease = WriterLease(Path(sys.argv[1]))
print(lease.acquire(), flush=True)
sys.stdin.read()
"""


def make(path: Path, size_bytes: int = SIZE_BYTES) -> Segment:
    def initialise(view: memoryview) -> None:
        view[:5] = b"hello"

    return segment.create(path, size_bytes, initialise)


def names(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir())


def test_created_segment_is_whole_private_and_allocated(shm_dir: Path) -> None:
    with make(shm_dir / "ring-0") as made:
        assert bytes(made.view[:6]) == b"hello\0"
        assert len(made.view) == SIZE_BYTES
        info = (shm_dir / "ring-0").stat()
        assert stat.S_IMODE(info.st_mode) == 0o600
        assert info.st_blocks * 512 >= SIZE_BYTES, "a sparse file ends in SIGBUS"
    assert names(shm_dir) == ["ring-0"]


def test_store_is_seen_by_another_mapping(shm_dir: Path) -> None:
    with make(shm_dir / "ring-0") as made, segment.attach(shm_dir / "ring-0") as reader:
        made.words[100] = 2**64 - 1
        assert reader.words[100] == 2**64 - 1
        assert bytes(reader.view[800:808]) == b"\xff" * 8


def test_reader_cannot_write(shm_dir: Path) -> None:
    make(shm_dir / "ring-0").close()
    with segment.attach(shm_dir / "ring-0") as reader, pytest.raises(TypeError):
        reader.words[0] = 1


def test_segment_closes_with_its_parts(shm_dir: Path) -> None:
    made = make(shm_dir / "ring-0")
    part = made.part(0, 5)
    assert bytes(part) == b"hello"
    made.close()
    with pytest.raises(ValueError, match="released"):
        bytes(part)


def test_writable_mapping_is_not_inherited_by_a_fork(shm_dir: Path) -> None:
    path = shm_dir / "ring-0"
    with make(path):
        assert "dc" in mapping_flags(path)
    with segment.attach(path):
        assert "dc" not in mapping_flags(path)


def mapping_flags(path: Path) -> list[str]:
    """Flags of this process's mapping of a file; dc: do not copy on fork (proc(5), VmFlags)."""
    lines = iter(Path("/proc/self/smaps").read_text().splitlines())
    for line in lines:
        if line.endswith(str(path)):
            return next(line for line in lines if line.startswith("VmFlags")).split()
    raise AssertionError(f"{path} is not mapped")


def test_segment_knows_whether_its_file_was_replaced(shm_dir: Path) -> None:
    path = shm_dir / "ring-0"
    with make(path) as first:
        assert first.is_current()
        make(path).close()
        assert not first.is_current()
        segment.unlink(path)
        assert not first.is_current()
        segment.unlink(path)


def test_r7_segment_knows_whether_its_file_was_cut_short(shm_dir: Path) -> None:
    path = shm_dir / "segment"
    made = segment.create(path, 8192, lambda view: None)
    assert not made.is_cut_short()
    os.truncate(path, 8191)
    assert made.is_cut_short()
    path.unlink()
    assert not made.is_cut_short(), "what has no name any more keeps its bytes"
    path.write_bytes(b"another one")
    assert not made.is_cut_short()
    made.close()


def test_file_left_by_a_killed_creator_is_cleared_away(shm_dir: Path) -> None:
    (shm_dir / ".ring-0.123.new").write_bytes(b"half")
    (shm_dir / ".ring-1.123.new").write_bytes(b"another's")
    make(shm_dir / "ring-0").close()
    assert names(shm_dir) == [".ring-1.123.new", "ring-0"]


def test_creator_that_dies_while_initialising_leaves_the_old_file(shm_dir: Path) -> None:
    make(shm_dir / "ring-0").close()

    def die(view: memoryview) -> None:
        view[:5] = b"other"
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        segment.create(shm_dir / "ring-0", SIZE_BYTES, die)
    with segment.attach(shm_dir / "ring-0") as found:
        assert bytes(found.view[:5]) == b"hello"


def test_no_room_is_one_error_and_leaves_no_file(
    shm_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", refuse)
    with pytest.raises(SegmentUnusable, match=r"no room for 8,192 bytes.*--shm-size"):
        make(shm_dir / "ring-0")
    assert names(shm_dir) == []


def test_other_failure_passes_and_leaves_no_file(
    shm_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "posix_fallocate", refuse)
    with pytest.raises(OSError, match="Input/output"):
        make(shm_dir / "ring-0")
    assert names(shm_dir) == []


def test_full_file_system_is_one_error_and_leaves_no_file(shm_dir: Path) -> None:
    unshare = shutil.which("unshare")
    if unshare is None or subprocess.run([unshare, "-Urm", "true"], check=False).returncode:
        pytest.skip("needs a mount namespace of its own (unshare -Urm)")
    result = run_python(ON_A_SMALL_TMPFS, shm_dir, unshare, "-Urm")
    assert result.stdout.startswith("78 ['fits'] ")
    assert "no room for 4,194,304 bytes" in result.stdout
    assert names(shm_dir) == []


def test_file_size_limit_is_one_error_and_leaves_no_file(shm_dir: Path) -> None:
    result = run_python(OVER_THE_FILE_LIMIT, shm_dir)
    assert result.stdout.startswith("[] ")
    assert "no room" in result.stdout


def run_python(program: str, directory: Path, *before: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*before, sys.executable, "-c", program, str(directory)],
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )


def test_attach_refuses_what_is_no_segment(shm_dir: Path) -> None:
    make(shm_dir / "whole").close()
    (shm_dir / "short").write_bytes(bytes(4095))
    (shm_dir / "link").symlink_to(shm_dir / "whole")
    (shm_dir / "folder").mkdir()
    for name in ("absent", "short", "link", "folder"):
        with pytest.raises(SegmentError):
            segment.attach(shm_dir / name)


def test_attach_refuses_another_users_file(shm_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make(shm_dir / "ring-0").close()
    own = os.getuid()
    monkeypatch.setattr(os, "getuid", lambda: own + 1)
    with pytest.raises(SegmentError, match="not a segment of this user"):
        segment.attach(shm_dir / "ring-0")


def test_shared_dir_tells_user_name_and_runtime_dir() -> None:
    first = segment.shared_dir("lab", Path("/run/a"))
    assert first.parent == Path("/dev/shm")
    assert first.name.startswith(f"hunter-{os.getuid()}-lab-")
    assert first != segment.shared_dir("lab", Path("/run/b"))
    assert first == segment.shared_dir("lab", Path("/run/a"))


def test_private_dir_is_made_and_closed_to_others(tmp_path: Path) -> None:
    made = tmp_path / "a" / "b"
    segment.make_private_dir(made)
    assert stat.S_IMODE(made.stat().st_mode) == 0o700
    made.chmod(0o755)
    segment.make_private_dir(made)
    assert stat.S_IMODE(made.stat().st_mode) == 0o700


@pytest.mark.parametrize("kind", ["file", "link", "dangling link", "file above"])
def test_private_dir_refuses_what_is_no_directory(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "hunter"
    if kind == "file":
        path.write_bytes(b"")
    elif kind == "link":
        path.symlink_to(tmp_path)
    elif kind == "dangling link":
        path.symlink_to(tmp_path / "absent")
    else:
        path.write_bytes(b"")
        path = path / "default"
    with pytest.raises(SegmentUnusable, match=r"remove it or set \[hunter\]"):
        segment.make_private_dir(path)


def test_private_dir_refuses_another_users(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own = os.getuid()
    monkeypatch.setattr(os, "getuid", lambda: own + 1)
    with pytest.raises(SegmentUnusable):
        segment.make_private_dir(tmp_path)


def test_boot_id_is_the_kernels(monkeypatch: pytest.MonkeyPatch) -> None:
    known = segment.boot_id()
    assert len(known) == 16
    assert known == segment.boot_id() != bytes(16)

    def absent(*_: object) -> str:
        raise FileNotFoundError

    monkeypatch.setattr(Path, "read_text", absent)
    assert segment.boot_id() == bytes(16)


def test_lease_has_one_holder(tmp_path: Path) -> None:
    first, second = WriterLease(tmp_path / "lease"), WriterLease(tmp_path / "lease")
    assert first.acquire()
    assert first.acquire(), "taking it twice is no mistake"
    assert not second.acquire()
    first.release()
    first.release()
    assert second.acquire()
    second.close()
    assert not second.held
    assert first.acquire()
    first.close()


@pytest.fixture
def holder(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that holds the lease."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDS_THE_LEASE, str(tmp_path / "lease")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        assert process.stdout is not None
        assert process.stdout.readline() == "True\n"
        yield process
        process.kill()


def test_lease_is_freed_by_sigkill(tmp_path: Path, holder: subprocess.Popen[str]) -> None:
    lease = WriterLease(tmp_path / "lease")
    assert not lease.acquire()
    holder.kill()
    assert holder.wait(10) == -signal.SIGKILL
    assert lease.acquire()
    lease.close()


def test_stopped_holder_keeps_the_lease(tmp_path: Path, holder: subprocess.Popen[str]) -> None:
    lease = WriterLease(tmp_path / "lease")
    holder.send_signal(signal.SIGSTOP)
    assert not lease.acquire()
    holder.send_signal(signal.SIGCONT)
    lease.close()


def test_processor_that_reorders_stores_needs_the_compiled_half(
    shm_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = shm_dir / "ring"
    segment.create(path, 4096, lambda view: None).close()
    monkeypatch.setattr("hunter.ring.ordering.ORDERED_MACHINES", frozenset())
    monkeypatch.setattr("hunter.native.kernel", None)
    with pytest.raises(SegmentUnusable, match="compiled half"):
        segment.attach(path)
    with pytest.raises(SegmentUnusable, match="compiled half"):
        segment.create(shm_dir / "other", 4096, lambda view: None)
    assert [each.name for each in shm_dir.iterdir()] == ["ring"]
