"""Lines come out of every packing, and damage costs the rest of a file and is told."""

from __future__ import annotations

import gzip
import os
import zipfile
from pathlib import Path

import pytest
from fakes.import_files import tar_gz

from hunter.errors import NotFound
from hunter.recorder.imports import sources as module
from hunter.recorder.imports.sources import SourceLine, Sources
from hunter.recorder.imports.tally import ImportTally

TEXT = b"first\r\n\r\nsecond\nthird"
LINES = [b"first", b"second", b"third"]


def write_zip(path: Path, *members: bytes) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.mkdir("folder")
        for number, text in enumerate(members):
            archive.writestr(f"{number}.csv", text)
    return path


def read(*paths: Path) -> tuple[list[SourceLine], ImportTally]:
    tally = ImportTally()
    sources = Sources(paths, tally)
    found = [line for index in range(len(sources)) for line in sources.lines(index)]
    assert sources.part_read == 1.0
    return found, tally


def packed(path: Path, form: str) -> Path:
    if form == "zip":
        return write_zip(path, TEXT)
    if form == "tar.gz":
        return tar_gz(path, "inside.data", TEXT)
    if form == "zip of gz":
        return write_zip(path, gzip.compress(TEXT))
    path.write_bytes(gzip.compress(TEXT) if form == "gz" else TEXT)
    return path


@pytest.mark.parametrize("form", ["plain", "gz", "zip", "tar.gz", "zip of gz"])
def test_lines_of_every_packing_come_out_whatever_the_name(tmp_path: Path, form: str) -> None:
    found, tally = read(packed(tmp_path / "download", form))
    assert [line.text for line in found] == LINES
    assert (tally.lines, tally.torn) == (3, [])


def test_members_of_an_archive_are_told_apart(tmp_path: Path) -> None:
    found, _ = read(write_zip(tmp_path / "a.zip", b"x\n", b"y\n"))
    assert found == [SourceLine("0.csv", b"x"), SourceLine("1.csv", b"y")]


@pytest.mark.parametrize("form", ["gz", "tar.gz"])
def test_file_that_breaks_off_gives_what_comes_before(tmp_path: Path, form: str) -> None:
    noise = os.urandom(200_000).hex().encode()
    text = b"\n".join(noise[at : at + 100] for at in range(0, len(noise), 100))
    path = tmp_path / "a"
    if form == "tar.gz":
        tar_gz(path, "x", text)
    else:
        path.write_bytes(gzip.compress(text))
    path.write_bytes(path.read_bytes()[:-50_000])
    found, tally = read(path)
    assert 100 < len(found) < 4_000
    assert len(tally.torn) == 1
    assert tally.torn[0].startswith("a: ")


def test_damage_in_the_middle_is_told(tmp_path: Path) -> None:
    path = tmp_path / "a.gz"
    data = bytearray(gzip.compress(os.urandom(100_000).hex().encode()))
    data[40_000:41_000] = bytes(1_000)
    path.write_bytes(data)
    assert len(read(path)[1].torn) == 1


def test_zip_that_breaks_off_or_is_encrypted_is_told(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "a.zip", TEXT)
    whole = path.read_bytes()
    path.write_bytes(whole[:-30])
    assert "zip" in read(path)[1].torn[0]
    # The flag of an encrypted entry, in the directory at the end.
    at = whole.rindex(b"PK\x01\x02") + 8
    path.write_bytes(whole[:at] + b"\x01" + whole[at + 1 :])
    assert "encrypted" in read(path)[1].torn[0]


def test_archives_within_archives_have_an_end(tmp_path: Path) -> None:
    path, data = tmp_path / "a.gz", TEXT
    for _ in range(5):
        data = gzip.compress(data)
    path.write_bytes(data)
    found, tally = read(path)
    assert not found
    assert "deep" in tally.torn[0]


def test_line_without_end_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LINE_BYTES_MAX", 100)
    path = tmp_path / "a"
    path.write_bytes(b"short\n" + b"x" * 101 + b"\nshort\n")
    found, tally = read(path)
    assert [line.text for line in found] == [b"short"]
    assert len(tally.torn) == 1


def test_missing_file_is_not_found(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="no file to import"):
        Sources((tmp_path / "none",), ImportTally())
