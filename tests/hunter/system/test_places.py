from __future__ import annotations

import os

import msgspec
import pytest
from fakes.actor_stage import Stage

from hunter.bus.sockets import PATH_BYTES_MAX, WakeReceiver
from hunter.config import Config
from hunter.errors import ConfigError, SegmentUnusable
from hunter.system.places import check_places, make_folders


def with_paths(config: Config, **paths: str) -> Config:
    section = msgspec.structs.replace(config.hunter, **paths)
    return msgspec.structs.replace(config, hunter=section)


def test_missing_runtime_directory_is_made_private(stage: Stage) -> None:
    config = with_paths(stage.config, runtime_dir="a/b/c")
    check_places(config)
    assert config.runtime_dir.stat().st_mode & 0o777 == 0o700
    check_places(config)


def test_longest_path_that_is_let_in_is_one_that_sockets_take(stage: Stage) -> None:
    room = PATH_BYTES_MAX - len(str(stage.home.resolve())) - len("//wake-brain-0.ipc")
    config = with_paths(stage.config, runtime_dir="x" * room)
    check_places(config)
    WakeReceiver(config.runtime_dir, "brain-0").close()
    with pytest.raises(ConfigError, match=r"is too long for a socket by 1 bytes; choose a shorter"):
        check_places(with_paths(stage.config, runtime_dir="x" * (room + 1)))
    assert not (stage.home / ("x" * (room + 1))).exists(), "refused before it is made"


@pytest.mark.parametrize(
    ("flags", "why"), [(0, "permission denied"), (os.ST_RDONLY, "read-only file system")]
)
def test_places_that_cannot_be_written_to_are_refused(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, flags: int, why: str
) -> None:
    stage.config.log_dir.mkdir(parents=True)
    monkeypatch.setattr(os, "access", lambda *_: False)
    monkeypatch.setattr(os, "statvfs", lambda _: os.statvfs_result((0,) * 8 + (flags, 0)))
    with pytest.raises(ConfigError, match=rf"runtime_dir: .* cannot be written to \({why}\)"):
        check_places(stage.config)
    with pytest.raises(ConfigError, match=rf"data_dir: .* cannot be written to \({why}\)"):
        make_folders(stage.config)


def test_runtime_directory_that_is_a_file_is_refused(stage: Stage) -> None:
    (stage.home / "file").touch()
    with pytest.raises(SegmentUnusable, match="cannot be a directory"):
        check_places(with_paths(stage.config, runtime_dir="file"))


def test_data_directory_that_cannot_be_is_the_configurations_fault(stage: Stage) -> None:
    (stage.home / "file").touch()
    with pytest.raises(ConfigError, match=r"hunter.log_dir: .*/file/logs cannot be a directory"):
        make_folders(with_paths(stage.config, log_dir="file/logs"))


def test_data_and_log_directories_are_made(stage: Stage) -> None:
    make_folders(stage.config)
    assert stage.config.log_dir.is_dir()


@pytest.mark.parametrize("mode", [0o770, 0o702, 0o777, 0o1777])
def test_runtime_directory_that_others_can_write_to_is_refused(stage: Stage, mode: int) -> None:
    stage.config.runtime_dir.chmod(mode)
    with pytest.raises(ConfigError, match=rf"\(mode {mode:04o}\); look at what .* chmod 700 /"):
        check_places(stage.config)
    assert stage.config.runtime_dir.stat().st_mode & 0o7777 == mode, "as it was"


def test_runtime_directory_that_others_can_only_read_is_closed_to_them(stage: Stage) -> None:
    stage.config.runtime_dir.chmod(0o755)
    check_places(stage.config)
    assert stage.config.runtime_dir.stat().st_mode & 0o777 == 0o700
