"""`hunter status`: the report of hunter.status.report on a screen (`status_text`) or as JSON."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import Final

import click
import msgspec

from hunter import clock
from hunter.access import Instance
from hunter.cli.market_lines import MarketLine, market_lines
from hunter.cli.options import config_option, json_option, load_config
from hunter.cli.screen import Screen
from hunter.cli.status_text import text
from hunter.clock import SystemClock
from hunter.config import Config
from hunter.errors import HunterError, NotRunning
from hunter.status.report import StatusReport, stopped_report

EXIT_CODES: Final = {"running": 0, "starting": 5, "degraded": 5, "stopping": 5, "stopped": 3}


@click.command()
@config_option
@json_option
@click.option(
    "--watch",
    "watch_s",
    is_flag=False,
    flag_value=1.0,
    type=click.FloatRange(0.1, 3600),
    metavar="[SECONDS]",
    help="Again and again, every second unless told otherwise; Ctrl-C ends it.",
)
@click.pass_context
def status(
    context: click.Context, config_file: str | None, as_json: bool, watch_s: float | None
) -> None:
    """What runs, how well, and what to do about it.

    Reads shared memory only: it answers at once, also when everything else is wedged. Exit code 0:
    running; 5: starting, stopping or degraded, a line with ! says why; 3: not running.
    """
    config = load_config(config_file)
    if watch_s is not None:
        _watch(config, watch_s, as_json=as_json)
        return
    if as_json:
        report = read(config)
        click.echo(msgspec.json.encode(report))
    else:
        report, markets = look(config)
        click.echo(text(report, markets))
    context.exit(EXIT_CODES[report.state])


def _watch(config: Config, every_s: float, *, as_json: bool) -> None:
    screen = Screen(sys.stdout)
    try:
        while True:
            if as_json:
                click.echo(msgspec.json.encode(read(config)))
            else:
                screen.show(text(*look(config)))
            clock.sleep_s(every_s)
    finally:
        screen.close()


def read(config: Config) -> StatusReport:
    """The report now; of a stopped instance when there is nothing to read."""
    try:
        with Instance(config) as instance:
            return instance.status()
    except NotRunning as error:
        _refuse_another_users(config)
        return stopped_report(config.hunter.name, "", str(error))


def look(config: Config) -> tuple[StatusReport, Sequence[MarketLine]]:
    """The same, and a line for each instrument."""
    try:
        with Instance(config) as instance:
            return instance.status(), market_lines(instance, config, SystemClock())
    except NotRunning:
        return read(config), ()


def _refuse_another_users(config: Config) -> None:
    """What runs as somebody else cannot be seen from here, which is not the same as "stopped"."""
    try:
        info = config.runtime_dir.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return
    except PermissionError as error:
        raise HunterError(
            f"{config.runtime_dir} cannot be looked into: {error.strerror}; ask as its user"
        ) from None
    if info.st_uid != os.getuid():
        raise HunterError(
            f"{config.runtime_dir} belongs to user {info.st_uid}, and so does what runs there;"
            f" ask as that user: sudo -u '#{info.st_uid}' hunter status"
        )
