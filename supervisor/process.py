"""Real processes: spawn one, signal it, reap it, hear it, and find what it left behind.

Owns every descriptor of a child on the parent's side. Invariants: a signal goes through a pidfd,
never to a number, so it cannot hit a process that got the number later; a process is reaped once,
here; the child leads a session of its own, so that what it leaves behind can be told by its
session. Only the runner calls this, from the main thread.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import subprocess
import threading
from collections.abc import Collection
from dataclasses import dataclass

from supervisor.child import (
    BEATS_VARIABLE,
    LIFE_FD_VARIABLE,
    NOTIFY_FD_VARIABLE,
    PID_VARIABLE,
)
from supervisor.errors import SpawnError
from supervisor.events import (
    ChildBeat,
    ChildContinued,
    ChildExited,
    ChildReady,
    ChildStopped,
    StartExtended,
)
from supervisor.notifier import VARIABLES
from supervisor.spec import MILLISECOND_NS, ChildSpec

_PR_SET_CHILD_SUBREAPER = 36  # linux/prctl.h
_READ_BYTES_MAX = 65_536  # the capacity of a pipe: one read empties it
_LINE_BYTES_MAX = 256  # longer than any word there is; the rest of a longer line is noise
_EXTEND_MS_MAX = 3_600_000  # a child cannot hold up the start for more than an hour at a time

Notification = ChildReady | ChildBeat | StartExtended


class Process:
    """One incarnation of a child, from spawn to the close after its reaping."""

    def __init__(self, spec: ChildSpec) -> None:
        """Start the program, or raise SpawnError and leave nothing open."""
        # PDEATHSIG follows the thread that spawned: the end of a helper thread would kill the child
        assert threading.current_thread() is threading.main_thread(), "spawn on the main thread"
        self.name = spec.name
        self._heard = b""
        self.is_mute = False  # it has closed its end: nothing more will be heard
        with contextlib.ExitStack() as undo:
            try:
                self.notify_fd, child_notify_fd = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
                undo.callback(os.close, self.notify_fd)
                with contextlib.ExitStack() as childs_own:
                    childs_own.callback(os.close, child_notify_fd)
                    child_life_fd, self._life_fd = os.pipe2(os.O_CLOEXEC)
                    undo.callback(os.close, self._life_fd)
                    childs_own.callback(os.close, child_life_fd)
                    log_fd = _open_log(spec.log_path)
                    if log_fd is not None:
                        childs_own.callback(os.close, log_fd)
                    self._popen = _popen(spec, child_notify_fd, child_life_fd, log_fd)
                undo.callback(_abandon, self._popen)
                # valid even if it has died in the meantime: it is a zombie until we reap it
                self.pidfd = os.pidfd_open(self._popen.pid)
            except (OSError, ValueError) as error:  # ValueError: NUL, "=" or no text in env or cwd
                raise SpawnError(f"{spec.name}: cannot start {spec.argv[0]}: {error}") from error
            undo.pop_all()

    @property
    def pid(self) -> int:
        return self._popen.pid

    def terminate(self) -> None:
        """Ask it to end; SIGCONT, because a stopped process would not take the SIGTERM."""
        self._signal(signal.SIGTERM)
        self._signal(signal.SIGCONT)

    def diagnose(self) -> None:
        """Ask it to write down where it is."""
        self._signal(signal.SIGUSR1)

    def kill(self) -> None:
        self._signal(signal.SIGKILL)

    def _signal(self, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError):  # reaped: what we wanted has happened
            signal.pidfd_send_signal(self.pidfd, number)

    def reap(self) -> ChildExited | None:
        """How it ended, or None while it lives. Never waits."""
        try:
            status = os.waitid(os.P_PIDFD, self.pidfd, os.WEXITED | os.WNOHANG)
        except ChildProcessError:
            # something else in this program waits for any child, and took the status
            self._popen.returncode = 0
            return ChildExited(self.name, None)
        if status is None:
            return None
        # Popen must believe it has been waited for: at its end it would else wait for the number
        self._popen.returncode = status.si_status
        if status.si_code == os.CLD_EXITED:
            return ChildExited(self.name, status.si_status)
        return ChildExited(self.name, None, status.si_status)

    def job_control(self) -> ChildStopped | ChildContinued | None:
        """Whether a signal has stopped it, or had it continue, since the last look. Its exit is
        left for `reap`: without WEXITED, waitid takes no status."""
        try:
            changes = os.WSTOPPED | os.WCONTINUED | os.WNOHANG
            status = os.waitid(os.P_PIDFD, self.pidfd, changes)
        except ChildProcessError:
            return None
        if status is None:
            return None
        if status.si_code == os.CLD_CONTINUED:
            return ChildContinued(self.name)
        return ChildStopped(self.name, status.si_status)

    def notifications(self) -> list[Notification]:
        """What it has said since the last call; unknown words are ignored, for newer children."""
        try:
            data = os.read(self.notify_fd, _READ_BYTES_MAX)
        except BlockingIOError:
            return []
        self.is_mute = not data
        *lines, rest = (self._heard + data).split(b"\n")
        self._heard = rest[:_LINE_BYTES_MAX]
        said: list[Notification] = []
        for line in dict.fromkeys(lines):  # a hundred beats in one read are one
            key, _, value = line.partition(b"=")
            if key == b"READY":
                said.append(ChildReady(self.name))
            elif key == b"BEAT":
                said.append(ChildBeat(self.name))
            elif key == b"EXTEND_MS" and value.isdigit():
                extra_ms = min(int(value[:9]), _EXTEND_MS_MAX)
                said.append(StartExtended(self.name, extra_ms * MILLISECOND_NS))
        return said

    def close(self) -> None:
        """Give back the descriptors, after the reaping."""
        for descriptor in (self.notify_fd, self._life_fd, self.pidfd):
            os.close(descriptor)


def _abandon(popen: subprocess.Popen[bytes]) -> None:
    """A process that we could not get hold of must not live on beside its successor."""
    popen.kill()
    popen.wait()


def _open_log(path: str | None) -> int | None:
    if path is None:
        return None
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
    return os.open(path, flags, 0o600)


def _popen(
    spec: ChildSpec, notify_fd: int, life_fd: int, log_fd: int | None
) -> subprocess.Popen[bytes]:
    env = dict(os.environ if spec.env is None else spec.env)
    for variable in (*VARIABLES, BEATS_VARIABLE):
        env.pop(variable, None)
    env[NOTIFY_FD_VARIABLE] = str(notify_fd)
    env[LIFE_FD_VARIABLE] = str(life_fd)
    env[PID_VARIABLE] = str(os.getpid())
    if spec.hang_after_ns is not None:
        env[BEATS_VARIABLE] = "1"
    return subprocess.Popen(
        spec.argv,
        env=env,
        cwd=spec.cwd,
        stdin=subprocess.DEVNULL,
        stdout=log_fd,
        stderr=log_fd,
        pass_fds=(notify_fd, life_fd),
        start_new_session=True,
    )


def become_subreaper() -> None:
    """Have orphaned descendants handed to this process instead of to init, where nobody looks."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        error = ctypes.get_errno()
        raise OSError(error, f"prctl(PR_SET_CHILD_SUBREAPER): {os.strerror(error)}")


