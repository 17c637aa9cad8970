"""`hunter start`, in the foreground and in the background."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click
import msgspec
import setproctitle

from hunter import clock, native
from hunter.brain.adapters.pinned import check_experts
from hunter.brain.learning.modelfile import named_model
from hunter.cli.logs import newest_lines
from hunter.cli.options import colour, config_option, duration, load_config
from hunter.cli.status import read
from hunter.clock import SystemClock
from hunter.config import Config, find_file
from hunter.errors import ConfigError, HunterError, TimedOut
from hunter.extras import expect_extra
from hunter.files import private_opener
from hunter.runtime.logs import log_path
from hunter.status.report import ActorReport, StatusReport
from hunter.system import check_places, interpreter, make_folders, refuse_running
from hunter.text import printable

if TYPE_CHECKING:
    from hunter.cli.console import Console

POLL_S: Final = 0.02
STOP_GRACE_S: Final = 1.5
BAD_CONFIGURATION: Final = f"exit {ConfigError.exit_code}"
LOG_LINES_SHOWN: Final = 5
REQUESTS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@click.command()
@config_option
@click.option("--demo", is_flag=True, help="Against the embedded exchange: no network, no account.")
@click.option("-d", "--detach", is_flag=True, help="Return when every actor is ready.")
@click.option(
    "--set",
    "overrides",
    multiple=True,
    metavar="KEY=VALUE",
    help="Override one key: stream.shards=2",
)
@click.option(
    "--wait", "wait_s", default=30.0, show_default=True, metavar="SECONDS", help="Patience of -d."
)
@click.option("--background", is_flag=True, hidden=True, help="What -d starts.")
@click.option("--set-from-input", is_flag=True, hidden=True, help="As -d hands over its --set.")
@click.pass_context
def start(
    context: click.Context,
    config_file: str | None,
    demo: bool,
    detach: bool,
    overrides: tuple[str, ...],
    wait_s: float,
    background: bool,
    set_from_input: bool,
) -> None:
    """Start hunter and stay in the foreground; Ctrl-C stops it in order."""
    if set_from_input:
        overrides = msgspec.json.decode(sys.stdin.buffer.read(), type=tuple[str, ...])
    config = load_config(config_file, overrides)
    if os.getuid() == 0 and not background:
        click.echo("hunter: warning: running as root; a user of its own is safer", err=True)
    if native.is_missed() and not background:
        click.echo(
            "hunter: warning: no compiled half: a message costs twenty times more; install a C"
            " compiler and Python's headers, and hunter again",
            err=True,
        )
    check_places(config)
    check_experts(config.brain.experts, Path(config.base_dir))
    named_model(config.brain.model_file, Path(config.base_dir))
    for companion in config.companions:
        if companion != "alerts" or config.alerts.apprise:
            expect_extra(companion, f"{companion}.enabled")
    refuse_running(config)
    if detach:
        arguments = ["--background", *(["--demo"] if demo else [])]
        file = find_file(config_file)
        arguments += ["-c", str(file)] if file is not None else []
        _start_detached(config, arguments, overrides, wait_s)
        return
    # Not above: with -d, another process does what needs these, and this one is to begin it soon.
    from hunter.system import free_port, run, with_simulator

    if demo:
        config = with_simulator(config, free_port())
    # Other commands end quietly with their reader; this one keeps the market's record.
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    # Over the arguments: a --set of the proxy may hold a password.
    setproctitle.setproctitle(f"hunter: supervisor ({config.hunter.name})")
    if background:
        context.exit(run(config, demo=demo))
    with _console(config, demo=demo) as console:
        code = run(config, demo=demo, take_output=console.take_output, before_loop=console.start)
    context.exit(code)


@contextlib.contextmanager
def _console(config: Config, *, demo: bool) -> Iterator[Console]:
    """A console that gives the terminal back, whatever happens."""
    from hunter.cli.console import Console

    console = Console(config, demo=demo)
    try:
        yield console
    finally:
        console.finish()


def _start_detached(
    config: Config, arguments: list[str], overrides: tuple[str, ...], wait_s: float
) -> None:
    make_folders(config)
    path = log_path(config.log_dir, "supervisor")
    started_ns = SystemClock().monotonic_ns()
    requests = _count_requests()
    with open(path, "ab", opener=private_opener) as log, tempfile.TemporaryFile() as given:
        # Not as arguments, which every user of the host can read as long as the process lives.
        given.write(msgspec.json.encode(overrides))
        given.seek(0)
        before_bytes = log.tell()
        process = subprocess.Popen(
            [*interpreter(), "-m", "hunter", "start", "--set-from-input", *arguments],
            stdin=given,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    _await_ready(config, process, started_ns, wait_s, (path, before_bytes), requests)


def _count_requests() -> list[int]:
    """The requests to stop since now, in a list that grows; for the rest of this process's life.

    Not exceptions: one of those between two lines leaves hunter running under a start that says
    that it was interrupted. `_await_ready` looks, and before its "Ready" it stops listening.
    """
    requests: list[int] = []
    for number in REQUESTS:
        if signal.getsignal(number) is not signal.SIG_IGN:  # as nohup wants it
            signal.signal(number, lambda received, _: requests.append(received))
    return requests


def _ignore_requests() -> None:
    """What is ready runs on. A handler would not do: Python's own end takes those out."""
    for number in REQUESTS:
        signal.signal(number, signal.SIG_IGN)


