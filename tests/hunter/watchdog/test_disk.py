from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import Any

import pytest
from fakes.instance import wait_until

from hunter.watchdog import disk
from hunter.watchdog.disk import ASK_EVERY_NS, SILENT_AFTER_NS, DiskLook, rooms_of

NOW_NS = 7_000_000_000


def test_room_is_what_the_kernel_says_is_free_to_us(tmp_path: Path) -> None:
    (room,) = rooms_of([tmp_path])
    figures = os.statvfs(tmp_path)
    assert room.place == tmp_path
    assert abs(room.free_bytes - figures.f_bavail * figures.f_frsize) < 64 << 20  # others write


def test_each_file_system_is_one_room_and_a_place_to_come_is_its_parents(tmp_path: Path) -> None:
    to_come = tmp_path / "store" / "deeper"
    assert [room.place for room in rooms_of([to_come, tmp_path])] == [to_come]
    rooms = rooms_of([tmp_path, Path("/dev/shm"), Path("/proc/self")])
    assert len({room.place for room in rooms}) == len(
        {os.stat(each.place).st_dev for each in rooms}
    )


def test_place_that_cannot_be_looked_at_is_left_out(tmp_path: Path) -> None:
    rooms = rooms_of([tmp_path / ("x" * 300), tmp_path])
    assert [room.place for room in rooms] == [tmp_path]


def test_look_asks_now_and_then(tmp_path: Path) -> None:
    look = DiskLook([tmp_path])
    assert look.look(NOW_NS)
    wait_until("an answer", lambda: look.rooms)
    look.rooms = ()
    assert look.look(NOW_NS + ASK_EVERY_NS - 1)
    assert look.rooms == ()

    def asked_again() -> bool:
        assert look.look(NOW_NS + ASK_EVERY_NS)
        return bool(look.rooms)

    wait_until("another answer", asked_again)
    look.close()


def test_disk_that_never_answers_is_told_of_and_holds_nobody_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = threading.Event()

    def wait(places: Any) -> tuple[()]:
        del places
        gone.wait(30)
        return ()

    monkeypatch.setattr(disk, "rooms_of", wait)
    look = DiskLook([tmp_path])
    assert look.look(NOW_NS)
    assert look.look(NOW_NS + SILENT_AFTER_NS - 1)
    assert not look.look(NOW_NS + SILENT_AFTER_NS)
    gone.set()
    wait_until("the answer", lambda: look.look(NOW_NS + SILENT_AFTER_NS))
    look.close()