@dataclass(frozen=True, slots=True)
class ProcessEntry:
    """One line of the process table: what /proc/PID/stat says."""

    pid: int
    parent_pid: int
    session: int
    is_zombie: bool


def process_entry(pid: int) -> ProcessEntry | None:
    """What the process table says about the pid now, if there is such a process."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as stat:
            text = stat.read()
    except OSError:  # gone while we looked
        return None
    # the second field, the program's name in parentheses, may itself hold blanks and parentheses
    fields = text[text.rindex(b")") + 2 :].split()
    return ProcessEntry(pid, int(fields[1]), int(fields[3]), fields[0] in (b"Z", b"X"))


def own_children() -> frozenset[int]:
    """The pids of this process's children, of whatever origin."""
    me = os.getpid()
    return frozenset(entry.pid for entry in _process_table() if entry.parent_pid == me)


def _process_table() -> list[ProcessEntry]:
    entries = (process_entry(int(name)) for name in os.listdir("/proc") if name.isdigit())
    return [entry for entry in entries if entry is not None]


def sweep(child_pids: Collection[int], spared_pids: Collection[int]) -> int:
    """Kill and reap what dead children left behind; how many such processes were seen.

    `child_pids` are the living children; what belongs to their sessions is theirs. `spared_pids`
    were there before us. Killing a process hands us its children, so call again until it returns 0.
    """
    seen_count = 0
    for entry in _process_table():
        if not _is_left_behind(entry, child_pids, spared_pids):
            continue
        seen_count += 1
        if entry.is_zombie:
            with contextlib.suppress(ChildProcessError):
                os.waitid(os.P_PID, entry.pid, os.WEXITED | os.WNOHANG)
        else:
            _kill_entry(entry)
    return seen_count


def _is_left_behind(
    entry: ProcessEntry, child_pids: Collection[int], spared_pids: Collection[int]
) -> bool:
    me = os.getpid()
    if entry.parent_pid != me or entry.pid in child_pids or entry.pid in spared_pids:
        return False
    if entry.session in child_pids and not entry.is_zombie:
        return False  # a helper whose own parent is gone, but which a living child may still use
    # Children of ours have sessions of their own, so what shares ours was started by the host
    # program itself. As process 1 we are also the one who has to reap whatever is handed to us.
    return entry.session != os.getsid(0) or (me == 1 and entry.is_zombie)


def _kill_entry(entry: ProcessEntry) -> None:
    try:
        pidfd = os.pidfd_open(entry.pid)
    except OSError:  # gone: init or we have reaped it
        return
    try:
        # only now that the pidfd holds it does a second look tell that it is the one we mean
        if process_entry(entry.pid) == entry:
            signal.pidfd_send_signal(pidfd, signal.SIGKILL)
    except ProcessLookupError:
        pass  # died by itself
    finally:
        os.close(pidfd)
