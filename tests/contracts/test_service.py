"""The systemd unit that ships: it parses, starts what our command line takes, and is hardened."""

from __future__ import annotations

import configparser
import shlex
import shutil
import subprocess
from pathlib import Path

import click
import pytest

from hunter import config
from hunter.cli.main import cli
from hunter.errors import ConfigError
from hunter.system import child_specs
from hunter.system.service import shipped_unit

FOUR = '["BTC-USDT-SWAP","ETH-USDT-SWAP","BTC-USDT","ETH-USDT"]'
UNIT = "configs/hunter.service"
WANTED = {
    "Type": "notify",
    "WatchdogSec": "10",
    "KillMode": "mixed",
    "Restart": "on-failure",
    "RestartPreventExitStatus": str(ConfigError.exit_code),
    "OOMPolicy": "continue",
    "NoNewPrivileges": "yes",
    "ProtectSystem": "strict",
    "PrivateTmp": "yes",
    "RestrictAddressFamilies": "AF_UNIX AF_INET AF_INET6",
    "RuntimeDirectoryMode": "0700",
    "RuntimeDirectoryPreserve": "restart",
    "CapabilityBoundingSet": "",
}
LIMITS = {"MemoryMax", "TasksMax", "LimitNOFILE", "TimeoutStartSec", "TimeoutStopSec"}


def parsed(text: str) -> configparser.ConfigParser:
    """Sections and directives; one that stands twice is an error."""
    parser = configparser.ConfigParser(interpolation=None, delimiters=("=",), comment_prefixes="#")
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read_string(text)
    return parser


@pytest.fixture
def text(root: Path) -> str:
    return (root / UNIT).read_text(encoding="utf-8")


def test_unit_has_its_sections_and_is_hardened(text: str) -> None:
    unit = parsed(text)
    assert unit.sections() == ["Unit", "Service", "Install"]
    service = dict(unit["Service"])
    assert {name: service.get(name) for name in WANTED} == WANTED
    assert service.keys() >= LIMITS
    assert unit["Install"]["WantedBy"] == "multi-user.target"


def test_unit_leaves_the_supervisor_the_time_it_needs(text: str) -> None:
    service = parsed(text)["Service"]
    shards = ["stream.shards=4", "stream.standby=true"]
    four = config.load(None, [*shards, f"okx.instruments={FOUR}"])
    stops_s = len(child_specs(four, demo=False)) * four.supervisor.stop_timeout_s
    assert float(service["TimeoutStopSec"]) >= stops_s + 5, "they go one after the other"
    assert float(service["TimeoutStartSec"]) >= 60


def command_of(unit: configparser.ConfigParser) -> click.Context:
    """What our command line makes of ExecStart; raises click.ClickException."""
    program, *words = shlex.split(unit["Service"]["ExecStart"])
    assert Path(program).is_absolute()
    assert Path(program).name == "hunter"
    command = cli.get_command(click.Context(cli), words[0])
    assert command is not None
    return command.make_context(words[0], words[1:])


def test_unit_starts_what_the_command_line_takes(text: str) -> None:
    context = command_of(parsed(text))
    assert context.info_name == "start"
    assert context.params["config_file"] == "/etc/hunter/hunter.toml"
    assert not context.params["detach"], "systemd wants the supervisor itself"
    with pytest.raises(click.ClickException):
        command_of(parsed(text.replace("hunter start -c", "hunter start --no-such-option -c")))


def test_configuration_that_the_unit_asks_for_loads(text: str, tmp_path: Path) -> None:
    block = text.split("#   [hunter]\n", 1)[1].split("\n#\n", 1)[0]
    file = tmp_path / "hunter.toml"
    file.write_text("[hunter]\n" + block.replace("#   ", ""), encoding="utf-8")
    told = config.load(file)
    unit = parsed(text)["Service"]
    assert str(told.runtime_dir) == f"/run/{unit['RuntimeDirectory']}"
    assert str(told.data_dir) == f"/var/lib/{unit['StateDirectory']}"


def test_unit_pleases_systemd(text: str, tmp_path: Path) -> None:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("there is no systemd-analyze")
    program = parsed(text)["Service"]["ExecStart"].split()[0]
    unit = tmp_path / "hunter.service"
    # verify looks for the program
    unit.write_text(text.replace(program, "/bin/true"), encoding="utf-8")
    command = ["systemd-analyze", "verify", "--man=no", str(unit)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    complaints = [line for line in done.stderr.splitlines() if "hunter.service" in line]
    assert not complaints, done.stderr


def test_unit_is_what_the_installer_writes(text: str) -> None:
    again = "python -c 'from hunter.system.service import shipped_unit as u; print(u(), end=\"\")'"
    assert text == shipped_unit(), f"make it again: {again} > {UNIT}"


def test_parsed_sees_a_directive_that_stands_twice(text: str) -> None:
    with pytest.raises(configparser.DuplicateOptionError):
        parsed(text.replace("Type=notify", "Type=notify\nType=simple"))
