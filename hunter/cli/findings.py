"""What `hunter doctor` makes of what it found: facts in, rows out. Pure; `probes` and `reach` bring
the facts.

A row is `fail` when hunter will not run, or not rightly, until it is mended; `warn` when it runs
but somebody should know; its cure is a command or a key to set.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import median
from typing import Final, NamedTuple
from urllib.parse import urlsplit

import msgspec

OK: Final = "ok"
WARN: Final = "warn"
FAIL: Final = "fail"

PYTHON_MIN: Final = (3, 11)
DESCRIPTORS_MIN: Final = 64
DESCRIPTORS_BASE: Final = 128
SKEW_WARN_MS: Final = 250.0
SKEW_FAIL_MS: Final = 10_000.0
DISK_FAIL_BYTES: Final = 50_000_000
PORTS_TRIED: Final = 10
"""As [web] port says: the next free one of ten."""
_SHOWN_MAX: Final = 8
_MB: Final = 1_000_000


class Finding(msgspec.Struct, frozen=True):
    """One row. `state` is ok, warn or fail."""

    check: str
    state: str
    found: str
    cure: str = ""


class PlaceFact(NamedTuple):
    """A folder that the configuration names; `writable`: it, or else where it would be made."""

    key: str
    path: str
    exists: bool
    writable: bool
    why_not: str
    mode: int
    too_long_bytes: int = 0


class RoomFact(NamedTuple):
    """/dev/shm. `held_bytes`: what this very instance has there already."""

    free_bytes: int
    total_bytes: int
    need_bytes: int
    held_bytes: int
    fitting_capacity: int | None


class PortFact(NamedTuple):
    """`taken`: port to who has it, as pid 12 "nginx", of those that cannot be had."""

    is_wanted: bool
    host: str
    port: int
    taken: Mapping[int, str]
    is_ours: bool
    why_not: str = ""


class SecretFault(NamedTuple):
    """`is_elsewhere`: it comes from the environment of whoever starts hunter, not from ours."""

    why: str
    is_elsewhere: bool


class SkewSample(NamedTuple):
    """One question for the exchange's clock: how far it is ahead of ours, and the round trip."""

    ahead_ms: float
    round_trip_ms: float


class ReachFact(NamedTuple):
    """An attempt to get to a server. `phase` is the one that it got to, `open` is the end."""

    url: str
    phase: str
    reason: str
    proxy: str = ""
    addresses: int = 0
    """0: not told, for a server on this host."""
    took_ms: float = 0.0


class LimitFact(NamedTuple):
    """What the control groups of the running supervisor, or of this shell, allow; 0 = no limit."""

    memory_bytes: int
    pids: int
    cpus: float


def python_findings(version: tuple[int, ...], machine: str, native: str) -> list[Finding]:
    """`native`: compiled, missing or off."""
    told = ".".join(map(str, version))
    rows = [Finding("python", OK, f"{told} on {machine}")]
    if version[:2] < PYTHON_MIN:
        rows = [Finding("python", FAIL, told, "make an environment with Python 3.11 or newer")]
    compiled = {
        "compiled": Finding("compiled half", OK, "in use"),
        "off": Finding(
            "compiled half",
            WARN,
            "switched off: a message costs twenty times more",
            "unset HUNTER_NATIVE",
        ),
    }
    missing = Finding(
        "compiled half",
        WARN,
        "missing: a message costs twenty times more",
        "install a C compiler and Python's headers (apt install gcc python3-dev), and hunter again",
    )
    return [*rows, compiled.get(native, missing)]


def library_findings(versions: Mapping[str, str | None]) -> list[Finding]:
    missing = [name for name, version in versions.items() if version is None]
    if missing:
        return [
            Finding(
                "libraries",
                FAIL,
                f"not installed: {', '.join(missing)}",
                f"pip install {' '.join(missing)}, or hunter again into a fresh environment",
            )
        ]
    return [Finding("libraries", OK, ", ".join(f"{n} {v}" for n, v in versions.items()))]


