from __future__ import annotations

import errno
import logging
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from hunter.runtime.logs import log_path, start_logging

START = """
import os, sys
from pathlib import Path
from hunter.runtime import logs
path = Path(sys.argv[1])
logs.FILE_BYTES_MAX = 2_000
log, handler = logs.start_logging("stream-0", path)
"""
LINE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z (INFO|WARNING|ERROR) stream-0 (.*)")


def run(path: Path, program: str, lines: int = 0) -> subprocess.CompletedProcess[str]:
    """A process whose descriptors 1 and 2 are the log file, as the supervisor starts it."""
    path.touch()
    with path.open("ab") as log:
        return subprocess.run(
            [sys.executable, "-c", START + program, str(path), str(lines)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            text=True,
            timeout=60,
            check=False,
        )


def messages(path: Path) -> list[str]:
    """Of all files, the oldest first."""
    found = []
    for number in (3, 2, 1, 0):
        file = path.with_name(f"{path.name}.{number}") if number else path
        for line in file.read_text(encoding="utf-8").splitlines() if file.exists() else []:
            match = LINE.fullmatch(line)
            assert match is not None, line
            found.append(match[2])
    return found


def names(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir())


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return log_path(tmp_path, "stream-0")


def test_line_tells_time_level_name_and_text(path: Path) -> None:
    run(path, "log.info('one'); log.warning('two %d', 2); log.debug('no')")
    assert messages(path) == ["one", "two 2"]
    assert path.name == "stream-0.log"


def test_traceback_follows_its_line(path: Path) -> None:
    run(path, "try:\n    1 / 0\nexcept ZeroDivisionError:\n    log.exception('oops')")
    first, *rest = path.read_text(encoding="utf-8").splitlines()
    assert LINE.fullmatch(first)
    assert rest[0] == "    Traceback (most recent call last):"
    assert rest[-1] == "    ZeroDivisionError: division by zero"


def test_rotation_under_load_keeps_every_line(path: Path) -> None:
    # 94 bytes a line: four files of 2,000 bytes hold 84 of them
    result = run(path, "for n in range(int(sys.argv[2])): log.info('%03d %s', n, 'x' * 50)", 70)
    assert result.returncode == 0
    assert names(path.parent) == [f"stream-0.log{tail}" for tail in ("", ".1", ".2", ".3")]
    assert messages(path) == [f"{number:03d} {'x' * 50}" for number in range(70)]
    assert all(file.stat().st_size <= 2_000 for file in path.parent.iterdir())


def test_oldest_file_is_given_up(path: Path) -> None:
    run(path, "for n in range(int(sys.argv[2])): log.info('%03d %s', n, 'x' * 50)", 300)
    kept = messages(path)
    assert kept[-1].startswith("299 ")
    assert [int(text[:3]) for text in kept] == list(range(300 - len(kept), 300))
    assert len(names(path.parent)) == 4


def test_print_and_crash_traces_follow_the_rotation(path: Path) -> None:
    run(path, "log.info('x' * 1990); log.info('fresh'); os.write(1, b'out'); os.write(2, b'err')")
    text = path.read_text(encoding="utf-8")
    assert text.endswith("fresh\nouterr")


@pytest.mark.parametrize("what", ["path.unlink()", "shutil.rmtree(path.parent)"])
def test_r16_removed_file_is_made_again_at_the_next_line(path: Path, what: str) -> None:
    program = f"""
import shutil
log.info("gone")
{what}
log.info("a"); log.info("b")
os.write(1, b"out")
"""
    path = path.parent / "logs" / path.name
    path.parent.mkdir()
    assert run(path, program).returncode == 0
    *lines, printed = path.read_text(encoding="utf-8").splitlines()
    assert [LINE.fullmatch(line)[2] for line in lines] == ["a", "b"]  # type: ignore[index]
    assert printed == "out"


def test_r16_moved_file_is_left_alone(path: Path) -> None:
    run(path, "log.info('old'); path.rename(path.with_name('kept')); log.info('new')")
    assert messages(path) == ["new"]
    assert path.with_name("kept").read_text(encoding="utf-8").endswith(" old\n")


def test_r16_lines_lost_on_a_full_disk_are_counted_in_the_log(path: Path) -> None:
    program = """
import resource, signal
log.info("before")
size = path.stat().st_size
resource.setrlimit(resource.RLIMIT_FSIZE, (size + 20, resource.RLIM_INFINITY))
for n in range(4): log.info("lost")
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
log.info("after"); log.info("more")
assert handler.lost == 4, handler.lost
"""
    result = run(path, program)
    assert result.returncode == 0, path.read_text(encoding="utf-8")
    before, half, said, after, more = path.read_text(encoding="utf-8").splitlines()
    assert len(half) == 20
    assert " WARNING stream-0 4 log lines before this one were lost" in said
    assert [line.rsplit(" ", 1)[1] for line in (before, after, more)] == ["before", "after", "more"]


def test_rotation_that_cannot_open_a_file_costs_no_old_one(path: Path) -> None:
    program = """
log.info("old " + "x" * 1900)
log.info("newer " + "x" * 1900)
def refuse(*_): raise OSError(28, "No space left on device")
real, os.open = os.open, refuse
for _ in range(5): log.info("lost " + "x" * 100)
os.open = real
assert handler.lost == 5, handler.lost
log.info("there is room again " + "x" * 100)
"""
    result = run(path, program)
    assert result.returncode == 0, path.read_text(encoding="utf-8")
    assert [text[:5] for text in messages(path)] == ["old x", "newer", "5 log", "there"]
    assert names(path.parent) == ["stream-0.log", "stream-0.log.1", "stream-0.log.2"]


def test_rotation_that_cannot_rename_goes_on_when_it_can(path: Path) -> None:
    program = """
log.info("old " + "x" * 1900)
def refuse(*_): raise OSError(30, "Read-only file system")
real, Path.rename = Path.rename, refuse
before = len(os.listdir("/proc/self/fd"))
for _ in range(3): log.info("lost " + "x" * 100)
assert len(os.listdir("/proc/self/fd")) == before
Path.rename = real
log.info("new " + "x" * 100)
"""
    result = run(path, program)
    assert result.returncode == 0, path.read_text(encoding="utf-8")
    assert [text[:5] for text in messages(path)] == ["old x", "3 log", "new x"]


def test_only_the_file_behind_the_descriptor_is_rotated(tmp_path: Path) -> None:
    other = tmp_path / "other.log"
    other.write_bytes(b"x" * 5_000)
    program = START + "log.info('x' * 5_000); log.info('here')"
    result = subprocess.run(
        [sys.executable, "-c", program, str(other)],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert result.stderr.endswith("here\n")
    assert names(tmp_path) == ["other.log"]


def test_log_of_a_terminal_needs_no_file() -> None:
    program = (
        "from hunter.runtime.logs import start_logging; start_logging('a', None)[0].info('hi')"
    )
    result = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True
    )
    assert result.stderr.endswith(" INFO a hi\n")


@pytest.mark.parametrize("where", ["full", "closed", "reader gone"])
def test_log_that_cannot_be_written_is_given_up(tmp_path: Path, where: str) -> None:
    program = START + "log.error('a'); log.info('b'); os._exit(10 + handler.lost)"
    command = [sys.executable, "-c", program, str(tmp_path / "x.log")]
    (tmp_path / "x.log").touch()
    if where == "closed":
        shell = ["sh", "-c", 'exec "$@" 2>&-', "sh", *command]
        code = subprocess.run(shell, timeout=60, check=False).returncode
    elif where == "full":
        with Path("/dev/full").open("wb") as full:
            code = subprocess.run(command, stderr=full, timeout=60, check=False).returncode
    else:
        reading, writing = os.pipe()
        os.close(reading)
        code = subprocess.run(command, stderr=writing, timeout=60, check=False).returncode
        os.close(writing)
    assert code == 12


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """What goes to any descriptor."""
    lines: list[bytes] = []

    def write(_: int, line: bytes) -> int:
        lines.append(line)
        return len(line)

    monkeypatch.setattr(os, "write", write)
    return lines


def test_errors_are_counted(written: list[bytes]) -> None:
    log, handler = start_logging("test-counted", None)
    log.info("fine")
    log.error("one")
    log.critical("two")
    assert (handler.errors, handler.lost, len(written)) == (2, 0, 3)


def test_short_and_failed_writes_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    def write(_: int, line: bytes) -> int:
        if b"short" in line:
            return 3
        raise OSError(errno.ENOSPC, "No space left on device")

    log, handler = start_logging("test-short", None)
    monkeypatch.setattr(os, "write", write)
    log.info("short")
    log.info("none")
    assert handler.lost == 2


def test_unwritable_text_is_replaced(written: list[bytes]) -> None:
    start_logging("test-text", None)[0].info("lone surrogate \ud800")
    assert written[0].endswith(b"lone surrogate \\ud800\n")


def test_message_cannot_forge_a_line_or_steer_a_terminal(written: list[bytes]) -> None:
    said = "closed 1000 \n2026-01-01T00:00:00.000Z ERROR brain-0 all lost \x1b[2J"
    start_logging("test-forged", None)[0].warning("stream lost: %s", said)
    (line,) = written
    assert line.count(b"\n") == 1
    assert b"\x1b" not in line
    assert rb"closed 1000 \x0a2026-" in line


def test_exception_cannot_forge_a_line_or_steer_a_terminal(written: list[bytes]) -> None:
    said = "boom\n2026-01-01T00:00:00.000Z ERROR brain-0 all lost\r\x1b[2J"
    error = ValueError(said)
    start_logging("test-forged", None)[0].error("unexpected error", exc_info=error)
    (text,) = written
    first, *rest = text.decode().removesuffix("\n").split("\n")
    assert first.endswith("unexpected error")
    assert all(line.startswith("    ") and line.isprintable() for line in rest)
    assert rest[-1] == r"    2026-01-01T00:00:00.000Z ERROR brain-0 all lost\x0d\x1b[2J"


def test_logger_is_set_up_once(tmp_path: Path) -> None:
    first, _ = start_logging("test-once", None)
    second, handler = start_logging("test-once", tmp_path / "absent.log")
    assert first is second
    assert second.handlers == [handler]
    assert (second.propagate, second.level) == (False, logging.INFO)
