"""`hunter bench`: what hunter costs and carries on this machine."""

from __future__ import annotations

import os
import sys

import click
import msgspec

from hunter.bench import report
from hunter.bench.suite import DEFAULT_PARTS, PARTS, Suite
from hunter.cli.options import json_option
from hunter.cli.progress import Progress
from hunter.clock import SystemClock


@click.command()
@click.option(
    "--seconds", default=10.0, show_default=True, type=click.FloatRange(0.5, 600), help="Of a run."
)
@click.option(
    "--instruments",
    default=20,
    show_default=True,
    type=click.IntRange(1, 300),
    help="In the search for the highest rate.",
)
@click.option(
    "--only", "parts", multiple=True, type=click.Choice(PARTS), help="One part; may be repeated."
)
@json_option
def bench(seconds: float, instruments: int, parts: tuple[str, ...], as_json: bool) -> None:
    """Measure hunter on this machine: an instance of its own, loaded over loopback.

    burst: CPU per message, as fast as it is read. paced: latency at 1,000, 5,000 and 20,000 trades
    a second. stages: each stage by itself. sustain: the highest rate without loss or growing lag.
    scale: 300 instruments at a busy second. A whole run takes about a minute and a half; nothing
    else should run meanwhile.
    """
    clock = SystemClock()
    progress = Progress(sys.stderr, clock.monotonic_ns())
    is_shown = sys.stderr.isatty() and os.environ.get("TERM") != "dumb"

    def tell(what: str, share: float) -> None:
        if is_shown:
            filled = int(share * 20)
            bar = "#" * filled + "." * (20 - filled)
            progress.show(clock.monotonic_ns(), lambda: f"[{bar}] {what}")

    suite = Suite(seconds, instruments, tell)
    try:
        for part in parts or DEFAULT_PARTS:
            suite.measure(part)
    finally:
        progress.finish()
    if as_json:
        click.echo(msgspec.json.encode(suite.found).decode())
        return
    for line in report.lines(suite.found):
        click.echo(line)
