from __future__ import annotations

import os
import signal
import struct
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from hunter.ring import segment
from hunter.ring.segment import Segment
from hunter.status.latency import LATENCY_WORDS
from hunter.status.page import (
    ActorState,
    Beat,
    Page,
    is_alive,
    is_suspended,
    page_bytes,
    process_start_ticks,
)

OFFSET = 4096
SIZE_BYTES = page_bytes(1000)
SECOND_BUFFER = OFFSET + 0x80 + ((SIZE_BYTES - 0x80 - 8 * LATENCY_WORDS) // 2 & ~7)

WRITES_FOR_EVER = """
import sys
from pathlib import Path
from hunter.ring import segment
from hunter.status.page import Page
shared = segment.attach(Path(sys.argv[1]), writable=True)
page = Page(shared, 4096, int(sys.argv[2]))
print("ready", flush=True)
number = 0
while True:
    number += 1
    page.write_document(bytes([number % 251]) * (number % 700 + 100))
"""


@pytest.fixture
def shared(shm_dir: Path) -> Iterator[Segment]:
    size_bytes = OFFSET + SIZE_BYTES + 4096
    with segment.create(shm_dir / "status", size_bytes, lambda view: None) as made:
        yield made


@pytest.fixture
def page(shared: Segment) -> Page:
    return Page(shared, OFFSET, SIZE_BYTES)


@pytest.fixture
def reader(shared: Segment) -> Iterator[Page]:
    """The page as another process maps it."""
    with segment.attach(shared.path) as found:
        yield Page(found, OFFSET, SIZE_BYTES)


@pytest.mark.parametrize("document_bytes_max", [0, 1, 1000, 4096, 100_000])
def test_page_has_room_for_what_was_asked(document_bytes_max: int, shared: Segment) -> None:
    size = page_bytes(document_bytes_max)
    assert size % 4096 == 0
    assert Page(shared, OFFSET, size).document_bytes_max >= document_bytes_max


def test_fresh_page_is_of_nobody(page: Page) -> None:
    assert page.beat() == (0, 0, ActorState.STOPPED, 0, 0, 0, 0, 0, 0, 0)
    assert page.read_document() is None
    assert not is_alive(page.beat())


def test_words_are_seen_by_readers(page: Page, reader: Page) -> None:
    for number, name in enumerate(Beat._fields[:-1], 1):
        page.store(name, number)
    assert reader.beat() == (1, 2, ActorState.DEGRADED, 4, 5, 6, 7, 8, 9, 0)


def test_words_lie_where_they_are_drawn(page: Page, shared: Segment) -> None:
    for number, name in enumerate(Beat._fields, 1):
        page.store(name, number)
    assert struct.unpack_from("<10Q", shared.view, OFFSET) == tuple(range(1, 11))


def test_unknown_state_reads_as_stopped(page: Page) -> None:
    page.store("state", 99)
    assert page.beat().state is ActorState.STOPPED


def test_newest_document_is_read(page: Page, reader: Page) -> None:
    for number in range(1, 6):
        page.write_document(b"x" * number)
        assert reader.read_document() == b"x" * number
        assert reader.beat().generation == number


def test_empty_document_is_a_document(page: Page, reader: Page) -> None:
    page.write_document(b"")
    assert reader.read_document() == b""


def test_largest_document_fits_and_leaves_the_neighbours_alone(page: Page, shared: Segment) -> None:
    before, after = bytes(shared.view[:OFFSET]), bytes(shared.view[OFFSET + SIZE_BYTES :])
    for fill in (b"\xaa", b"\xbb"):
        page.write_document(fill * page.document_bytes_max)
        assert page.read_document() == fill * page.document_bytes_max
    assert bytes(shared.view[:OFFSET]) == before
    assert bytes(shared.view[OFFSET + SIZE_BYTES :]) == after


def test_document_that_outgrew_its_page_leaves_the_one_before(page: Page) -> None:
    assert page.write_document(b"before")
    assert not page.write_document(bytes(page.document_bytes_max + 1))
    assert page.read_document() == b"before"


@pytest.mark.parametrize("written_bytes", [0, 1, 8, 12, 16, 17, 40, 60])
def test_writer_killed_in_a_document_leaves_the_former_one(
    page: Page, reader: Page, shared: Segment, written_bytes: int
) -> None:
    page.write_document(b"first")
    page.write_document(b"in force")
    scratch = bytearray(shared.view)
    page.write_document(b"never finished, the writer is killed within these words")
    # Undo all but the first bytes of what the writer stored, and its last store.
    buffer = SECOND_BUFFER
    tail = buffer + written_bytes
    shared.view[tail : OFFSET + SIZE_BYTES] = scratch[tail : OFFSET + SIZE_BYTES]
    page.store("generation", 2)
    assert reader.read_document() == b"in force"
    page.write_document(b"of the next writer")
    assert reader.read_document() == b"of the next writer"


@pytest.mark.parametrize("place", [0, 8, 12, 16], ids=["generation", "length", "crc", "body"])
def test_damaged_document_is_none(page: Page, shared: Segment, place: int) -> None:
    page.write_document(b"sound")
    buffer = SECOND_BUFFER
    shared.view[buffer + place] ^= 0x80
    assert page.read_document() is None


def test_absurd_length_is_none(page: Page, shared: Segment) -> None:
    page.write_document(b"sound")
    buffer = SECOND_BUFFER
    struct.pack_into("<I", shared.view, buffer + 8, 0xFFFF_FFFF)
    assert page.read_document() is None


class OvertakenWords:
    """The words as a reader sees them who sleeps after each of its first `count` loads."""

    def __init__(self, words: memoryview, write: Callable[[], None], count: int) -> None:
        self._words, self._write, self._count = words, write, count

    def __getitem__(self, word: int) -> int:
        value = int(self._words[word])
        if self._count:
            self._count -= 1
            self._write()
        return value


@pytest.mark.parametrize(
    ("overtaken_count", "found"), [(1, b"newest" * 10), (7, b"newest" * 10), (8, None)]
)
def test_document_replaced_under_the_reader_is_read_again(
    page: Page, reader: Page, overtaken_count: int, found: bytes | None
) -> None:
    page.write_document(b"old" * 30)

    def write() -> None:
        page.write_document(b"newer" * 20)
        page.write_document(b"newest" * 10)

    reader._words = OvertakenWords(reader._words, write, overtaken_count)  # type: ignore[assignment]
    assert reader.read_document() == found


def test_reader_of_a_busy_writer_and_its_corpse_reads_whole_documents(
    reader: Page, shared: Segment
) -> None:
    for _ in range(3):
        process = subprocess.Popen(
            [sys.executable, "-c", WRITES_FOR_EVER, str(shared.path), str(SIZE_BYTES)],
            stdout=subprocess.PIPE,
            text=True,
        )
        with process:
            assert process.stdout is not None
            process.stdout.readline()
            seen = 0
            while seen < 200:
                seen += assert_whole(reader.read_document())
            process.send_signal(signal.SIGKILL)
            process.wait(10)
        assert assert_whole(reader.read_document()), "a dead writer's last document is there"


def assert_whole(document: bytes | None) -> int:
    """1 for a whole document, 0 for none: a reader that was overtaken eight times."""
    if document is None:
        return 0
    assert len(set(document)) == 1
    assert 100 <= len(document) < 800
    return 1


def test_start_of_a_process_tells_it_from_its_successors() -> None:
    ticks = process_start_ticks(os.getpid())
    assert ticks > 0
    assert process_start_ticks(os.getpid()) == ticks
    assert process_start_ticks(2**30) == 0


def beat_of(pid: int, start: int) -> Beat:
    return Beat(pid, start, ActorState.READY, 0, 0, 0, 0, 0, 0, 0)


def test_liveness_needs_pid_and_start() -> None:
    pid, start = os.getpid(), process_start_ticks(os.getpid())
    assert is_alive(beat_of(pid, start))
    assert not is_alive(beat_of(pid, start + 1)), "the pid is used again"
    assert not is_alive(beat_of(pid, 0))
    assert not is_alive(beat_of(0, start))


def test_zombie_is_not_alive() -> None:
    with subprocess.Popen([sys.executable, "-S", "-c", "input()"], stdin=subprocess.PIPE) as child:
        beat = beat_of(child.pid, process_start_ticks(child.pid))
        assert is_alive(beat)
        child.kill()
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
        assert not is_alive(beat)


def test_stopped_process_is_alive() -> None:
    with subprocess.Popen([sys.executable, "-S", "-c", "input()"], stdin=subprocess.PIPE) as child:
        child.send_signal(signal.SIGSTOP)
        assert is_alive(beat_of(child.pid, process_start_ticks(child.pid)))
        child.kill()


def test_stopped_process_is_suspended() -> None:
    assert not is_suspended(os.getpid())
    with subprocess.Popen([sys.executable, "-S", "-c", "input()"], stdin=subprocess.PIPE) as other:
        other.send_signal(signal.SIGSTOP)
        os.waitid(os.P_PID, other.pid, os.WSTOPPED | os.WNOWAIT)
        assert is_suspended(other.pid)
        other.kill()
    assert not is_suspended(other.pid), "there is no such process any more"


def test_name_of_a_process_may_hold_anything(tmp_path: Path) -> None:
    """The name in /proc/PID/stat may have spaces and brackets; the fields follow the last one."""
    program = tmp_path / "a) S 1 (b"
    program.symlink_to(Path(sys.executable).resolve())
    with subprocess.Popen([program, "-I", "-S", "-c", "input()"], stdin=subprocess.PIPE) as child:
        here = process_start_ticks(os.getpid())
        assert here <= process_start_ticks(child.pid) < here + 10**7
        child.kill()
