from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hunter.signals import journal_reader
from hunter.signals.journal import Journal
from hunter.signals.journal_reader import (
    JournalFollower,
    complete_lines_backwards,
    journal_files,
    journal_path,
    last_signals,
)
from hunter.signals.signal import Signal, encode_signal

Make = Callable[..., Signal]


def boundaries(signals: list[Signal]) -> list[int]:
    return [int(signal.id.rsplit("-", 1)[1]) for signal in signals]


@given(
    lines=st.lists(st.binary(max_size=12).map(lambda b: b.replace(b"\n", b".")), max_size=12),
    tail=st.binary(max_size=9).map(lambda b: b.replace(b"\n", b".")),
    block_bytes=st.integers(1, 9),
)
def test_lines_backwards_are_the_whole_lines_reversed(
    lines: list[bytes],
    tail: bytes,
    block_bytes: int,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    path = tmp_path_factory.mktemp("lines") / "file"
    content = b"".join(line + b"\n" for line in lines)
    path.write_bytes(content + tail)
    ends = [sum(len(line) + 1 for line in lines[: i + 1]) for i in range(len(lines))]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(journal_reader, "BLOCK_BYTES", block_bytes)
        found = list(complete_lines_backwards(path))
    assert found == list(zip(lines, ends, strict=True))[::-1]


def test_newest_signals_come_oldest_first_across_files(tmp_path: Path, make_signal: Make) -> None:
    journal = Journal(tmp_path, file_bytes_max=1_500, budget_bytes=1_000_000)
    for i in range(20):
        assert journal.append(make_signal(i))
    journal.close()
    assert len(journal_files(tmp_path)) > 3
    assert boundaries(last_signals(tmp_path, 5)) == [15, 16, 17, 18, 19]
    assert boundaries(last_signals(tmp_path, 500)) == list(range(20))
    assert last_signals(tmp_path, 0) == []


def test_newest_signals_of_one_instrument(tmp_path: Path, make_signal: Make) -> None:
    journal = Journal(tmp_path)
    for i in range(10):
        journal.append(make_signal(i, instrument="ETH-USDT" if i % 3 == 0 else "BTC-USDT"))
    journal.close()
    assert boundaries(last_signals(tmp_path, 2, "ETH-USDT")) == [6, 9]
    assert last_signals(tmp_path, 2, "XRP-USDT") == []


def test_no_journal_has_no_signals(tmp_path: Path) -> None:
    assert last_signals(tmp_path / "none", 5) == []
    assert JournalFollower(tmp_path / "none").poll() == []


def test_lines_that_are_no_signals_are_skipped(tmp_path: Path, make_signal: Make) -> None:
    good = encode_signal(make_signal(3))
    (tmp_path / "notes.txt").write_text("not ours")
    journal_path(tmp_path, 1).write_bytes(b"{}\n" + good + b"\njunk\n" + good[:50])
    assert boundaries(last_signals(tmp_path, 5)) == [3]


def test_file_rotated_away_while_reading_ends_the_reading(
    tmp_path: Path, make_signal: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal_path(tmp_path, 2).write_bytes(encode_signal(make_signal(3)) + b"\n")
    monkeypatch.setattr(journal_reader, "journal_files", lambda _: [1, 2])
    assert boundaries(last_signals(tmp_path, 5)) == [3]


def test_follower_sees_each_later_signal_once_across_rotations(
    tmp_path: Path, make_signal: Make
) -> None:
    journal = Journal(tmp_path, file_bytes_max=1_500, budget_bytes=1_000_000)
    for i in range(4):
        journal.append(make_signal(i))
    follower = JournalFollower(tmp_path)
    assert follower.poll() == []
    seen = []
    for i in range(4, 40):
        journal.append(make_signal(i))
        if i % 7 == 0:
            while signals := follower.poll():
                seen += boundaries(signals)
    while signals := follower.poll():
        seen += boundaries(signals)
    journal.close()
    assert seen == list(range(4, 40))


def test_follower_that_came_before_the_journal_sees_all(tmp_path: Path, make_signal: Make) -> None:
    follower = JournalFollower(tmp_path, "BTC-USDT")
    journal = Journal(tmp_path)
    journal.append(make_signal(1, instrument="BTC-USDT"))
    journal.append(make_signal(2, instrument="ETH-USDT"))
    journal.append(make_signal(3, instrument="BTC-USDT"))
    journal.close()
    assert boundaries(follower.poll()) == [1, 3]
    assert follower.poll() == []


def test_follower_waits_for_the_end_of_a_line(tmp_path: Path, make_signal: Make) -> None:
    line = encode_signal(make_signal(1)) + b"\n"
    path = journal_path(tmp_path, 1)
    path.write_bytes(b"torn")
    follower = JournalFollower(tmp_path)
    path.write_bytes(line[:40])
    assert follower.poll() == []
    path.write_bytes(line)
    assert boundaries(follower.poll()) == [1]


def test_follower_reads_a_line_longer_than_a_block(
    tmp_path: Path, make_signal: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal_reader, "BLOCK_BYTES", 64)
    follower = JournalFollower(tmp_path)
    journal = Journal(tmp_path)
    for i in (1, 2):
        journal.append(make_signal(i, reason="x" * 500))
    journal.close()
    assert boundaries(follower.poll()) == [1]
    assert boundaries(follower.poll()) == [2]
    assert follower.poll() == []


def test_follower_goes_on_after_its_file_was_rotated_away(
    tmp_path: Path, make_signal: Make
) -> None:
    journal_path(tmp_path, 1).write_bytes(encode_signal(make_signal(1)) + b"\n")
    follower = JournalFollower(tmp_path)
    journal_path(tmp_path, 1).unlink()
    assert follower.poll() == []
    journal_path(tmp_path, 3).write_bytes(encode_signal(make_signal(9)) + b"\n")
    assert boundaries(follower.poll()) == [9]
