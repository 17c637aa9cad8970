"""`hunter stop` and `restart`: orders to a running instance, or to one of its actors.

Asking twice is fine, also at the same moment, during a start, and when nothing runs.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
from typing import Final

import click

from hunter import clock
from hunter.bus.messages import Answer, Command, RestartActor, StopActor
from hunter.bus.sockets import ControlClient
from hunter.cli.completion import actors
from hunter.cli.options import config_option, load_config
from hunter.cli.status import read
from hunter.clock import SystemClock
from hunter.config import Config
from hunter.errors import (
    AlreadyRunning,
    HunterError,
    NotFound,
    NotRunning,
    SegmentError,
    TimedOut,
)
from hunter.ring.segment import shared_dir
from hunter.status import block
from hunter.status.documents import SupervisorDocument, decode
from hunter.status.report import ActorReport, StatusReport
from hunter.system import remove_leftovers, running_pid

POLL_S: Final = 0.05
STOP_GRACE_S: Final = 1.5
RESTART_WAIT_S: Final = 15.0
ANSWER_WAIT_MS: Final = 3_000
ATTEMPTS_MAX: Final = 100


@click.command()
@click.argument("actor", required=False, shell_complete=actors)
@config_option
@click.option(
    "--timeout", "timeout_s", default=10.0, show_default=True, metavar="SECONDS", help="Patience."
)
def stop(actor: str | None, config_file: str | None, timeout_s: float) -> None:
    """Stop every actor in order; fine when nothing runs.

    With ACTOR: that one alone. It stays down until it is told to start: hunter restart ACTOR.
    """
    config = load_config(config_file)
    if actor is not None:
        _stop_actor(config, actor, timeout_s)
        return
    for _ in range(ATTEMPTS_MAX):
        pid = running_pid(config)
        if pid:
            _stop_supervisor(config, pid, timeout_s)
            return
        try:
            removed = _remove_leftovers(config)
        except AlreadyRunning:  # a start, or another stop, is just at it
            clock.sleep_s(POLL_S)
            continue
        rest = "; removed what a killed run had left" if removed else ""
        click.echo(f'hunter "{config.hunter.name}" is not running{rest}')
        return
    raise TimedOut("somebody holds the lock of the instance again and again; see: hunter status")


def _remove_leftovers(config: Config) -> bool:
    """We hold the instance's lock for that: another stop must not take us for the supervisor."""
    before = signal.signal(signal.SIGTERM, signal.SIG_IGN)
    try:
        return remove_leftovers(config)
    finally:
        signal.signal(signal.SIGTERM, before)


def _stop_supervisor(config: Config, pid: int, timeout_s: float) -> None:
    started_ns = SystemClock().monotonic_ns()
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        click.echo(f'hunter "{config.hunter.name}" has just stopped')
        return
    if not _is_stopping(config):  # a second request would mean: do not be polite any more
        _send(descriptor, signal.SIGTERM)
    _send(descriptor, signal.SIGCONT)  # one that is stopped hears nothing else
    if not _ended(descriptor, timeout_s):
        _send(descriptor, signal.SIGTERM)
        if not _ended(descriptor, STOP_GRACE_S):
            raise TimedOut(
                f"still running after {timeout_s:g} s (pid {pid}); the last resort: kill -9 {pid}"
            )
    click.echo(f'hunter "{config.hunter.name}" stopped in {_since_s(started_ns):.1f} s')


def _is_stopping(config: Config) -> bool:
    """No more is read for that than has to be: whatever else is broken, a stop must get through."""
    try:
        status = block.attach(shared_dir(config.hunter.name, config.runtime_dir))
    except SegmentError:
        return False
    tree = decode(status.pages[block.SUPERVISOR].read_document(), SupervisorDocument)
    status.close()
    return tree is not None and tree.state == "stopping"


def _send(descriptor: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError):  # it has ended, which is all that we want
        signal.pidfd_send_signal(descriptor, number)


def _ended(descriptor: int, timeout_s: float) -> bool:
    """Whether the process behind a pidfd ends in time."""
    poller = select.poll()
    poller.register(descriptor, select.POLLIN)
    return bool(poller.poll(int(timeout_s * 1000)))


def _stop_actor(config: Config, actor: str, timeout_s: float) -> None:
    started_ns = SystemClock().monotonic_ns()
    _known(config, actor)
    _ask(config, StopActor(actor=actor), f"{actor} not stopped")
    while (report := _actor(read(config), actor)) is not None and report.pid:
        if _since_s(started_ns) > timeout_s:
            raise TimedOut(
                f"{actor} (pid {report.pid}) is not down after {timeout_s:g} s; see: hunter status"
            )
        clock.sleep_s(POLL_S)
    click.echo(
        f"{actor} stopped in {_since_s(started_ns):.1f} s; it stays down until: hunter restart"
        f" {actor}"
    )


@click.command()
@click.argument("actor", shell_complete=actors)
@config_option
def restart(actor: str, config_file: str | None) -> None:
    """Restart ACTOR: a polite stop, then a new process. Starts it, if it was stopped."""
    config = load_config(config_file)
    started_ns = SystemClock().monotonic_ns()
    _known(config, actor)
    command = RestartActor(actor=actor, reason="operator")
    answer = _ask(config, command, f"{actor} not restarted")
    old_pid = answer.leaving_pid
    while True:
        waited_s = _since_s(started_ns)
        now = _actor(read(config), actor)
        if now is not None and now.pid != old_pid and now.state in ("ready", "degraded"):
            pids = f"pid {old_pid} -> {now.pid}" if old_pid else f"pid {now.pid}"
            click.echo(f"{actor}: {pids} in {waited_s:.1f} s")
            return
        if waited_s > RESTART_WAIT_S:
            raise TimedOut(
                f"{actor} is not ready after {RESTART_WAIT_S:g} s; see: hunter logs {actor}"
            )
        clock.sleep_s(POLL_S)


def _known(config: Config, actor: str) -> ActorReport:
    """The actor as it is now; raises NotRunning or NotFound."""
    report = read(config)
    if report.state == "stopped":
        raise NotRunning(report.reasons[0])
    found = _actor(report, actor)
    if found is None:
        raise NotFound(f'no actor "{actor}"; there are: {", ".join(a.name for a in report.actors)}')
    return found


def _actor(report: StatusReport, name: str) -> ActorReport | None:
    return next((actor for actor in report.actors if actor.name == name), None)


def _ask(config: Config, command: Command, failed: str) -> Answer:
    answer = ControlClient(config.runtime_dir).ask(command, ANSWER_WAIT_MS)
    if not answer.ok:
        raise HunterError(f"{failed}: {answer.text}")
    return answer


def _since_s(started_ns: int) -> float:
    return (SystemClock().monotonic_ns() - started_ns) / 1e9
