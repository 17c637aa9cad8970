from __future__ import annotations

import os
from pathlib import Path

import pytest

from hunter.recorder.anchor import SETTLED_AFTER_NS, Anchors, anchors_of

START_NS = 1_790_000_000_000_000_000


@pytest.fixture
def checkpoints(tmp_path: Path) -> Path:
    folder = tmp_path / "checkpoints"
    folder.mkdir()
    return folder


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    folder = tmp_path / "recording"
    folder.mkdir()
    return folder


def write(path: Path, content: bytes, at_ns: int) -> None:
    path.write_bytes(content)
    os.utime(path, ns=(at_ns, at_ns))


def test_newest_of_both_generations_is_kept_once_it_is_new_enough(
    checkpoints: Path, recording: Path
) -> None:
    anchors = Anchors(checkpoints, recording, 1)
    assert anchors.look(START_NS) == [], "no instance runs"
    write(checkpoints / "ring-0.0", b"old", START_NS - 1)
    write(checkpoints / "ring-0.1", b"early", START_NS + SETTLED_AFTER_NS - 1)
    assert anchors.look(START_NS) == []
    assert not anchors.is_complete
    write(checkpoints / "ring-0.0", b"new", START_NS + SETTLED_AFTER_NS)
    assert anchors.look(START_NS) == ["ring-0"]
    assert anchors.is_complete
    write(checkpoints / "ring-0.1", b"newer", START_NS + 2 * SETTLED_AFTER_NS)
    assert anchors.look(START_NS) == [], "one is enough"
    assert [path.read_bytes() for path in anchors_of(recording)] == [b"new"]


def test_each_ring_has_its_own(checkpoints: Path, recording: Path) -> None:
    anchors = Anchors(checkpoints, recording, 2)
    late_ns = START_NS + 2 * SETTLED_AFTER_NS
    write(checkpoints / "ring-1.0", b"one", late_ns)
    assert anchors.look(START_NS) == ["ring-1"]
    write(checkpoints / "ring-0.0", b"zero", late_ns)
    assert anchors.look(START_NS) == ["ring-0"]
    assert [path.name for path in anchors_of(recording)] == ["ring-0.anchor", "ring-1.anchor"]


def test_disk_that_refuses_is_asked_again(checkpoints: Path, tmp_path: Path) -> None:
    missing = tmp_path / "not there yet"
    anchors = Anchors(checkpoints, missing, 1)
    write(checkpoints / "ring-0.0", b"x", START_NS + SETTLED_AFTER_NS)
    assert anchors.look(START_NS) == []
    missing.mkdir()
    assert anchors.look(START_NS) == ["ring-0"]


def test_recording_that_is_a_file_has_none(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(b"")
    assert anchors_of(path) == []
