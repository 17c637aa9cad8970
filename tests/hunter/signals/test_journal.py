from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from fakes.full_disk import file_size_limit

from hunter.signals.disksync import DiskSync
from hunter.signals.journal import Journal
from hunter.signals.journal_reader import JournalFollower, journal_files, journal_path, last_signals
from hunter.signals.line import encode_line
from hunter.signals.signal import Signal, encode_signal

Make = Callable[..., Signal]
RING = "18c0ffee00000001"


def last_decided(journal: Journal, ring_id: str, instrument: str) -> int | None:
    """The newest boundary that it knows of; reads the journal if it has not done so yet."""
    journal.read_known()
    return journal._newest.get((ring_id, instrument))


def boundaries(directory: Path) -> list[int]:
    return [int(signal.id.rsplit("-", 1)[1]) for signal in last_signals(directory, 10_000)]


def test_signal_is_written_once(tmp_path: Path, make_signal: Make) -> None:
    journal = Journal(tmp_path)
    assert journal.append(make_signal(1_000))
    assert not journal.append(make_signal(1_000))
    assert not journal.append(make_signal(500))
    assert journal.append(make_signal(2_000))
    assert (journal.written, journal.repeated) == (2, 2)
    assert boundaries(tmp_path) == [1_000, 2_000]
    journal.close()


def test_signals_read_again_after_a_restart_are_not_written_again(
    tmp_path: Path, make_signal: Make
) -> None:
    first = Journal(tmp_path, file_bytes_max=1_500, budget_bytes=10**6)
    for i in range(1, 11):
        first.append(make_signal(i * 100))
    first.close()
    second = Journal(tmp_path, file_bytes_max=1_500, budget_bytes=10**6)
    assert last_decided(second, RING, "BTC-USDT-SWAP") == 1_000
    for i in range(6, 15):
        second.append(make_signal(i * 100))
    second.close()
    assert second.repeated == 5
    assert boundaries(tmp_path) == [i * 100 for i in range(1, 15)]


def test_last_decided_is_kept_by_ring_and_instrument(tmp_path: Path, make_signal: Make) -> None:
    journal = Journal(tmp_path)
    assert last_decided(journal, RING, "BTC-USDT-SWAP") is None
    journal.append(make_signal(7_000))
    journal.append(make_signal(300, instrument="ETH-USDT"))
    assert journal.append(make_signal(100, ring_id="00ff"))
    journal.close()
    again = Journal(tmp_path)
    assert last_decided(again, RING, "BTC-USDT-SWAP") == 7_000
    assert last_decided(again, RING, "ETH-USDT") == 300
    assert last_decided(again, "00ff", "BTC-USDT-SWAP") == 100
    assert last_decided(again, "00ff", "ETH-USDT") is None
    again.close()


def test_tail_torn_at_any_byte_is_cut_at_open(tmp_path: Path, make_signal: Make) -> None:
    """R11: at every byte of the last two lines, bare or with a junk end."""
    lines = [encode_line(make_signal(i)) for i in (1, 2, 3)]
    path = journal_path(tmp_path, 1)
    whole = b"".join(lines)
    for at in range(len(lines[0]), len(whole)):
        kept = whole[: whole.rindex(b"\n", 0, at) + 1]
        for junk in (b"", b"\0" * 700, b"junk\n"):
            path.write_bytes(whole[:at] + junk)
            journal = Journal(tmp_path)
            assert path.read_bytes() == kept
            assert journal.cut_bytes == at + len(junk) - len(kept)
            for boundary_ms in (1, 2, 3):
                journal.append(make_signal(boundary_ms))
            journal.close()
            assert path.read_bytes() == whole


def test_r11_byte_flipped_anywhere_costs_its_own_line_only(
    tmp_path: Path, make_signal: Make
) -> None:
    """Above all it never passes for a later signal, which would silence all that come."""
    lines = [encode_line(make_signal(i)) for i in (1, 2, 3)]
    path = journal_path(tmp_path, 1)
    whole = b"".join(lines)
    for at in range(len(lines[0]), len(whole)):
        for flip in (0x01, 0x08, 0x80):
            altered = bytearray(whole)
            altered[at] ^= flip
            path.write_bytes(altered)
            for signal in last_signals(tmp_path, 9):
                assert signal in (make_signal(1), make_signal(2), make_signal(3))
            journal = Journal(tmp_path)
            assert journal.append(make_signal(9))
            journal.close()
            found = boundaries(tmp_path)
            assert (found[0], found[-1]) == (1, 9)
            assert found == sorted(set(found))


