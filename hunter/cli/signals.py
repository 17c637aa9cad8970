"""`hunter signals`: out of the journal, so that it works when nothing runs."""

from __future__ import annotations

import click

from hunter.access import journal_signals
from hunter.cli.completion import instruments
from hunter.cli.options import colour, config_option, json_option, load_config
from hunter.clock import utc_text
from hunter.errors import NotFound
from hunter.signals.signal import Signal, encode_signal

_AHEAD_WIDTH = len("10 s ahead")
_COLOURS = {"up": "green", "down": "red", "flat": "yellow"}


@click.command()
@click.argument("instrument", required=False, shell_complete=instruments)
@config_option
@click.option(
    "-n", "count", default=20, show_default=True, type=click.IntRange(1), help="How many."
)
@click.option("--follow", "-f", is_flag=True, help="Then each new one as it is decided.")
@json_option
def signals(
    instrument: str | None, config_file: str | None, count: int, follow: bool, as_json: bool
) -> None:
    """Newest signals, oldest first; of INSTRUMENT only, if given."""
    config = load_config(config_file)
    found = 0
    for signal in journal_signals(config, instrument, count, follow=follow):
        found += 1
        click.echo(encode_signal(signal) if as_json else line(signal))
    if not found:
        if instrument is not None and instrument not in config.okx.instruments:
            known = ", ".join(config.okx.instruments)
            raise NotFound(f'no signals of "{instrument}"; this instance streams {known}')
        click.echo(
            "no signals yet; the brain needs 30 s of market to warm up: hunter status", err=True
        )


def line(signal: Signal) -> str:
    """One signal on one line, the reason last."""
    ahead = "" if signal.direction == "flat" else f"{signal.horizon_ms / 1000:g} s ahead"
    direction = colour(f"{signal.direction:4}", _COLOURS[signal.direction])
    parts = [
        utc_text(signal.decided_ts_ns),
        signal.instrument,
        f"{direction} {ahead:{_AHEAD_WIDTH}}",
        f"p(up) {signal.probability_up:.3f}",
    ]
    if len(signal.outlook) > 1:
        said = (f"{int(ms) / 1000:g} s {p:.2f}" for ms, p in signal.outlook.items())
        parts.append(f"({', '.join(said)})")
    if signal.probability_move is not None:
        parts.append(f"p(move) {signal.probability_move:.2f}")
    if signal.edge_bp is not None and signal.edge_after_fee_bp is not None:
        parts.append(f"edge {signal.edge_bp:+.2f} bp, {signal.edge_after_fee_bp:+.2f} after fees")
    if signal.regime:
        parts.append(signal.regime)
    return "  ".join([*parts, signal.reason])
