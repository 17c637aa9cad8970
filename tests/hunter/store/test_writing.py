from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from fakes.actor_stage import SkippingClock
from fakes.full_disk import file_size_limit

from hunter.store.files import StoreFiles
from hunter.store.parts import Folder, PartFile, Place, StoredLane, StoreLimits
from hunter.store.tables import schema_of
from hunter.store.writing import BATCHES_MAX, Batch, WritingThread

RING = "18c0ffee00000001"
TODAY = 20_000


class Desk:
    """A thread with files of its own."""

    def __init__(self, directory: Path) -> None:
        self.clock = SkippingClock()
        self.files = StoreFiles(directory)
        self.why = ""
        limits = StoreLimits(0, 1 << 30)
        self.thread = WritingThread(self.files, limits, self.clock, self._open)
        self.thread._care_due_ns = 1 << 62  # not before the test wants it
        self.done: list[Any] = []

    def _open(self) -> str:
        return self.why or self.files.open()

    def until(self, what: str, condition: Callable[[], Any]) -> None:
        end_ns = self.clock.monotonic_ns() + 10_000_000_000
        while not condition():
            self.done += self.thread.take()
            self.thread.wait(20)
            assert self.clock.monotonic_ns() < end_ns, what

    def give(self, number: int, day: int = TODAY) -> None:
        import pyarrow as pa

        folder = Folder(StoredLane("candles", "BTC-USDT"), day)
        rows = [{"open_ts_ns": number, "complete": True, "why_not": "x" * 500}]
        table = pa.Table.from_pylist(rows, schema=schema_of("candles"))
        part = PartFile(folder, Place(1, RING, number), number)
        self.thread.give(Batch(part, 1, 7, lambda: table))


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    made = Desk(tmp_path / "store")
    yield made
    made.thread.close(5.0)
    made.files.close()


def test_batches_become_parts_in_order(desk: Desk) -> None:
    desk.thread.start()
    desk.until("open", lambda: desk.thread.is_open)
    for number in (1, 2, 3):
        desk.give(number)
    assert desk.thread.pending == 3
    desk.until("done", lambda: len(desk.done) == 3)
    assert [(each.batch.part.first, each.why) for each in desk.done] == [(1, ""), (2, ""), (3, "")]
    assert desk.thread.pending == 0
    assert desk.thread.tally.file_count == 3


def test_there_is_room_for_so_many_batches(desk: Desk) -> None:
    for number in range(BATCHES_MAX):
        assert desk.thread.has_room
        desk.give(number)
    assert not desk.thread.has_room


def test_what_the_disk_refuses_comes_back_with_all_behind_it(desk: Desk) -> None:
    with file_size_limit(100):
        for number in (1, 2):
            desk.give(number)
        desk.thread.start()
        desk.until("back", lambda: len(desk.done) == 2)
    assert [each.why for each in desk.done] == ["File too large"] * 2
    for number in (1, 2):
        desk.give(number)
    desk.until("done", lambda: len(desk.done) == 4)
    assert [each.why for each in desk.done[2:]] == ["", ""]


def test_a_store_that_cannot_be_opened_says_why(desk: Desk) -> None:
    desk.why = "not yet"
    desk.thread.start()
    desk.until("told", lambda: desk.thread.trouble == "not yet")
    assert not desk.thread.is_open
    desk.why = ""
    desk.until("open", lambda: desk.thread.is_open)
    assert desk.thread.trouble == ""


def test_an_unwritable_directory_is_told_too(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    desk = Desk(tmp_path / "file" / "store")
    desk.thread.start()
    desk.until("told", lambda: desk.thread.trouble)
    assert desk.thread.trouble == "Not a directory"
    assert desk.thread.close(5.0)


def test_a_day_that_is_over_is_merged_while_nothing_waits(desk: Desk) -> None:
    desk.thread.start()
    for number in (1, 2, 3):
        desk.give(number, day=TODAY - 9)
    desk.until("written", lambda: len(desk.done) == 3)
    desk.thread._care_due_ns = 0
    desk.until("merged", lambda: desk.thread.tally.file_count == 1)
    assert desk.thread.tally.merged_count == 3


def test_a_folder_that_cannot_be_merged_is_told_and_others_are(desk: Desk) -> None:
    desk.thread.start()
    for number, day in ((1, 9), (2, 9), (3, 10), (4, 10)):
        desk.give(number, day)
    desk.until("written", lambda: len(desk.done) == 4)
    path = desk.files.full_path(desk.done[0].batch.part)
    whole = path.read_bytes()
    path.write_bytes(b"damaged")
    desk.thread._care_due_ns = 0
    desk.until("merged", lambda: desk.thread.tally.merged_count == 2)
    desk.until("told", lambda: "not merged" in desk.thread.trouble)
    path.write_bytes(whole)
    desk.clock.skip(61_000)
    desk.until("merged", lambda: desk.thread.tally.merged_count == 4)
    desk.until("told", lambda: desk.thread.trouble == "")


def test_the_budget_is_kept_and_a_strangers_file_is_told(desk: Desk) -> None:
    desk.thread.start()
    for number in (1, 2, 3):
        desk.give(number, day=number)
    desk.until("written", lambda: len(desk.done) == 3)
    stranger = desk.files.full_path(desk.done[0].batch.part)
    stranger.write_bytes(b"mine")
    desk.thread._limits = StoreLimits(0, 1)
    desk.thread._care_due_ns = 0
    desk.until("removed", lambda: desk.thread.tally.removed_count == 1)
    desk.until("told", lambda: desk.thread.strangers)
    assert stranger.read_bytes() == b"mine"


def test_files_that_somebody_else_removes_do_not_end_the_thread(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused() -> None:
        raise PermissionError(13, "Permission denied")

    desk.thread.start()
    for number in (1, 2):
        desk.give(number, day=9)
    desk.until("written", lambda: len(desk.done) == 2)
    desk.files.full_path(desk.done[0].batch.part).unlink()
    with monkeypatch.context() as patch:
        patch.setattr(desk.files, "look_again", refused)
        desk.thread._care_due_ns = 0
        desk.until("told", lambda: desk.thread.trouble)
    assert desk.thread.trouble == "not looked through: Permission denied"
    desk.clock.skip(61_000)
    desk.until("looked again", lambda: desk.thread.tally.file_count == 1)
    desk.give(3)
    desk.until("written", lambda: len(desk.done) == 3)
