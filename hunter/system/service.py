"""The systemd unit of an instance, as text: what it starts, what it may touch, what it may take.

Pure. The unit is made of the configuration, so that its times and sizes are those of this instance:
the time to stop follows from the number of actors, memory from rings and actors, the writable
places from the directories. `configs/hunter.service` is `shipped_unit()`.

A system unit runs as a user of its own that stays the same, not with DynamicUser: whoever asks
`hunter status` has to be that user, the rings in /dev/shm belong to a uid, and RemoveIPC, which
DynamicUser implies, would take them away between the death of a supervisor and its next start.

A user unit has only what a user's systemd can do by itself: no mount namespaces, no capabilities,
no other user. What it cannot say about files, hunter's own modes (0600, 0700) say.

The first line carries a hash of the rest. A unit without it, or with another, is somebody else's.
"""

from __future__ import annotations

import hashlib
import re
from pathlib import Path, PurePosixPath
from typing import Final

import msgspec

from hunter.config import Config, load, secret_variable
from hunter.errors import ConfigError
from hunter.system.layouts import rings_bytes
from hunter.system.specs import child_specs

NAME_MAX: Final = 64
STOP_SPARE_S: Final = 10
"""Beyond what the actors may take, one after the other: the kill of those that are left."""
MIB: Final = 1 << 20
ACTOR_BYTES: Final = 256 * MIB
"""Of an actor at rest, and more: 30 to 60 MB of it are resident."""
GREEDY_ACTORS: Final = 2
"""So many may be at watchdog.memory_limit_mb at once before the group's own limit is met."""
STEP_BYTES: Final = 256 * MIB
_MARK: Final = "# hunter service, sha256 of what follows: "
_HOME_PLACES: Final = ("/home", "/root", "/run/user")


class ServicePlan(msgspec.Struct, frozen=True):
    """What a unit is made of. Paths are absolute; `user` is "" for a user's own systemd."""

    unit: str
    instance: str
    command: tuple[str, ...]
    config_file: str
    user: str
    runtime_dir: str
    writable: tuple[str, ...]
    reads: tuple[str, ...]
    secrets: tuple[str, ...]
    stop_s: int
    memory_bytes: int
    tasks_max: int

    @property
    def is_users(self) -> bool:
        """Whether a user's own systemd runs it."""
        return not self.user

    @property
    def environment_file(self) -> str:
        """Where secrets and a proxy may stand, which the unit does not name."""
        return str(PurePosixPath(self.config_file).with_name(f"{self.unit}.env"))


def unit_name(config: Config, given: str | None) -> str:
    """`hunter`, or `hunter-INSTANCE`, or what was asked for. Raises ConfigError."""
    name = given or (
        "hunter" if config.hunter.name == "default" else f"hunter-{config.hunter.name}"
    )
    name = name.removesuffix(".service")
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]*", name) or len(name) > NAME_MAX:
        raise ConfigError(
            f"--name: letters, digits, - and _, {NAME_MAX} of them at most, not {name!r}"
        )
    return name


def plan_service(
    config: Config,
    config_file: Path,
    command: tuple[str, ...],
    user: str = "",
    name: str | None = None,
    prefix: str = "",
) -> ServicePlan:
    """Raises ConfigError for what could not work as a service. `command`: the words before
    `start`; `user`: "" for a user unit. `prefix`: where that Python's own library is.
    """
    if user and not config.hunter.runtime_dir:
        raise ConfigError(
            "hunter.runtime_dir: a service and those who ask for its status must look at the same"
            f' place; write runtime_dir = "/run/hunter" below [hunter] in {config_file}'
        )
    writable = [config.data_dir, config.log_dir]
    writable += [config.store_dir] if config.store.enabled else []
    children = child_specs(config, demo=False)
    alerts = config.alerts
    secrets = {
        secret_variable(reference)
        for reference in (alerts.webhook, alerts.telegram_token, alerts.apprise)
    }
    return ServicePlan(
        unit=unit_name(config, name),
        instance=config.hunter.name,
        command=command,
        config_file=str(config_file),
        user=user,
        runtime_dir=str(config.runtime_dir),
        writable=_outermost([str(path) for path in writable]),
        reads=tuple(filter(None, (str(config_file), command[0], prefix))),
        secrets=tuple(sorted(secrets - {""})),
        stop_s=int(len(children) * config.supervisor.stop_timeout_s + STOP_SPARE_S + 0.999),
        memory_bytes=memory_bytes(config),
        tasks_max=max(256, 32 * (len(children) + 1)),
    )


