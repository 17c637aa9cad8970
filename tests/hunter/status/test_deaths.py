from __future__ import annotations

import os
from pathlib import Path

import pytest

from hunter.status import deaths
from hunter.status.deaths import (
    LOG_BYTES_MAX,
    LOG_LINES_MAX,
    DeathLog,
    DeathRecord,
    LogMark,
    RingPosition,
    last_lines,
    log_mark,
    read_deaths,
)


def death(actor: str = "brain-0", pid: int = 7, **other: object) -> DeathRecord:
    values: dict[str, object] = {
        "role": "brain", "restarts": 1, "last_exit": "signal 9", "cause": "signal", "asked": False,
        "at_ns": 10, "at_monotonic_ns": 5, "uptime_s": 1.5, "rings": (RingPosition("ring-0", 9),),
        "log": ("a line", "another"),
    }  # fmt: skip
    return DeathRecord(actor=actor, pid=pid, **(values | other))  # type: ignore[arg-type]


def test_record_is_read_back_as_it_was(tmp_path: Path) -> None:
    log = DeathLog(tmp_path)
    log.append(death())
    log.append(death("stream-0", 8))
    assert read_deaths(tmp_path) == [death(), death("stream-0", 8)]
    assert read_deaths(tmp_path, "stream-0") == [death("stream-0", 8)]
    assert (tmp_path / "deaths.jsonl").stat().st_mode & 0o777 == 0o600
    assert log.lost == 0


def test_nobody_has_died_yet(tmp_path: Path) -> None:
    assert read_deaths(tmp_path) == []


def test_full_file_is_moved_aside_over_the_one_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deaths, "FILE_BYTES_MAX", 1000)
    log = DeathLog(tmp_path)
    for pid in range(40):
        log.append(death(pid=pid))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["deaths.jsonl", "deaths.jsonl.1"]
    assert all(path.stat().st_size <= 1000 for path in tmp_path.iterdir())
    pids = [record.pid for record in read_deaths(tmp_path)]
    assert pids == list(range(pids[0], 40))
    assert len(pids) > 3


@pytest.mark.parametrize("kept", range(1, 40, 7))
def test_torn_record_is_passed_over_and_costs_no_other(tmp_path: Path, kept: int) -> None:
    log = DeathLog(tmp_path)
    log.append(death(pid=1))
    path = tmp_path / "deaths.jsonl"
    with path.open("ab") as file:
        file.write(path.read_bytes()[:kept])
    log.append(death(pid=2))
    assert [record.pid for record in read_deaths(tmp_path)] == [1, 2]


@pytest.mark.parametrize("junk", [b'{"actor":"\xff"}', b'{"x":' + b"[" * 100_000, b"\xff", b"[]"])
def test_line_that_is_no_record_is_passed_over(tmp_path: Path, junk: bytes) -> None:
    log = DeathLog(tmp_path)
    log.append(death(pid=1))
    with (tmp_path / "deaths.jsonl").open("ab") as file:
        file.write(junk + b"\n")
    log.append(death(pid=2))
    assert [record.pid for record in read_deaths(tmp_path)] == [1, 2]


def test_disk_that_takes_half_a_record_is_as_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = DeathLog(tmp_path)
    log.append(death(pid=1))
    whole = os.write
    monkeypatch.setattr(os, "write", lambda fd, line: whole(fd, line[:20]))
    log.append(death(pid=2))
    monkeypatch.undo()
    assert log.lost == 1
    log.append(death(pid=3))
    assert [record.pid for record in read_deaths(tmp_path)] == [1, 3]


def test_disk_that_refuses_is_counted(tmp_path: Path) -> None:
    log = DeathLog(tmp_path / "missing")
    log.append(death())
    assert log.lost == 1
    (tmp_path / "there").touch()
    (tmp_path / "deaths.jsonl").symlink_to(tmp_path / "there")
    log = DeathLog(tmp_path)
    log.append(death())
    assert log.lost == 1, "it follows no link"


def test_last_lines_are_few_whole_and_of_this_life(tmp_path: Path) -> None:
    path = tmp_path / "brain-0.log"
    assert log_mark(path) == LogMark()
    assert last_lines(path, LogMark()) == ()
    path.write_text("of the one before\n")
    mark = log_mark(path)
    assert last_lines(path, mark) == ()
    with path.open("a") as file:
        file.write("first\nlast, torn")
    assert last_lines(path, mark) == ("first", "last, torn")
    with path.open("a") as file:
        file.writelines(f"\nline {number}" for number in range(100))
    assert last_lines(path, mark) == tuple(f"line {n}" for n in range(100 - LOG_LINES_MAX, 100))
    with path.open("a") as file:
        file.writelines("\n" + str(number) * 1000 for number in range(1, 10))
    lines = last_lines(path, mark)
    assert sum(map(len, lines)) < LOG_BYTES_MAX
    assert lines == tuple(str(number) * 1000 for number in range(2, 10))


def test_last_lines_of_one_endless_line_are_its_end(tmp_path: Path) -> None:
    path = tmp_path / "brain-0.log"
    path.write_bytes(b"\xff" + b"x" * 10_000)
    assert last_lines(path, LogMark()) == ("x" * LOG_BYTES_MAX,)


def test_last_lines_of_a_rotated_log_are_the_new_ones(tmp_path: Path) -> None:
    path = tmp_path / "brain-0.log"
    path.write_text("old and long\n")
    mark = log_mark(path)
    path.rename(tmp_path / "brain-0.log.1")
    path.write_text("a\n")
    assert last_lines(path, mark) == ("a",)
