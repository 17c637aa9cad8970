from __future__ import annotations

from pathlib import Path

import pytest
from fakes.full_disk import file_size_limit

from hunter.alerts.checkpoint import AlertsMemory, CheckpointFile, OutboxEntry
from hunter.alerts.policy import Item, Message, PolicyState

ITEM = Item("disk", "/d", "critical", "full", False, 1, 0.0)
KEPT = AlertsMemory(
    PolicyState(sent_ns=[1], messages=1), [OutboxEntry(Message("1-1", 1, "info", (ITEM,)), ["a"])]
)


def test_what_is_saved_is_loaded_and_nobody_else_reads_it(tmp_path: Path) -> None:
    CheckpointFile(tmp_path).save(KEPT)
    assert CheckpointFile(tmp_path).load() == KEPT
    (path,) = (tmp_path / "checkpoints").iterdir()
    assert path.stat().st_mode & 0o777 == 0o600


def test_nothing_is_written_when_nothing_is_new(tmp_path: Path) -> None:
    file = CheckpointFile(tmp_path)
    file.save(KEPT)
    (path,) = (tmp_path / "checkpoints").iterdir()
    before = path.stat().st_ino
    file.save(KEPT)
    assert path.stat().st_ino == before
    KEPT.policy.messages += 1
    file.save(KEPT)
    assert path.stat().st_ino != before


@pytest.mark.parametrize("raw", [b"", b"{", b"[" * 100_000, b'{"policy":{},"schema":9}', b"\xff"])
def test_damaged_file_or_one_of_another_version_is_none(tmp_path: Path, raw: bytes) -> None:
    path = tmp_path / "checkpoints" / "alerts.json"
    path.parent.mkdir()
    path.write_bytes(raw)
    assert CheckpointFile(tmp_path).load() is None
    path.unlink()
    assert CheckpointFile(tmp_path).load() is None


def test_disk_that_refuses_leaves_the_old_one_and_is_tried_again(tmp_path: Path) -> None:
    file = CheckpointFile(tmp_path)
    file.save(AlertsMemory(PolicyState()))
    with file_size_limit(10):
        file.save(KEPT)
        assert file.trouble == "File too large"
        assert CheckpointFile(tmp_path).load() == AlertsMemory(PolicyState())
    file.save(KEPT)
    assert file.trouble == ""
    assert CheckpointFile(tmp_path).load() == KEPT
