"""`hunter status`: the report of hunter.status.report on a screen or as JSON."""

from __future__ import annotations

import os

import click
import msgspec

from hunter import clock
from hunter.access import Instance
from hunter.cli.options import (
    colour,
    config_option,
    duration,
    json_option,
    load_config,
    size,
    table,
)
from hunter.config import Config
from hunter.errors import HunterError, NotRunning
from hunter.status.report import StatusReport, stopped_report

WATCH_EVERY_S = 1.0
RINGS_SHOWN = 4
_EXIT = {"running": 0, "starting": 5, "degraded": 5, "stopping": 5, "stopped": 3}
_STATE_COLOURS = {
    "running": "green",
    "ready": "green",
    "live": "green",
    "stopped": "red",
    "parked": "red",
}


@click.command()
@config_option
@json_option
@click.option("--watch", is_flag=True, help="Again every second.")
@click.pass_context
def status(context: click.Context, config_file: str | None, as_json: bool, watch: bool) -> None:
    """What runs, how well, and what to do about it.

    Reads shared memory only: it answers at once, also when everything else is wedged.
    """
    config = load_config(config_file)
    while True:
        report = read(config)
        if as_json:
            click.echo(msgspec.json.encode(report))
        else:
            if watch:
                click.clear()
            click.echo(text(report))
        if not watch:
            context.exit(_EXIT[report.state])
        clock.sleep_s(WATCH_EVERY_S)


def read(config: Config) -> StatusReport:
    """The report now; of a stopped instance when there is nothing to read."""
    try:
        with Instance(config) as instance:
            return instance.status()
    except NotRunning as error:
        _refuse_another_users(config)
        return stopped_report(config.hunter.name, "", str(error))


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


def text(report: StatusReport) -> str:
    """The screen."""
    if report.state == "stopped" and not report.actors:
        return f"{colour('● stopped', 'red')}  {report.reasons[0]}"
    head = colour(f"● {report.state}", _STATE_COLOURS.get(report.state, "yellow"))
    restarts = sum(actor.restarts for actor in report.actors)
    facts = [
        f'"{report.name}" {report.version}',
        f"pid {report.pid}" if report.pid else "no supervisor",
        f"up {duration(report.uptime_s)}",
        f"restarts {restarts}" + (" (see: hunter deaths)" if restarts else ""),
        f"memory {size(report.memory.rss_bytes)} + {size(report.memory.shared_bytes)} shared",
    ]
    lines = [f"{head}  {'  '.join(facts)}", ""]
    lines += _actors(report)
    if report.feeds:
        lines += ["", *_feeds(report)]
    lines += ["", *_brain(report), *_latencies(report)]
    for connection in report.connections:
        last = f", last closed: {connection.last_close}" if connection.last_close else ""
        lines.append(
            f"{connection.actor} {connection.url} {connection.state},"
            f" connects {connection.connects}{last}"
        )
    lines += [
        f"{actor.name} took over {actor.takeovers} times, last within {actor.takeover_ms:.1f} ms"
        for actor in report.actors
        if actor.takeovers
    ]
    lines += [
        f"{item.server} {item.name}: {item.rate_per_s:.1f}/s of {item.rate_per_s_max:.1f}/s;"
        f" the exchange said {item.limited} times that it is too much"
        for item in report.limits
        if item.rate_per_s < item.rate_per_s_max
    ]
    if report.notices:
        lines += ["", *(f"{colour('i', 'cyan')} {notice}" for notice in report.notices)]
    if report.reasons:
        lines += ["", *(f"{colour('!', 'yellow')} {reason}" for reason in report.reasons)]
    return "\n".join(lines)


def _state(state: str) -> str:
    return colour(state, _STATE_COLOURS.get(state, "yellow"))


def _actors(report: StatusReport) -> list[str]:
    rows = [
        ["ACTOR", "STATE", "PID", "UP", "RESTARTS", "LAST EXIT", "BEAT", "CPU", "RSS", "ERRORS"]
    ]
    rows += [
        [
            actor.name + ("" if actor.active else " (standby)"),
            _state(actor.state),
            str(actor.pid or "-"),
            duration(actor.uptime_s) if actor.pid else "-",
            str(actor.restarts),
            actor.last_exit or "-",
            f"{actor.heartbeat_age_ms:.0f} ms" if actor.pid else "-",
            f"{actor.cpu_percent:.1f} %",
            size(actor.rss_bytes),
            str(actor.errors),
        ]
        for actor in report.actors
    ]
    return table(rows, {2, 3, 4, 6, 7, 8, 9})


def _feeds(report: StatusReport) -> list[str]:
    rows = [
        [
            "INSTRUMENT",
            "CHANNEL",
            "STATE",
            "MESSAGES",
            "AGE",
            "GAPS",
            "BACKFILLED",
            "LOST",
            "DUP",
            "BAD",
            "LAG",
        ]
    ]
    rows += [
        [
            feed.instrument,
            feed.channel,
            _state(feed.state),
            f"{feed.messages:,}",
            "-" if feed.age_ms is None else duration(feed.age_ms / 1000),
            str(feed.gaps),
            str(feed.backfilled),
            colour(str(feed.lost), "red") if feed.lost else "0",
            str(feed.duplicates),
            str(feed.malformed),
            _lag(feed.lag_ms_p50, feed.lag_ms_p99),
        ]
        for feed in report.feeds
    ]
    return table(rows, set(range(3, 11)))


def _lag(p50_ms: float, p99_ms: float) -> str:
    """Reception behind the exchange's stamp; in a replay that is the age of the recording."""
    if p99_ms > 60_000:
        return duration(p50_ms / 1000)
    return f"{p50_ms:.1f}/{p99_ms:.1f} ms"


def _latencies(report: StatusReport) -> list[str]:
    rows = [
        [stage.replace("_", " "), *(_span(us) for us in (found.p50, found.p99, found.p999))]
        for stage, found in report.latency_us.items()
        if found.recent
    ]
    return ["", *table([["LATENCY", "P50", "P99", "P99.9"], *rows], {1, 2, 3})] if rows else []


def _span(us: float) -> str:
    if us < 10_000:
        return f"{us:.1f} us" if us < 10 else f"{us:.0f} us"
    return f"{us / 1000:.0f} ms" if us < 10_000_000 else duration(us / 1e6)


def _brain(report: StatusReport) -> list[str]:
    brain = report.brain
    rings = "  ".join(
        f"{ring.instrument} {ring.sequence:,} of {ring.capacity:,} kept"
        for ring in report.rings[:RINGS_SHOWN]
    )
    if len(report.rings) > RINGS_SHOWN:
        others = report.rings[RINGS_SHOWN:]
        rings += f"  and {sum(ring.sequence for ring in others):,} of {len(others)} others"
    seen = ", ".join(f"{count:,} {kind}" for kind, count in brain.inputs.items())
    warm = "warm" if brain.warm else "warming up"
    return [
        f"trades in ring: {rings}",
        f"brain: {warm}, read {seen}; {brain.decisions:,} decisions, {brain.signals:,} signals,"
        f" {brain.lapped:,} rows lapped, frame to decision p50 {brain.latency_us.p50:.0f} us,"
        f" p99 {brain.latency_us.p99:.0f} us",
    ]
