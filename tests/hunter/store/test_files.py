from __future__ import annotations

import errno
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from fakes.full_disk import file_size_limit

from hunter.store import files as files_module
from hunter.store.files import StoreFiles
from hunter.store.parts import Folder, PartFile, Place, StoredLane, parts_to_merge
from hunter.store.tables import schema_of

RING = "18c0ffee00000001"
LANE = StoredLane("candles", "BTC-USDT")
FOLDER = Folder(LANE, 20_000)


def table_of(*opens: int) -> Any:
    import pyarrow as pa

    schema = schema_of("candles")
    rows = [
        {"open_ts_ns": n, "close": float(n), "complete": True, "why_not": "x" * 20} for n in opens
    ]
    return pa.Table.from_pylist(rows, schema=schema)


def part(first: int, last: int, series: int = 1) -> PartFile:
    return PartFile(FOLDER, Place(series, RING, last), first)


@pytest.fixture
def open_files(tmp_path: Path) -> Iterator[Callable[[], StoreFiles]]:
    opened: list[StoreFiles] = []

    def make() -> StoreFiles:
        for each in opened:
            each.close()
        opened.append(StoreFiles(tmp_path / "store"))
        assert opened[-1].open() == ""
        return opened[-1]

    yield make
    for each in opened:
        each.close()


def seen(files: StoreFiles) -> list[int]:
    """What a reader with a glob has."""
    found: list[int] = []
    for path in sorted(files.directory.glob("candles/*/*/*.parquet")):
        with pq.ParquetFile(path) as file:
            found += file.read().column("open_ts_ns").to_pylist()
    return found


def write(files: StoreFiles, *ranges: tuple[int, int]) -> list[PartFile]:
    return [files.write(part(a, b), table_of(*range(a, b + 1)), 7) for a, b in ranges]


def test_a_part_is_there_whole_private_and_says_where_the_lane_goes_on(open_files: Any) -> None:
    files = open_files()
    assert files.newest(LANE) is None
    (first, second) = write(files, (1, 3), (4, 9))
    assert seen(files) == list(range(1, 10))
    path = files.full_path(first)
    assert path.stat().st_mode & 0o777 == 0o600
    assert first.size_bytes == path.stat().st_size
    assert (files.file_count, files.size_bytes) == (2, first.size_bytes + second.size_bytes)
    again = open_files()
    assert again.newest(LANE) == second
    assert again.parts_of(LANE) == [first, second]
    assert again.source_of(second) == 7
    assert (again.file_count, again.size_bytes) == (files.file_count, files.size_bytes)


def test_a_part_that_is_written_again_replaces_itself(open_files: Any) -> None:
    files = open_files()
    write(files, (1, 3), (1, 3))
    assert seen(files) == [1, 2, 3]
    assert files.file_count == 1


def test_two_stores_do_not_write_to_one_directory(open_files: Any) -> None:
    files = open_files()
    other = StoreFiles(files.directory)
    assert "another store writes to" in other.open()
    files.close()
    assert other.open() == ""
    other.close()


def test_a_full_disk_leaves_nothing_and_the_next_try_is_whole(open_files: Any) -> None:
    files = open_files()
    with file_size_limit(300), pytest.raises(OSError, match="too large"):
        write(files, (1, 400))
    assert seen(files) == []
    assert list((files.directory / ".work").iterdir()) == []
    write(files, (1, 400))
    assert len(seen(files)) == 400


def test_a_part_appears_by_one_rename_of_what_is_on_the_disk(
    open_files: Any, monkeypatch: Any
) -> None:
    files = open_files()
    steps: list[str] = []
    fsync, rename = files_module.os.fsync, Path.rename

    def noted_fsync(descriptor: int) -> None:
        steps.append("synced")
        fsync(descriptor)

    def noted_rename(path: Path, target: Path) -> Path:
        assert seen(files) == []
        pq.read_metadata(path)  # it is whole
        steps.append("renamed")
        return rename(path, target)

    monkeypatch.setattr(files_module.os, "fsync", noted_fsync)
    monkeypatch.setattr(Path, "rename", noted_rename)
    write(files, (1, 3))
    assert steps == ["synced", "renamed", "synced", "synced"]
    assert seen(files) == [1, 2, 3]


