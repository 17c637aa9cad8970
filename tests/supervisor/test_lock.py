"""The instance lock: one holder, told by the kernel, whatever happened before."""

from __future__ import annotations

import fcntl
import os
import subprocess
import threading

import pytest

from supervisor import lock as lock_module
from supervisor.errors import LockHeld
from supervisor.lock import InstanceLock, holder

HOLD = """
from supervisor.lock import InstanceLock, LockHeld
sys.stdin.buffer.read()                 # the barrier: all begin when the test closes it
lock = InstanceLock({path!r})
try:
    lock.acquire()
except LockHeld as error:
    print("held", error.pid, flush=True)
else:
    print("won", os.getpid(), flush=True)
    time.sleep(60)
"""


@pytest.fixture
def path(tmp_path):
    return str(tmp_path / "lock")


@pytest.fixture
def starter(program, path):
    """Processes that try for the lock once their standard input ends."""
    started = []

    def start(stdin=subprocess.DEVNULL):
        argv = program(HOLD.format(path=path))
        process = subprocess.Popen(argv, stdin=stdin, stdout=subprocess.PIPE, text=True)
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.wait()
        process.stdout.close()


def test_the_holder_writes_its_pid_and_is_found(path):
    lock = InstanceLock(path)
    assert holder(path) is None
    lock.acquire()
    assert holder(path) == os.getpid()
    lock.release()
    assert holder(path) is None


def test_a_second_one_is_refused_with_the_pid_of_the_first(starter, path):
    first = starter()
    assert first.stdout.readline() == f"won {first.pid}\n"
    with pytest.raises(LockHeld) as refused:
        InstanceLock(path).acquire()
    assert refused.value.pid == first.pid
    assert holder(path) == first.pid


def test_a_killed_holder_holds_nothing(starter, path):
    first = starter()
    first.stdout.readline()
    first.kill()
    first.wait()
    assert holder(path) is None
    lock = InstanceLock(path)
    lock.acquire()
    assert holder(path) == os.getpid(), "not the dead one's pid, which the file still had"
    lock.release()


def test_of_many_starters_at_once_exactly_one_wins_and_the_others_name_it(starter):
    read_fd, write_fd = os.pipe()
    os.set_inheritable(write_fd, False)
    starters = [starter(stdin=read_fd) for _ in range(8)]
    os.close(read_fd)
    os.close(write_fd)
    said = [process.stdout.readline().split() for process in starters]
    (winner,) = [pid for word, pid in said if word == "won"]
    assert said.count(["held", winner]) == 7


def test_a_child_does_not_inherit_the_lock(path):
    lock = InstanceLock(path)
    lock.acquire()
    survivor = subprocess.Popen(["sleep", "60"], close_fds=False)
    lock.release()
    try:
        assert holder(path) is None
    finally:
        survivor.kill()
        survivor.wait()


def test_looks_at_once_do_not_see_each_other(path):
    open(path, "w").close()
    seen = []
    looks = [threading.Thread(target=lambda: seen.append(holder(path))) for _ in range(20)]
    for look in looks:
        look.start()
    for look in looks:
        look.join()
    assert seen == [None] * 20


def test_a_look_does_not_keep_a_starter_out(path, monkeypatch):
    look = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    fcntl.flock(look, fcntl.LOCK_SH)
    pauses = []

    def pause():
        pauses.append(1)
        if len(pauses) == 3:
            fcntl.flock(look, fcntl.LOCK_UN)

    monkeypatch.setattr(lock_module, "_pause", pause)
    lock = InstanceLock(path)
    lock.acquire()
    os.close(look)
    assert len(pauses) == 3
    lock.release()


def test_a_look_without_an_end_is_not_waited_for_without_an_end(path, monkeypatch):
    look = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    fcntl.flock(look, fcntl.LOCK_SH)
    monkeypatch.setattr(lock_module, "_pause", lambda: None)
    with pytest.raises(LockHeld, match="another process"):
        InstanceLock(path).acquire()
    os.close(look)


@pytest.mark.parametrize("content", [b"", b"12", b"rubbish\n", b"4194303\n"])
def test_a_holder_that_has_not_said_who_it_is_has_no_pid(path, monkeypatch, content):
    other = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    os.write(other, content)
    fcntl.flock(other, fcntl.LOCK_EX)
    monkeypatch.setattr(lock_module, "_pause", lambda: None)
    assert holder(path) == 0
    with pytest.raises(LockHeld) as refused:
        InstanceLock(path).acquire()
    assert refused.value.pid == 0
    os.close(other)


def test_the_pid_is_waited_for_while_the_holder_writes_it(path, monkeypatch):
    other = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    fcntl.flock(other, fcntl.LOCK_EX)
    monkeypatch.setattr(lock_module, "_pause", lambda: os.pwrite(other, b"%d\n" % os.getpid(), 0))
    assert holder(path) == os.getpid()
    os.close(other)


@pytest.mark.parametrize("replace", [True, False])
def test_a_lock_on_a_file_that_was_taken_away_does_not_count(path, monkeypatch, replace):
    real = lock_module._try_flock
    taken_away = []

    def try_flock(descriptor, operation):
        if not taken_away:
            taken_away.append(os.unlink(path))
            if replace:
                os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
        return real(descriptor, operation)

    monkeypatch.setattr(lock_module, "_try_flock", try_flock)
    lock = InstanceLock(path)
    lock.acquire()
    assert holder(path) == os.getpid()
    lock.release()


def test_a_symbolic_link_is_refused(path, tmp_path):
    os.symlink(tmp_path / "elsewhere", path)
    with pytest.raises(OSError, match="symbolic"):
        InstanceLock(path).acquire()


def test_the_file_is_private(path):
    lock = InstanceLock(path)
    lock.acquire()
    assert os.stat(path).st_mode & 0o777 == 0o600
    lock.release()
    lock.release()


def test_a_short_pid_over_a_longer_one_is_read_right(path):
    with open(path, "w") as file:
        file.write("123456789\n")
    lock = InstanceLock(path)
    lock.acquire()
    with open(path) as file:
        assert file.read() == f"{os.getpid()}\n"
    lock.release()


def test_to_acquire_twice_is_a_programmers_error(path):
    lock = InstanceLock(path)
    lock.acquire()
    with pytest.raises(AssertionError):
        lock.acquire()
    lock.release()


def test_the_real_pause_is_short():
    lock_module._pause()
