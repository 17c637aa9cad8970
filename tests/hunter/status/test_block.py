from __future__ import annotations

import struct
from pathlib import Path

import pytest

from hunter.errors import SegmentError
from hunter.ring import segment
from hunter.status import block
from hunter.status.block import PAGES_MAX, StatusBlock
from hunter.status.page import ActorState

NOW_NS = 1_700_000_000_000_000_000


def test_block_has_a_page_for_each_actor_and_the_supervisor(status: StatusBlock) -> None:
    assert status.actors == ["supervisor", "stream-0", "brain-0", "watchdog"]
    assert status.instance == "lab"
    assert status.created_wall_ns == NOW_NS
    assert all(page.document_bytes_max >= 40_000 for page in status.pages.values())
    assert status.total_bytes == 4096 + 4 * status.page_bytes


def test_pages_are_separate(status: StatusBlock) -> None:
    for number, page in enumerate(status.pages.values(), 1):
        page.store("pid", number)
        page.write_document(bytes([number]) * page.document_bytes_max)
        page.write_document(bytes([number]) * page.document_bytes_max)
    for number, page in enumerate(status.pages.values(), 1):
        assert page.beat().pid == number
        document = page.read_document()
        assert document is not None
        assert set(document) == {number}


def test_attached_block_reads_the_same(shm_dir: Path, status: StatusBlock) -> None:
    status.pages["brain-0"].store("state", ActorState.READY)
    status.pages["brain-0"].write_document(b"{}")
    found = block.attach(shm_dir)
    assert (found.actors, found.instance) == (status.actors, "lab")
    assert found.pages["brain-0"].beat().state is ActorState.READY
    assert found.pages["brain-0"].read_document() == b"{}"
    with pytest.raises(TypeError):
        found.pages["brain-0"].store("pid", 1)
    found.close()


def test_actor_writes_into_an_attached_block(shm_dir: Path, status: StatusBlock) -> None:
    found = block.attach(shm_dir, writable=True)
    found.pages["brain-0"].store("pid", 77)
    found.close()
    assert status.pages["brain-0"].beat().pid == 77


def test_new_block_replaces_the_former_one(shm_dir: Path, status: StatusBlock) -> None:
    status.pages["brain-0"].store("pid", 77)
    fresh = block.create(shm_dir, "lab", ["brain-0"], 100, NOW_NS + 1)
    assert fresh.pages["brain-0"].beat().pid == 0
    fresh.close()
    assert status.pages["brain-0"].beat().pid == 77, "who had the former one still can read it"


def test_more_actors_than_pages_is_a_programmers_error(shm_dir: Path) -> None:
    names = [f"stream-{number}" for number in range(PAGES_MAX)]
    with pytest.raises(AssertionError):
        block.create(shm_dir, "lab", names, 100, NOW_NS)
    made = block.create(shm_dir, "lab", names[:-1], 100, NOW_NS)
    assert made.actors == ["supervisor", *names[:-1]]
    made.close()


def test_absent_block_is_told(shm_dir: Path) -> None:
    with pytest.raises(SegmentError, match="no shared memory"):
        block.attach(shm_dir)


@pytest.mark.parametrize(
    ("offset", "form", "value"),
    [(0, "8s", b"HUNTRING"), (8, "<I", 2), (12, "<I", 3), (16, "<Q", 4096), (0x130, "<B", 255)],
    ids=["magic", "version", "count", "size", "name"],
)
def test_foreign_block_is_refused(
    shm_dir: Path, status: StatusBlock, offset: int, form: str, value: object
) -> None:
    with segment.attach(shm_dir / block.FILE_NAME, writable=True) as shared:
        struct.pack_into(form, shared.view, offset, value)
    with pytest.raises(SegmentError, match="not a status block"):
        block.attach(shm_dir)


def test_block_of_another_boot_is_refused(
    shm_dir: Path, status: StatusBlock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(segment, "boot_id", lambda: bytes(range(16)))
    with pytest.raises(SegmentError, match="before the last boot"):
        block.attach(shm_dir)
