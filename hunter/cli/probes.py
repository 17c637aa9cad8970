"""What `hunter doctor` finds on this host: reads files, asks the kernel, changes nothing.

Each probe returns facts for `findings`; none waits for anybody.
"""

from __future__ import annotations

import contextlib
import errno
import os
import resource
import shutil
import socket
import stat
import sys
from collections.abc import Iterator, Mapping, Sequence
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from hunter import native
from hunter.bus.sockets import PATH_BYTES_MAX
from hunter.cli.findings import (
    PORTS_TRIED,
    LimitFact,
    PlaceFact,
    PortFact,
    RoomFact,
    SecretFault,
)
from hunter.config import Config, read_secret, secret_variable
from hunter.errors import ConfigError
from hunter.extras import has_extra
from hunter.ring.segment import SHARED_ROOT, shared_dir
from hunter.system import child_specs
from hunter.system.layouts import fitting_capacity, rings_bytes

DISTRIBUTION: Final = "okx-hunter"
LIBRARIES: Final = (
    *("click", "msgspec", "numpy", "prometheus-client", "pyzmq"),
    *("setproctitle", "websockets", "zstandard"),
)
CGROUP_ROOT: Final = Path("/sys/fs/cgroup")
_LONGEST_SOCKET: Final = "wake-brain-0.ipc"
_PROCESS_BYTES: Final = 45_000_000
"""What a process of hunter holds of its own, about."""
_LISTENS: Final = "0A"


def native_state() -> str:
    """compiled, missing or off."""
    if native.kernel is not None:
        return "compiled"
    return "missing" if native.is_missed() else "off"


def library_versions() -> dict[str, str | None]:
    found: dict[str, str | None] = {}
    for name in LIBRARIES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            found[name] = None
    return found


def other_owners(names: Sequence[str] = ("hunter", "supervisor")) -> list[str]:
    """Installed distributions, other than ours, that bring the same import names."""
    owners = metadata.packages_distributions()
    return sorted({owner for name in names for owner in owners.get(name, ())} - {DISTRIBUTION})


def is_supervisor_foreign() -> bool:
    """Whether `import supervisor` gets another package than the one beside ours."""
    spec = find_spec("supervisor")
    ours = Path(__file__).resolve().parents[2] / "supervisor" / "__init__.py"
    return spec is None or spec.origin is None or Path(spec.origin).resolve() != ours


def other_hunter_on_path() -> str:
    """The `hunter` that a shell would run, if it belongs to another environment than this one."""
    found = shutil.which("hunter")
    if found is None or Path(found).parent.resolve() == Path(sys.executable).parent.resolve():
        return ""
    return found if Path(found).resolve().parent != Path(sys.prefix, "bin").resolve() else ""


def missing_extras(config: Config) -> dict[str, str]:
    """Extra -> the key that wants it."""
    wanted = {name: f"{name}.enabled" for name in config.companions if name != "alerts"}
    if config.alerts.enabled and config.alerts.apprise:
        wanted["alerts"] = "alerts.apprise"
    return {extra: key for extra, key in wanted.items() if not has_extra(extra)}


def place_facts(config: Config) -> list[PlaceFact]:
    places = [
        ("hunter.runtime_dir", config.runtime_dir),
        ("hunter.data_dir", config.data_dir),
        ("hunter.log_dir", config.log_dir),
    ]
    if config.store.enabled:
        places.append(("store.dir", config.store_dir))
    return [_place(key, path) for key, path in places]


def _place(key: str, path: Path) -> PlaceFact:
    too_long = 0
    if key == "hunter.runtime_dir":
        too_long = len(os.fsencode(path / _LONGEST_SOCKET)) - PATH_BYTES_MAX
    nearest = _nearest(path)
    exists, mode, why_not = nearest == path, 0, ""
    try:
        info = nearest.stat()
        if not stat.S_ISDIR(info.st_mode):
            why_not = f"{nearest} is no folder"
        elif not os.access(nearest, os.W_OK | os.X_OK):
            is_read_only = bool(os.statvfs(nearest).f_flag & os.ST_RDONLY)
            why = "read-only file system" if is_read_only else "permission denied"
            why_not = why if exists else f"cannot be made: {nearest}: {why}"
        mode = stat.S_IMODE(info.st_mode) if exists else 0
    except OSError as error:
        why_not = error.strerror or str(error)
    return PlaceFact(key, str(path), exists, not why_not, why_not, mode, max(0, too_long))


def _nearest(path: Path) -> Path:
    """The path, or the folder above it that is there."""
    for folder in (path, *path.parents):
        with contextlib.suppress(OSError):
            folder.lstat()
            return folder
    return path


def need_bytes(config: Config) -> int:
    """Of shared memory: rings and status pages."""
    from hunter.system.shared import pages_bytes  # late: `hunter version` needs none of it

    return rings_bytes(config) + pages_bytes(config, process_count(config) - 1)


def memory_bytes(config: Config) -> int:
    """Of all memory, about: a control group counts the shared one too."""
    return need_bytes(config) + _PROCESS_BYTES * process_count(config)


def stream_count(config: Config) -> int:
    return sum(child.role == "stream" for child in child_specs(config, demo=False))


def process_count(config: Config) -> int:
    """Actors and the supervisor."""
    return len(child_specs(config, demo=False)) + 1


def room_fact(config: Config) -> RoomFact:
    found = os.statvfs(SHARED_ROOT)
    free = found.f_bavail * found.f_frsize
    held = _size_bytes(shared_dir(config.hunter.name, config.runtime_dir))
    need = need_bytes(config)
    fits = None
    if need > 0.8 * (free + held):
        pages = need - rings_bytes(config)
        fits = fitting_capacity(config, int(0.8 * (free + held)) - pages)
    return RoomFact(free, found.f_blocks * found.f_frsize, need, held, fits)


