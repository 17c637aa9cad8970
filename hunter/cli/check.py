"""`hunter check`: the status as one line for monitoring.

The line is that of a Nagios plug-in; the exit code is hunter's own (0, 5, 3), which a Kubernetes
probe or a shell wants, and the plug-in's (0 OK, 1 WARNING, 2 CRITICAL, 3 UNKNOWN) with --format
nagios only.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import click
import msgspec

from hunter.cli.options import config_option, duration, load_config
from hunter.cli.status import EXIT_CODES, read
from hunter.errors import HunterError
from hunter.status.report import StatusReport
from hunter.text import printable

OK: Final = "OK"
WARNING: Final = "WARNING"
CRITICAL: Final = "CRITICAL"
UNKNOWN: Final = "UNKNOWN"
NAGIOS_CODES: Final = {OK: 0, WARNING: 1, CRITICAL: 2, UNKNOWN: 3}
FORMATS: Final = ("text", "nagios", "json", "prometheus")
REASONS_SHOWN: Final = 3


class CheckVerdict(msgspec.Struct, frozen=True):
    """`hunter check --format json`. `figures`: units are in their names."""

    schema: int
    status: str
    state: str
    name: str
    summary: str
    reasons: list[str]
    figures: dict[str, float]


@click.command()
@config_option
@click.option(
    "--format",
    "form",
    type=click.Choice(FORMATS),
    default="text",
    show_default=True,
    help="nagios: the exit codes of a Nagios plug-in; prometheus: all metrics.",
)
@click.pass_context
def check(context: click.Context, config_file: str | None, form: str) -> None:
    """Say in one line how it is.

    \b
    Exit codes: 0 running, 5 starting, stopping or degraded, 3 not running, 78 bad configuration.
    With --format nagios those of a plug-in: 0 OK, 1 WARNING (starting, stopping, degraded),
    2 CRITICAL (not running, or no feed is live), 3 UNKNOWN.
    As a Kubernetes probe: exec: {command: [hunter, check]}
    """
    try:
        report = read(load_config(config_file))
    except HunterError as error:
        if form != "nagios":
            raise
        click.echo(f"{UNKNOWN} - {plain(str(error))}")
        context.exit(NAGIOS_CODES[UNKNOWN])
    found = verdict(report)
    if form == "prometheus":
        from hunter.status.metrics import exposition  # late: its library takes a while

        click.echo(exposition(report), nl=False)
    elif form == "json":
        click.echo(msgspec.json.encode(found))
    else:
        click.echo(line(found))
    context.exit(NAGIOS_CODES[found.status] if form == "nagios" else EXIT_CODES[report.state])


def verdict(report: StatusReport) -> CheckVerdict:
    """Pure."""
    live = sum(feed.state == "live" for feed in report.feeds)
    status = WARNING
    if report.state == "running":
        status = OK
    elif report.state == "stopped" or (report.state == "degraded" and report.feeds and not live):
        status = CRITICAL
    found = figures(report)
    return CheckVerdict(
        1,
        status,
        report.state,
        report.name,
        _summary(report, found) if report.state == "running" else report.state,
        report.reasons,
        found,
    )


def figures(report: StatusReport) -> dict[str, float]:
    """What a monitoring system would draw."""
    lags = [feed.lag_ms_p99 for feed in report.feeds if feed.messages]
    ages = [feed.age_ms for feed in report.feeds if feed.age_ms is not None]
    return {
        "actors": len(report.actors),
        "actors_ready": sum(actor.state == "ready" for actor in report.actors),
        "restarts": sum(actor.restarts for actor in report.actors),
        "instruments": len({feed.instrument for feed in report.feeds}),
        "feeds": len(report.feeds),
        "feeds_live": sum(feed.state == "live" for feed in report.feeds),
        "lag_ms": max(lags, default=0.0),
        "age_ms": min(ages, default=0.0),
        "gaps": sum(feed.gaps for feed in report.feeds),
        "lost": sum(feed.lost for feed in report.feeds),
        "signals": report.brain.signals,
        "rss_bytes": report.memory.rss_bytes,
    }


def _summary(report: StatusReport, found: Mapping[str, float]) -> str:
    count = int(found["instruments"])
    told = f"{count} instrument{'' if count == 1 else 's'}, lag p99 {found['lag_ms']:.0f} ms"
    if found["lost"]:
        told += f", {found['lost']:.0f} lost"
    return told + f", up {duration(report.uptime_s)}"


def line(found: CheckVerdict) -> str:
    """`STATUS - words | figures`, as Nagios has it."""
    words = found.summary
    if found.status != OK:
        told = [plain(reason) for reason in found.reasons[:REASONS_SHOWN]]
        more = len(found.reasons) - len(told)
        words += ": " + "; ".join(told) if told else ""
        words += f"; and {more} more: hunter status" if more else ""
    drawn = " ".join(f"{key}={_number(value)}" for key, value in _drawn(found.figures).items())
    return f"{found.status} - {words} | {drawn}" if drawn else f"{found.status} - {words}"


def _drawn(found: Mapping[str, float]) -> Mapping[str, float]:
    return found if found["actors"] else {}


def _number(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")


def plain(text: str) -> str:
    """For one line: a bar would begin the figures."""
    return printable(text.replace("\n", " ")).replace("|", "/")
