"""Units on disk: made, kept, refused, removed; and what systemd's own tool says of them."""

from __future__ import annotations

import os
import pwd
import shutil
from pathlib import Path

import msgspec
import pytest

from hunter.config import load
from hunter.errors import HunterError
from hunter.system import service_files
from hunter.system.service import ServicePlan, plan_service, unit_text
from hunter.system.service_files import Systemd

ME = pwd.getpwuid(os.getuid()).pw_name


@pytest.fixture
def systemd(tmp_path: Path) -> Systemd:
    """One that is told nothing."""
    return Systemd(True, tmp_path / "systemd" / "user", runs=False)


@pytest.fixture
def plan(tmp_path: Path) -> ServicePlan:
    return plan_service(load(None), tmp_path / "hunter.toml", ("/bin/true",))


def test_installing_twice_writes_once_and_a_new_configuration_again(
    plan: ServicePlan, systemd: Systemd
) -> None:
    path = systemd.path_of(plan.unit)
    assert service_files.install(plan, systemd) == "new"
    assert path.read_text() == unit_text(plan)
    assert path.stat().st_mode & 0o777 == 0o644
    assert service_files.install(plan, systemd) == "unchanged"
    assert service_files.install(msgspec.structs.replace(plan, stop_s=99), systemd) == "replaced"
    assert "TimeoutStopSec=99" in path.read_text()
    assert [each.name for each in path.parent.iterdir()] == [path.name]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("[Service]\nExecStart=/bin/false\n", "was not made by hunter service install"),
        ("", "was not made by hunter service install"),
        (None, "was changed by hand"),
    ],
)
def test_foreign_and_changed_units_are_left_alone(
    plan: ServicePlan, systemd: Systemd, text: str | None, why: str
) -> None:
    service_files.install(plan, systemd)
    path = systemd.path_of(plan.unit)
    path.write_text(path.read_text() + "Nice=5\n" if text is None else text)
    before = path.read_text()
    with pytest.raises(HunterError, match=why):
        service_files.install(plan, systemd)
    with pytest.raises(HunterError, match=why):
        service_files.remove(plan.unit, systemd)
    assert path.read_text() == before


def test_unit_of_another_instance_is_left_alone(plan: ServicePlan, systemd: Systemd) -> None:
    service_files.install(plan, systemd)
    other = msgspec.structs.replace(plan, config_file="/elsewhere/hunter.toml")
    with pytest.raises(HunterError, match="--name"):
        service_files.install(other, systemd)


def test_removing_twice_is_fine(plan: ServicePlan, systemd: Systemd) -> None:
    service_files.install(plan, systemd)
    path = systemd.path_of(plan.unit)
    assert service_files.remove(plan.unit, systemd) == path
    assert not path.exists()
    assert service_files.remove(plan.unit, systemd) is None


def test_places_of_a_system_unit_are_made_for_its_user_unless_systemd_does(tmp_path: Path) -> None:
    data, run = tmp_path / "a" / "data", tmp_path / "run"
    settings = (f'hunter.data_dir="{data}"', f'hunter.runtime_dir="{run}"')
    found = plan_service(load(None, settings), tmp_path / "h.toml", ("/bin/true",), ME)
    assert service_files.make_places(found) == [data, run]
    assert data.stat().st_mode & 0o777 == 0o700
    assert data.stat().st_uid == os.getuid()
    assert service_files.make_places(found) == []
    theirs = msgspec.structs.replace(found, writable=("/var/lib/hunter-no-such",))
    assert service_files.make_places(theirs) == []


def test_what_the_user_cannot_read_is_told_with_the_folder(tmp_path: Path) -> None:
    file = tmp_path / "closed" / "hunter.toml"
    file.parent.mkdir()
    file.write_text("")
    settings = ('hunter.runtime_dir="/run/hunter"',)
    found = plan_service(load(None, settings), file, ("/bin/true",), "nobody")
    file.parent.chmod(0o700)
    (told,) = service_files.obstacles(found)
    # tmp_path itself lies below a folder of mode 0700
    assert told.startswith(f"nobody cannot get at {file}: ")
    assert "has mode 0700" in told
    assert service_files.obstacles(msgspec.structs.replace(found, reads=("/bin/true",))) == []
    assert (
        service_files.obstacles(msgspec.structs.replace(found, user=ME, reads=(str(file),))) == []
    )


@pytest.mark.parametrize("user", ["", ME])
def test_systemds_own_tool_has_nothing_against_it_and_sees_a_fault(
    tmp_path: Path, user: str
) -> None:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("there is no systemd-analyze")
    systemd = Systemd(not user, tmp_path, runs=False)
    settings = ('hunter.runtime_dir="/run/hunter"', 'hunter.data_dir="/srv/a b/100%"')
    found = plan_service(load(None, settings), tmp_path / "hunter.toml", ("/bin/true",), user)
    assert service_files.complaints(found, systemd) == []
    bad = msgspec.structs.replace(found, command=("/no/such/program",))
    assert service_files.complaints(bad, systemd)


def test_systemd_is_found_where_it_says_it_is(tmp_path: Path) -> None:
    own = Systemd.of_this_host(True, {"XDG_CONFIG_HOME": str(tmp_path)})
    assert own.path_of("hunter") == tmp_path / "systemd" / "user" / "hunter.service"
    assert not own.runs, "without XDG_RUNTIME_DIR there is nobody to ask"
    assert own.words == ("--user",)
    assert own.show("hunter") == {}
    assert Systemd.of_this_host(False, {}).directory == Path("/etc/systemd/system")


def test_systemctl_that_fails_is_told_in_its_own_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake = tmp_path / "systemctl"
    fake.write_text('#!/bin/sh\necho "one" >&2\necho "Unit $3 not loaded." >&2\nexit 5\n')
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    with pytest.raises(HunterError, match=r"systemctl stop x: Unit x not loaded\."):
        Systemd(True, tmp_path, runs=True).control("stop", "x")


def test_systemctl_is_asked_and_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake = tmp_path / "systemctl"
    fake.write_text('#!/bin/sh\necho "ActiveState=active"\necho "StatusText=4 of 4 ready; a=b"\n')
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    told = Systemd(False, tmp_path, runs=True).show("hunter")
    assert told == {"ActiveState": "active", "StatusText": "4 of 4 ready; a=b"}