def test_r18_block_of_zeros_anywhere_is_passed_over(tmp_path: Path, make_signal: Make) -> None:
    """What a host leaves that crashed before it had written all pages."""
    first = Journal(tmp_path)
    for i in range(1, 80):
        first.append(make_signal(i))
    first.close()
    path = journal_path(tmp_path, 1)
    whole = path.read_bytes()
    for start in range(0, len(whole) - 4_096, 4_096):
        path.write_bytes(whole[:start] + b"\0" * 4_096 + whole[start + 4_096 :])
        journal = Journal(tmp_path)
        assert last_decided(journal, RING, "BTC-USDT-SWAP") == 79
        assert journal.damaged == 1
        assert journal.append(make_signal(80))
        journal.close()
        found = boundaries(tmp_path)
        assert found == sorted(set(found))
        assert 60 < len(found) < 80


@pytest.mark.parametrize("junk", [b"\0" * 100, b"\0\0\n", b'{"id": 5}\n', b"half\nmore\nless"])
def test_tail_of_junk_is_cut_at_open(tmp_path: Path, make_signal: Make, junk: bytes) -> None:
    line = encode_signal(make_signal(1)) + b"\n"
    path = journal_path(tmp_path, 1)
    path.write_bytes(line + junk)
    Journal(tmp_path).close()
    assert path.read_bytes() == line
    path.write_bytes(junk)
    Journal(tmp_path).close()
    assert path.read_bytes() == b""


def test_junk_in_the_middle_hides_no_signal(tmp_path: Path, make_signal: Make) -> None:
    lines = [encode_signal(make_signal(i)) + b"\n" for i in (1, 2)]
    path = journal_path(tmp_path, 1)
    path.write_bytes(lines[0] + b'{"id":"odd"}\njunk\n' + lines[1])
    journal = Journal(tmp_path)
    assert last_decided(journal, RING, "BTC-USDT-SWAP") == 2
    assert boundaries(tmp_path) == [1, 2]
    journal.close()


def test_files_rotate_and_stay_below_the_budget(tmp_path: Path, make_signal: Make) -> None:
    journal = Journal(tmp_path, file_bytes_max=2_000, budget_bytes=8_000)
    for i in range(200):
        assert journal.append(make_signal(i))
        sizes = [journal_path(tmp_path, n).stat().st_size for n in journal_files(tmp_path)]
        assert max(sizes) <= 2_000
        assert sum(sizes) <= 8_000
    journal.close()
    kept = boundaries(tmp_path)
    assert kept == list(range(kept[0], 200))
    assert len(kept) > 8


def test_line_longer_than_a_file_is_still_written(tmp_path: Path, make_signal: Make) -> None:
    journal = Journal(tmp_path, file_bytes_max=100, budget_bytes=10_000)
    assert journal.append(make_signal(1))
    assert journal.append(make_signal(2))
    journal.close()
    assert journal_files(tmp_path) == [1, 2]


def test_full_disk_is_counted_and_leaves_no_half_line(tmp_path: Path, make_signal: Make) -> None:
    journal = Journal(tmp_path)
    follower = JournalFollower(tmp_path)
    assert journal.append(make_signal(1))
    size = journal_path(tmp_path, 1).stat().st_size
    with file_size_limit(size + 100):  # the next line fits only in part
        assert not journal.append(make_signal(2))
        assert journal_path(tmp_path, 1).stat().st_size == size
        assert journal.trouble == "No space left on device"
    with file_size_limit(size):  # and now not at all
        assert not journal.append(make_signal(3))
        assert journal.retry() == []
        assert journal.trouble == "File too large"
    assert not journal.append(make_signal(4)), "behind those that wait"
    assert (journal.refused, journal.waiting, journal.written) == (3, 3, 1)
    assert journal.retry() == [make_signal(i) for i in (2, 3, 4)]
    assert (journal.waiting, journal.lost, journal.trouble) == (0, 0, "")
    assert journal.append(make_signal(5))
    journal.close()
    assert [int(s.id.rsplit("-", 1)[1]) for s in follower.poll()] == [1, 2, 3, 4, 5]


def test_r10_signals_that_wait_too_many_are_dropped_and_counted(
    tmp_path: Path, make_signal: Make
) -> None:
    journal = Journal(tmp_path, waiting_max=5)
    with file_size_limit(0):
        for i in range(1, 13):
            assert not journal.append(make_signal(i))
    assert (journal.waiting, journal.lost) == (5, 7)
    assert len(journal.retry()) == 5
    journal.close()
    assert boundaries(tmp_path) == [8, 9, 10, 11, 12]


