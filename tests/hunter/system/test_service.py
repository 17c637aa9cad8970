"""The unit as text: what it says about an instance, and whose it is."""

from __future__ import annotations

import configparser
from pathlib import Path
from typing import Any

import pytest

from hunter.config import Config, load
from hunter.errors import ConfigError
from hunter.system import service
from hunter.system.layouts import rings_bytes
from hunter.system.service import ServicePlan, plan_service, unit_text

FILE = Path("/etc/hunter/hunter.toml")
PROGRAM = ("/srv/hunter/bin/hunter",)
PLACES = ('hunter.runtime_dir="/run/hunter"', 'hunter.data_dir="/var/lib/hunter"')
FOUR = 'okx.instruments=["BTC-USDT-SWAP","ETH-USDT-SWAP","BTC-USDT","ETH-USDT"]'


def plan(*settings: str, user: str = "hunter", **given: Any) -> ServicePlan:
    config = load(None, (*PLACES, *settings))
    return plan_service(config, FILE, given.pop("command", PROGRAM), user, **given)


def directives(text: str) -> dict[str, str]:
    """Of [Service]; one that stands twice is an error."""
    parser = configparser.ConfigParser(interpolation=None, delimiters=("=",), comment_prefixes="#")
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read_string(text)
    return dict(parser["Service"])


def test_times_and_sizes_follow_from_the_configuration() -> None:
    small, large = plan(), plan("stream.shards=4", "stream.standby=true", FOUR)
    assert (small.stop_s, large.stop_s) == (3 * 5 + 10, 10 * 5 + 10)
    assert plan("supervisor.stop_timeout_s=0.4").stop_s == 12, "rounded up"
    assert large.memory_bytes - small.memory_bytes >= 7 * service.ACTOR_BYTES
    assert directives(unit_text(large))["TimeoutStopSec"] == "60"
    assert directives(unit_text(large))["MemoryMax"] == f"{large.memory_bytes >> 20}M"


def test_memory_holds_rings_and_a_quarter_and_leaves_the_watchdog_to_act_first() -> None:
    def of(config: Config) -> tuple[int, int, int]:
        limit = config.watchdog.memory_limit_mb << 20
        return service.memory_bytes(config), rings_bytes(config), limit

    for settings in ((), ("ring.capacity=4194304",), ("watchdog.memory_limit_mb=4096",)):
        memory, rings, limit = of(load(None, settings))
        assert memory >= rings * 1.25 + 2 * limit + 2 * service.ACTOR_BYTES
        assert memory < rings * 1.25 + 2 * limit + 3 * service.ACTOR_BYTES


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ((), {"RuntimeDirectory": "hunter", "StateDirectory": "hunter"}),
        (
            ('hunter.log_dir="/var/log/hunter/a"',),
            {"StateDirectory": "hunter", "LogsDirectory": "hunter/a"},
        ),
        (
            ('hunter.data_dir="/srv/market data"', 'hunter.runtime_dir="/srv/run"'),
            {"RuntimeDirectory": None, "ReadWritePaths": '/srv/run "/srv/market data"'},
        ),
        (
            ("store.enabled=true", 'store.dir="/big/store"'),
            {"StateDirectory": "hunter", "ReadWritePaths": "/big/store"},
        ),
        # below another place it needs no mention
        (("store.enabled=true", 'hunter.log_dir="/var/lib/hunter/l"'), {"ReadWritePaths": None}),
        # systemd's own directories may not be one's own as a whole
        (('hunter.data_dir="/var/lib"',), {"StateDirectory": None, "ReadWritePaths": "/var/lib"}),
    ],
)
def test_every_place_is_writable_and_no_other(
    settings: tuple[str, ...], told: dict[str, str | None]
) -> None:
    found = directives(unit_text(plan(*settings)))
    assert {name: found.get(name) for name in told} == told
    assert found["ProtectSystem"] == "strict"