def _size_bytes(directory: Path) -> int:
    total = 0
    with contextlib.suppress(OSError):
        for path in directory.iterdir():
            with contextlib.suppress(OSError):
                total += path.lstat().st_size
    return total


def descriptor_limits() -> tuple[int, int]:
    """Soft and hard; -1 is none."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    return (
        -1 if soft == resource.RLIM_INFINITY else soft,
        -1 if hard == resource.RLIM_INFINITY else hard,
    )


def port_fact(config: Config, page_pid: int) -> PortFact:
    """`page_pid`: the pid of this instance's page, 0 when it does not run."""
    web = config.web
    if page_pid:
        return PortFact(web.enabled, web.host, web.port, {}, is_ours=True)
    taken: dict[int, str] = {}
    for port in range(web.port, min(web.port + PORTS_TRIED, 65_536)):
        try:
            with _bound(web.host, port):
                pass
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                why = error.strerror or str(error)
                return PortFact(web.enabled, web.host, web.port, {}, is_ours=False, why_not=why)
            taken[port] = port_owner(port)
        else:
            break  # the first free one is what matters
    return PortFact(web.enabled, web.host, web.port, taken, is_ours=False)


def _bound(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    probe = socket.socket(family)
    try:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind((host, port))
    except OSError:
        probe.close()
        raise
    return probe


def port_owner(port: int) -> str:
    """Who listens there, as pid 12 "nginx"."""
    inodes = {f"socket:[{inode}]" for inode in _listening(port)}
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):  # gone, or another user's
            for descriptor in (process / "fd").iterdir():
                with contextlib.suppress(OSError):
                    if os.readlink(descriptor) in inodes:
                        name = (process / "comm").read_text().strip()
                        return f'pid {process.name} "{name}"'
    return "another user's process" if inodes else "somebody"


def _listening(port: int) -> Iterator[str]:
    for table in ("tcp", "tcp6"):
        with contextlib.suppress(OSError):
            for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
                words = line.split()
                if words[3] == _LISTENS and int(words[1].rpartition(":")[2], 16) == port:
                    yield words[9]


def limit_fact(pid: int, root: Path = CGROUP_ROOT) -> LimitFact:
    """The least that a control group (version 2) of a process, and those above it, allow."""
    try:
        lines = Path(f"/proc/{pid}/cgroup").read_text().splitlines()
    except OSError:
        lines = []
    path = next((line[3:] for line in lines if line.startswith("0::")), "")
    memory = pids = 0
    cpus = 0.0
    for folder in _groups(root, path):
        memory = _least(memory, _number(folder / "memory.max"))
        pids = _least(pids, _number(folder / "pids.max"))
        quota = _words(folder / "cpu.max")
        if len(quota) == 2 and quota[0].isdigit() and quota[1].isdigit():
            share = int(quota[0]) / max(1, int(quota[1]))
            cpus = share if not cpus else min(cpus, share)
    return LimitFact(memory, pids, cpus)


def _groups(root: Path, path: str) -> Iterator[Path]:
    parts = [part for part in path.split("/") if part not in ("", "..")]
    for count in range(len(parts), -1, -1):
        yield root.joinpath(*parts[:count])


def _words(path: Path) -> list[str]:
    try:
        return path.read_text().split()
    except OSError:
        return []


def _number(path: Path) -> int:
    words = _words(path)
    return int(words[0]) if words and words[0].isdigit() else 0


def _least(before: int, found: int) -> int:
    return found if not before else min(before, found or before)


def usable_cpus(limits: LimitFact) -> float:
    """Processors that this process may use, as the control group allows."""
    allowed = float(len(os.sched_getaffinity(0)))
    return round(min(allowed, limits.cpus), 2) if limits.cpus else allowed


def disk_free_bytes(config: Config) -> tuple[str, int]:
    """Where the data are, or will be, and what is free there."""
    place = _nearest(config.data_dir)
    return str(place), shutil.disk_usage(place).free


def secrets_read(
    config: Config, variables: Mapping[str, str]
) -> tuple[list[str], dict[str, SecretFault]]:
    """Keys whose secrets can be read, and what is wrong with the others. No secret leaves here."""
    good: list[str] = []
    faults: dict[str, SecretFault] = {}
    if config.alerts.enabled:
        for key in ("webhook", "telegram_token", "apprise"):
            reference = getattr(config.alerts, key)
            if not reference:
                continue
            try:
                read_secret(reference, Path(config.base_dir), variables)
            except ConfigError as error:
                is_elsewhere = bool(secret_variable(reference))
                faults[f"alerts.{key}"] = SecretFault(str(error), is_elsewhere)
            else:
                good.append(f"alerts.{key}")
    with contextlib.suppress(OSError):
        if config.token_path.stat().st_mode & 0o077:
            why = f"others can read it: chmod 600 {config.token_path}"
            faults["web.token_file"] = SecretFault(why, is_elsewhere=False)
        else:
            good.append("web.token_file")
    return good, faults


def file_fault(config: Config, path: Path | None) -> str:
    """What is wrong with the mode of a configuration that holds a proxy's password, or ""."""
    if path is None or "@" not in config.okx.proxy:
        return ""
    try:
        is_open = bool(path.stat().st_mode & 0o077)
    except OSError:
        return ""
    return f"others can read {path}, which holds the proxy's password: chmod 600 {path}" * is_open
