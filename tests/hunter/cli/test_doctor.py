"""`hunter doctor` put together; what it says of single facts is in test_findings."""

from __future__ import annotations

import json
from typing import Any

import pytest
from fakes.actor_stage import SWAP

from hunter.cli import doctor as doctor_module
from hunter.cli.doctor import running_config
from hunter.cli.findings import Finding, ReachFact, SkewSample
from hunter.cli.reach import ClockLook, Reach
from hunter.cli.status import read
from hunter.config import save_effective
from hunter.errors import HunterError

CHECKS = {
    "python", "compiled half", "libraries", "names", "configuration", "extras", "instance",
    "leftovers", "runtime dir", "data dir", "log dir", "shared memory", "disk", "open files",
    "processors", "page port", "exchange",
}  # fmt: skip


@pytest.fixture(autouse=True)
def is_the_only_hunter(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever else the host has installed."""
    monkeypatch.setattr(doctor_module.probes, "other_hunter_on_path", lambda: "")


def rows(shown: Any, *words: str, code: int = 0) -> dict[str, Finding]:
    result = shown.call("doctor", "--json", *(words or ("--offline",)))
    assert result.exit_code == code, (result.output, result.exception)
    found = json.loads(result.output)
    assert found["schema"] == 1
    assert found["state"] == ("fail" if code else found["state"])
    return {row["check"]: Finding(**row) for row in found["rows"]}


def test_fresh_configuration_is_well_although_nothing_runs(shown: Any) -> None:
    shown.down()
    shown.stage.shared.rmdir()
    found = rows(shown)
    assert found.keys() >= CHECKS
    assert found["instance"].state == "ok"
    assert found["instance"].found.endswith("is not running; start it: hunter start")
    assert found["exchange"].found == "not asked: --offline"
    assert not [row for row in found.values() if row.state == "fail"]


def test_screen_has_a_row_for_each_check_and_a_count(shown: Any) -> None:
    shown.up()
    output = shown.output("doctor", "--offline")
    lines = output.splitlines()
    assert any(line.split()[:2] == ["ok", "python"] for line in lines)
    assert '"default" is running' in output
    assert lines[-1].startswith("0 failed, ")
    assert "\x1b" not in output


def test_degraded_instance_fails_in_the_words_of_status(shown: Any) -> None:
    shown.up()
    shown.show_feed("stale")
    row = rows(shown, code=5)["instance"]
    assert row.state == "fail"
    assert row.found.startswith(f'"default" is degraded: {SWAP} trades: stale')
    assert row.cure == "hunter logs stream-0"
    screen = shown.call("doctor", "--offline").output
    assert "-> hunter logs stream-0" in screen


def test_bad_configuration_is_a_row_and_not_the_end(shown: Any) -> None:
    shown.stage.config_file.write_text("[ring]\n\ncapacitty = 64\n")
    found = rows(shown, code=5)
    assert f"{shown.stage.config_file}:3: unknown key" in found["configuration"].found
    assert found["python"].state == "ok"
    assert "data dir" not in found


def test_model_that_is_not_there_is_a_fault_of_the_configuration(shown: Any) -> None:
    shown.stage.config_file.write_text(
        '[hunter]\nruntime_dir = "run"\n[brain]\nmodel_file = "none.json"\n'
    )
    row = rows(shown, code=5)["configuration"]
    assert "none.json" in row.found


def test_what_a_killed_run_left_is_told_and_removed_on_demand(shown: Any) -> None:
    shown.up()
    shown.stage.status.pages["supervisor"].store("process_start", 1)
    (shown.config.runtime_dir / "control.ipc").write_text("")
    found = rows(shown)
    assert found["instance"].state == "warn"
    assert "was killed" in found["instance"].found
    assert str(shown.stage.shared) in found["leftovers"].found
    fixed = shown.output("doctor", "--offline", "--fix")
    assert fixed.startswith("--fix: removed what a killed run had left\n")
    assert not shown.stage.shared.exists()
    assert not (shown.config.runtime_dir / "control.ipc").exists()
    assert rows(shown)["leftovers"].state == "ok"
    assert "--fix: nothing: there was nothing\n" in shown.output("doctor", "--offline", "--fix")


def test_fix_removes_what_is_told_after_a_reboot_too(shown: Any) -> None:
    shown.down()
    shown.stage.shared.rmdir()
    (shown.config.runtime_dir / "control.ipc").write_text("")
    assert rows(shown)["leftovers"].state == "warn"
    assert "--fix: removed what" in shown.output("doctor", "--offline", "--fix")
    assert rows(shown)["leftovers"].state == "ok"


def test_instance_of_another_user_is_a_row_and_not_the_end(
    shown: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: object) -> None:
        raise HunterError("it belongs to user 999; ask as that user")

    monkeypatch.setattr(doctor_module, "read", refuse)
    found = rows(shown, code=5)
    assert found["instance"].found == "it belongs to user 999; ask as that user"
    assert found["python"].state == "ok"
    assert "runtime dir" not in found, "what this user may do there says nothing"


def test_fix_leaves_a_running_instance_alone(shown: Any) -> None:
    shown.up()
    shown.lock()
    assert "--fix: nothing: the instance is running (pid " in shown.output(
        "doctor", "--offline", "--fix"
    )
    assert shown.stage.shared.exists()


def test_fix_that_loses_a_race_with_a_start_says_so(
    shown: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hunter.system.running_pid", lambda _: None)
    shown.up()
    shown.lock()
    error = shown.call("doctor", "--offline", "--fix").exception
    assert isinstance(error, HunterError)
    assert str(error).startswith("nothing was removed: hunter ")


def test_exchange_and_clock_are_rows(shown: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    fact = ReachFact("wss://x", "connecting", "Connection refused")
    answer = Reach([fact], ClockLook([SkewSample(900.0, 20.0)], ""))
    monkeypatch.setattr("hunter.cli.reach.look", lambda _: answer)
    shown.down()
    found = rows(shown, "-c", str(shown.stage.config_file), code=5)
    assert found["exchange"].found == "wss://x: connecting: Connection refused"
    assert found["clock"].found == "900 ms behind the exchange's, within 10 ms"


def test_running_instance_is_asked_for_its_own_configuration(shown: Any) -> None:
    from msgspec.structs import replace

    shown.up()
    config = shown.config
    theirs = replace(config, okx=replace(config.okx, rest_url="http://127.0.0.1:9"))
    assert running_config(config, read(config)) is config, "there is none yet"
    save_effective(theirs, config.runtime_dir / "effective.json")
    assert running_config(config, read(config)) == theirs
    shown.down()
    assert running_config(config, read(config)) is config