def test_what_lies_at_home_or_in_tmp_is_still_seen() -> None:
    far = directives(unit_text(plan()))
    assert (far["ProtectHome"], far["PrivateTmp"]) == ("yes", "yes")
    python = directives(unit_text(plan(prefix="/home/.pyenv/versions/3.12")))
    assert python["ProtectHome"] == "read-only"
    data = directives(unit_text(plan('hunter.data_dir="/tmp/data"')))
    assert (data["PrivateTmp"], data["ReadWritePaths"]) == ("no", "/tmp/data /tmp")


def test_user_unit_has_only_what_a_users_systemd_can_do() -> None:
    text = unit_text(plan(user=""))
    found = directives(text)
    assert found.keys() & {
        "User", "Group", "CapabilityBoundingSet", "AmbientCapabilities", "OOMScoreAdjust",
        "ProtectSystem", "ProtectHome", "PrivateTmp", "PrivateDevices", "RuntimeDirectory",
        "StateDirectory", "LogsDirectory", "ReadWritePaths", "ProtectProc", "ProtectHostname",
    } == set()  # fmt: skip
    assert not [name for name in found if name.startswith(("Protect", "Private"))]
    assert found["NoNewPrivileges"] == "yes"
    assert found["Type"] == "notify"
    assert "WantedBy=default.target" in text
    assert "network-online" not in text, "a user's systemd has no such target"


def test_system_unit_wants_a_runtime_directory_that_others_find() -> None:
    config = load(None)
    with pytest.raises(ConfigError, match=r'runtime_dir = "/run/hunter" below \[hunter\]'):
        plan_service(config, FILE, PROGRAM, "hunter")
    assert plan_service(config, FILE, PROGRAM, "").runtime_dir


def test_odd_paths_are_quoted_and_specifiers_escaped() -> None:
    odd = plan(command=('/srv/my "env"/100%/$HOME/bin/hunter',))
    line = directives(unit_text(odd))["ExecStart"]
    assert line == ('"/srv/my \\"env\\"/100%%/$$HOME/bin/hunter" start -c /etc/hunter/hunter.toml')
    with pytest.raises(ConfigError, match="control characters"):
        unit_text(plan(command=("/srv/a\nUser=root",)))


def test_secrets_are_named_and_come_from_a_file_beside_the_configuration() -> None:
    found = plan('alerts.webhook="env:HOOK"')
    assert found.secrets == ("HOOK",)
    assert found.environment_file == "/etc/hunter/hunter.env"
    assert directives(unit_text(found))["EnvironmentFile"] == "-/etc/hunter/hunter.env"


@pytest.mark.parametrize(
    ("instance", "given", "name"),
    [
        ("default", None, "hunter"),
        ("lab", None, "hunter-lab"),
        ("lab", "market.service", "market"),
    ],
)
def test_name_is_that_of_the_instance_or_the_one_asked_for(
    instance: str, given: str | None, name: str
) -> None:
    assert service.unit_name(load(None, [f"hunter.name={instance}"]), given) == name


@pytest.mark.parametrize("bad", ["../x", "a b", "-x", "a@b", "x" * 65])
def test_name_that_is_none_is_refused(bad: str) -> None:
    with pytest.raises(ConfigError, match="--name"):
        service.unit_name(load(None), bad)


def test_unit_knows_whether_it_is_ours_and_unchanged() -> None:
    text = unit_text(plan())
    assert service.is_ours(text)
    assert service.is_unchanged(text)
    assert service.config_file_of(text) == str(FILE)
    edited = text.replace("MemoryMax=", "MemoryMax=1")
    assert service.is_ours(edited)
    assert not service.is_unchanged(edited)
    assert not service.is_ours("[Service]\nExecStart=/bin/true\n")
    assert service.config_file_of("[Service]\n") == ""


def test_uninstall_waits_as_long_as_the_unit_may_take_to_stop() -> None:
    large = plan("stream.shards=4", "stream.standby=true", FOUR)
    assert service.stop_timeout_s(unit_text(large)) > large.stop_s
    assert service.stop_timeout_s("[Service]\n") > 90
