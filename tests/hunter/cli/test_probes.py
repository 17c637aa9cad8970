"""What the doctor finds on this host."""

from __future__ import annotations

import os
import socket
import sys
from pathlib import Path
from typing import Any

import pytest

from hunter import native
from hunter.cli import probes
from hunter.config import load


@pytest.fixture
def config(tmp_path: Path) -> Any:
    (tmp_path / "hunter.toml").write_text('[hunter]\nruntime_dir = "run"\n')
    return load(tmp_path / "hunter.toml")


def settings(tmp_path: Path, *overrides: str) -> Any:
    return load(tmp_path / "hunter.toml", overrides)


def test_native_state(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(native, "kernel", object())
    assert probes.native_state() == "compiled"
    monkeypatch.setattr(native, "kernel", None)
    monkeypatch.setenv("HUNTER_NATIVE", "")
    assert probes.native_state() == "missing"
    monkeypatch.setenv("HUNTER_NATIVE", "off")
    assert probes.native_state() == "off"


def test_libraries_are_those_declared(pyproject_names: set[str]) -> None:
    assert set(probes.LIBRARIES) == pyproject_names
    assert all(probes.library_versions().values())


@pytest.fixture
def pyproject_names() -> set[str]:
    import tomllib

    text = (Path(__file__).resolve().parents[3] / "pyproject.toml").read_text()
    return {each.split(">=")[0] for each in tomllib.loads(text)["project"]["dependencies"]}


def test_missing_library_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probes, "LIBRARIES", ("no-such-library-anywhere",))
    assert probes.library_versions() == {"no-such-library-anywhere": None}


def test_other_owners_of_our_names(monkeypatch: pytest.MonkeyPatch) -> None:
    owners = {"hunter": ["okx-hunter", "hunter"], "supervisor": ["supervisor"], "x": ["y"]}
    monkeypatch.setattr(probes.metadata, "packages_distributions", lambda: owners)
    assert probes.other_owners() == ["hunter", "supervisor"]
    assert not probes.is_supervisor_foreign()
    monkeypatch.setattr(probes, "find_spec", lambda name: None)
    assert probes.is_supervisor_foreign()


def test_other_hunter_on_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other = tmp_path / "hunter"
    other.write_text("#!/bin/sh\n")
    other.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert probes.other_hunter_on_path() == str(other)
    monkeypatch.setenv("PATH", "")
    assert probes.other_hunter_on_path() == ""
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    monkeypatch.setenv("PATH", str(tmp_path))
    assert probes.other_hunter_on_path() == ""


def test_missing_extras(config: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probes, "has_extra", lambda extra: extra == "store")
    assert probes.missing_extras(config) == {}
    both = ("web.enabled=true", "store.enabled=true", "alerts.enabled=true")
    hook = 'alerts.webhook="env:HOOK"'
    assert probes.missing_extras(settings(tmp_path, *both, hook)) == {"web": "web.enabled"}
    apprise = settings(tmp_path, *both, 'alerts.apprise="env:HOOK"')
    assert probes.missing_extras(apprise) == {"web": "web.enabled", "alerts": "alerts.apprise"}


def test_places_are_looked_at_and_not_made(config: Any, tmp_path: Path) -> None:
    runtime, data, log = probes.place_facts(config)
    assert (runtime.key, runtime.exists, runtime.writable) == ("hunter.runtime_dir", False, True)
    assert (data.path, log.exists) == (str(tmp_path / "data"), False)
    assert os.listdir(tmp_path) == ["hunter.toml"]
    (tmp_path / "run").mkdir(mode=0o700)
    (tmp_path / "data").write_text("")
    runtime, data, log = probes.place_facts(config)
    assert (runtime.exists, runtime.mode & 0o077) == (True, 0)
    assert data.why_not == f"{tmp_path / 'data'} is no folder"
    assert not log.writable
    assert len(probes.place_facts(settings(tmp_path, "store.enabled=true"))) == 4


