"""`hunter candles`: bars made of the trades in the ring, or of those in a recording."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final

import click
import msgspec

from hunter.access import Instance, bar_trades
from hunter.brain.inputs import TradeRow
from hunter.cli.completion import instruments
from hunter.cli.options import colour, config_option, json_option, load_config, table
from hunter.clock import utc_text
from hunter.errors import NotFound
from hunter.market.bars import BARS, BarFlag, TradeBar, bars_of
from hunter.market.contract import Contract, contract_of
from hunter.market.instrument import is_instrument

_HEADINGS: Final = [
    *("OPENED", "OPEN", "HIGH", "LOW", "CLOSE", "VWAP"),
    *("BOUGHT", "SOLD", "CVD", "BASE", "QUOTE", "MATCHES", ""),
]
_RIGHT: Final = set(range(1, 12))


@click.command()
@click.argument("instrument", shell_complete=instruments)
@config_option
@click.option("--bar", default="1m", show_default=True, type=click.Choice(list(BARS)))
@click.option(
    "-n", "count", default=20, show_default=True, type=click.IntRange(1), help="How many."
)
@click.option(
    "--recording",
    multiple=True,
    type=click.Path(path_type=Path),
    metavar="PATH",
    help="Of a recording instead of what runs; may be given again.",
)
@click.option(
    "--contract-value",
    type=click.FloatRange(0.0, min_open=True),
    help="What a contract is worth, which recordings do not say.",
)
@json_option
def candles(
    instrument: str,
    config_file: str | None,
    bar: str,
    count: int,
    recording: tuple[Path, ...],
    contract_value: float | None,
    as_json: bool,
) -> None:
    """Newest bars of INSTRUMENT, oldest first, made of its trades.

    BOUGHT, SOLD and CVD (bought minus sold) are in contracts for swaps and futures and in base
    currency for spot; BASE and QUOTE are volumes in those currencies, "-" until the exchange has
    said what a contract is worth. VWAP is QUOTE over BASE. Bars in which nothing was traded are not
    there. The exchange's own bars are `h.candles` in Python.
    """
    if recording:
        contract = contract_of(_checked(instrument), None, contract_value)
        made = _recorded_bars(recording, instrument, bar, contract)
        place = "the recording"
    else:
        with Instance(load_config(config_file)) as instance:
            made = iter(instance.trade_bars(instrument, bar))
        place = "the ring"
    first = next(made, None)
    bars = deque([] if first is None else [first], count)
    bars.extend(made)
    if as_json:
        for one in bars:
            click.echo(msgspec.json.encode(bar_object(instrument, bar, one)))
    elif first is None:
        click.echo("no trades yet; see: hunter status")
    else:
        click.echo("\n".join(table([_HEADINGS, *map(_line, bars)], _RIGHT)))
        click.echo(_whole_text(first, bars, BARS[bar], place), err=True)


def _checked(instrument: str) -> str:
    if not is_instrument(instrument):
        raise NotFound(f'"{instrument}" is not spelt like an instrument of OKX\'s')
    return instrument


def _recorded_bars(
    paths: Sequence[Path], instrument: str, bar: str, contract: Contract
) -> Iterator[TradeBar]:
    # Late: the bars of the ring need none of what takes frames apart.
    from hunter.evaluation.rows import RowCounts, recorded_instruments, recorded_rows
    from hunter.recorder.contents import recording_files

    files = recording_files(paths)
    known = recorded_instruments(files)
    if instrument not in known:
        raise NotFound(f'no "{instrument}" in the recording; it holds {", ".join(known)}')
    found = recorded_rows(files, RowCounts(), (instrument,))
    rows = (item.row for item in found if isinstance(item.row, TradeRow))
    return bars_of(bar_trades(rows), BARS[bar], contract)


def bar_object(instrument: str, bar: str, one: TradeBar) -> dict[str, object]:
    """One bar in the words of the public JSON; null is "not known"."""
    numbers = one._asdict()
    del numbers["flags"]
    told = {"complete": one.complete, "why_not_complete": one.why_not or None}
    return {"instrument": instrument, "bar": bar, **numbers, **told}


def _line(one: TradeBar) -> list[str]:
    prices = (one.open, one.high, one.low, one.close)
    return [
        _second_text(one.open_ts_ns),
        *(f"{price:,}" for price in prices),
        f"{one.vwap:,.8g}",
        f"{one.buy_volume:,.8g}",
        f"{one.sell_volume:,.8g}",
        colour(f"{one.cvd:+,.8g}", "green" if one.cvd >= 0.0 else "red"),
        _amount(one.volume_base),
        _amount(one.volume_quote),
        str(one.matches),
        colour(one.why_not, "yellow"),
    ]


def _amount(value: float | None) -> str:
    return "-" if value is None else f"{value:,.8g}"


def _whole_text(first: TradeBar, bars: Iterable[TradeBar], bar_s: int, place: str) -> str:
    """From when on the bars can be relied upon."""
    begins = f"{place} begins with match {first.first_trade_id}"
    if BarFlag.UNDER_WAY in first.flags:
        return f"no bar is whole yet: {begins}"
    whole_from = _second_text(first.open_ts_ns + bar_s * 1_000_000_000)
    holed = sum(BarFlag.HOLE in one.flags for one in bars)
    missing = f"; matches are missing in {holed} of these bars" if holed else ""
    return f"whole from {whole_from} on: {begins}{missing}"


def _second_text(wall_ns: int) -> str:
    return utc_text(wall_ns).replace(".000Z", "Z")
