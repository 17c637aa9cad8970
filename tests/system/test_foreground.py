"""`hunter start --demo` in the foreground: what a newcomer sees, and a clean end on Ctrl-C."""

from __future__ import annotations

import signal
import subprocess
import time
from pathlib import Path

import pytest
from fakes.instance import HUNTER, HunterInstance, is_gone, running, wait_until

pytestmark = pytest.mark.system


def test_demo_shows_a_market_and_ctrl_c_leaves_nothing(home: Path) -> None:
    instance = HunterInstance(home, ["brain.interval_ms=500"], None)
    screen = home / "screen.txt"
    with screen.open("wb") as output:
        process = subprocess.Popen(
            [*HUNTER, "start", "--demo", "-c", str(instance.config_file)],
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd=home,
        )
    try:
        wait_until("running", lambda: instance.status()["state"] == "running", 30)
        wait_until("a valid book", lambda: " valid" in screen.read_text(), 15)
        pids = instance.tree_pids()
        assert len(pids) == 5
        assert all(a["state"] == "ready" for a in instance.status()["actors"])
        process.send_signal(signal.SIGINT)
        asked = time.monotonic()
        assert process.wait(10) == 0
        assert time.monotonic() - asked < 6
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
    text = screen.read_text()
    assert "Ready in" in text
    assert "trades (+" in text
    assert "stopped; nothing is left running" in text
    assert "\x1b[" not in text, "colour belongs on terminals"
    assert all(is_gone(pid) for pid in pids)
    assert not instance.shared.exists()
    left = sorted(path.name for path in instance.config.runtime_dir.iterdir())
    assert left == ["server.limits", "supervisor.lock"]
    logs = {path.stem: path.read_text() for path in instance.config.log_dir.glob("*.log")}
    assert set(logs) == {"supervisor", "exchange", "stream-0", "brain-0", "watchdog"}
    assert not [name for name, lines in logs.items() if " ERROR " in lines or "Traceback" in lines]
    done = instance.command("status", check=False)
    assert done.returncode == 3
    assert "not running" in done.stdout


def test_second_start_changes_nothing_and_says_the_pid(home: Path) -> None:
    instance = HunterInstance(home, [], None)
    try:
        first = instance.start("--demo")
        assert "Ready in" in first.stdout
        pids = instance.tree_pids()
        second = instance.start("--demo", check=False)
        assert second.returncode == 11
        assert str(pids[0]) in second.stderr
        foreground = instance.command("start", "--demo", check=False)
        assert foreground.returncode == 11
        assert instance.tree_pids() == pids
    finally:
        instance.stop()
    stopped_again = instance.command("stop")
    assert "not running" in stopped_again.stdout


def test_detached_start_that_cannot_get_ready_says_who_and_leaves_nothing(home: Path) -> None:
    # nobody listens there: the stream is alive and well, but has no market
    instance = HunterInstance(home, [], 9)
    done = instance.start("--wait", "6", check=False)
    assert done.returncode == 6
    assert "stream-0" in done.stderr
    assert "cannot connect" in done.stderr
    assert instance.status()["state"] == "stopped"
    assert not instance.shared.exists()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[ring]\ncapcity = 4\n", ":2: unknown key ring.capcity"),
        ("[ring]\ncapacity = 5000\n", ":2: ring.capacity: must be a power of two"),
        ('[ring]\ncapacity = "many"\n', ":2: ring.capacity: expected a whole number"),
        ('[okx]\ninstruments = ["BTCUSDT"]\n', ':2: okx.instruments: "BTCUSDT" is not spelt'),
    ],
)
def test_bad_configuration_starts_nothing(home: Path, text: str, expected: str) -> None:
    instance = HunterInstance(home, [], None)
    instance.config_file.write_text(text)
    for words in (["-d"], []):
        done = subprocess.run(
            [*HUNTER, "start", "--demo", *words, "-c", str(instance.config_file)],
            capture_output=True,
            text=True,
            check=False,
            timeout=30,
        )
        assert done.returncode == 78
        errors = [line for line in done.stderr.splitlines() if "warning" not in line]
        assert len(errors) == 1
        assert expected in errors[0]
        assert str(instance.config_file) in errors[0]
    assert not instance.config.runtime_dir.exists()
    assert not (home / "data").exists()


def test_missing_configuration_file_is_exit_78(home: Path) -> None:
    instance = HunterInstance(home, [], None)
    instance.config_file.unlink()
    done = instance.command("start", "-d", check=False)
    assert done.returncode == 78
    assert "no such file" in done.stderr


def test_refused_instrument_is_parked_while_the_others_run(home: Path) -> None:
    # the simulator knows the first, and says 60018 to the second
    settings = ('okx.instruments=["BTC-USDT-SWAP", "ETH-USDT-SWAP"]',)
    with running(home, *settings, sim=("--instruments", "BTC-USDT-SWAP")) as (instance, _):
        report = instance.status()
        states = {(feed["instrument"], feed["state"]) for feed in report["feeds"]}
        assert states == {("BTC-USDT-SWAP", "live"), ("ETH-USDT-SWAP", "parked")}
        assert report["state"] == "degraded"
        assert any("ETH-USDT-SWAP" in reason for reason in report["reasons"])
        assert all(actor["state"] == "ready" for actor in report["actors"])
        assert instance.command("status", check=False).returncode == 5
        wait_until("trades", lambda: instance.trades("BTC-USDT-SWAP"))


def test_two_instances_never_share_a_data_directory(home: Path) -> None:
    first = HunterInstance(home, [], None)
    try:
        first.start("--demo")
        other = home / "other.toml"
        other.write_text('[hunter]\nname = "other"\nruntime_dir = "run2"\n')
        done = subprocess.run(
            [*HUNTER, "start", "-d", "--demo", "-c", str(other)],
            capture_output=True,
            text=True,
            check=False,
            timeout=30,
        )
        assert done.returncode == 11
        assert "in use by another instance" in done.stderr
    finally:
        first.stop()


BRAIN = """
class Broken:
    def on_trades(self, batch): raise ZeroDivisionError("oh")
    def on_book(self, book): pass
    def on_ticker(self, ticker): pass
    def decide(self, now_ns): return None
    def snapshot(self): return b""
    def restore(self, state): pass
"""


def test_failing_brain_of_a_user_is_seen_in_status_and_log(home: Path) -> None:
    (home / "mybrain.py").write_text(BRAIN)
    with running(home, 'brain.kind="mybrain:Broken"') as (instance, _):
        wait_until("a reason", lambda: any("failed" in r for r in instance.status()["reasons"]), 30)
        wait_until("an error counted", lambda: instance.actor("brain-0")["errors"] >= 1)
        assert "the brain failed" in instance.log("brain-0")
        assert instance.actor("brain-0")["restarts"] == 0


def test_brain_that_cannot_be_loaded_ends_the_start_at_once(home: Path) -> None:
    instance = HunterInstance(home, ['brain.kind="nomodule:Brain"'], None)
    try:
        done = instance.start("--demo", "--wait", "25", check=False)
        assert done.returncode == 78
        assert "nomodule" in done.stderr
        assert instance.status()["state"] == "stopped"
    finally:
        instance.stop()