def test_r10_signals_that_wait_and_are_there_already_are_not_written_again(
    tmp_path: Path, make_signal: Make
) -> None:
    """A brain that is restarted while the disk is full, and reads from an old checkpoint."""
    first = Journal(tmp_path)
    for i in (1, 2, 3):
        assert first.append(make_signal(i))
    size = journal_path(tmp_path, 1).stat().st_size
    with file_size_limit(size):
        assert not first.append(make_signal(4))
    second = Journal(tmp_path)  # the first was killed
    with file_size_limit(size):
        for i in (2, 3, 4, 5):
            second.append(make_signal(i))
    assert second.retry() == [make_signal(4), make_signal(5)]
    second.close()
    assert boundaries(tmp_path) == [1, 2, 3, 4, 5]


def test_r14_journal_that_cannot_be_read_is_not_written_either(
    tmp_path: Path, make_signal: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without knowing what it holds, signals would stand in it twice."""
    first = Journal(tmp_path)
    for i in (1, 2):
        first.append(make_signal(i))
    first.close()
    second = Journal(tmp_path)

    def refuse(path: Path) -> bytes:
        raise OSError(24, "Too many open files")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "read_bytes", refuse)
        second.read_known()
        assert second.trouble == "signals-00000001.jsonl: Too many open files"
        assert not second.append(make_signal(2))
        assert not second.append(make_signal(3))
    assert second.retry() == [make_signal(3)]
    second.close()
    assert boundaries(tmp_path) == [1, 2, 3]


def test_r12_one_unreadable_file_is_named_and_the_others_are_read_once(
    tmp_path: Path, make_signal: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is tried again four times a second, by a loop that has other things to do."""
    first = Journal(tmp_path, file_bytes_max=600, budget_bytes=10**6)
    for i in range(1, 9):
        first.append(make_signal(i))
    first.close()
    aside = journal_path(tmp_path, 3).rename(tmp_path / "aside")
    journal_path(tmp_path, 3).mkdir()
    read: list[str] = []
    real = Path.read_bytes

    def noted(path: Path) -> bytes:
        read.append(path.name)
        return real(path)

    monkeypatch.setattr(Path, "read_bytes", noted)
    second = Journal(tmp_path, file_bytes_max=600, budget_bytes=10**6)
    second.read_known()
    assert second.trouble == "signals-00000003.jsonl: Is a directory"
    assert len(read) == len(journal_files(tmp_path)) > 3
    for _ in range(3):
        read.clear()
        assert second.retry() == []
        assert second.trouble == "signals-00000003.jsonl: Is a directory", "nothing waits: still"
        assert read == ["signals-00000003.jsonl"]
    assert not second.append(make_signal(8))
    assert not second.append(make_signal(9))
    journal_path(tmp_path, 3).rmdir()
    aside.rename(journal_path(tmp_path, 3))
    assert second.retry() == [make_signal(9)]
    assert second.trouble == ""
    second.close()
    assert boundaries(tmp_path) == list(range(1, 10))


def test_r11_line_that_was_read_without_its_end_and_then_cut_is_written_again(
    tmp_path: Path, make_signal: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = encode_line(make_signal(1)) + encode_line(make_signal(2))
    journal_path(tmp_path, 1).write_bytes(whole[:-1])

    def refuse(*_: object, **__: object) -> int:
        raise OSError(30, "Read-only file system")

    with monkeypatch.context() as patch:
        patch.setattr(os, "open", refuse)
        journal = Journal(tmp_path)
    assert last_decided(journal, RING, "BTC-USDT-SWAP") == 1
    assert journal.damaged == 0
    assert journal.append(make_signal(2))
    journal.close()
    assert journal_path(tmp_path, 1).read_bytes() == whole


@pytest.mark.parametrize("taken", ["removed", "moved", "file removed"])
def test_r12_follower_misses_nothing_when_the_journal_is_taken_away(
    tmp_path: Path, make_signal: Make, taken: str
) -> None:
    directory = tmp_path / "signals"
    journal = Journal(directory)
    for i in (1, 2, 3):
        assert journal.append(make_signal(i))
    follower = JournalFollower(directory)
    seen = []
    for i in range(4, 12):
        if i % 3 == 0 and taken == "removed":
            shutil.rmtree(directory)
        elif i % 3 == 0 and taken == "moved":
            directory.rename(tmp_path / f"moved-{i}")
        elif i % 3 == 0:
            journal_path(directory, journal_files(directory)[-1]).unlink()
        assert journal.append(make_signal(i))
        seen += [int(signal.id.rsplit("-", 1)[1]) for signal in follower.poll()]
    journal.close()
    assert seen == list(range(4, 12))
    assert journal_files(directory)[-1] == 3


def test_r12_directory_that_is_renamed_away_is_made_again(
    tmp_path: Path, make_signal: Make
) -> None:
    directory = tmp_path / "data" / "signals"
    journal = Journal(directory)
    assert journal.append(make_signal(1))
    directory.parent.rename(tmp_path / "elsewhere")
    assert journal.append(make_signal(2))
    journal.close()
    assert boundaries(directory) == [2]
    assert boundaries(tmp_path / "elsewhere" / "signals") == [1]


def test_r12_budget_that_cannot_be_kept_costs_no_signal(
    tmp_path: Path, make_signal: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(Path, "unlink", refuse)
    journal = Journal(tmp_path, file_bytes_max=1_000, budget_bytes=2_000)
    for i in range(1, 20):
        assert journal.append(make_signal(i))
    journal.close()
    assert boundaries(tmp_path) == list(range(1, 20))


def test_journal_tells_what_has_to_be_written_through(tmp_path: Path, make_signal: Make) -> None:
    class Told(DiskSync):
        def wrote(self, path: Path) -> None:
            told.append(path)

    told: list[Path] = []
    journal = Journal(tmp_path, disk_sync=Told())
    journal.append(make_signal(1))
    journal.append(make_signal(1))
    assert told == [journal_path(tmp_path, 1)]
    journal.close()


def test_half_line_that_cannot_be_cut_at_once_is_cut_before_the_next(
    tmp_path: Path, make_signal: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = Journal(tmp_path)
    assert journal.append(make_signal(1))
    size = journal_path(tmp_path, 1).stat().st_size

    def refuse(descriptor: int, length: int) -> None:
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as patch, file_size_limit(size + 50):
        patch.setattr(os, "ftruncate", refuse)
        assert not journal.append(make_signal(2))
        assert journal.retry() == []
    assert journal_path(tmp_path, 1).stat().st_size == size + 50
    assert journal.retry() == [make_signal(2)]
    journal.close()
    assert boundaries(tmp_path) == [1, 2]


def test_directory_that_disappears_is_made_again(tmp_path: Path, make_signal: Make) -> None:
    directory = tmp_path / "signals"
    journal = Journal(directory)
    assert journal.append(make_signal(1))
    shutil.rmtree(directory)
    assert journal.append(make_signal(2))
    assert journal.append(make_signal(3))
    journal.close()
    assert boundaries(directory) == [2, 3]


def test_directory_that_cannot_be_had_is_counted_until_it_can(
    tmp_path: Path, make_signal: Make
) -> None:
    directory = tmp_path / "signals"
    directory.write_text("in the way")
    journal = Journal(directory)
    assert journal.trouble == "File exists"
    assert not journal.append(make_signal(1))
    assert journal.refused == 1
    directory.unlink()
    assert journal.retry() == [make_signal(1)]
    assert journal.append(make_signal(2))
    journal.close()
    assert boundaries(directory) == [1, 2]
    in_the_way = tmp_path / "other"
    in_the_way.write_text("in the way")
    third = Journal(in_the_way)
    in_the_way.unlink()
    assert third.retry() == []
    assert third.trouble == "", "also when no signal waits"
    third.close()


def test_directory_that_disappears_and_cannot_be_had_stops_nothing(
    tmp_path: Path, make_signal: Make
) -> None:
    directory = tmp_path / "signals"
    journal = Journal(directory)
    assert journal.append(make_signal(1))
    shutil.rmtree(directory)
    directory.write_text("in the way")
    assert not journal.append(make_signal(2))
    directory.unlink()
    assert not journal.append(make_signal(3))
    assert len(journal.retry()) == 2
    journal.close()
    assert boundaries(directory) == [2, 3]


def test_closing_twice_is_fine(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    journal.close()
    journal.close()


WRITER = """
import sys
from pathlib import Path
from hunter.signals.decision import Decision
from hunter.signals.journal import Journal
from hunter.signals.signal import signal_of
journal = Journal(Path(sys.argv[1]), 20_000, 10**9)
print("go", flush=True)
for i in range(1, 10**9):
    made = Decision(direction="up", probability_up=0.7, horizon_ms=1, reason="r" * (i % 90),
                    instrument="BTC-USDT", boundary_ms=i)
    journal.append(signal_of(made, "0a", "up", made.reason, 1.0))
"""


def test_writer_that_is_killed_at_any_time_leaves_each_signal_once(tmp_path: Path) -> None:
    for round_number in range(4):
        command = [sys.executable, "-c", WRITER, str(tmp_path)]
        root = Path(__file__).parents[3]
        with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=root) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == b"go\n"
            follower = JournalFollower(tmp_path)
            while len(last_signals(tmp_path, 50)) < 50 or (round_number and not follower.poll()):
                assert process.poll() is None
            process.kill()
    found = boundaries(tmp_path)
    assert found == list(range(found[0], found[0] + len(found)))
