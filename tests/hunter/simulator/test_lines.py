"""Lines come out of files of every form, whole or torn, in time order."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from hunter.simulator import lines
from hunter.simulator.lines import Counts, file_lines, merged_lines

LINES = [b'%d {"n":%d}\n' % (10 + n, n) for n in range(40)]
PARTS = [b"".join(LINES[start : start + 8]) for start in range(0, 40, 8)]
PARSED = [(10 + n, b'{"n":%d}' % n) for n in range(40)]


def in_parts(suffix: str) -> list[bytes]:
    if suffix == ".gz":
        return [gzip.compress(part) for part in PARTS]
    return [zstandard.ZstdCompressor(write_checksum=True).compress(part) for part in PARTS]


def in_blocks() -> bytes:
    """One frame, flushed after every block, as other recorders do it."""
    packer = zstandard.ZstdCompressor().compressobj()
    flush = zstandard.COMPRESSOBJ_FLUSH_BLOCK
    return b"".join(packer.compress(part) + packer.flush(flush) for part in PARTS) + packer.flush()


@pytest.mark.parametrize("read_bytes", [1, 7, 64 << 10])
@pytest.mark.parametrize("suffix", ["", ".gz", ".zst"])
def test_file_of_any_form_is_read_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str, read_bytes: int
) -> None:
    monkeypatch.setattr(lines, "READ_BYTES", read_bytes)
    path = tmp_path / f"a.jsonl{suffix}"
    path.write_bytes(b"".join(in_parts(suffix) if suffix else PARTS))
    counts = Counts()
    assert list(file_lines(path, counts)) == PARSED
    assert (counts.malformed, counts.torn) == (0, 0)


def test_one_frame_of_flushed_blocks_is_read_whole_and_torn(tmp_path: Path) -> None:
    path, packed, counts = tmp_path / "a.zst", in_blocks(), Counts()
    path.write_bytes(packed)
    assert list(file_lines(path, counts)) == PARSED
    assert counts.torn == 0
    path.write_bytes(packed[: len(packed) * 2 // 3])
    found = list(file_lines(path, counts))
    assert 0 < len(found) < len(PARSED)
    assert found == PARSED[: len(found)]
    assert counts.torn == 1


@pytest.mark.parametrize("suffix", [".gz", ".zst"])
def test_bomb_is_read_in_pieces_and_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str
) -> None:
    monkeypatch.setattr(lines, "LINE_BYTES_MAX", 1 << 20)
    pack = gzip.compress if suffix == ".gz" else zstandard.ZstdCompressor().compress
    path, counts = tmp_path / f"a{suffix}", Counts()
    path.write_bytes(pack(LINES[0] + bytes(128 << 20) + LINES[1]))
    assert path.stat().st_size < 200_000
    with path.open("rb") as file:
        texts = lines._texts(file, suffix, Counts())
        assert max(map(len, texts)) <= 72 << 20
    assert list(file_lines(path, counts)) == PARSED[:1]
    assert counts.torn == 1


@pytest.mark.parametrize("head", [b"9" * 5_000, b"1" * 21, b"9" * 5_000 + b".5:", b".:", b"5..1:"])
def test_time_that_is_none_is_malformed(tmp_path: Path, head: bytes) -> None:
    path, counts = tmp_path / "a.jsonl", Counts()
    path.write_bytes(head + b" {}\n" + LINES[0])
    assert list(file_lines(path, counts)) == PARSED[:1]
    assert counts.malformed == 1


def test_time_of_less_than_a_second_is_one(tmp_path: Path) -> None:
    path, counts = tmp_path / "a.jsonl", Counts()
    path.write_bytes(b".5: {}\n")
    assert list(file_lines(path, counts)) == [(500_000_000, b"{}")]


@given(suffix=st.sampled_from([".gz", ".zst"]), share=st.floats(0, 1))
def test_file_cut_anywhere_gives_every_whole_part_and_counts_the_tear(
    tmp_path_factory: pytest.TempPathFactory, suffix: str, share: float
) -> None:
    parts = in_parts(suffix)
    packed = b"".join(parts)
    cut = round(share * len(packed))
    ends = [sum(map(len, parts[:n])) for n in range(len(parts) + 1)]
    path = tmp_path_factory.mktemp("cut") / f"a{suffix}"
    path.write_bytes(packed[:cut])
    counts = Counts()
    found = list(file_lines(path, counts))
    whole = 8 * sum(end <= cut for end in ends[1:])
    # zlib gives what it has of the last part, too; never half a line.
    assert found == PARSED[: len(found)]
    assert whole <= len(found) <= whole + 8
    assert counts.torn == (cut not in ends)
    assert counts.malformed == 0


@pytest.mark.parametrize("suffix", [".gz", ".zst"])
def test_damaged_file_is_read_up_to_the_damage(tmp_path: Path, suffix: str) -> None:
    parts = in_parts(suffix)
    path, counts = tmp_path / f"a{suffix}", Counts()
    path.write_bytes(b"".join([*parts[:2], b"rubbish", *parts[2:]]))
    assert list(file_lines(path, counts)) == PARSED[:16]
    assert counts.torn == 1


def test_last_line_of_a_plain_file_may_lack_its_end(tmp_path: Path) -> None:
    path, counts = tmp_path / "a.jsonl", Counts()
    path.write_bytes(b"10 {}\r\n11 {}")
    assert list(file_lines(path, counts)) == [(10, b"{}"), (11, b"{}")]


def test_lines_of_other_recorders_are_understood_or_counted(tmp_path: Path) -> None:
    path, counts = tmp_path / "a.ws", Counts()
    path.write_bytes(
        b"wss://x/ws <-> 1.0\nwss://x/ws <- 1.1: {}\n1.5: {}\n1.1234567899: {}\nrubbish\n\n"
    )
    assert list(file_lines(path, counts)) == [(1_500_000_000, b"{}"), (1_123_456_789, b"{}")]
    assert (counts.skipped, counts.malformed) == (2, 2)


def test_files_are_merged_by_time_and_ties_keep_the_order_given(tmp_path: Path) -> None:
    first, second, empty = (tmp_path / name for name in ("a", "b", "c"))
    first.write_bytes(b"1 a1\n3 a3\n3 a3'\n9 a9\n")
    second.write_bytes(b"3 b3\n4 b4\n")
    empty.write_bytes(b"rubbish\n")
    counts = Counts()
    found = [frame.decode() for _, frame in merged_lines([second, empty, first], counts)]
    assert found == ["a1", "b3", "a3", "a3'", "b4", "a9"]
    assert counts.malformed == 1
    assert list(merged_lines([empty], Counts())) == []


def test_segments_are_open_one_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    paths = []
    for number in range(20):
        paths.append(tmp_path / f"{number:02}")
        paths[-1].write_bytes(b"%d x\n%d y\n" % (10 * number, 10 * number + 5))
    opened: list[int] = []
    most = 0
    original = lines.file_lines

    def counting(path: Path, counts: Counts) -> object:
        nonlocal most
        opened.append(1)
        most = max(most, sum(opened))
        yield from original(path, counts)
        opened.append(-1)

    monkeypatch.setattr(lines, "file_lines", counting)
    whole = merged_lines(paths[::-1], Counts())
    # The look at each first line leaves its generator unfinished: count from here on.
    first = next(whole)
    assert first == (0, b"x")
    opened[:] = [1]
    most = 0
    assert len(list(whole)) == 39
    assert most <= 2


def test_time_that_goes_back_within_a_file_keeps_the_files_order(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"5 a\n4 b\n6 c\n")
    assert [frame for _, frame in merged_lines([path], Counts())] == [b"a", b"b", b"c"]
