"""Where units lie, and what happens to them: written, looked at, removed; systemd is told.

A file that was not made here, or was changed since, is never written over nor removed. Whether
systemd runs on this host is looked up by whoever makes a `Systemd`; where it does not (a container,
a chroot, a test), nothing is told to anybody.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import stat
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from hunter.errors import HunterError
from hunter.system.service import (
    ServicePlan,
    config_file_of,
    is_ours,
    is_unchanged,
    made_by_systemd,
    unit_text,
)

CONTROL_S: Final = 30
UNIT_BYTES_MAX: Final = 1 << 20
SHOWN: Final = ("LoadState", "ActiveState", "SubState", "UnitFileState", "MainPID", "StatusText")


@dataclass(frozen=True)
class Systemd:
    """The host's, or a user's own. `runs`: whether it can be told anything."""

    is_users: bool
    directory: Path
    runs: bool

    @classmethod
    def of_this_host(cls, is_users: bool, variables: Mapping[str, str]) -> Systemd:
        """As sd_booted(3) says; a user's own has a socket in XDG_RUNTIME_DIR."""
        runs = Path("/run/systemd/system").is_dir() and shutil.which("systemctl") is not None
        if not is_users:
            return cls(False, Path("/etc/systemd/system"), runs)
        own = Path(variables.get("XDG_CONFIG_HOME") or Path.home() / ".config")
        runtime = variables.get("XDG_RUNTIME_DIR", "")
        runs = runs and bool(runtime) and (Path(runtime) / "systemd").is_dir()
        return cls(True, own / "systemd" / "user", runs)

    @property
    def words(self) -> tuple[str, ...]:
        """How its tools are called."""
        return ("--user",) if self.is_users else ()

    def path_of(self, unit: str) -> Path:
        return self.directory / f"{unit}.service"

    def control(self, *words: str, timeout_s: int = CONTROL_S) -> str:
        """What `systemctl` says; raises HunterError when it fails, with its last line."""
        done = _run(["systemctl", *self.words, *words], timeout_s)
        if done.returncode:
            said = (done.stderr.strip() or done.stdout.strip()).splitlines()
            raise HunterError(f"systemctl {' '.join(words)}: {said[-1] if said else 'failed'}")
        return done.stdout

    def show(self, unit: str) -> dict[str, str]:
        """Of SHOWN, what it knows about a unit; empty where it does not run."""
        if not self.runs:
            return {}
        told = self.control("show", f"{unit}.service", f"--property={','.join(SHOWN)}")
        return dict(line.split("=", 1) for line in told.splitlines() if "=" in line)


def _run(
    command: list[str], timeout_s: int, variables: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(
            command,
            env=variables,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise HunterError(f"{' '.join(command)} gave no answer in {timeout_s} s") from None


def read_unit(path: Path) -> str | None:
    """None: there is no such file."""
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read(UNIT_BYTES_MAX)
    except FileNotFoundError:
        return None


def refuse_foreign(path: Path, text: str) -> None:
    """Raises HunterError for a unit that is not, or no more, what was written here."""
    if not is_ours(text):
        raise HunterError(
            f"{path} was not made by hunter service install and is left alone; choose another name"
            " with --name, or remove it"
        )
    if not is_unchanged(text):
        raise HunterError(
            f"{path} was changed by hand and is left alone; keep changes of your own in a drop-in"
            f" (systemctl edit {path.stem}), then remove the file and install again"
        )


def install(plan: ServicePlan, systemd: Systemd) -> str:
    """Write the unit: "new", "replaced" or "unchanged". Raises HunterError, OSError."""
    path, wanted = systemd.path_of(plan.unit), unit_text(plan)
    text = read_unit(path)
    if text is not None:
        refuse_foreign(path, text)
        if config_file_of(text) != plan.config_file:
            raise HunterError(
                f"{path} starts the instance of {config_file_of(text)}; give this one a name of its"
                " own with --name"
            )
        if text == wanted:
            return "unchanged"
    systemd.directory.mkdir(parents=True, exist_ok=True)
    # Whole or not at all: systemd may read it at any moment.
    beside = path.with_name(f".{path.name}.new")
    beside.write_text(wanted, encoding="utf-8")
    beside.chmod(0o644)
    beside.replace(path)
    return "new" if text is None else "replaced"


def remove(unit: str, systemd: Systemd) -> Path | None:
    """The file that was removed; None: there was none. Raises HunterError for a foreign one."""
    path = systemd.path_of(unit)
    text = read_unit(path)
    if text is None:
        return None
    refuse_foreign(path, text)
    path.unlink()
    return path


def make_places(plan: ServicePlan) -> list[Path]:
    """Directories that must be there before a system unit starts, and are not; those made."""
    if plan.is_users:
        return []
    owner = pwd.getpwnam(plan.user)
    made = []
    for place in map(Path, (*plan.writable, plan.runtime_dir)):
        if made_by_systemd(str(place)) or place.exists():
            continue
        place.mkdir(parents=True)
        place.chmod(0o700)
        os.chown(place, owner.pw_uid, owner.pw_gid)
        made.append(place)
    return made


def obstacles(plan: ServicePlan) -> list[str]:
    """Why the unit's user could not read what it starts from, a line for each."""
    if plan.is_users:
        return []
    owner = pwd.getpwnam(plan.user)
    groups = frozenset(os.getgrouplist(plan.user, owner.pw_gid))
    found = []
    for place in dict.fromkeys(map(Path, plan.reads)):
        for path in (*reversed(place.parents), place):
            with contextlib.suppress(FileNotFoundError):
                facts = path.stat()
                need = 0o1 if stat.S_ISDIR(facts.st_mode) else 0o4
                if not _may(facts, owner.pw_uid, groups, need):
                    found.append(
                        f"{plan.user} cannot get at {place}: {path} has mode"
                        f" {stat.S_IMODE(facts.st_mode):04o}"
                    )
                    break
    return list(dict.fromkeys(found))


def _may(facts: os.stat_result, uid: int, groups: frozenset[int], need: int) -> bool:
    if facts.st_uid == uid:
        return bool(facts.st_mode & need << 6)
    return bool(facts.st_mode & (need << 3 if facts.st_gid in groups else need))


def complaints(plan: ServicePlan, systemd: Systemd) -> list[str] | None:
    """What systemd-analyze finds wrong with the unit; None where it is not installed."""
    if shutil.which("systemd-analyze") is None:
        return None
    with tempfile.TemporaryDirectory(prefix="hunter-unit-") as home:
        path = Path(home) / f"{plan.unit}.service"
        path.write_text(unit_text(plan), encoding="utf-8")
        words = ["systemd-analyze", *systemd.words, "verify", "--man=no", str(path)]
        # It lets a user's systemd be looked up there, and finds nothing wrong with an empty one.
        done = _run(words, CONTROL_S, os.environ | {"XDG_RUNTIME_DIR": home})
    lines = (done.stdout + done.stderr).splitlines()
    return [line.replace(str(path), path.name) for line in lines if path.name in line]
