"""The command as users and scripts meet it: exit codes, streams, and how little it imports."""

from __future__ import annotations

import json
import os
import pty
import re
import signal
import subprocess
import sys
from typing import Any

import click
import pytest
from fakes.actor_stage import SWAP

from hunter.cli import main as main_module
from hunter.cli.main import COMMANDS, cli
from hunter.errors import HunterError


def hunter(*words: str, **options: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "hunter", *words],
        capture_output=True, text=True, timeout=60, check=False, **options,
    )  # fmt: skip


def test_hunter_without_arguments_helps() -> None:
    done = hunter()
    assert (done.returncode, done.stderr) == (0, "")
    assert "hunter start --demo" in done.stdout
    assert len(done.stdout.splitlines()) <= 12
    told = set(re.findall(r"\bhunter ([a-z]+)", done.stdout))
    assert told <= set(COMMANDS) | {"start"}
    assert "hunter --help" in done.stdout


def test_help_names_every_command_and_exit_code() -> None:
    done = hunter("--help")
    for name in COMMANDS:
        assert f"  {name}" in done.stdout
    assert "78 bad configuration" in done.stdout


@pytest.mark.parametrize("words", [["nonsense"], ["status", "--nonsense"], ["trades"]])
def test_usage_errors_are_2(words: list[str]) -> None:
    done = hunter(*words)
    assert done.returncode == 2
    assert done.stdout == ""
    assert "Usage: hunter" in done.stderr


def test_stopped_instance_is_3_in_one_line(shown: Any) -> None:
    shown.down()
    done = shown.run("trades", SWAP)
    assert done.returncode == 3
    assert done.stderr == 'hunter: hunter "default" is not running; start it: hunter start\n'
    assert shown.run("book", SWAP).returncode == 3
    assert shown.run("status").returncode == 3
    assert shown.run("restart", "stream-0").returncode == 3


def test_unknown_instrument_is_4(shown: Any) -> None:
    done = shown.run("trades", "XRP-USDT", "--json")
    assert (done.returncode, done.stdout) == (4, "")
    assert done.stderr.startswith('hunter: no instrument "XRP-USDT" here')


def test_missing_recording_is_4() -> None:
    assert hunter("sim", "--replay", "/nowhere/x.gz").returncode == 4


@pytest.mark.parametrize("command", [["start", "-d"], ["status"], ["config", "check"]])
def test_bad_configuration_is_78_in_one_line(shown: Any, command: list[str]) -> None:
    shown.stage.config_file.write_text('[okx]\ninstruments = ["btc-usdt"]\n')
    done = shown.run(*command)
    assert done.returncode == 78
    assert done.stderr.count("\n") == 1
    assert f'{shown.stage.config_file}:2: okx.instruments: "btc-usdt"' in done.stderr
    assert 'did you mean "BTC-USDT"?' in done.stderr


def test_json_on_stdout_and_nothing_on_stderr(shown: Any) -> None:
    shown.up()
    done = shown.run("status", "--json")
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout)["state"] == "running"


def test_interrupted_is_130(shown: Any) -> None:
    shown.put_signal(1_000)
    with shown.spawn("signals", "--follow") as process:
        assert process.stdout.readline()
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=10)
    assert (process.returncode, errors.strip()) == (130, "")


def test_output_into_a_closed_pipe_ends_quietly(shown: Any) -> None:
    shown.put_trades(*range(10, 3_000, 3))
    with shown.spawn("trades", SWAP, "-n", "1000", "--json") as process:
        assert process.stdout.readline()
        process.stdout.close()
        assert process.wait(10) == -signal.SIGPIPE
        assert process.stderr.read() == ""


def in_terminal(shown: Any, *words: str, **environment: str) -> bytes:
    """What the command prints on a terminal."""
    ours, theirs = pty.openpty()
    environment = {"TERM": "xterm", **environment}
    process = subprocess.Popen(
        [sys.executable, "-m", "hunter", *words, "-c", str(shown.stage.config_file)],
        stdout=theirs, stderr=theirs, env=dict(os.environ, **environment),
    )  # fmt: skip
    os.close(theirs)
    output = b""
    try:
        while data := os.read(ours, 65_536):
            output += data
    except OSError:
        pass  # a terminal whose last writer has gone says EIO
    os.close(ours)
    process.wait(10)
    return output


