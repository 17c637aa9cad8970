"""What operators do at the wrong moment, and what they find: C3, C8 to C11, one actor that they
stop, and a cleaner of /tmp. Each with real processes and the command line.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from fakes import blocked_brain
from fakes.instance import HUNTER, HunterInstance, is_gone, wait_until

from hunter.runtime.runner import EFFECTIVE_CONFIG

pytestmark = pytest.mark.system

NOBODY = 65_534
OLD_WRITER = """
import signal, sys
from pathlib import Path
from hunter.ring.segment import WriterLease
assert WriterLease(Path(sys.argv[1])).acquire()
print("held", flush=True)
signal.pause()
"""


# Everything is imported before: another user need not be able to read this checkout.
AS_NOBODY = f"""
import difflib, os, sys
from hunter.cli import deaths, main, orders, process, settings, status
sys.argv[0] = "hunter"
os.setgroups([]); os.setgid({NOBODY}); os.setuid({NOBODY})
main.main()
"""


@contextlib.contextmanager
def demo(home: Path, *settings: str) -> Iterator[HunterInstance]:
    instance = HunterInstance(home, settings, None)
    try:
        instance.start("--demo")
        yield instance
    finally:
        instance.stop()


def hunter(
    instance: HunterInstance,
    *words: str,
    prefix: Sequence[str] = (),
    environment: dict[str, str] | None = None,
    program: Sequence[str] = HUNTER,
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*prefix, *program, *words, "-c", str(instance.config_file)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env=environment if program is HUNTER else None,
    )


def as_nobody() -> list[str]:
    """The command line as another user."""
    if os.getuid() != 0:
        pytest.skip("only root can become another user")
    return [sys.executable, "-c", AS_NOBODY]


def complaint(done: subprocess.CompletedProcess[str]) -> str:
    """The one line that a refused command says."""
    assert "Traceback" not in done.stderr, done.stderr
    lines = [line for line in done.stderr.splitlines() if "warning" not in line]
    assert len(lines) == 1, done.stderr
    return lines[0]


def everything_in(home: Path) -> set[Path]:
    return set(home.rglob("*"))


def state_of(instance: HunterInstance, name: str) -> str:
    return str(instance.actor(name)["state"])


# -- C3 -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["directory", "not utf-8", "torn", "unreadable"])
def test_c3_configuration_that_cannot_be_read_starts_nothing(home: Path, kind: str) -> None:
    instance = HunterInstance(home, [], None)
    file, program = instance.config_file, HUNTER
    if kind == "directory":
        file.unlink()
        file.mkdir()
    elif kind == "unreadable":
        file.chmod(0)
        if os.getuid() == 0:  # who reads everything
            home.chmod(0o711)
            program = as_nobody()
    else:
        file.write_bytes(b'[hunter]\nname = "\xff"\n' if kind == "not utf-8" else b"[hunter")
    before = everything_in(home)
    for words in (["start", "--demo", "-d"], ["status"]):
        done = hunter(instance, *words, program=program)
        assert done.returncode == 78, done
        assert str(file) in complaint(done)
    assert everything_in(home) == before
    assert not instance.shared.exists()


# -- C8 -------------------------------------------------------------------------------------------


@contextlib.contextmanager
def old_writer(instance: HunterInstance) -> Iterator[subprocess.Popen[str]]:
    """A writer of a former run that is stopped and holds the lease."""
    instance.config.runtime_dir.mkdir(mode=0o700, exist_ok=True)
    words = [sys.executable, "-c", OLD_WRITER, str(instance.config.runtime_dir / "ring-0.lock")]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        process.send_signal(signal.SIGSTOP)
        try:
            yield process
        finally:
            process.kill()


def test_c8_start_waits_for_an_old_writer_or_names_it(home: Path) -> None:
    instance = HunterInstance(home, [], None)
    try:
        with old_writer(instance) as writer:
            done = instance.start("--demo", check=False)
            assert done.returncode == 11
            assert f"ring-0 is still being written by pid {writer.pid}" in complaint(done)
            assert instance.status()["state"] == "stopped"
            assert not instance.shared.exists(), "no ring was touched"
            command = [*HUNTER, "start", "-d", "--demo", "-c", str(instance.config_file)]
            with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as again:
                held = instance.config.runtime_dir / "supervisor.lock"
                wait_until("the second start", lambda: held.read_text() != "" and locked(held))
                writer.kill()
                output, _ = again.communicate(timeout=60)
        assert again.returncode == 0
        assert "Ready in" in output
        assert instance.status()["state"] == "running"
    finally:
        instance.stop()


def locked(path: Path) -> bool:
    pid = int(path.read_text())
    return not is_gone(pid)


# -- C9 -------------------------------------------------------------------------------------------


def test_c9_status_while_down_answers_and_makes_nothing(home: Path) -> None:
    instance = HunterInstance(home, [], None)
    before = everything_in(home)
    for words in (["status"], ["status", "--json"], ["deaths"], ["stop"]):
        done = hunter(instance, *words)
        assert done.returncode == (3 if words[0] == "status" else 0)
        assert done.stderr == ""
    assert hunter(instance, "stop", "brain-0").returncode == 3
    assert hunter(instance, "restart", "brain-0").returncode == 3
    assert everything_in(home) == before
    assert not instance.shared.exists()


def test_c9_status_while_starting_says_so(home: Path) -> None:
    """The start is held up by a brain whose import takes its time."""
    blocked_brain.put_beside(home)
    instance = HunterInstance(home, [], None)
    words = ("--demo", "--set", blocked_brain.KIND)
    command = [*HUNTER, "start", *words, "-c", str(instance.config_file)]
    seen: list[tuple[str, int]] = []
    quiet = subprocess.DEVNULL

    def status() -> tuple[str, int]:
        done = hunter(instance, "status")
        assert done.stderr == ""
        seen.append((done.stdout.split()[1], done.returncode))
        return seen[-1]

    with subprocess.Popen(command, stdout=quiet, stderr=quiet) as process:
        try:
            wait_until("a start that lasts", lambda: status() == ("starting", 5), 30)
            blocked_brain.go(home)
            wait_until("running", lambda: status() == ("running", 0), 30)
        finally:
            instance.stop()
        assert process.wait(10) == 0
    assert set(seen) <= {("stopped", 3), ("starting", 5), ("degraded", 5), ("running", 0)}


def test_c9_status_and_stop_of_a_stopped_supervisor_answer(home: Path) -> None:
    with demo(home) as instance:
        pid = instance.supervisor_pid()
        os.kill(pid, signal.SIGSTOP)
        try:
            done = wait_until("stopped", lambda: seen_stopped(instance))
            assert done.returncode == 5
            assert (
                f"the supervisor does not answer: it is stopped by a signal; let it go on: kill"
                f" -CONT {pid}" in done.stdout
            )
            assert all(actor["pid"] for actor in instance.status()["actors"]), "they run on"
            refused = hunter(instance, "restart", "brain-0")
            assert refused.returncode == 6
            assert "did not answer within" in complaint(refused)
            # A request to stop gets through all the same.
            pids = instance.tree_pids()
            stopped = hunter(instance, "stop")
            assert stopped.returncode == 0, stopped.stderr
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)
        assert all(is_gone(pid) for pid in pids)
        assert not instance.shared.exists()


def seen_stopped(instance: HunterInstance) -> subprocess.CompletedProcess[str] | None:
    done = hunter(instance, "status")
    return done if "stopped by a signal" in done.stdout else None


def test_c9_status_for_another_user_is_refused_in_words(home: Path) -> None:
    program = as_nobody()
    with demo(home) as instance:
        home.chmod(0o755)
        before = everything_in(home)
        for words in (["status"], ["stop"], ["restart", "brain-0"]):
            done = hunter(instance, *words, program=program)
            assert done.returncode == 1, done
            assert str(instance.config.runtime_dir) in complaint(done)
        started = hunter(instance, "start", "--demo", "-d", program=program)
        assert started.returncode == 78
        assert "is not a directory of this user" in complaint(started)
        assert everything_in(home) >= before
        assert instance.status()["state"] == "running"


# -- C10 ------------------------------------------------------------------------------------------


def test_c10_stop_when_down_and_twice_at_once_is_fine(home: Path) -> None:
    with demo(home) as instance:
        pids = instance.tree_pids()
        command = [*HUNTER, "stop", "-c", str(instance.config_file)]
        pipe = subprocess.PIPE
        both = [subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True) for _ in range(2)]
        for one in both:
            _, errors = one.communicate(timeout=30)
            assert (one.returncode, errors) == (0, "")
        assert all(is_gone(pid) for pid in pids)
        for _ in range(2):
            done = hunter(instance, "stop")
            assert (done.returncode, done.stderr) == (0, "")
            assert "is not running" in done.stdout
        assert instance.log("supervisor").endswith(" INFO supervisor stopped\n")
        assert not instance.shared.exists()


@pytest.mark.parametrize("words", [["--demo", "-d"], ["--demo"]], ids=["-d", "foreground"])
def test_c10_stop_during_the_start_ends_it(home: Path, words: list[str]) -> None:
    instance = HunterInstance(home, [], None)
    lock = instance.config.runtime_dir / "supervisor.lock"
    pipe = subprocess.PIPE
    for moment in ("locked", "made", "first actor"):
        command = [*HUNTER, "start", *words, "-c", str(instance.config_file)]
        with subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True) as starting:
            log = instance.config.log_dir / "exchange.log"
            reached = {
                "locked": lambda: lock.exists() and lock.read_text() and locked(lock),
                "made": (instance.shared / "status").exists,
                "first actor": lambda log=log: log.exists() and log.stat().st_size,
            }[moment]
            wait_until(moment, reached, every_s=0.005)
            done = hunter(instance, "stop")
            _, errors = starting.communicate(timeout=30)
        assert done.returncode == 0, done.stderr
        assert "Traceback" not in errors
        if words == ["--demo"]:
            assert starting.returncode in (0, -signal.SIGTERM)
        else:
            assert starting.returncode != 0
        assert instance.status()["state"] == "stopped"
        assert not instance.shared.exists()
        lock.unlink(missing_ok=True)
        log.unlink(missing_ok=True)


def test_c10_actor_stopped_by_name_stays_down_until_it_is_restarted(home: Path) -> None:
    with demo(home) as instance:
        before = {actor["name"]: actor["pid"] for actor in instance.status()["actors"]}
        for _ in range(2):
            done = hunter(instance, "stop", "brain-0")
            assert done.returncode == 0, done.stderr
        assert is_gone(before["brain-0"])
        # Neither the supervisor nor a watchdog, be it a new one, brings it back.
        os.kill(before["watchdog"], signal.SIGKILL)
        wait_until("a watchdog", lambda: state_of(instance, "watchdog") == "ready")
        wait_until("its looks", lambda: instance.actor("watchdog")["uptime_s"] > 1.5)
        report = instance.status()
        assert report["state"] == "degraded"
        told = "brain-0 was stopped by the operator; start it: hunter restart brain-0"
        assert told in report["reasons"]
        assert (instance.actor("brain-0")["state"], instance.actor("brain-0")["pid"]) == (
            "stopped",
            0,
        )
        assert instance.actor("stream-0")["pid"] == before["stream-0"]
        assert hunter(instance, "stop", "nobody").returncode == 4
        assert "brain-0: pid " in instance.command("restart", "brain-0").stdout
        wait_until("all well", lambda: instance.status()["state"] == "running")
        assert instance.actor("brain-0")["exits"] == {"asked": 1}


def test_each_death_leaves_a_record_and_an_orderly_stop_none(home: Path) -> None:
    with demo(home) as instance:
        wait_until("trades", lambda: instance.status()["rings"][0]["sequence"] > 5)
        pids = {actor["name"]: actor["pid"] for actor in instance.status()["actors"]}
        os.kill(pids["stream-0"], signal.SIGKILL)
        wait_until("a successor", lambda: state_of(instance, "stream-0") == "ready")
        assert instance.actor("stream-0")["exits"] == {"signal": 1}
        assert "hunter deaths" in hunter(instance, "status").stdout
        assert hunter(instance, "stop").returncode == 0

        lines = instance.command("deaths", "--json").stdout.splitlines()
        (record,) = [json.loads(line) for line in lines]
        assert (record["actor"], record["pid"]) == ("stream-0", pids["stream-0"])
        assert (record["last_exit"], record["cause"]) == ("signal 9", "signal")
        assert (record["restarts"], record["asked"]) == (0, False)
        assert record["rss_bytes"] > 1_000_000
        assert record["rings"][0]["ring"] == "ring-0"
        assert record["rings"][0]["arrivals"] > 5
        assert any("connected to" in line for line in record["log"])
        screen = instance.command("deaths", "stream-0").stdout
        assert "stream-0 (stream) ended: signal 9" in screen


# -- C11 ------------------------------------------------------------------------------------------


def refused(home: Path, kind: str) -> tuple[HunterInstance, str, list[str]]:
    """An instance whose runtime directory is not fit, what is said about it, and how to start."""
    instance = HunterInstance(home, [], None)
    run = instance.config.runtime_dir
    prefix: list[str] = []
    if kind == "a file":
        run.touch()
        return instance, "cannot be a directory: File exists", prefix
    if kind == "too long":
        instance.config_file.write_text(f'[hunter]\nruntime_dir = "{"x" * 110}"\n')
        return instance, "is too long for a socket by", prefix
    if kind == "a link":
        (home / "hunter").mkdir()
        (home / "elsewhere").mkdir(mode=0o700)
        (home / "hunter" / "default").symlink_to(home / "elsewhere")
        instance.config_file.write_text("[hunter]\n")
        return instance, "is not a directory of this user", prefix
    run.mkdir(mode=0o700)
    if kind == "for others to write":
        run.chmod(0o770)
        return instance, "others can write to", prefix
    if kind == "another user's":
        if os.getuid() != 0:
            pytest.skip("only root can give a directory away")
        os.chown(run, NOBODY, NOBODY)
        return instance, "is not a directory of this user", prefix
    if kind == "missing, in a place that is read-only":
        run.rmdir()
    where = home if kind.startswith("missing") else run
    script = f'mount --bind "{where}" "{where}" && mount -o remount,ro,bind "{where}" && exec "$@"'
    prefix = ["unshare", "-Urm", "sh", "-c", script, "sh"]
    if subprocess.run([*prefix, "true"], capture_output=True, check=False).returncode:
        pytest.skip("this kernel lets us mount nothing")
    return instance, "ead-only file system", prefix


KINDS = [
    "a file",
    "too long",
    "a link",
    "for others to write",
    "another user's",
    "read-only",
    "missing, in a place that is read-only",
]


@pytest.mark.parametrize("kind", KINDS)
def test_c11_runtime_directory_that_is_not_fit_is_refused_with_a_reason(
    home: Path, kind: str
) -> None:
    instance, reason, prefix = refused(home, kind)
    before = everything_in(home)
    environment = dict(os.environ, XDG_RUNTIME_DIR=str(home))
    for words in (["start", "--demo", "-d"], ["start", "--demo"]):
        done = hunter(instance, *words, prefix=prefix, environment=environment)
        assert done.returncode == 78, done.stderr
        assert reason in complaint(done)
        assert str(home) in complaint(done)
    assert everything_in(home) == before
    assert not instance.shared.exists()


def test_c11_data_directory_that_cannot_be_is_refused_with_a_reason(home: Path) -> None:
    instance = HunterInstance(home, [], None)
    (home / "data").touch()
    for words in (["start", "--demo", "-d"], ["start", "--demo"]):
        done = hunter(instance, *words)
        assert done.returncode == 78, done.stderr
        assert f"hunter.data_dir: {home / 'data'} cannot be a directory" in complaint(done)
    assert not instance.shared.exists()


def test_c11_missing_runtime_directory_is_made_private(home: Path) -> None:
    instance = HunterInstance(home, [], None)
    instance.config_file.write_text('[hunter]\nruntime_dir = "a/b"\n')
    try:
        done = hunter(instance, "start", "--demo", "-d")
        assert done.returncode == 0, done.stderr
        assert (home / "a" / "b").stat().st_mode & 0o777 == 0o700
    finally:
        assert hunter(instance, "stop").returncode == 0


# -- a cleaner of /tmp ---------------------------------------------------------------------------


def test_effective_configuration_removed_by_a_cleaner_comes_back(home: Path) -> None:
    # systemd-tmpfiles removes from /tmp what nobody has touched for ten days.
    with demo(home) as instance:
        effective = instance.config.runtime_dir / EFFECTIVE_CONFIG
        before = effective.read_bytes()
        effective.unlink()
        wait_until("the file again", effective.exists)
        assert effective.read_bytes() == before
        assert effective.stat().st_mode & 0o777 == 0o600
        assert f"{effective} was removed" in instance.log("supervisor")
        pid = instance.actor("brain-0")["pid"]
        os.kill(pid, signal.SIGKILL)
        wait_until("its death", lambda: instance.actor("brain-0")["pid"] != pid)
        wait_until("another brain", lambda: state_of(instance, "brain-0") == "ready")
        assert instance.actor("brain-0")["exits"] == {"signal": 1}
        assert hunter(instance, "stop").returncode == 0
        assert not effective.exists()


# -- under systemd --------------------------------------------------------------------------------


def test_service_manager_is_told_of_ready_life_and_stop(home: Path) -> None:
    instance = HunterInstance(home, [], None)
    quiet = subprocess.DEVNULL
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(home / "notify"))
        manager.settimeout(30)
        environment = dict(os.environ, NOTIFY_SOCKET=str(home / "notify"), WATCHDOG_USEC="1000000")
        environment.pop("WATCHDOG_PID", None)
        command = [*HUNTER, "start", "--demo", "-c", str(instance.config_file)]
        with subprocess.Popen(command, stdout=quiet, stderr=quiet, env=environment) as process:
            try:
                heard: list[str] = []
                listen(manager, heard, "READY=1")
                assert instance.status()["pid"] == process.pid, "which systemd watches"
                heard.clear()
                listen(manager, heard, "WATCHDOG=1")
                process.send_signal(signal.SIGTERM)
                listen(manager, heard, "STOPPING=1")
                assert process.wait(30) == 0
            finally:
                instance.stop()


def listen(manager: socket.socket, heard: list[str], word: str) -> None:
    """Until the word comes; the socket's timeout ends a wait in vain."""
    while word not in heard:
        heard += manager.recv(4096).decode().splitlines()
