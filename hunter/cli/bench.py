"""`hunter bench`: what hunter costs and carries on this machine."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click
import msgspec

from hunter.bench import report
from hunter.bench.scale import MIXES
from hunter.bench.suite import DEFAULT_PARTS, PARTS, Suite
from hunter.bench.traffic import MESSAGES_MAX
from hunter.cli.options import json_option
from hunter.cli.progress import Progress
from hunter.clock import SystemClock


@click.command()
@click.option(
    "--seconds",
    default=10.0,
    show_default=True,
    type=click.FloatRange(0.5, 600),
    help=f"Of a run, of at most {MESSAGES_MAX:,} messages.",
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
@click.option(
    "--peers",
    is_flag=False,
    flag_value=".bench-peers",
    type=Path,
    metavar="[DIR]",
    help="Compare with other libraries, in environments that `make peers` makes.",
)
@click.option("--rounds", default=3, show_default=True, type=click.IntRange(1, 20), help="Of it.")
@click.option(
    "--mix",
    "mixes",
    multiple=True,
    type=click.Choice(MIXES),
    help="Of scale: trades, books5 and tickers, or as recorded. Both unless given.",
)
@click.option("--curves", is_flag=True, help="Cost over rate, instruments, capacity and readers.")
@click.option("--out", default=".", type=Path, metavar="DIR", help="Where curves are written.")
@json_option
def bench(**given: Any) -> None:
    """Measure hunter on this machine: an instance of its own, loaded over loopback.

    burst: CPU per message, as fast as it is read. paced: latency at 1,000, 5,000 and 20,000 trades
    a second. stages: each stage by itself. sustain: the highest rate without loss or growing lag.
    scale: 300 instruments at a busy second. Each paced run takes three tenths of --seconds, each of
    scale six tenths; all together about a minute and a half, and nothing else should run meanwhile.
    sizing, by name only: CPU, memory and /dev/shm of 1 to 300 instruments.
    --peers and --curves are made instead, unless --only asks for more.
    """
    clock = SystemClock()
    progress = Progress(sys.stderr, clock.monotonic_ns(), is_quiet=given["as_json"])

    def tell(what: str, share: float) -> None:
        if not share:
            progress.restart(clock.monotonic_ns())
        progress.show_bar(clock.monotonic_ns(), share, lambda: what)

    suite = Suite(given["seconds"], given["instruments"], tell, given["mixes"] or MIXES)
    other = given["peers"] is not None or given["curves"]
    files: list[Path] = []
    try:
        for part in given["parts"] or (() if other else DEFAULT_PARTS):
            suite.measure(part)
        if given["peers"] is not None:
            suite.compare(given["peers"], given["rounds"])
        if given["curves"]:
            files = suite.draw_curves(given["out"])
    finally:
        progress.finish()
    for text in suite.found.get("peers_missing", ()):
        click.echo(f"hunter: {text}", err=True)
    for file in files:
        click.echo(f"written: {file}", err=True)
    if given["as_json"]:
        click.echo(msgspec.json.encode(suite.found).decode())
        return
    for line in report.lines(suite.found):
        click.echo(line)