def clash_findings(others: Sequence[str], is_foreign: bool, on_path: str) -> list[Finding]:
    """`others`: distributions that own the import names too; `is_foreign`: the supervisor package
    that is imported is not ours; `on_path`: another `hunter` that the shell would run, or "".
    """
    cure = "install okx-hunter into an environment of its own: python3 -m venv env"
    rows = []
    if others or is_foreign:
        who = ", ".join(others) or "another package"
        state = FAIL if is_foreign else WARN
        what = f"{who} also owns the import names hunter or supervisor"
        rows.append(Finding("names", state, what, cure))
    if on_path:
        rows.append(
            Finding("names", WARN, f"`hunter` in the shell is {on_path}, not this one", cure)
        )
    return rows or [Finding("names", OK, "nobody else owns hunter or supervisor")]


def extra_findings(missing: Mapping[str, str]) -> list[Finding]:
    """Extra -> the key of the configuration that wants it."""
    if not missing:
        return [Finding("extras", OK, "all that the configuration wants are installed")]
    return [
        Finding("extras", FAIL, f"{key} needs {extra}", f"pip install 'okx-hunter[{extra}]'")
        for extra, key in missing.items()
    ]


def place_findings(places: Sequence[PlaceFact]) -> list[Finding]:
    rows = []
    for place in places:
        check = place.key.partition(".")[2].replace("_", " ")
        if place.too_long_bytes > 0:
            found = f"{place.path} is too long for a socket by {place.too_long_bytes} bytes"
            rows.append(Finding(check, FAIL, found, f"set a shorter {place.key}"))
        elif not place.writable:
            found = f"{place.path}: {place.why_not}"
            rows.append(Finding(check, FAIL, found, f"set {place.key} to a folder of this user"))
        elif place.key == "hunter.runtime_dir" and place.mode & 0o022:
            found = f"others can write to {place.path} (mode {place.mode:04o})"
            cure = f"look at what is in it, then: chmod 700 {place.path}"
            rows.append(Finding(check, FAIL, found, cure))
        else:
            made = "" if place.exists else ", made at the first start"
            rows.append(Finding(check, OK, f"{place.path}{made}"))
    return rows


def shared_memory_findings(room: RoomFact) -> list[Finding]:
    need, usable = room.need_bytes, room.free_bytes + room.held_bytes
    found = f"rings need {_mb(need)} of /dev/shm, {_mb(room.free_bytes)} free"
    found += f" of {_mb(room.total_bytes)}"
    if room.held_bytes:
        found += f", {_mb(room.held_bytes)} held by this instance"
    if need <= usable * 0.8:
        return [Finding("shared memory", OK, found)]
    grow = "mount -o remount,size=... /dev/shm (docker: --shm-size)"
    fits = room.fitting_capacity
    cure = f"ring.capacity = {fits} fits, or {grow}" if fits else grow
    return [Finding("shared memory", WARN if need <= usable else FAIL, found, cure)]


def descriptor_findings(soft: int, hard: int, instruments: int) -> list[Finding]:
    """Limits on open files of a process; -1 is none."""
    need = DESCRIPTORS_BASE + instruments
    found = f"{'no limit on' if soft < 0 else f'{soft:,}'} open files a process"
    if soft < 0 or soft >= need:
        return [Finding("open files", OK, found)]
    enough = hard < 0 or hard >= need
    cure = f"ulimit -n {need}" if enough else f"raise the hard limit above {need} (limits.conf)"
    return [Finding("open files", FAIL if soft < DESCRIPTORS_MIN else WARN, found, cure)]


