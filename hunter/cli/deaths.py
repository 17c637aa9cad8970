"""`hunter deaths`: the records of hunter.status.deaths, for the operator who was woken by one."""

from __future__ import annotations

import click
import msgspec

from hunter.cli.completion import actors
from hunter.cli.options import (
    colour,
    config_option,
    duration,
    json_option,
    load_config,
    size,
)
from hunter.clock import utc_text
from hunter.errors import NotFound
from hunter.status.deaths import DeathRecord, read_deaths
from hunter.text import printable


@click.command()
@click.argument("actor", required=False, shell_complete=actors)
@config_option
@click.option(
    "-n", "count", default=10, show_default=True, type=click.IntRange(1), help="How many deaths."
)
@json_option
def deaths(actor: str | None, config_file: str | None, count: int, as_json: bool) -> None:
    """How processes ended, newest last: of all actors, or of ACTOR only."""
    config = load_config(config_file)
    everybody = read_deaths(config.log_dir)
    records = [record for record in everybody if actor in (None, record.actor)]
    if actor is not None and not records and not (config.log_dir / f"{actor}.log").exists():
        known = ", ".join(sorted({record.actor for record in everybody})) or "nobody"
        raise NotFound(f'no death of "{actor}" is known in {config.log_dir}; of: {known}')
    for record in records[-count:]:
        click.echo(msgspec.json.encode(record) if as_json else text(record))
    if not records and not as_json:
        click.echo(f"no deaths are known in {config.log_dir}")
    elif not as_json:
        click.echo(f"{min(count, len(records))} of {len(records)} deaths, the newest last")


def text(record: DeathRecord) -> str:
    """One death as a block of lines."""
    head = f"{record.actor} ({record.role}) ended: {record.last_exit}"
    asked = ", as the operator had asked" if record.asked else ""
    if not record.asked and record.cause not in record.last_exit:
        head += f" ({record.cause})"
    if record.detail:
        head += f"; {record.detail}"
    shown = colour(printable(head), "cyan" if record.asked else "red")
    times = "time" if record.restarts == 1 else "times"
    facts = [
        f"pid {record.pid}" if record.pid else "no process",
        f"lived {duration(record.uptime_s)}",
        f"restarted {record.restarts} {times} before",
    ]
    if record.rss_bytes:
        facts += [f"memory {size(record.rss_bytes)}", f"processor {record.cpu_percent:.1f} %"]
    facts += [f"{ring.ring} at {ring.arrivals:,} rows" for ring in record.rings]
    lines = [
        f"{utc_text(record.at_ns)}  {shown}{asked}",
        "  " + ", ".join(facts),
    ]
    lines += [f"  | {printable(line)}" for line in record.log]
    return "\n".join([*lines, ""])