def memory_bytes(config: Config) -> int:
    """What the instance may take, shared memory included, before the kernel ends an actor: rings
    and a quarter, two actors at the watchdog's limit, the others and the supervisor at rest.

    The watchdog's limit comes first: one actor that grows is restarted, and nobody else suffers.
    """
    actors = len(child_specs(config, demo=False))
    greedy = min(GREEDY_ACTORS, actors)
    wanted = (
        rings_bytes(config) * 5 // 4
        + greedy * config.watchdog.memory_limit_mb * MIB
        + (actors + 1 - greedy) * ACTOR_BYTES
    )
    return -(-wanted // STEP_BYTES) * STEP_BYTES


def _outermost(places: list[str]) -> tuple[str, ...]:
    """Without those that lie in another."""
    return tuple(
        place
        for place in dict.fromkeys(places)
        if not any(place != other and _is_below(place, other) for other in places)
    )


def _is_below(place: str, parent: str) -> bool:
    return PurePosixPath(place).is_relative_to(parent)


def stop_timeout_s(text: str) -> int:
    """How long systemd waits for the end of the unit with this text, and a little more."""
    found = re.search(r"(?m)^TimeoutStopSec=(\d+)$", text)
    return (int(found[1]) if found else 90) + STOP_SPARE_S


def unit_text(plan: ServicePlan, preface: str = "") -> str:
    """The whole file; `preface`: comment lines above it."""
    body = "".join(f"{line}\n" for line in (*_head(plan), *_service(plan), *_tail(plan)))
    return sealed(preface + body)


def sealed(body: str) -> str:
    """With the line that says that it is ours, and unchanged."""
    return f"{_MARK}{_hash(body)}\n{body}"


def is_ours(text: str) -> bool:
    """Whether it was made here, changed since or not."""
    return text.startswith(_MARK)


def is_unchanged(text: str) -> bool:
    """Whether it is as it was made."""
    first, _, body = text.partition("\n")
    return first == _MARK + _hash(body)


def config_file_of(text: str) -> str:
    """Which configuration a unit of ours starts; "" when it does not say."""
    found = re.search(r"(?m)^# Configuration: (.+)$", text)
    return found[1] if found else ""


def _hash(body: str) -> str:
    return hashlib.sha256(body.encode()).hexdigest()


def _head(plan: ServicePlan) -> list[str]:
    network = (
        [] if plan.is_users else ["Wants=network-online.target", "After=network-online.target"]
    )
    return [
        f"# Configuration: {plan.config_file}",
        "# Its times, memory and places follow from that one: after a change of it, and after an",
        "# upgrade of hunter: hunter service install. Changes of your own: systemctl edit.",
        "",
        "[Unit]",
        f"Description=Hunter {plan.instance}: OKX market data in shared memory, and signals",
        *network,
        "StartLimitIntervalSec=300",
        "StartLimitBurst=5",
        "",
    ]


def _service(plan: ServicePlan) -> list[str]:
    words = (*plan.command, "start", "-c", plan.config_file)
    start = " ".join(quoted(word).replace("$", "$$") for word in words)
    return [
        "[Service]",
        *([] if plan.is_users else [f"User={plan.user}"]),
        "# Ready when every actor is up, or parked: see hunter status. Alive as long as the",
        "# supervisor's own loop turns.",
        "Type=notify",
        "NotifyAccess=main",
        f"ExecStart={start}",
        "# NAME=VALUE lines: secrets that the configuration names, a proxy. It need not be there.",
        f"EnvironmentFile=-{escaped(plan.environment_file)}",
        "TimeoutStartSec=90",
        "WatchdogSec=10",
        "# What the console shows is in `hunter status`, logs are in log_dir. Refusals go here.",
        "StandardOutput=null",
        "StandardError=journal",
        "",
        "# SIGTERM to the supervisor alone, which stops the actors one after the other; what is",
        "# left after that is killed. Each of them may take supervisor.stop_timeout_s.",
        "KillMode=mixed",
        f"TimeoutStopSec={plan.stop_s}",
        "Restart=on-failure",
        "RestartSec=2",
        "# 78: bad configuration, which trying again does not mend",
        f"RestartPreventExitStatus={ConfigError.exit_code}",
        "",
        "# The supervisor is the last to go when memory runs out; actors are adjusted from here",
        "# upwards, and one that the kernel ends is replaced by the supervisor and not by systemd.",
        *([] if plan.is_users else ["OOMScoreAdjust=-500"]),
        "OOMPolicy=continue",
        "# Rings and a quarter, two actors at watchdog.memory_limit_mb, the others at rest.",
        f"MemoryMax={plan.memory_bytes // MIB}M",
        f"TasksMax={plan.tasks_max}",
        "LimitNOFILE=4096",
        "LimitCORE=0",
        "UMask=0077",
        "",
        *([] if plan.is_users else _places(plan)),
        *_HARDENING_OF_ALL,
        *([] if plan.is_users else _hardening_of_the_system(plan)),
        "",
    ]


def _places(plan: ServicePlan) -> list[str]:
    """Where it may write: the directories that systemd makes, and the others by name."""
    lines = []
    if name := _name_below(plan.runtime_dir, "/run"):
        lines += [
            "# Sockets and locks. Kept when systemd starts a killed supervisor again: whom an",
            "# operator has stopped by name stays down.",
            f"RuntimeDirectory={name}",
            "RuntimeDirectoryMode=0700",
            "RuntimeDirectoryPreserve=restart",
        ]
    rest = [] if lines else [plan.runtime_dir]
    made: dict[str, list[str]] = {"StateDirectory": [], "LogsDirectory": []}
    for place in plan.writable:
        if name := _name_below(place, "/var/lib"):
            made["StateDirectory"].append(name)
        elif name := _name_below(place, "/var/log"):
            made["LogsDirectory"].append(name)
        else:
            rest.append(place)
    for directive, names in made.items():
        if names:
            lines += [f"{directive}={' '.join(map(quoted, names))}", f"{directive}Mode=0700"]
    if _is_in_tmp(plan):
        rest.append("/tmp")
    if rest:
        lines.append(f"ReadWritePaths={' '.join(map(quoted, rest))}")
    return [*lines, ""]


def _places_of(plan: ServicePlan) -> tuple[str, ...]:
    return (*plan.reads, *plan.writable, plan.runtime_dir)


def _is_in_tmp(plan: ServicePlan) -> bool:
    """Whether something of it lies where a /tmp of its own would hide it."""
    return any(_is_below(place, tmp) for place in _places_of(plan) for tmp in ("/tmp", "/var/tmp"))


def made_by_systemd(place: str) -> bool:
    """Whether a unit asks systemd for it; the others must be there before the start."""
    return any(_name_below(place, parent) for parent in ("/run", "/var/lib", "/var/log"))


def _name_below(place: str, parent: str) -> str:
    path = PurePosixPath(place)
    if path == PurePosixPath(parent) or not path.is_relative_to(parent):
        return ""
    name = str(path.relative_to(parent))
    return "" if name.startswith("user/") else name


# What seccomp and prctl do by themselves: a user's systemd can do that too.
_HARDENING_OF_ALL: Final = (
    "NoNewPrivileges=yes",
    "RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6",
    "RestrictNamespaces=yes",
    "RestrictRealtime=yes",
    "RestrictSUIDSGID=yes",
    "LockPersonality=yes",
    "SystemCallArchitectures=native",
    "SystemCallFilter=@system-service",
    "SystemCallErrorNumber=EPERM",
)


def _hardening_of_the_system(plan: ServicePlan) -> list[str]:
    at_home = any(_is_below(place, home) for place in _places_of(plan) for home in _HOME_PLACES)
    return [
        "CapabilityBoundingSet=",
        "AmbientCapabilities=",
        "# Everything is read-only but the directories above, /dev/shm and a /tmp of its own. In",
        "# /tmp all processes of a user count what they ask of the exchange; another instance on",
        "# this host does not see that one, and would ask for as much again.",
        "ProtectSystem=strict",
        # a configuration, or an environment, below somebody's home can still be read
        f"ProtectHome={'read-only' if at_home else 'yes'}",
        f"PrivateTmp={'no' if _is_in_tmp(plan) else 'yes'}",
        "PrivateDevices=yes",
        "ProtectClock=yes",
        "ProtectControlGroups=yes",
        "ProtectHostname=yes",
        "ProtectKernelLogs=yes",
        "ProtectKernelModules=yes",
        "ProtectKernelTunables=yes",
        "ProtectProc=invisible",
    ]


def _tail(plan: ServicePlan) -> list[str]:
    target = "default.target" if plan.is_users else "multi-user.target"
    return ["[Install]", f"WantedBy={target}"]


def escaped(text: str) -> str:
    """A path as a directive takes it that does not split words: "%" begins a specifier."""
    if any(ord(character) < 0x20 or ord(character) == 0x7F for character in text):
        raise ConfigError(f"{text!r} cannot stand in a systemd unit: it has control characters")
    return text.replace("%", "%%")


def quoted(text: str) -> str:
    """One word of a directive that splits them."""
    word = escaped(text)
    if re.fullmatch(r"[\w@%+=:,./-]+", word):
        return word
    return '"' + word.replace("\\", "\\\\").replace('"', '\\"') + '"'


# The unit that ships is for four shards with standby, whose limits are enough for most.
SHIPPED: Final = (
    'hunter.runtime_dir="/run/hunter"',
    'hunter.data_dir="/var/lib/hunter"',
    "stream.shards=4",
    "stream.standby=true",
    'okx.instruments=["BTC-USDT-SWAP","ETH-USDT-SWAP","BTC-USDT","ETH-USDT"]',
)
SHIPPED_PREFACE: Final = """\
# What `hunter service install` writes, for four shards with standby; the command makes one that
# fits, and is the better way. By hand: copy it to /etc/systemd/system/hunter.service, then
#
#   useradd --system --home-dir /var/lib/hunter --shell /usr/sbin/nologin hunter
#   systemctl daemon-reload && systemctl enable --now hunter
#   sudo -u hunter /srv/hunter/.venv/bin/hunter status -c /etc/hunter/hunter.toml
#
# It expects a checkout with its environment in /srv/hunter, and in /etc/hunter/hunter.toml, which
# the user hunter must be able to read:
#
#   [hunter]
#   runtime_dir = "/run/hunter"
#   data_dir = "/var/lib/hunter"
#
# The user should be a system user: when an ordinary one logs out, systemd-logind may remove what he
# has in /dev/shm (RemoveIPC= in logind.conf), and the rings with it.
#
"""


def shipped_unit() -> str:
    """What configs/hunter.service holds."""
    program = ("/srv/hunter/.venv/bin/hunter",)
    plan = plan_service(load(None, SHIPPED), Path("/etc/hunter/hunter.toml"), program, "hunter")
    return unit_text(plan, SHIPPED_PREFACE)