def port_findings(port: PortFact) -> list[Finding]:
    place = f"{port.host}:{port.port}"
    if port.is_ours:
        return [Finding("page port", OK, f"{place}, or the next free one: the page has it")]
    if port.why_not:
        state = FAIL if port.is_wanted else OK
        return [Finding("page port", state, f"{port.host}: {port.why_not}", "set web.host")]
    off = "" if port.is_wanted else " (the page is off: web.enabled)"
    if port.port not in port.taken:
        return [Finding("page port", OK, f"{place} is free{off}")]
    who = port.taken[port.port]
    candidates = range(port.port, port.port + PORTS_TRIED)
    free = next((number for number in candidates if number not in port.taken), None)
    if not port.is_wanted:
        return [Finding("page port", OK, f"{place} is taken by {who}{off}")]
    if free is None:
        found = f"{place} and the nine after it are taken, the first by {who}"
        return [Finding("page port", FAIL, found, "set web.port")]
    found = f"{place} is taken by {who}; the page would be at {free}"
    return [Finding("page port", WARN, found, f"set web.port = {free}")]


def cpu_findings(cpus: float, streams: int) -> list[Finding]:
    """Busy are the stream processes and the brain; the others sleep nearly always."""
    busy = streams + 1
    found = f"{cpus:g} for {streams} stream {'process' if streams == 1 else 'processes'}"
    found += " and the brain"
    if busy <= cpus:
        return [Finding("processors", OK, found)]
    cure = "it runs, and is late when the market is busy: set fewer stream.shards, or no standby"
    if streams == 1:
        cure = "it runs, and is late when the market is busy; two processors are better"
    return [Finding("processors", WARN, found, cure)]


def limit_findings(limits: LimitFact, need_bytes: int, processes: int) -> list[Finding]:
    rows = []
    if limits.memory_bytes:
        found = f"the control group allows {_mb(limits.memory_bytes)}"
        found += f", hunter wants about {_mb(need_bytes)}"
        short = limits.memory_bytes < need_bytes
        cure = "raise MemoryMax of the unit, or --memory of the container" if short else ""
        rows.append(Finding("memory limit", WARN if short else OK, found, cure))
    if limits.pids:
        found = f"the control group allows {limits.pids:,} tasks"
        short = limits.pids < 4 * processes
        cure = "raise TasksMax of the unit, or --pids-limit of the container" if short else ""
        rows.append(Finding("task limit", WARN if short else OK, found, cure))
    return rows


def disk_findings(path: str, free_bytes: int, least_mb: int, store_mb: int) -> list[Finding]:
    """`least_mb`: watchdog.disk_free_mb; `store_mb`: what the store may grow by, 0 = no store."""
    found = f"{_mb(free_bytes)} free at {path}"
    if free_bytes < DISK_FAIL_BYTES:
        return [Finding("disk", FAIL, found, "free some, or set hunter.data_dir elsewhere")]
    if free_bytes < least_mb * _MB:
        cure = f"less than watchdog.disk_free_mb = {least_mb}: free some"
        return [Finding("disk", WARN, found, cure)]
    if store_mb * _MB > free_bytes:
        cure = f"the store may take {store_mb:,} MB: lower store.budget_mb"
        return [Finding("disk", WARN, found, cure)]
    return [Finding("disk", OK, found)]


def secret_findings(read: Sequence[str], faults: Mapping[str, SecretFault]) -> list[Finding]:
    """`read`: keys whose secrets are as they should be; `faults`: what is wrong with others."""
    rows = []
    for key, fault in faults.items():
        cure = "give it to whoever starts hunter; this shell need not have it"
        state = WARN if fault.is_elsewhere else FAIL
        found = f"{key}: {fault.why}"
        rows.append(Finding("secrets", state, found, cure if fault.is_elsewhere else ""))
    if read and not rows:
        rows.append(Finding("secrets", OK, f"{', '.join(read)}: there, and private"))
    return rows


