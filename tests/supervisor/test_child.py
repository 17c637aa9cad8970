"""What a supervised program calls: it dies with its parent, is heard, and never blocks."""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys

import pytest

from supervisor import child


@pytest.fixture(autouse=True)
def nothing_taken_yet(monkeypatch):
    """As in a fresh process; and what protect() asked of the kernel is taken back."""
    monkeypatch.setattr(child, "_taken", {})
    for variable in [name for name in os.environ if name.startswith("SUPERVISOR_")]:
        monkeypatch.delenv(variable)
    yield
    ctypes.CDLL(None).prctl(1, 0, 0, 0, 0)


@pytest.fixture
def pipe(monkeypatch):
    read_fd, write_fd = os.pipe2(os.O_NONBLOCK)
    os.set_inheritable(write_fd, True)
    monkeypatch.setenv(child.NOTIFY_FD_VARIABLE, str(write_fd))
    monkeypatch.setenv(child.BEATS_VARIABLE, "1")
    yield read_fd, write_fd
    for descriptor in (read_fd, write_fd):
        if os.path.exists(f"/proc/self/fd/{descriptor}"):
            os.close(descriptor)


def parent_death_signal():
    number = ctypes.c_int()
    assert ctypes.CDLL(None).prctl(2, ctypes.byref(number), 0, 0, 0) == 0  # PR_GET_PDEATHSIG
    return number.value


def test_unsupervised_every_call_does_nothing():
    child.protect()
    child.notify_ready()
    child.beat()
    child.extend_start(1)
    assert child.life_fd() is None
    assert parent_death_signal() == 0


def test_the_words_are_lines_on_the_pipe(pipe):
    child.extend_start(1.5)
    child.notify_ready()
    child.beat()
    assert os.read(pipe[0], 100) == b"EXTEND_MS=1500\nREADY=1\nBEAT=1\n"


def test_beats_nobody_asked_for_are_not_said(pipe, monkeypatch):
    monkeypatch.delenv(child.BEATS_VARIABLE)
    child.beat()
    child.notify_ready()
    assert os.read(pipe[0], 100) == b"READY=1\n"


def test_a_full_pipe_loses_the_word_and_does_not_block(pipe):
    for _ in range(20_000):
        child.beat()
    assert os.read(pipe[0], 14) == b"BEAT=1\nBEAT=1\n"


def test_a_parent_that_is_gone_loses_the_word(pipe):
    os.close(pipe[0])
    child.beat()


def test_the_programs_own_children_inherit_nothing(pipe, monkeypatch):
    monkeypatch.setenv(child.LIFE_FD_VARIABLE, str(pipe[0]))
    monkeypatch.setenv(child.PID_VARIABLE, str(os.getppid()))
    child.protect()
    assert not [variable for variable in os.environ if variable.startswith("SUPERVISOR_")]
    assert not os.get_inheritable(pipe[1])
    assert child.life_fd() == pipe[0]
    child.beat()
    assert os.read(pipe[0], 100) == b"BEAT=1\n"


def test_a_variable_that_came_without_its_descriptor_is_ignored(monkeypatch):
    monkeypatch.setenv(child.NOTIFY_FD_VARIABLE, "9999")
    monkeypatch.setenv(child.LIFE_FD_VARIABLE, "rubbish")
    child.notify_ready()
    assert child.life_fd() is None


def test_protect_asks_the_kernel_for_the_parents_death(monkeypatch):
    monkeypatch.setenv(child.PID_VARIABLE, str(os.getppid()))
    child.protect()
    assert parent_death_signal() == 9


def test_protect_ends_a_program_whose_supervisor_is_not_its_parent(monkeypatch, capfd):
    def exit_(code):
        raise SystemExit(code)

    monkeypatch.setattr(os, "_exit", exit_)
    monkeypatch.setenv(child.PID_VARIABLE, str(os.getpid()))
    with pytest.raises(SystemExit) as ended:
        child.protect()
    assert ended.value.code == 1
    assert "no longer" in capfd.readouterr().err


def test_protect_says_when_the_kernel_refuses(monkeypatch, capfd):
    monkeypatch.setattr(child, "_PR_SET_PDEATHSIG", 9999)
    monkeypatch.setenv(child.PID_VARIABLE, str(os.getppid()))
    child.protect()
    assert "life line" in capfd.readouterr().err


def test_a_program_whose_supervisor_died_before_protect_ends(program):
    argv = program("child.protect(); print('still here')")
    env = {**os.environ, child.PID_VARIABLE: "1"}
    done = subprocess.run(argv, env=env, capture_output=True, check=False, timeout=30)
    assert (done.returncode, done.stdout) == (1, b"")


def test_the_import_is_light():
    root = os.path.dirname(os.path.dirname(child.__file__))
    code = (
        "import __future__, os, signal, sys; sys.path.insert(0, sys.argv[1]);"
        "before = set(sys.modules); import supervisor.child;"
        "print(*sorted(set(sys.modules) - before))"
    )
    argv = [sys.executable, "-S", "-c", code, root]
    done = subprocess.run(argv, capture_output=True, text=True, check=True, timeout=30)
    assert done.stdout.split() == ["supervisor", "supervisor.child"]
