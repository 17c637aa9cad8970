"""Real processes: spawned, heard, signalled, reaped, and their leftovers swept."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from supervisor import process as process_module
from supervisor.errors import SpawnError
from supervisor.events import (
    ChildBeat,
    ChildContinued,
    ChildExited,
    ChildReady,
    ChildStopped,
    StartExtended,
)
from supervisor.process import Process, become_subreaper, own_children, process_entry, sweep
from supervisor.spec import ChildSpec

SLEEP = ("sleep", "60")


@pytest.fixture
def spawn(is_readable):
    """Process of a specification with this argv; killed and reaped afterwards."""
    made = []

    def make(argv, **changes):
        process = Process(ChildSpec(name="a", argv=tuple(argv), **changes))
        made.append(process)
        return process

    yield make
    for process in made:
        process.kill()
        is_readable(process.pidfd)
        process.reap()
        process.close()


@pytest.fixture
def exit_of(is_readable):
    def wait(process):
        assert is_readable(process.pidfd)
        return process.reap()

    return wait


def test_a_child_leads_its_own_session_and_reads_nothing(spawn):
    process = spawn(SLEEP)
    entry = process_entry(process.pid)
    assert (entry.parent_pid, entry.session) == (os.getpid(), process.pid)
    assert os.readlink(f"/proc/{process.pid}/fd/0") == "/dev/null"


def test_a_child_gets_the_two_pipes_and_no_other_descriptor(spawn, program, tmp_path, exit_of):
    code = "print(sorted(map(int, os.listdir('/proc/self/fd'))), os.environ, flush=True)"
    log = tmp_path / "log"
    leak = os.open("/dev/null", os.O_RDONLY)
    os.set_inheritable(leak, True)
    exit_of(spawn(program(code), log_path=str(log)))
    os.close(leak)
    text = log.read_text()
    notify_fd = int(text.split("SUPERVISOR_NOTIFY_FD': '")[1].split("'")[0])
    life_fd = int(text.split("SUPERVISOR_LIFE_FD': '")[1].split("'")[0])
    seen = {int(word) for word in text[1 : text.index("]")].split(",")}
    # one more is the listing's own
    assert {0, 1, 2, notify_fd, life_fd} <= seen
    assert len(seen) == 6
    assert f"SUPERVISOR_PID': '{os.getpid()}'" in text


def test_a_given_environment_is_the_whole_environment(spawn, program, tmp_path, exit_of):
    log = tmp_path / "log"
    argv = program("print('HOME' in os.environ, os.environ['A'], os.getcwd())")
    exit_of(spawn(argv, env={"A": "1"}, log_path=str(log), cwd=str(tmp_path)))
    assert log.read_text() == f"False 1 {tmp_path}\n"


def test_the_log_is_private_appended_to_and_takes_both_outputs(spawn, tmp_path, exit_of):
    log = tmp_path / "log"
    for word in ("one", "two"):
        exit_of(spawn(("sh", "-c", f"echo {word}; echo {word} >&2"), log_path=str(log)))
    assert log.read_text() == "one\none\ntwo\ntwo\n"
    assert log.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    "changes",
    [
        {"argv": ("/no/such/program",)},
        {"argv": ("true",), "cwd": "/no/such/directory"},
        {"argv": ("true",), "log_path": "/no/such/directory/log"},
        {"argv": ("true",), "env": {"A": "a\0b"}},
        {"argv": ("true",), "env": {"A=B": "c"}},
        {"argv": ("true",), "cwd": "a\0b"},
        {"argv": ("\ud800",)},
    ],
)
def test_a_program_that_cannot_be_started_is_a_typed_error_and_leaves_nothing_open(changes):
    before = sorted(os.listdir("/proc/self/fd"))
    with pytest.raises(SpawnError, match="a: cannot start"):
        Process(ChildSpec(name="a", **changes))
    assert sorted(os.listdir("/proc/self/fd")) == before


def test_a_process_that_cannot_be_held_on_to_is_ended_at_once(monkeypatch):
    """No descriptor left for its pidfd: it must not live on beside the one that is started next."""
    started = []

    def exhausted(pid):
        started.append(pid)
        raise OSError(24, "Too many open files")

    monkeypatch.setattr(process_module.os, "pidfd_open", exhausted)
    before = sorted(os.listdir("/proc/self/fd"))
    with pytest.raises(SpawnError, match="Too many open files"):
        Process(ChildSpec(name="a", argv=SLEEP))
    assert [process_entry(pid) for pid in started] == [None]
    assert sorted(os.listdir("/proc/self/fd")) == before


@pytest.mark.parametrize("is_given", [False, True], ids=["inherited", "given"])
def test_a_child_does_not_speak_in_our_name(
    spawn, program, tmp_path, exit_of, monkeypatch, is_given
):
    log = tmp_path / "log"
    ours = {"NOTIFY_SOCKET": "/x", "WATCHDOG_USEC": "1", "WATCHDOG_PID": str(os.getpid())}
    for name, value in ours.items():
        monkeypatch.setenv(name, value)
    env = {**ours, "A": "1"} if is_given else None
    code = "print(sorted({'NOTIFY_SOCKET', 'WATCHDOG_USEC', 'WATCHDOG_PID'} & set(os.environ)))"
    exit_of(spawn(program(code), env=env, log_path=str(log)))
    assert log.read_text() == "[]\n"


def test_p13_spawn_in_another_thread_is_refused():
    refused = []

    def attempt():
        try:
            Process(ChildSpec(name="a", argv=SLEEP))
        except AssertionError as error:
            refused.append(error)

    thread = threading.Thread(target=attempt)
    thread.start()
    thread.join()
    assert refused


@pytest.mark.parametrize(
    ("argv", "exited"),
    [
        (("true",), ChildExited("a", 0)),
        (("sh", "-c", "exit 78"), ChildExited("a", 78)),
        (("sh", "-c", "kill -KILL $$"), ChildExited("a", None, 9)),
    ],
)
def test_an_exit_is_told_once(spawn, exit_of, argv, exited):
    process = spawn(argv)
    assert exit_of(process) == exited
    assert process.reap() == ChildExited("a", None), "there is nothing more to reap"


def test_reap_does_not_wait(spawn):
    assert spawn(SLEEP).reap() is None


def test_an_exit_status_that_somebody_else_took_is_an_exit_all_the_same(spawn):
    process = spawn(("true",))
    os.waitpid(process.pid, 0)
    assert process.reap().text == "exit ?"


def test_terminate_reaches_a_stopped_process(spawn, exit_of):
    process = spawn(SLEEP)
    os.kill(process.pid, signal.SIGSTOP)
    os.waitid(os.P_PIDFD, process.pidfd, os.WSTOPPED)  # else the SIGTERM may come first
    process.terminate()
    assert exit_of(process) == ChildExited("a", None, signal.SIGTERM)


def job_control_of(process, is_readable):
    """The next change, for which SIGCHLD would wake the runner."""
    for _ in range(1000):
        change = process.job_control()
        if change is not None:
            return change
        is_readable(process.pidfd, 0.01)
    return None


def test_stops_and_continuations_are_told_once_and_leave_the_exit_alone(
    spawn, is_readable, exit_of
):
    process = spawn(SLEEP)
    assert process.job_control() is None
    for _ in range(2):
        os.kill(process.pid, signal.SIGSTOP)
        assert job_control_of(process, is_readable) == ChildStopped("a", signal.SIGSTOP)
        assert process.job_control() is None
        assert process.reap() is None
        os.kill(process.pid, signal.SIGCONT)
        assert job_control_of(process, is_readable) == ChildContinued("a")
        assert process.job_control() is None
    os.kill(process.pid, signal.SIGSTOP)
    process.kill()
    assert is_readable(process.pidfd)
    assert process.job_control() is None
    assert exit_of(process) == ChildExited("a", None, 9)
    assert process.job_control() is None


def test_diagnose_is_sigusr1(spawn, exit_of):
    process = spawn(SLEEP)
    process.diagnose()
    assert exit_of(process) == ChildExited("a", None, signal.SIGUSR1)


def test_a_signal_to_a_reaped_process_goes_nowhere(spawn, exit_of):
    process = spawn(("true",))
    exit_of(process)
    process.terminate()
    process.kill()


def test_what_a_child_says_is_heard_in_order_and_once(spawn, program, is_readable, exit_of):
    code = "child.extend_start(2.5); child.notify_ready(); child.beat(); child.beat()"
    process = spawn(program(code), hang_after_ns=1_000_000_000)
    exit_of(process)
    assert is_readable(process.notify_fd)
    expected = [StartExtended("a", 2_500_000_000), ChildReady("a"), ChildBeat("a")]
    assert process.notifications() == expected
    assert not process.is_mute
    assert process.notifications() == []
    assert process.is_mute


def test_nothing_said_is_nothing_heard(spawn):
    process = spawn(SLEEP)
    assert process.notifications() == []
    assert not process.is_mute


def say(spawn, program, exit_of, data):
    process = spawn(program(f"os.write(int(os.environ['SUPERVISOR_NOTIFY_FD']), {data!r})"))
    exit_of(process)
    return process


@pytest.mark.parametrize(
    ("data", "heard"),
    [
        (b"HELLO=1\nBEAT=1\n\xff\x00\n=\n\n", [ChildBeat("a")]),
        (b"EXTEND_MS=abc\nEXTEND_MS=-5\nEXTEND_MS=\n", []),
        (b"EXTEND_MS=" + b"9" * 50 + b"\n", [StartExtended("a", 3600 * 1_000_000_000)]),
        (b"READY=", []),
    ],
)
def test_unknown_and_broken_words_are_ignored(spawn, program, exit_of, data, heard):
    assert say(spawn, program, exit_of, data).notifications() == heard


def test_a_word_in_two_pieces_is_put_together(spawn, program, exit_of, monkeypatch):
    process = say(spawn, program, exit_of, b"BEAT=1\nREADY=1\n")
    monkeypatch.setattr(process_module, "_READ_BYTES_MAX", 9)
    assert process.notifications() == [ChildBeat("a")]
    assert process.notifications() == [ChildReady("a")]


def test_a_line_without_an_end_is_not_kept(spawn, program, exit_of):
    process = say(spawn, program, exit_of, b"x" * 50_000)
    assert process.notifications() == []
    assert len(process._heard) <= 256


def test_the_life_line_ends_with_the_parents_end(spawn, program, exit_of):
    process = spawn(program("fd = child.life_fd(); os.read(fd, 1); sys.exit(5)"))
    os.close(process._life_fd)
    process._life_fd = os.open("/dev/null", os.O_RDONLY)  # for close
    assert exit_of(process) == ChildExited("a", 5)


# -- leftovers ------------------------------------------------------------------------------------


@pytest.fixture
def subreaper():
    become_subreaper()
    return own_children()


def sweep_all(children, spared):
    """Sweep as the runner does: again and again, until nothing is left."""
    seen = []
    while count := sweep(children, spared):
        seen.append(count)
        with contextlib.suppress(ChildProcessError):
            os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOWAIT)  # what was killed has died
        assert len(seen) < 100
    return seen


def leave(spawn, program, exit_of, tmp_path, code, **changes):
    """Pids that a program wrote down before it ended."""
    process = spawn(program(code), cwd=str(tmp_path), **changes)
    exit_of(process)
    return [int(word) for word in Path(tmp_path, "pids").read_text().split()]


@pytest.mark.parametrize("options", ["]", "], start_new_session=True"], ids=["session", "own"])
def test_what_a_dead_child_left_behind_is_killed_and_reaped(
    spawn, program, exit_of, tmp_path, subreaper, options
):
    code = f"p = subprocess.Popen(['sleep', '60'{options}); open('pids', 'w').write(str(p.pid))"
    (pid,) = leave(spawn, program, exit_of, tmp_path, code)
    assert process_entry(pid).parent_pid == os.getpid(), "it was handed to us"
    sweep_all((), subreaper)
    assert process_entry(pid) is None


def test_a_whole_family_is_swept(spawn, program, exit_of, tmp_path, subreaper):
    code = (
        "p = subprocess.Popen(['sh', '-c', 'sleep 60 & sleep 60'])\n"
        "open('pids', 'w').write(str(p.pid))"
    )
    (pid,) = leave(spawn, program, exit_of, tmp_path, code)
    assert len(sweep_all((), subreaper)) > 1
    assert process_entry(pid) is None
    assert own_children() == subreaper


def test_helpers_of_a_living_child_are_left_alone(spawn, program, tmp_path, subreaper, is_readable):
    # an orphan by double fork, in the session of a child that lives on
    code = (
        "subprocess.run([sys.executable, '-S', '-c', 'import subprocess;"
        'p = subprocess.Popen(["sleep", "60"]); open("pids", "w").write(str(p.pid))\'])\n'
        "child.notify_ready(); time.sleep(60)"
    )
    process = spawn(program(code), cwd=str(tmp_path))
    assert is_readable(process.notify_fd)
    pid = int(Path(tmp_path, "pids").read_text())
    assert process_entry(pid).parent_pid == os.getpid()
    assert sweep({process.pid}, subreaper) == 0
    assert process_entry(pid) is not None
    process.kill()
    assert is_readable(process.pidfd)
    process.reap()
    assert sweep((), subreaper) == 1


def test_a_living_childs_helper_that_has_ended_is_reaped(
    spawn, program, tmp_path, subreaper, is_readable
):
    """Else a child that makes daemons now and then fills the process table."""
    code = (
        "subprocess.run(['sh', '-c', 'sleep 0.1 & echo $! > pids'])\n"
        "child.notify_ready(); time.sleep(60)"
    )
    process = spawn(program(code), cwd=str(tmp_path))
    assert is_readable(process.notify_fd)
    pid = int(Path(tmp_path, "pids").read_text())
    with contextlib.suppress(ChildProcessError):
        os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    assert sweep({process.pid}, subreaper) == 1
    assert process_entry(pid) is None
    assert process.reap() is None


def test_what_the_host_program_runs_itself_is_left_alone(subreaper):
    host_own = subprocess.Popen(SLEEP)
    try:
        assert sweep((), subreaper) == 0
        assert host_own.poll() is None
    finally:
        host_own.kill()
        host_own.wait()


def test_what_was_there_before_is_left_alone():
    before = subprocess.Popen(SLEEP, start_new_session=True)
    try:
        spared = own_children()
        assert before.pid in spared
        assert sweep((), spared) == 0
        assert before.poll() is None
    finally:
        before.kill()
        before.wait()


def test_a_process_is_killed_only_if_it_is_still_the_one_that_was_seen(spawn, subreaper):
    process = spawn(SLEEP)
    seen = process_entry(process.pid)
    process_module._kill_entry(process_module.ProcessEntry(seen.pid, 1, seen.session, False))
    assert process.reap() is None
    process_module._kill_entry(process_module.ProcessEntry(2**22 - 1, 1, 1, False))


def test_an_entry_is_read_whatever_the_program_is_called(tmp_path):
    program = tmp_path / "a) (b"
    program.symlink_to("/bin/sleep")
    odd = subprocess.Popen([str(program), "60"])
    try:
        assert process_entry(odd.pid).parent_pid == os.getpid()
    finally:
        odd.kill()
        odd.wait()
    assert process_entry(odd.pid) is None


def test_no_subreaper_is_an_error_that_says_so(monkeypatch):
    monkeypatch.setattr(process_module, "_PR_SET_CHILD_SUBREAPER", 9999)
    with pytest.raises(OSError, match="PR_SET_CHILD_SUBREAPER"):
        become_subreaper()


AS_PROCESS_1 = """
from supervisor.process import become_subreaper, own_children, sweep
assert os.getpid() == 1, os.getpid()
for _ in range(5):
    subprocess.run(["sh", "-c", "true &"])
before = len(own_children())
for _ in range(100):
    if not own_children():
        break
    os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOWAIT)
    sweep((), ())
print("left of", before, len(own_children()))
"""


def test_as_process_1_of_a_container_it_leaves_no_zombie(program):
    flags = ["-pf"] if os.getuid() == 0 else ["-Urpf"]
    argv = ["unshare", *flags, "--kill-child", "--mount-proc"]
    try:
        reach = [*argv, sys.executable, "-S", "-c", ""]
        subprocess.run(reach, check=True, capture_output=True, timeout=20)
    except (OSError, subprocess.SubprocessError) as error:
        pytest.skip(f"no process namespace to be had here: {error}")
    done = subprocess.run(
        [*argv, *program(AS_PROCESS_1)], capture_output=True, text=True, timeout=30, check=False
    )
    assert done.stdout == "left of 5 0\n", done.stderr
