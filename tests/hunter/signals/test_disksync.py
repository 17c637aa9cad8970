from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from fakes.instance import wait_until

from hunter.signals.disksync import DiskSync


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What was written through, by kind and name."""
    made: list[str] = []

    def note(kind: str) -> None:
        real = getattr(os, kind)

        def call(descriptor: int) -> None:
            made.append(f"{kind} {Path(os.readlink(f'/proc/self/fd/{descriptor}')).name}")
            real(descriptor)

        monkeypatch.setattr(os, kind, call)

    note("fdatasync")
    note("fsync")
    return made


@pytest.fixture
def sync() -> Iterator[DiskSync]:
    made = DiskSync(every_s=0.01)
    yield made
    wait_until("its end", made.close)


def test_first_write_also_makes_the_files_name_last(
    tmp_path: Path, sync: DiskSync, calls: list[str]
) -> None:
    path = tmp_path / "signals-1"
    path.write_text("a")
    sync.wrote(path)
    wait_until("the first", lambda: sync.syncs == 1)
    assert calls == ["fdatasync signals-1", f"fsync {tmp_path.name}"]
    sync.wrote(path)
    wait_until("the second", lambda: sync.syncs == 2)
    assert calls[2:] == ["fdatasync signals-1"]
    assert sync.error == ""


def test_many_writes_in_one_interval_are_one_sync(tmp_path: Path, calls: list[str]) -> None:
    sync = DiskSync(every_s=600)
    path = tmp_path / "a"
    path.write_text("a")
    sync.wrote(path)
    wait_until("the first", lambda: sync.syncs == 1)
    for _ in range(100):
        sync.wrote(path)
    wait_until("the end, which does not wait for the interval", sync.close)
    assert sync.syncs == 2
    assert calls.count("fdatasync a") == 2


def test_file_that_is_gone_is_no_trouble_and_others_are_said(
    tmp_path: Path, sync: DiskSync, monkeypatch: pytest.MonkeyPatch
) -> None:
    sync.wrote(tmp_path / "gone")
    path = tmp_path / "a"
    path.write_text("a")

    def refuse(_: int) -> None:
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fdatasync", refuse)
        sync.wrote(path)
        wait_until("the trouble", lambda: sync.error == "Input/output error")
    sync.wrote(path)
    wait_until("its end", lambda: sync.error == "" and sync.syncs == 1)


def test_disk_that_stands_still_holds_up_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    go = threading.Event()
    monkeypatch.setattr(os, "fdatasync", lambda _: go.wait(20))
    monkeypatch.setattr("hunter.signals.disksync.END_TIMEOUT_S", 0.05)
    path = tmp_path / "a"
    path.write_text("a")
    sync = DiskSync(every_s=0.01)
    for _ in range(1_000):
        sync.wrote(path)
    assert not sync.close()
    go.set()
    wait_until("the disk goes on", sync.close)


def test_nothing_written_starts_no_thread() -> None:
    before = threading.active_count()
    sync = DiskSync()
    assert threading.active_count() == before
    assert sync.close()


def test_file_that_failed_is_tried_again_without_another_write(
    tmp_path: Path, sync: DiskSync, monkeypatch: pytest.MonkeyPatch
) -> None:
    bad, good = tmp_path / "bad", tmp_path / "good"
    bad.write_text("a")
    good.write_text("a")
    real, tries = os.fdatasync, []

    def refuse_bad(descriptor: int) -> None:
        if os.readlink(f"/proc/self/fd/{descriptor}").endswith("bad"):
            tries.append(1)
            raise OSError(28, "No space left on device")
        real(descriptor)

    with monkeypatch.context() as patch:
        patch.setattr(os, "fdatasync", refuse_bad)
        sync.wrote(bad)
        wait_until("the trouble", lambda: sync.error == "No space left on device")
        before = sync.syncs
        sync.wrote(good)
        wait_until("the other one", lambda: sync.syncs > before and len(tries) > 3)
        assert sync.error == "No space left on device", "the sound one says nothing of the other"
    wait_until("its end", lambda: sync.error == "")


def test_file_that_failed_and_is_gone_then_is_no_trouble_any_more(
    tmp_path: Path, sync: DiskSync, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a"
    path.write_text("a")

    def refuse(_: int) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "fdatasync", refuse)
    sync.wrote(path)
    wait_until("the trouble", lambda: sync.error == "Input/output error")
    path.unlink()
    wait_until("its end", lambda: sync.error == "")


def test_end_on_a_disk_that_refuses_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: int) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "fdatasync", refuse)
    path = tmp_path / "a"
    path.write_text("a")
    sync = DiskSync(every_s=600)
    sync.wrote(path)
    wait_until("the trouble", lambda: sync.error)
    assert not sync.close()


def test_r14_no_thread_to_be_had_is_noted_and_tried_again_at_the_next_write(
    tmp_path: Path,
) -> None:
    path = tmp_path / "a"
    path.write_text("a")
    sync = DiskSync(every_s=0.01)
    before = threading.stack_size(1 << 48)  # more than there are addresses: the kernel refuses
    try:
        sync.wrote(path)
        sync.wrote(path)
        assert sync.error == "can't start new thread"
        assert not sync.close()
    finally:
        threading.stack_size(before)
    sync = DiskSync(every_s=0.01)
    threading.stack_size(1 << 48)
    try:
        sync.wrote(path)
    finally:
        threading.stack_size(before)
    sync.wrote(path)
    wait_until("a thread", lambda: sync.syncs == 1 and sync.error == "")
    wait_until("its end", sync.close)
