"""`hunter trades` and `hunter book`: what the ring holds now."""

from __future__ import annotations

import math

import click
import msgspec

from hunter.access import Instance
from hunter.cli.completion import instruments
from hunter.cli.options import colour, config_option, json_option, load_config, table
from hunter.clock import SystemClock, utc_text
from hunter.errors import NotFound
from hunter.ring.reader import Row
from hunter.ring.rows import BOOK_LEVELS, TradeFlag

_SIDES = {1: "buy", -1: "sell"}


@click.command()
@click.argument("instrument", shell_complete=instruments)
@config_option
@click.option(
    "-n", "count", default=20, show_default=True, type=click.IntRange(1), help="How many."
)
@json_option
def trades(instrument: str, config_file: str | None, count: int, as_json: bool) -> None:
    """Newest trades of INSTRUMENT, oldest first.

    A row covers the matches (trade_id - count, trade_id]; size is in contracts for swaps and
    futures, in base currency for spot.
    """
    with Instance(load_config(config_file)) as instance:
        rows = instance.trades(instrument).last_rows(count)
    objects = [trade_object(instrument, row) for row in rows]
    if as_json:
        for item in objects:
            click.echo(msgspec.json.encode(item))
        return
    lines = [["TIME", "SIDE", "PRICE", "SIZE", "MATCHES", "TRADE ID", "SOURCE"]]
    lines += [
        [
            utc_text(int(item["exchange_ts_ns"])),
            colour(str(item["side"]), "green" if item["side"] == "buy" else "red"),
            f"{item['price']:,}",
            f"{item['size']:,}",
            str(item["count"]),
            str(item["trade_id"]),
            str(item["source"]),
        ]
        for item in objects
    ]
    click.echo(
        "\n".join(table(lines, {2, 3, 4, 5})) if objects else "no trades yet; see: hunter status"
    )


def trade_object(instrument: str, row: Row) -> dict[str, int | float | str]:
    """One trade row in the words of the public JSON."""
    sequence, _, trade_id, exchange_ts_ns, received_ts_ns, price, size, count, side, flags, _ = row
    return {
        "sequence": sequence,
        "instrument": instrument,
        "trade_id": trade_id,
        "count": count,
        "price": price,
        "size": size,
        "side": _SIDES[int(side)],
        "exchange_ts_ns": exchange_ts_ns,
        "received_ts_ns": received_ts_ns,
        "source": "backfill" if int(flags) & TradeFlag.BACKFILL else "feed",
    }


@click.command()
@click.argument("instrument", shell_complete=instruments)
@config_option
@click.option(
    "--depth", default=BOOK_LEVELS, show_default=True, type=click.IntRange(1, BOOK_LEVELS)
)
@json_option
def book(instrument: str, config_file: str | None, depth: int, as_json: bool) -> None:
    """Order book of INSTRUMENT as the brain sees it: the best 20 levels a side."""
    with Instance(load_config(config_file)) as instance:
        item = instance.books(instrument).now(SystemClock().wall_ns(), depth)
    if item is None:
        raise NotFound(f'no book of "{instrument}": subscribe to books, or wait for the first one')
    if as_json:
        click.echo(msgspec.json.encode(item))
        return
    state = colour("valid", "green") if item.valid else colour("NOT VALID", "red")
    click.echo(f"{instrument}  {state}  seq {item.seq_id}  age {item.age_ms:.0f} ms")
    lines = [["BID SIZE", "BID", "ASK", "ASK SIZE"]]
    bids, asks = item.bids, item.asks
    for level in range(max(len(bids), len(asks))):
        bid = bids[level] if level < len(bids) else [math.nan, math.nan]
        ask = asks[level] if level < len(asks) else [math.nan, math.nan]
        lines.append([_number(bid[1]), _number(bid[0]), _number(ask[0]), _number(ask[1])])
    click.echo("\n".join(table(lines, {0, 1, 2, 3})))


def _number(value: float) -> str:
    return "-" if math.isnan(value) else f"{value:,}"
