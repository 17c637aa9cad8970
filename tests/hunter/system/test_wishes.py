from __future__ import annotations

import os
from pathlib import Path

import pytest
from fakes.actor_stage import Stage

from hunter.system.wishes import STOPPED_FILE, forget_stopped, keep_stopped, stopped_actors


def test_wish_that_was_kept_is_read_until_it_is_forgotten(stage: Stage) -> None:
    assert stopped_actors(stage.config) == frozenset()
    for names in ({"brain-0", "stream-0"}, {"watchdog"}, set()):
        keep_stopped(stage.config, names)
        assert stopped_actors(stage.config) == names
    keep_stopped(stage.config, {"brain-0"})
    assert (stage.config.runtime_dir / STOPPED_FILE).stat().st_mode & 0o777 == 0o600
    for _ in range(2):
        forget_stopped(stage.config)
        assert stopped_actors(stage.config) == frozenset()


@pytest.mark.parametrize("kind", ["directory", "noise"])
def test_file_that_is_none_of_ours_holds_up_no_start(stage: Stage, kind: str) -> None:
    path = stage.config.runtime_dir / STOPPED_FILE
    if kind == "directory":
        path.mkdir()
        assert stopped_actors(stage.config) == frozenset()
        forget_stopped(stage.config)
    else:
        path.write_bytes(b"\xff\xfe\0" * 100_000)
        assert all("brain-0" not in name for name in stopped_actors(stage.config))


def test_wish_that_cannot_be_written_leaves_the_one_before(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep_stopped(stage.config, {"brain-0"})

    def refuse(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", refuse)
    with pytest.raises(OSError, match="No space"):
        keep_stopped(stage.config, {"watchdog"})
    assert stopped_actors(stage.config) == {"brain-0"}
    assert not [path for path in Path(stage.config.runtime_dir).iterdir() if "new" in path.name]