def test_colour_on_a_terminal_only_and_not_with_no_color(shown: Any) -> None:
    shown.up()
    assert b"\x1b[32m" in in_terminal(shown, "status")
    assert b"\x1b" not in in_terminal(shown, "status", NO_COLOR="1")
    assert "\x1b" not in shown.run("status").stdout
    assert "\x1b[32m" in shown.run("status", FORCE_COLOR="1").stdout
    assert "\x1b" not in shown.run("status", FORCE_COLOR="1", NO_COLOR="1").stdout


def test_completion_of_a_command_imports_no_command() -> None:
    environment = dict(
        os.environ, _HUNTER_COMPLETE="bash_complete", COMP_WORDS="hunter st", COMP_CWORD="1"
    )
    done = hunter(env=environment)
    assert done.stdout.split() == ["plain,start", "plain,stop", "plain,status"]
    code = "import sys; from hunter.cli.main import main; main()"
    listed = subprocess.run(
        [sys.executable, "-X", "importtime", "-c", code],
        capture_output=True, text=True, timeout=60, check=False, env=environment,
    )  # fmt: skip
    assert "hunter.cli.main" in listed.stderr
    assert "hunter.cli.status" not in listed.stderr


def test_help_of_a_group_without_arguments_is_its_own() -> None:
    assert "schema" in hunter("config").stdout


IMPORTED = """
import sys
from hunter.cli.main import main
sys.argv = ["hunter", *sys.argv[1:]]
try:
    main()
except SystemExit as end:
    print(end.code, *sorted({name.partition(".")[0] for name in sys.modules}), file=sys.stderr)
"""


@pytest.mark.parametrize(
    ("words", "unwanted"),
    [
        (["--help"], {"numpy", "zmq", "websockets", "msgspec", "asyncio", "psutil"}),
        (["status"], {"numpy", "zmq", "websockets", "asyncio", "psutil"}),
        (["trades", SWAP], {"numpy", "zmq", "websockets", "asyncio", "psutil"}),
        (["signals"], {"numpy", "zmq", "websockets", "asyncio", "psutil"}),
    ],
)
def test_commands_import_only_what_they_need(
    shown: Any, words: list[str], unwanted: set[str]
) -> None:
    shown.up()
    if words != ["--help"]:
        words = [*words, "-c", str(shown.stage.config_file)]
    done = subprocess.run(
        [sys.executable, "-c", IMPORTED, *words],
        capture_output=True, text=True, timeout=30, check=True,
    )  # fmt: skip
    code, *modules = done.stderr.splitlines()[-1].split()
    assert code == "0"
    assert {"hunter", "click"} <= set(modules)
    assert not unwanted & set(modules)


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (HunterError("no luck; try again"), 1, "hunter: no luck; try again\n"),
        (PermissionError(13, "Permission denied", "/x/y"), 1, "hunter: Permission denied: /x/y\n"),
        (click.ClickException("bad"), 1, "Error: bad\n"),
        (click.exceptions.NoArgsIsHelpError(click.Context(cli, info_name="hunter")), 0, ""),
    ],
)
def test_errors_become_one_line_and_a_code(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    error: Exception,
    code: int,
    said: str,
) -> None:
    def fail(**options: object) -> None:
        raise error

    before = signal.getsignal(signal.SIGPIPE)
    monkeypatch.setattr(cli, "main", fail)
    with pytest.raises(SystemExit) as end:
        main_module.main()
    signal.signal(signal.SIGPIPE, before)
    assert end.value.code == code
    assert capsys.readouterr().err == said


@pytest.mark.parametrize("error", [click.exceptions.Abort(), KeyboardInterrupt()])
def test_interrupts_leave_at_once(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    """Without waiting for threads: os._exit."""
    left: list[int] = []

    def leave(code: int) -> None:
        left.append(code)
        raise SystemExit(code)

    def fail(**options: object) -> None:
        raise error

    before = signal.getsignal(signal.SIGPIPE)
    monkeypatch.setattr(cli, "main", fail)
    monkeypatch.setattr(os, "_exit", leave)
    with pytest.raises(SystemExit):
        main_module.main()
    signal.signal(signal.SIGPIPE, before)
    assert left == [130]


def test_every_command_of_the_table_loads() -> None:
    context = click.Context(cli)
    for name in cli.list_commands(context):
        command = cli.get_command(context, name)
        assert command is not None
        assert command.help
    assert cli.get_command(context, "nonsense") is None
