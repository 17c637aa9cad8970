"""Segments: whole parts, names in time order, limits kept, what is written stays good."""

from __future__ import annotations

import errno
import os
import random
from pathlib import Path

import pytest
import zstandard

from hunter.recorder import segments as module
from hunter.recorder.segments import (
    BudgetUsed,
    RecordingError,
    Segments,
    compact_utc,
    recorded_bytes,
)
from hunter.simulator.lines import Counts, file_lines, merged_lines

NOW = 1_790_000_000_123_000_000
GENERATOR = random.Random(7)


def lines(at_ns: int, count: int = 20) -> bytes:
    """Lines that do not pack well, so that sizes mean something."""
    return b"".join(
        b"%d %s\n" % (at_ns, GENERATOR.randbytes(40).hex().encode()) for _ in range(count)
    )


def make(tmp_path: Path, segment_bytes: int = 1 << 20, budget_bytes: int = 1 << 30) -> Segments:
    return Segments(tmp_path / "rec", "lab", segment_bytes, budget_bytes)


def test_name_tells_start_and_instance_and_sorts_in_time_order(tmp_path: Path) -> None:
    segments = make(tmp_path, segment_bytes=1)
    times = [NOW, NOW + 900_000_000, NOW + 86_400_000_000_000]
    for at_ns in times:
        segments.append(lines(at_ns))
    segments.close()
    assert segments.paths[0].name == "20260921T141320.123Z-lab.jsonl.zst"
    assert sorted(segments.paths) == segments.paths
    assert segments.paths == sorted((tmp_path / "rec").iterdir())
    assert compact_utc(NOW) == "20260921T141320.123Z"


def test_parts_are_readable_at_once_and_by_any_decoder(tmp_path: Path) -> None:
    segments = make(tmp_path)
    first, second = lines(NOW), lines(NOW + 5)
    segments.append(first)
    segments.append(second)
    packed = segments.paths[0].read_bytes()
    reader = zstandard.ZstdDecompressor().stream_reader(packed, read_across_frames=True)
    assert reader.read() == first + second
    head = zstandard.get_frame_parameters(packed)
    assert (head.content_size, head.has_checksum) == (len(first), True)
    assert (segments.frames, segments.raw_bytes) == (40, len(first + second))
    assert segments.packed_bytes == len(packed) == recorded_bytes(tmp_path)
    segments.close()
    segments.close()  # twice is fine


def test_full_segment_is_followed_by_another_and_nothing_is_lost(tmp_path: Path) -> None:
    segments = make(tmp_path, segment_bytes=3_000)
    told = [lines(NOW + n * 1_000_000) for n in range(12)]
    for text in told:
        segments.append(text)
    segments.close()
    assert len(segments.paths) > 3
    assert all(path.stat().st_size <= 3_000 for path in segments.paths)
    counts = Counts()
    found = [b"%d %s\n" % line for line in merged_lines(segments.paths[::-1], counts)]
    assert b"".join(found) == b"".join(told)
    assert counts.torn == 0


def test_part_larger_than_a_segment_gets_one_of_its_own(tmp_path: Path) -> None:
    segments = make(tmp_path, segment_bytes=10)
    segments.append(lines(NOW))
    segments.append(lines(NOW + 10_000_000))
    assert [path.stat().st_size > 10 for path in segments.paths] == [True, True]
    segments.close()


def test_names_taken_already_are_passed_over(tmp_path: Path) -> None:
    for _ in range(2):
        segments = make(tmp_path, segment_bytes=1)
        segments.append(lines(NOW))
        segments.append(lines(NOW))
        segments.close()
    names = [path.name[16:19] for path in sorted((tmp_path / "rec").iterdir())]
    assert names == ["123", "124", "125", "126"]


def test_budget_ends_the_recording_before_it_is_exceeded(tmp_path: Path) -> None:
    segments = make(tmp_path, budget_bytes=3_000)

    def fill() -> None:
        for n in range(100):
            segments.append(lines(NOW + n))

    with pytest.raises(BudgetUsed, match="--budget-mb"):
        fill()
    segments.close()
    assert 1_000 < recorded_bytes(tmp_path) <= 3_000
    assert len(list(file_lines(segments.paths[0], Counts()))) == segments.frames


def test_full_disk_leaves_whole_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    segments = make(tmp_path)
    segments.append(lines(NOW))
    write = os.write
    room = [100]

    def scripted(descriptor: int, data: memoryview) -> int:
        if room:
            return write(descriptor, data[: room.pop()])
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(module.os, "write", scripted)
    with pytest.raises(RecordingError, match=r"cannot write .*: No space left on device"):
        segments.append(lines(NOW + 1))
    monkeypatch.undo()
    segments.close()
    counts = Counts()
    assert len(list(file_lines(segments.paths[0], counts))) == segments.frames == 20
    assert counts.torn == 0


def test_place_that_cannot_be_had_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(RecordingError, match=r"cannot make .*; name another with -o"):
        Segments(tmp_path / "file" / "rec", "lab", 1, 1)
    segments = make(tmp_path)
    segments.directory.rmdir()
    with pytest.raises(RecordingError, match=r"cannot make .*: No such file"):
        segments.append(lines(NOW))


def test_r11_part_torn_or_altered_at_any_byte_costs_itself_and_what_follows_only(
    tmp_path: Path,
) -> None:
    segments = make(tmp_path)
    whole = [lines(NOW, 3), lines(NOW + 5, 3), lines(NOW + 9, 3)]
    ends = []
    for part in whole:
        segments.append(part)
        ends.append(segments.packed_bytes)
    segments.close()
    (path,) = segments.paths
    packed = path.read_bytes()
    counts = Counts()
    every = list(file_lines(path, counts))
    assert (len(every), counts.torn) == (9, 0)
    for at in range(ends[0], len(packed)):
        sound = 6 if at >= ends[1] else 3
        altered = bytearray(packed)
        altered[at] ^= 0x10
        zeros = packed[:at] + b"\0" * (len(packed) - at)
        for damaged in (packed[:at], bytes(altered), zeros):
            path.write_bytes(damaged)
            counts = Counts()
            found = list(file_lines(path, counts))
            assert found[:sound] == every[:sound]
            assert len(found) == sound or set(found) <= set(every) or counts.torn
