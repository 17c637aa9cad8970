from __future__ import annotations

import os
import resource
import signal
import stat
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from fakes.configs import configs
from hypothesis import given

from hunter.config import Config, load, load_effective, remove_effective, save_effective

NAME = "effective.json"


@given(configs)
def test_effective_configuration_round_trip(config: Config) -> None:
    raw = msgspec.json.encode(config)
    assert msgspec.json.decode(raw, type=Config) == config


def test_actors_get_the_checked_configuration(
    write: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = load(write("[ring]\ncapacity = 64\n"), ["hunter.name=lab"])
    path = tmp_path / "effective.json"
    path.write_text("a longer text of a former run, to be cut off" * 100)
    save_effective(found, path)
    monkeypatch.chdir("/")
    again = load_effective(path)
    assert again == found
    assert again.data_dir == tmp_path / "data", "whatever the working directory"


def test_effective_configuration_is_private(tmp_path: Path) -> None:
    save_effective(load(None), tmp_path / "effective.json")
    assert stat.S_IMODE((tmp_path / "effective.json").stat().st_mode) == 0o600


def test_effective_configuration_is_private_whatever_lay_there(tmp_path: Path) -> None:
    path = tmp_path / NAME
    path.touch(mode=0o644)
    save_effective(load(None), path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_actor_that_reads_while_it_is_written_anew_gets_the_old_one_whole(tmp_path: Path) -> None:
    path = tmp_path / NAME
    old, new = load(None, ["hunter.name=old"]), load(None, ["hunter.name=new"])
    save_effective(old, path)
    with path.open("rb", buffering=0) as reader:
        half = reader.read(10)
        save_effective(new, path)
        assert msgspec.json.decode(half + reader.read(), type=Config) == old
    assert load_effective(path) == new
    assert os.listdir(tmp_path) == [NAME]


def test_write_that_fails_leaves_what_was_there_and_no_half_file(tmp_path: Path) -> None:
    path = tmp_path / NAME
    old = load(None, ["hunter.name=old"])
    save_effective(old, path)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # as on a full disk: an error
    resource.setrlimit(resource.RLIMIT_FSIZE, (20, limits[1]))
    try:
        with pytest.raises(OSError, match="File too large"):
            save_effective(load(None), path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)
    assert load_effective(path) == old
    assert os.listdir(tmp_path) == [NAME]


def test_removal_takes_what_a_killed_writer_left_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / NAME

    def killed(*_: object) -> None:
        raise KeyboardInterrupt  # nothing is tidied up any more

    save_effective(load(None), path)
    monkeypatch.setattr(Path, "replace", killed)
    with pytest.raises(KeyboardInterrupt):
        save_effective(load(None), path)
    assert len(os.listdir(tmp_path)) == 2
    remove_effective(path)
    assert os.listdir(tmp_path) == []
    remove_effective(path)  # nothing there is fine