def test_drafts_of_a_killed_process_go_and_strangers_stay(open_files: Any) -> None:
    files = open_files()
    (written,) = write(files, (1, 3))
    folder = files.full_path(written).parent
    (folder / "notes.txt").write_text("mine")
    (files.directory / "mine").mkdir()
    (files.directory / ".work" / "part-x.parquet").write_bytes(b"half")
    again = open_files()
    assert list((again.directory / ".work").iterdir()) == []
    assert (folder / "notes.txt").read_text() == "mine"
    assert (files.directory / "mine").is_dir()
    assert again.file_count == 1


def merge_all(files: StoreFiles) -> None:
    (parts,) = files.folders()
    for _ in files.merge(parts_to_merge(parts, 2**62)):
        pass


def test_merging_keeps_every_row_once_at_each_step(open_files: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr(files_module, "MERGE_BYTES", 1)
    files = open_files()
    parts = write(files, (1, 3), (4, 9), (10, 10))
    steps = 0
    for _ in files.merge(parts[:2]):
        steps += 1
        assert sorted(seen(files)) == list(range(1, 11 if steps == 1 else 13))
        if steps == 1:
            parts += write(files, (11, 12))  # between two steps
    assert steps >= 2
    assert sorted(seen(files)) == list(range(1, 13))
    whole = files.parts_of(LANE)[0]
    assert (whole.first, whole.place.last, whole.level) == (1, 9, 1)
    assert files.source_of(whole) == 7
    assert files.file_count == 3
    assert files.newest(LANE) == parts[3]
    assert open_files().size_bytes == files.size_bytes


def test_merging_all_leaves_one_part_that_says_where_to_go_on(open_files: Any) -> None:
    files = open_files()
    write(files, (1, 3), (4, 9))
    merge_all(files)
    assert seen(files) == list(range(1, 10))
    assert files.file_count == 1
    assert files.newest(LANE).place.last == 9
    assert open_files().newest(LANE).place.last == 9


class Killed(BaseException):
    """At this instruction."""


KILLED_AT = ["_sync_directory", "exchange", "rmtree", "link", "fsync", "rename"]


@pytest.mark.parametrize("can_exchange", [True, False])
@pytest.mark.parametrize("call", [1, 2, 3])
@pytest.mark.parametrize("where", KILLED_AT)
def test_killed_anywhere_while_it_merges_the_next_start_has_every_row_once(
    open_files: Any, monkeypatch: Any, where: str, call: int, can_exchange: bool
) -> None:
    files = open_files()
    write(files, (1, 3), (4, 9))
    count = 0

    def killing(before: Any) -> Any:
        def run(*words: Any, **names: Any) -> Any:
            nonlocal count
            count += 1
            if count == call:
                raise Killed
            return before(*words, **names)

        return run

    with monkeypatch.context() as patch:
        if not can_exchange:
            patch.setattr(files_module, "exchange", lambda *_: False)
        if where == "rmtree":
            patch.setattr(files_module.shutil, "rmtree", killing(files_module.shutil.rmtree))
        elif where in ("link", "fsync"):
            patch.setattr(files_module.os, where, killing(getattr(files_module.os, where)))
        elif where == "rename":
            patch.setattr(Path, "rename", killing(Path.rename))
        else:
            patch.setattr(files_module, where, killing(getattr(files_module, where)))
        try:
            merge_all(files)
        except Killed:
            # never twice, not even for a moment; without the call, a day may be gone for one
            assert seen(files) in ([list(range(1, 10))] + [[]] * (not can_exchange))
    again = open_files()
    assert seen(again) == list(range(1, 10))
    assert again.newest(LANE).place.last == 9
    assert list((again.directory / ".work").iterdir()) == []


def test_a_damaged_part_is_an_error_and_nothing_is_lost(open_files: Any) -> None:
    files = open_files()
    parts = write(files, (1, 3), (4, 9))
    files.full_path(parts[0]).write_bytes(b"PAR1 but no more")
    with pytest.raises(OSError, match="cannot be read"):
        merge_all(files)
    assert len(list(files.full_path(parts[0]).parent.iterdir())) == 2
    files.full_path(parts[1]).write_bytes(b"PAR1" + bytes(200) + b"PAR1")
    with pytest.raises(OSError, match="not the store's") as error:
        merge_all(files)
    assert error.value.errno == errno.EIO


@pytest.mark.parametrize("what", ["no mark", "other columns"])
def test_what_no_store_of_this_kind_wrote_is_not_merged_away(open_files: Any, what: str) -> None:
    files = open_files()
    write(files, (1, 3), (8, 9))
    table = table_of(4, 5)
    if what == "other columns":
        table = table.select(["open_ts_ns"]).replace_schema_metadata({b"hunter.store": b"7"})
    path = files.full_path(part(4, 5))
    pq.write_table(table, path)
    files.look_again()
    with pytest.raises(OSError, match=r"not the store's|has other columns") as error:
        merge_all(files)
    assert str(path) in str(error.value)
    assert path.exists()
    assert sorted(seen(files)) == [1, 2, 3, 4, 5, 8, 9]


def test_merging_on_a_full_disk_leaves_nothing_behind(open_files: Any) -> None:
    files = open_files()
    write(files, (1, 300), (301, 900))
    before = files.size_bytes
    with file_size_limit(2_000), pytest.raises(OSError, match="too large"):
        merge_all(files)
    assert not [path for path in (files.directory / ".work").rglob("*") if path.is_file()]
    assert seen(files) == list(range(1, 901))
    merge_all(files)
    assert seen(files) == list(range(1, 901))
    assert files.file_count == 1
    assert files.size_bytes < before


def test_a_folder_that_finds_no_place_stays_where_it_was(open_files: Any, monkeypatch: Any) -> None:
    files = open_files()
    write(files, (1, 3), (4, 9))
    rename = Path.rename

    def refusing(path: Path, target: Path) -> Path:
        if "fresh" in path.parts:
            raise OSError(errno.ENOSPC, "No space left on device")
        return rename(path, target)

    with monkeypatch.context() as patch:
        patch.setattr(files_module, "exchange", lambda *_: False)
        patch.setattr(Path, "rename", refusing)
        with pytest.raises(OSError, match="No space"):
            merge_all(files)
    assert seen(files) == list(range(1, 10))
    write(files, (10, 11))
    assert seen(open_files()) == list(range(1, 12))


def test_what_lies_beside_the_parts_is_there_after_a_merge(
    open_files: Any, monkeypatch: Any
) -> None:
    files = open_files()
    (one, _) = write(files, (1, 3), (4, 9))
    folder = files.full_path(one).parent
    (folder / "notes.txt").write_text("mine")
    exchange = files_module.exchange

    def late(fresh: Path, at: Path) -> bool:
        (at / "late.txt").write_text("mine too")
        return exchange(fresh, at)

    def no_links(*_: Any, **__: Any) -> None:
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(files_module, "exchange", late)
    monkeypatch.setattr(files_module.os, "link", no_links)  # as on exFAT
    merge_all(files)
    assert files.file_count == 1
    assert (folder / "notes.txt").read_text() == "mine"
    assert (folder / "late.txt").read_text() == "mine too"
    (folder / "more").mkdir()
    write(files, (10, 11))
    with pytest.raises(OSError, match="is a folder: move it"):
        merge_all(files)


def test_a_store_whose_directory_was_removed_begins_anew(open_files: Any) -> None:
    files = open_files()
    write(files, (1, 3))
    shutil.rmtree(files.directory)
    write(files, (4, 9))
    assert seen(files) == list(range(4, 10))
    assert files.file_count == 1
    assert "another store writes to" in StoreFiles(files.directory).open()


def test_only_what_a_store_wrote_is_removed(open_files: Any) -> None:
    files = open_files()
    (mine,) = write(files, (1, 3))
    path = files.full_path(part(4, 5))
    pq.write_table(table_of(4, 5), path)  # somebody's own, under a part's name
    files.look_again()
    strange = files.newest(LANE)
    assert not files.remove(strange)
    assert path.exists()
    assert files.remove(mine)
    assert not files.full_path(mine).exists()
    assert files.removed_count == 1
    assert files.file_count == 0
    path.unlink()
    files.look_again()
    assert files.parts() == []


def test_the_last_part_takes_its_folders_along_and_what_is_gone_is_gone(open_files: Any) -> None:
    files = open_files()
    (one,) = write(files, (1, 3))
    files.full_path(one).unlink()
    assert files.remove(one)
    assert not (files.directory / "candles" / "instrument=BTC-USDT").exists()
    assert files.removed_count == 0


def test_nothing_is_written_when_the_room_is_kept_for_the_journal(tmp_path: Path) -> None:
    files = StoreFiles(tmp_path / "store", free_min_bytes=1 << 62)
    assert files.open() == ""
    with pytest.raises(OSError, match=r"watchdog.disk_free_mb"):
        files.write(part(1, 3), table_of(1, 2, 3), 7)
    assert not list(files.directory.glob("**/*.parquet"))
    files.close()
