"""What the Tab key finds."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner
from fakes.actor_stage import SWAP

from hunter.cli.completion import SHELLS, actors, instruments
from hunter.cli.main import cli
from hunter.cli.orders import restart


@pytest.mark.parametrize("shell", SHELLS)
def test_each_shell_gets_a_script_that_asks_hunter(shell: str) -> None:
    result = CliRunner().invoke(cli, ["completion", shell], prog_name="hunter")
    assert result.exit_code == 0, result.output
    assert "_HUNTER_COMPLETE" in result.output
    assert f"{shell}_complete" in result.output
    if shutil.which(shell):
        subprocess.run([shell, "-n"], input=result.output, text=True, check=True)


def test_unknown_shell_is_wrong_usage() -> None:
    assert CliRunner().invoke(cli, ["completion", "tcsh"]).exit_code == 2


def asked(function: Any, text: str, config_file: object) -> list[str]:
    context = click.Context(restart)
    context.params["config_file"] = str(config_file)
    found = function(context, restart.params[0], text)
    assert isinstance(found, list)
    return found


def test_actors_and_instruments_of_a_running_instance(shown: Any) -> None:
    shown.up()
    file = shown.stage.config_file
    assert asked(actors, "", file) == ["supervisor", "stream-0", "brain-0", "watchdog"]
    assert asked(actors, "s", file) == ["supervisor", "stream-0"]
    assert asked(instruments, "btc", file) == [SWAP]
    assert asked(instruments, "ETH", file) == []


def test_without_a_running_instance_logs_and_configuration_know(shown: Any) -> None:
    shown.log("brain-0", "x")
    shown.down()
    assert asked(actors, "", shown.stage.config_file) == ["brain-0"]
    assert asked(instruments, "", shown.stage.config_file) == [SWAP]


def test_bad_configuration_completes_nothing_in_silence(shown: Any) -> None:
    shown.stage.config_file.write_text("nonsense")
    assert asked(actors, "", shown.stage.config_file) == []
    assert asked(instruments, "", shown.stage.config_file) == []


def test_shell_asks_and_is_answered(shown: Any) -> None:
    shown.up()
    words = f"hunter restart -c {shown.stage.config_file} br"
    done = subprocess.run(
        ["hunter"],
        executable=shutil.which("hunter", path=str(Path(sys.executable).parent)),
        env=dict(
            os.environ, _HUNTER_COMPLETE="bash_complete", COMP_WORDS=words, COMP_CWORD="4"
        ),
        capture_output=True, text=True, timeout=30, check=False,
    )  # fmt: skip
    assert done.stdout.split() == ["plain,brain-0"], done.stderr
