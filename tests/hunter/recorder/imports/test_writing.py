"""Imported frames become segments in a folder of their own."""

from __future__ import annotations

from pathlib import Path

import pytest

from hunter.recorder.imports import writing as module
from hunter.recorder.imports.tally import ImportRefused
from hunter.recorder.imports.writing import ImportWriter
from hunter.simulator.lines import Counts, merged_lines


def test_lines_are_read_back_from_all_segments(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "PART_BYTES_MAX", 200)
    monkeypatch.setattr(module, "SEGMENT_BYTES_MAX", 1_000)
    writer = ImportWriter(tmp_path / "new", "test")
    lines = [(1_000_000_000_000 + n, b"frame %d" % n) for n in range(500)]
    for line in lines:
        writer.write(*line)
    writer.close()
    assert len(writer.segments.paths) > 3
    assert list(merged_lines(sorted((tmp_path / "new").iterdir()), Counts())) == lines


def test_folder_that_holds_something_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("mine")
    with pytest.raises(ImportRefused, match="folder of its own"):
        ImportWriter(tmp_path, "test")


def test_folder_that_nothing_came_into_goes_away(tmp_path: Path) -> None:
    ImportWriter(tmp_path / "new", "test").close()
    assert not (tmp_path / "new").exists()
