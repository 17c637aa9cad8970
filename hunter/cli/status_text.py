"""The screen of `hunter status`: a report as lines. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from hunter.cli.advice import with_step
from hunter.cli.market_lines import INSTRUMENTS_SHOWN_MAX, MarketLine
from hunter.cli.options import duration, size, table
from hunter.cli.paint import colour
from hunter.status.report import StatusReport

RINGS_SHOWN: Final = 4
_STATE_COLOURS: Final = {
    "running": "green",
    "ready": "green",
    "live": "green",
    "stopped": "red",
    "parked": "red",
}
_DIRECTION_COLOURS: Final = {"up": "green", "down": "red"}


def text(report: StatusReport, markets: Sequence[MarketLine] = ()) -> str:
    """The screen."""
    if report.state == "stopped" and not report.actors:
        return f"{colour('● stopped', 'red')}  {report.reasons[0]}"
    head = colour(f"● {report.state}", _STATE_COLOURS.get(report.state, "yellow"))
    restarts = sum(actor.restarts for actor in report.actors)
    facts = [
        f'"{report.name}" {report.version}',
        f"pid {report.pid}" if report.pid else "no supervisor",
        *([f"up {duration(report.uptime_s)}"] if report.pid else []),
        f"restarts {restarts}" + (" (see: hunter deaths)" if restarts else ""),
        f"memory {size(report.memory.rss_bytes)} + {size(report.memory.shared_bytes)} shared",
    ]
    lines = [f"{head}  {'  '.join(facts)}", ""]
    lines += _actors(report)
    if report.feeds:
        lines += ["", *_feeds(report)]
    if markets:
        lines += ["", *_markets(markets, len(report.rings))]
    lines += ["", *_brain(report), *_latencies(report)]
    lines += [""] if report.connections else []
    for connection in report.connections:
        last = f", last closed: {connection.last_close}" if connection.last_close else ""
        lines.append(
            f"{connection.actor} {connection.url} {connection.state},"
            f" connects {connection.connects}{last}"
        )
    lines += [
        f"{actor.name} took over the writing, {actor.takeovers} in all; the newest row was then"
        f" {actor.takeover_ms:.1f} ms old"
        for actor in report.actors
        if actor.takeovers
    ]
    lines += _companions(report)
    lines += [
        f"{item.server} {item.name}: {item.rate_per_s:.1f}/s of {item.rate_per_s_max:.1f}/s;"
        f" the exchange said {item.limited} times that it is too much"
        for item in report.limits
        if item.rate_per_s < item.rate_per_s_max
    ]
    if report.notices:
        lines += ["", *(f"{colour('i', 'cyan')} {notice}" for notice in report.notices)]
    if report.reasons:
        told = (with_step(reason, report) for reason in report.reasons)
        lines += ["", *(f"{colour('!', 'yellow')} {reason}" for reason in told)]
    return "\n".join(lines)


def _companions(report: StatusReport) -> Iterator[str]:
    """What they do who only look on."""
    if any(actor.role == "web" and not actor.pid for actor in report.actors):
        yield "page: does not run"
    elif (web := report.web) is not None:
        refused = f", {web.refused:,} requests refused" if web.refused else ""
        yield f"page: {web.url or 'not yet'}, {web.viewers} open now{refused}"
    if (alerts := report.alerts) is not None:
        trouble = f"; the last attempt: {alerts.trouble}" if alerts.trouble else ""
        more = [
            f"{count:,} {word}"
            for count, word in (
                (alerts.waiting, "waiting"),
                (alerts.failed, "failed"),
                (alerts.held_back, "held back"),
                (alerts.dropped, "dropped"),
            )
            if count
        ]
        yield f"alerts: {', '.join([f'{alerts.sent:,} sent', *more])}{trouble}"
    if (store := report.store) is not None:
        rows = ", ".join(f"{table.rows:,} {table.table}" for table in store.tables) or "nothing yet"
        lost = sum(table.lapped + table.dropped for table in store.tables)
        missed = f"; {lost:,} rows missed" if lost else ""
        trouble = f"; {store.trouble}" if store.trouble else ""
        yield f"store: {rows}; {store.files:,} files, {size(store.bytes)}{missed}{trouble}"


def _markets(markets: Sequence[MarketLine], count: int) -> list[str]:
    rows = [["INSTRUMENT", "LAST", "TRADES/S", "AGE", "BOOK", "LAST SIGNAL"]]
    rows += [
        [
            line.instrument,
            "-" if line.price is None else f"{line.price:,}",
            f"{line.trades_per_s:.1f}",
            "-" if line.age_ms is None else duration(line.age_ms / 1000),
            _book(line.is_book_valid),
            _signal(line),
        ]
        for line in markets
    ]
    more = count - INSTRUMENTS_SHOWN_MAX
    return table(rows, {1, 2, 3}) + ([f"and {more} more: hunter trades INSTRUMENT"] * (more > 0))


def _book(is_valid: bool | None) -> str:
    if is_valid is None:
        return "-"
    return "valid" if is_valid else colour("not valid", "yellow")


def _signal(line: MarketLine) -> str:
    if not line.direction:
        return "-"
    direction = colour(line.direction, _DIRECTION_COLOURS.get(line.direction, "yellow"))
    return f"{direction} p(up) {line.probability_up:.2f}, {duration(line.signal_age_s)} ago"


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
        f"brain: {warm}, read {seen}; {brain.decisions:,} decisions, {brain.signals:,} signals",
        f"  {brain.lapped:,} rows lapped, frame to decision p50"
        f" {_span(brain.latency_us.p50)}, p99 {_span(brain.latency_us.p99)}",
    ]
