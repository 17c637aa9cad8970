"""Keeps a list of programs running: start in order, restart, park, stop in reverse.

Theory of operation. A tree of children (`spec`) is run by one single-threaded loop (`runner`),
which waits for what may happen: a pidfd says that a child is gone, its pipe that it is ready or
alive, SIGCHLD that a signal has stopped one, the command source that somebody wants something, a
signal (`wakeup`) that all shall stop, the clock that a deadline has come. Each of these is an event
(`events`, `commands`) for a pure function (`policy`), which returns the next state of the tree
(`tree`, `lifecycle`) and the actions that the loop then performs (`children`, `process`, `limits`).
Whoever wants to know why something happens reads `policy` and the three files of rules it names;
whoever wants to know how, `process`.

A supervised program imports `child` and nothing else of this package, which is why this file
imports the rest only when it is asked for. Standard library only; Linux only (pidfd, prctl).
Nothing in here knows what the children do.

What is promised: a death is noticed by the kernel's own notice, counted by its cause, and told from
a kill for want of memory (`oom`). Never two processes of one name. A child that cannot run is
parked and the others run on. A stop leaves nothing behind, children's children included; and if the
supervisor itself is killed, the kernel kills the children that called `child.protect()`. Two
supervisors of one instance are excluded by `lock`. When the descriptors have run out, a few that
were held back (`spares`) keep it working. Whoever supervises the supervisor is told how it is
(`notifier`: systemd's words).

A child goes through these states (drawn by `lifecycle.diagram()`, compared by a test):

    stateDiagram-v2
        [*] --> stopped
        stopped --> starting: spawn
        starting --> ready: ready
        starting --> stopped: gone, stays down or starts in turn
        starting --> backoff: gone, restart later
        starting --> parked: gone, at its limit
        starting --> stopping: terminate or diagnose
        starting --> killing: kill
        ready --> stopped: gone, stays down or starts in turn
        ready --> backoff: gone, restart later
        ready --> parked: gone, at its limit
        ready --> stopping: terminate or diagnose
        ready --> killing: kill
        stopping --> stopped: gone, stays down or starts in turn
        stopping --> backoff: gone, restart later
        stopping --> parked: gone, at its limit
        stopping --> killing: kill
        killing --> stopped: gone, stays down or starts in turn
        killing --> backoff: gone, restart later
        killing --> parked: gone, at its limit
        backoff --> starting: spawn
        backoff --> stopped: wait no longer
        parked --> starting: spawn
        parked --> stopped: wait no longer

Public names, by module:

    spec       TreeSpec ChildSpec Restart Strategy RestartIntensity Backoff
    runner     Supervisor Observer
    commands   RestartChild StopChild StartChild StopAll Describe Answer Request CommandSource
               NoCommands OPERATOR HANG
    events     Report ReportKind
    tree       Tree ChildRecord describe
    lifecycle  ChildState diagram table
    lock       InstanceLock holder
    oom        OomKills
    child      protect notify_ready beat extend_start life_fd
    errors     SupervisorError SpecError SpawnError LockHeld
"""

from __future__ import annotations

_MODULES = {
    "spec": ("TreeSpec", "ChildSpec", "Restart", "Strategy", "RestartIntensity", "Backoff"),
    "runner": ("Supervisor", "Observer"),
    "events": ("Report", "ReportKind"),
    "tree": ("Tree", "ChildRecord"),
    "lifecycle": ("ChildState",),
    "lock": ("InstanceLock", "holder"),
    "errors": ("SupervisorError", "SpecError", "SpawnError", "LockHeld"),
}
_HOMES = {name: module for module, names in _MODULES.items() for name in names}

__all__ = list(_HOMES)


def __getattr__(name: str) -> object:
    if name in _HOMES:
        from importlib import import_module  # here: a supervised program must not pay for it

        return getattr(import_module(f"supervisor.{_HOMES[name]}"), name)
    raise AttributeError(f"module 'supervisor' has no attribute {name!r}")