def test_place_that_may_not_be_written(
    config: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(probes.os, "access", lambda *_: False)
    assert probes.place_facts(config)[0].why_not == f"cannot be made: {tmp_path}: permission denied"
    (tmp_path / "run").mkdir()
    assert probes.place_facts(config)[0].why_not == "permission denied"


def test_runtime_dir_that_is_too_long_for_a_socket(config: Any, tmp_path: Path) -> None:
    assert probes.place_facts(config)[0].too_long_bytes == 0
    long = settings(tmp_path, f'hunter.runtime_dir="{"x" * 100}"')
    assert probes.place_facts(long)[0].too_long_bytes > 0


def test_needs_grow_with_what_is_configured(config: Any, tmp_path: Path) -> None:
    more = settings(tmp_path, "ring.capacity=65536")
    assert 0 < probes.need_bytes(config) < probes.need_bytes(more) < probes.memory_bytes(more)
    pair = settings(tmp_path, "stream.standby=true", "web.enabled=true")
    assert (probes.stream_count(pair), probes.process_count(pair)) == (2, 6)
    assert probes.process_count(config) == 4


def test_room_says_what_would_fit(
    config: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fact = probes.room_fact(config)
    assert fact.need_bytes == probes.need_bytes(config)
    assert (fact.held_bytes, fact.fitting_capacity) == (0, None)
    found = os.statvfs_result((4096, 4096, 1000, 1000, 700, 0, 0, 0, 0, 255))
    monkeypatch.setattr(probes.os, "statvfs", lambda _: found)
    short = probes.room_fact(config)
    assert short.free_bytes == 4096 * 700
    assert short.fitting_capacity is not None
    assert short.fitting_capacity < config.ring.capacity


def test_room_counts_what_the_instance_holds(shown: Any) -> None:
    held = sum(path.stat().st_size for path in shown.stage.shared.iterdir())
    assert probes.room_fact(shown.config).held_bytes == held > 0


def test_descriptor_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    soft, hard = probes.descriptor_limits()
    assert soft == -1 or soft > 0
    assert hard == -1 or hard >= soft
    unlimited = (probes.resource.RLIM_INFINITY, probes.resource.RLIM_INFINITY)
    monkeypatch.setattr(probes.resource, "getrlimit", lambda _: unlimited)
    assert probes.descriptor_limits() == (-1, -1)


def test_port_that_is_taken_names_who_has_it(config: Any, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        number = listener.getsockname()[1]
        taken = settings(tmp_path, f"web.port={number}")
        fact = probes.port_fact(taken, 0)
        assert fact.taken[number].startswith(f'pid {os.getpid()} "')
        assert not fact.is_ours
        assert probes.port_fact(taken, os.getpid()).is_ours
    assert number not in probes.port_fact(taken, 0).taken
    assert probes.port_owner(number) == "somebody"


def test_port_of_an_address_that_is_not_here(config: Any, tmp_path: Path) -> None:
    fact = probes.port_fact(settings(tmp_path, 'web.host="192.0.2.1"'), 0)
    assert fact.why_not == "Cannot assign requested address"


def test_limits_are_the_least_of_the_groups_above(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = Path(f"/proc/{os.getpid()}/cgroup").read_text().splitlines()
    path = next((line[3:] for line in lines if line.startswith("0::")), "")
    leaf = tmp_path.joinpath(*[part for part in path.split("/") if part not in ("", "..")])
    (leaf / "unit").mkdir(parents=True)
    (tmp_path / "memory.max").write_text("1000\n")
    (tmp_path / "pids.max").write_text("max\n")
    (tmp_path / "cpu.max").write_text("150000 100000\n")
    found = probes.limit_fact(os.getpid(), tmp_path)
    assert found == (1000, 0, 1.5)
    assert probes.usable_cpus(found) == min(1.5, len(os.sched_getaffinity(0)))
    assert probes.limit_fact(0, tmp_path / "none") == (0, 0, 0.0)
    assert probes.usable_cpus(probes.LimitFact(0, 0, 0.0)) == len(os.sched_getaffinity(0))


def test_disk_is_that_of_the_data(config: Any, tmp_path: Path) -> None:
    place, free_bytes = probes.disk_free_bytes(config)
    assert place == str(tmp_path)
    assert free_bytes > 0


def test_secrets_are_read_and_never_told(config: Any, tmp_path: Path) -> None:
    assert probes.secrets_read(config, {}) == ([], {})
    secret = tmp_path / "hook"
    secret.write_text("https://example.org/abc")
    secret.chmod(0o644)
    wanted = settings(
        tmp_path, "alerts.enabled=true", 'alerts.webhook="file:hook"', 'alerts.apprise="env:LIST"'
    )
    good, faults = probes.secrets_read(wanted, {"LIST": "x://y"})
    assert good == ["alerts.apprise"]
    assert f"chmod 600 {secret}" in faults["alerts.webhook"].why
    assert not faults["alerts.webhook"].is_elsewhere
    assert "abc" not in str(faults)
    secret.chmod(0o600)
    good, faults = probes.secrets_read(wanted, {})
    assert good == ["alerts.webhook"]
    assert "the environment has no LIST" in faults["alerts.apprise"].why
    assert faults["alerts.apprise"].is_elsewhere


def test_token_that_others_can_read(config: Any, tmp_path: Path) -> None:
    config.runtime_dir.mkdir()
    config.token_path.write_text("x")
    config.token_path.chmod(0o644)
    assert "others can read it" in probes.secrets_read(config, {})[1]["web.token_file"].why
    config.token_path.chmod(0o600)
    assert probes.secrets_read(config, {}) == (["web.token_file"], {})


def test_configuration_with_a_password_that_others_can_read(config: Any, tmp_path: Path) -> None:
    path = tmp_path / "hunter.toml"
    path.chmod(0o644)
    assert probes.file_fault(config, path) == ""
    with_password = settings(tmp_path, 'okx.proxy="http://u:p@h:1"')
    assert f"chmod 600 {path}" in probes.file_fault(with_password, path)
    assert probes.file_fault(with_password, None) == ""
    assert probes.file_fault(with_password, tmp_path / "none") == ""
    path.chmod(0o600)
    assert probes.file_fault(with_password, path) == ""