def _await_ready(
    config: Config,
    process: subprocess.Popen[bytes],
    started_ns: int,
    wait_s: float,
    log_end: tuple[Path, int],
    requests: list[int],
) -> None:
    path, before_bytes = log_end
    while not requests:
        waited_s = (SystemClock().monotonic_ns() - started_ns) / 1e9
        code = process.poll()
        if code is not None:
            _echo_new_lines(path, before_bytes)
            if code == 0:
                raise HunterError("it was stopped before it was ready; nothing is left running")
            raise click.exceptions.Exit(code)
        report = read(config)
        if report.pid == process.pid and _all_ready(report):
            _ignore_requests()
            if requests:
                break
            for line in _ready_lines(report):
                click.echo(line)
            for reason in report.reasons:
                click.echo(f"  {colour('!', 'yellow')}   {reason}")
            page = f"   Page: {report.web.url}" if report.web and report.web.url else ""
            click.echo(
                f"Ready in {duration(waited_s)}.{page}   See it: hunter status"
                "   Stop it: hunter stop"
            )
            return
        if waited_s > wait_s or _is_beyond_help(report):
            _give_up(config, process, report, waited_s, requests)
        clock.sleep_s(POLL_S)
    _end(config, process, requests)
    click.echo("hunter: interrupted; everything was stopped again", err=True)
    raise KeyboardInterrupt


def _echo_new_lines(path: Path, before_bytes: int) -> None:
    with path.open("rb") as log:
        log.seek(before_bytes)
        for line in log.read().decode("utf-8", "replace").rstrip().split("\n"):
            click.echo(printable(line), err=True)


def _all_ready(report: StatusReport) -> bool:
    """Every actor does its job; a feed that the exchange refuses is said, not waited for."""
    if report.state not in ("running", "degraded") or not report.actors:
        return False
    return not _late(report)


def _late(report: StatusReport) -> list[ActorReport]:
    """Who is waited for. Not whom the operator has stopped, under a supervisor that was killed
    since; but in a tree that is starting, "stopped" means that its turn is still to come.
    """
    fine = ("ready",) if report.state == "starting" else ("ready", "stopped")
    return [actor for actor in report.actors if actor.state not in fine]


def _is_beyond_help(report: StatusReport) -> bool:
    """An actor that does not like its configuration will not like it later either."""
    return any(a.state == "parked" and a.last_exit == BAD_CONFIGURATION for a in report.actors)


def _ready_lines(report: StatusReport) -> list[str]:
    return [
        f"  {colour('ok', 'green')}  {actor.name:<12} pid {actor.pid}"
        for actor in report.actors
        if actor.state == "ready"
    ]


def _give_up(
    config: Config,
    process: subprocess.Popen[bytes],
    report: StatusReport,
    wait_s: float,
    requests: list[int],
) -> None:
    """Not ready in time: say who is not, with its last log lines, and leave nothing running."""
    late = _late(report)
    for reason in report.reasons:
        click.echo(f"  ! {reason}", err=True)
    for actor in late:
        click.echo(f"  {actor.name} is {actor.state}; its last lines:", err=True)
        path = log_path(config.log_dir, actor.name)
        for line in newest_lines([path], LOG_LINES_SHOWN) if path.is_file() else []:
            click.echo(f"      {printable(line)}", err=True)
    _end(config, process, requests)
    if _is_beyond_help(report):
        raise ConfigError("bad configuration, see above; everything was stopped again")
    names = ", ".join(actor.name for actor in late) or "the supervisor"
    raise TimedOut(f"not ready within {wait_s:.0f} s: {names}; everything was stopped again")


def _end(config: Config, process: subprocess.Popen[bytes], requests: list[int]) -> None:
    """Politely, then at once; a supervisor that is killed could clear nothing away."""
    asked = len(requests)
    process.terminate()
    patience_s = config.supervisor.stop_timeout_s + STOP_GRACE_S
    if _await_end(process, patience_s, lambda: len(requests) > asked):  # Ctrl-C once more
        return
    process.terminate()  # a second request means: kill them all
    if not _await_end(process, STOP_GRACE_S, lambda: False):
        process.kill()
        process.wait()


def _await_end(
    process: subprocess.Popen[bytes], patience_s: float, is_hurried: Callable[[], bool]
) -> bool:
    now_ns = SystemClock().monotonic_ns
    until_ns = now_ns() + int(patience_s * 1e9)
    while process.poll() is None:
        if now_ns() >= until_ns or is_hurried():
            return False
        clock.sleep_s(POLL_S)
    return True
