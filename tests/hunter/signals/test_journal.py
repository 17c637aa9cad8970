from __future__ import annotations

import os
import resource
import shutil
import signal as signals
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from hunter.signals.journal import Journal
from hunter.signals.journal_reader import JournalFollower, journal_files, journal_path, last_signals
from hunter.signals.signal import Signal, encode_signal

Make = Callable[..., Signal]
RING = "18c0ffee00000001"


def boundaries(directory: Path) -> list[int]:
    return [int(signal.id.rsplit("-", 1)[1]) for signal in last_signals(directory, 10_000)]


@contextmanager
def file_size_limit(limit_bytes: int) -> Iterator[None]:
    """Writes end short at the limit and are refused after it, as on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signals.signal(signals.SIGXFSZ, signals.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit_bytes, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signals.signal(signals.SIGXFSZ, handler)


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
    assert second.last_decided(RING, "BTC-USDT-SWAP") == 1_000
    for i in range(6, 15):
        second.append(make_signal(i * 100))
    second.close()
    assert second.repeated == 5
    assert boundaries(tmp_path) == [i * 100 for i in range(1, 15)]


def test_last_decided_is_kept_by_ring_and_instrument(tmp_path: Path, make_signal: Make) -> None:
    journal = Journal(tmp_path)
    assert journal.last_decided(RING, "BTC-USDT-SWAP") is None
    journal.append(make_signal(7_000))
    journal.append(make_signal(300, instrument="ETH-USDT"))
    assert journal.append(make_signal(100, ring_id="00ff"))
    journal.close()
    again = Journal(tmp_path)
    assert again.last_decided(RING, "BTC-USDT-SWAP") == 7_000
    assert again.last_decided(RING, "ETH-USDT") == 300
    assert again.last_decided("00ff", "BTC-USDT-SWAP") == 100
    assert again.last_decided("00ff", "ETH-USDT") is None
    again.close()


def test_tail_torn_at_any_byte_is_cut_at_open(tmp_path: Path, make_signal: Make) -> None:
    lines = [encode_signal(make_signal(i)) + b"\n" for i in (1, 2)]
    path = journal_path(tmp_path, 1)
    for at in range(len(lines[1])):
        path.write_bytes(lines[0] + lines[1][:at])
        journal = Journal(tmp_path)
        assert path.read_bytes() == lines[0]
        assert journal.cut_bytes == at
        assert journal.append(make_signal(2))
        journal.close()
        assert path.read_bytes() == lines[0] + lines[1]


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
    assert journal.last_decided(RING, "BTC-USDT-SWAP") == 2
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
    with file_size_limit(size):  # and now not at all
        assert not journal.append(make_signal(3))
    assert journal.write_errors == 2
    assert journal.append(make_signal(4))
    journal.close()
    assert [int(s.id.rsplit("-", 1)[1]) for s in follower.poll()] == [1, 4]


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
        assert not journal.append(make_signal(2))
    assert journal_path(tmp_path, 1).stat().st_size == size + 50
    assert journal.append(make_signal(2))
    journal.close()
    assert boundaries(tmp_path) == [1, 2]
    assert journal.write_errors == 2


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
    assert journal.write_errors == 1
    assert not journal.append(make_signal(1))
    assert journal.write_errors >= 2
    directory.unlink()
    assert journal.append(make_signal(2))
    journal.close()
    assert boundaries(directory) == [2]


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
    assert journal.append(make_signal(3))
    journal.close()
    assert boundaries(directory) == [3]


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