def skew_findings(samples: Sequence[SkewSample], why: str) -> list[Finding]:
    """Median of the samples; half the round trip is what it may be wrong by. `why`: no samples."""
    if not samples:
        return [Finding("clock", WARN, f"not compared with the exchange's: {why}")]
    ahead_ms = median(sample.ahead_ms for sample in samples)
    within_ms = median(sample.round_trip_ms for sample in samples) / 2
    side = "behind" if ahead_ms > 0 else "ahead of"
    found = f"{abs(ahead_ms):.0f} ms {side} the exchange's, within {within_ms:.0f} ms"
    off_ms = abs(ahead_ms) - within_ms
    if off_ms < SKEW_WARN_MS:
        return [Finding("clock", OK, found)]
    cure = "the market's lag is told wrongly by as much: timedatectl set-ntp true"
    return [Finding("clock", FAIL if off_ms >= SKEW_FAIL_MS else WARN, found, cure)]


_CURES: Final = {
    "resolving": "is the network up? getent hosts {host}; behind a proxy: set okx.proxy",
    "connecting": "a firewall? behind a proxy: set okx.proxy",
    "tunnelling": "the proxy refuses: look at okx.proxy, or HTTPS_PROXY",
    "securing": "somebody in between breaks TLS open? give hunter its certificate: SSL_CERT_FILE",
    "handshake": "it is reached, and refuses: is this region served? see okx.region",
}


def reach_findings(reached: ReachFact) -> list[Finding]:
    way = f" through {reached.proxy}" if reached.proxy else ""
    if reached.phase == "open":
        count = f"{reached.addresses} address{'es' if reached.addresses != 1 else ''}"
        known = f"{count}, " if reached.addresses else ""
        found = f"{reached.url}{way}: {known}open in {reached.took_ms:.0f} ms"
        return [Finding("exchange", OK, found)]
    found = f"{reached.url}{way}: {reached.phase}: {reached.reason}"
    host = urlsplit(reached.url).hostname or "HOST"
    cure = _CURES.get(reached.phase, "try again: hunter doctor").format(host=host)
    cure += "; without a network: hunter start --demo"
    return [Finding("exchange", FAIL, found, cure)]


def leftover_findings(paths: Sequence[str], is_running: bool) -> list[Finding]:
    if is_running:
        return []
    if not paths:
        return [Finding("leftovers", OK, "none of a killed run")]
    found = f"a killed run has left {_listed(paths)}"
    cure = "hunter start goes on from it; to begin anew: hunter doctor --fix"
    return [Finding("leftovers", WARN, found, cure)]


def instance_findings(name: str, state: str, told: Sequence[tuple[str, str]]) -> list[Finding]:
    """The same words as `hunter status`. `told`: each reason and its next step."""
    if state == "running":
        return [Finding("instance", OK, f'"{name}" is running')]
    if state == "stopped":
        was_killed = any("killed" in reason for reason, _ in told)
        rows = [
            Finding("instance", WARN if was_killed else OK, reason, step) for reason, step in told
        ]
        return rows or [Finding("instance", OK, f'"{name}" is not running')]
    row_state = FAIL if state == "degraded" else WARN
    if not told:
        return [Finding("instance", row_state, f'"{name}" is {state}', "hunter status")]
    return [
        Finding("instance", row_state, f'"{name}" is {state}: {reason}', step)
        for reason, step in told
    ]


def worst(rows: Sequence[Finding]) -> str:
    states = {row.state for row in rows}
    return next((state for state in (FAIL, WARN) if state in states), OK)


def _listed(paths: Sequence[str]) -> str:
    more = len(paths) - _SHOWN_MAX
    return ", ".join(paths[:_SHOWN_MAX]) + (f" and {more} more" if more > 0 else "")


def _mb(byte_count: int) -> str:
    if byte_count >= 10_000 * _MB:
        return f"{byte_count / (1000 * _MB):,.0f} GB"
    return f"{byte_count / _MB:,.0f} MB" if byte_count >= 10 * _MB else f"{byte_count / _MB:.1f} MB"
