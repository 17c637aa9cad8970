"""`hunter import`: other people's files into recordings that replay and evaluate read."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import click
import msgspec

from hunter.cli.options import json_option
from hunter.cli.progress import Progress
from hunter.clock import SystemClock, utc_text
from hunter.errors import HunterError
from hunter.market.instrument import InstrumentType, instrument_type, is_instrument
from hunter.recorder.imports.binance import BinanceImport
from hunter.recorder.imports.market import ImportedInstrument, ImportedMarket
from hunter.recorder.imports.okx_archive import import_okx_archive
from hunter.recorder.imports.sources import Sources
from hunter.recorder.imports.tally import ImportRefused, ImportTally
from hunter.recorder.imports.writing import ImportWriter

# https://www.okx.com/docs-v5/en/#public-data-rest-api-get-instruments, `ctVal`
CONTRACT_VALUES: Final = {"BTC-USDT-SWAP": 0.01, "ETH-USDT-SWAP": 0.1}
OKX_CLOCK: Final = "receive time is the exchange's stamp: the archive has no receive clock"
BINANCE_CLOCK: Final = "receive time is that of the recording; Binance's market in OKX's frames"

Run = Callable[[Sources, ImportedMarket], Iterator[None]]


class ImportedInstrumentSummary(msgspec.Struct):
    """One instrument of `hunter import --json`."""

    instrument: str
    frames: dict[str, int]
    matches: int
    match_ids_missing: int
    first_ns: dict[str, int]
    last_ns: dict[str, int]


class ImportSummary(msgspec.Struct):
    """`hunter import --json`; `dropped` is lines by reason."""

    schema: int
    format: str
    directory: str
    clock: str
    instruments: list[ImportedInstrumentSummary]
    lines: int
    dropped: dict[str, int]
    first_drop: str
    torn: list[str]
    book_gaps: int


@click.group("import")
def import_() -> None:
    """Turn other recordings of a market into one of hunter.

    What cannot be read is counted and told. Exit code 1 when a file breaks off, 4 when it is not
    there.
    """


files_argument = click.argument(
    "files", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="FILE..."
)
output_option = click.option(
    "-o",
    "--output",
    required=True,
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    help="A folder of its own for the recording.",
)


def _checked(name: str) -> str:
    if not is_instrument(name):
        raise click.UsageError(f"{name!r} is no instrument of OKX; write BTC-USDT-SWAP")
    return name


@import_.command("okx-archive")
@files_argument
@output_option
@click.option(
    "--instrument", "instruments", multiple=True, metavar="NAME", help="Only this; repeatable."
)
@json_option
def okx_archive(
    files: tuple[Path, ...], output: Path, instruments: tuple[str, ...], as_json: bool
) -> None:
    """OKX's daily archives: trades (CSV) and order books (JSON lines), together in one recording.

    Plain, .gz, .zip or .tar.gz, as downloaded. There is no receive clock in them: receive time is
    the exchange's stamp.
    """
    wanted = frozenset(map(_checked, instruments))
    tally = ImportTally()

    def run(sources: Sources, market: ImportedMarket) -> Iterator[None]:
        return import_okx_archive(sources, wanted, market, tally)

    summary = _import("okx-archive", files, output, tally, run)
    _tell(summary, OKX_CLOCK, 0, as_json)


@import_.command()
@files_argument
@output_option
@click.option(
    "--instrument", required=True, metavar="NAME", help="What it becomes, such as BTC-USDT-SWAP."
)
@click.option(
    "--contract-value",
    type=click.FloatRange(min=0, min_open=True),
    metavar="SIZE",
    help="Base currency a contract; 1 for spot, 0.01 for BTC-USDT-SWAP.",
)
@click.option("--symbol", metavar="NAME", help="Binance's, when it cannot be told: btcusdt.")
@json_option
def binance(
    files: tuple[Path, ...],
    output: Path,
    instrument: str,
    contract_value: float | None,
    symbol: str | None,
    as_json: bool,
) -> None:
    """Recorded streams of Binance (trade, bookTicker, depth) as an instrument of OKX.

    Lines of receive time and message, as hftbacktest records them, or of the message alone.
    """
    name = _checked(instrument)
    tally = ImportTally()
    made = BinanceImport(
        name, symbol or binance_symbol(name), _contract_value(name, contract_value), tally
    )
    summary = _import("binance", files, output, tally, made.run)
    _tell(summary, BINANCE_CLOCK, made.book_gaps, as_json)


def binance_symbol(name: str) -> str:
    """BTC-USDT-SWAP and BTC-USDT are BTCUSDT; BTC-USD-SWAP, of coins, is BTCUSD_PERP."""
    base, quote, *rest = name.split("-")
    return f"{base}{quote}" + ("_PERP" if quote == "USD" and rest == ["SWAP"] else "")


def _contract_value(name: str, given: float | None) -> float:
    if given is not None:
        return given
    if instrument_type(name) is InstrumentType.SPOT:
        return 1.0
    if name not in CONTRACT_VALUES:
        raise click.UsageError(
            f"say how much a contract of {name} is worth: --contract-value;"
            " OKX lists it as ctVal, 0.01 for BTC-USDT-SWAP"
        )
    return CONTRACT_VALUES[name]


def _import(
    kind: str, files: tuple[Path, ...], output: Path, tally: ImportTally, run: Run
) -> ImportSummary:
    """Raises ImportRefused when nothing of it can be used."""
    sources = Sources(files, tally)
    writer = ImportWriter(output, kind)
    market = ImportedMarket(writer.write)
    clock = SystemClock()
    progress = Progress(sys.stderr, clock.monotonic_ns())

    def line() -> str:
        stamp = utc_text(market.now_ns)[:19] if market.now_ns else "nothing yet"
        return f"importing {sources.part_read:4.0%}: {tally.lines:,} lines, {stamp}"

    try:
        with contextlib.closing(writer):
            for _ in run(sources, market):
                progress.show(clock.monotonic_ns(), line)
    finally:
        progress.finish()
    summary = _summary(kind, market, writer, tally)
    if not summary.instruments:
        why = tally.first_drop or (tally.torn[0] if tally.torn else "the files are empty")
        raise ImportRefused(f"nothing of it is market data; first: {why}")
    return summary


def _summary(
    kind: str, market: ImportedMarket, writer: ImportWriter, tally: ImportTally
) -> ImportSummary:
    return ImportSummary(
        schema=1,
        format=kind,
        directory=str(writer.segments.directory),
        clock="",
        instruments=[_told(one) for one in market.instruments.values() if one.frames],
        lines=tally.lines,
        dropped=dict(tally.dropped),
        first_drop=tally.first_drop,
        torn=tally.torn,
        book_gaps=0,
    )


def _told(one: ImportedInstrument) -> ImportedInstrumentSummary:
    return ImportedInstrumentSummary(
        one.name,
        dict(one.frames),
        one.matches,
        one.matches_missing,
        {channel: span[0] for channel, span in one.spans.items()},
        {channel: span[1] for channel, span in one.spans.items()},
    )


def _tell(summary: ImportSummary, clock: str, book_gaps: int, as_json: bool) -> None:
    """Raises HunterError when a file breaks off: what came before it is in the recording."""
    summary.clock, summary.book_gaps = clock, book_gaps
    click.echo(msgspec.json.encode(summary) if as_json else "\n".join(_text(summary)))
    if summary.torn:
        raise HunterError(
            f"{'; '.join(summary.torn)}; what came before is in {summary.directory}:"
            " get the file again"
        )


def _text(summary: ImportSummary) -> Iterator[str]:
    for one in summary.instruments:
        channels = ", ".join(f"{name} {count:,}" for name, count in sorted(one.frames.items()))
        yield f"{one.instrument}: {channels}; {one.matches:,} matches"
        for channel in ("trades", "books", "bbo-tbt"):
            if channel not in one.frames:
                yield f"  no {channel}: the files have none"
                continue
            first, last = one.first_ns[channel], one.last_ns[channel]
            yield f"  {channel} {utc_text(first)} to {utc_text(last)}"
        if one.match_ids_missing:
            yield f"  {one.match_ids_missing:,} match ids are not in the files; ids are closed up"
    for reason, count in sorted(summary.dropped.items()):
        yield f"left out {count:,}: {reason}"
    if summary.first_drop:
        yield f"  the first: {summary.first_drop}"
    if summary.book_gaps:
        yield f"{summary.book_gaps:,} holes in the book's updates: no book until the next snapshot"
    yield summary.clock
    yield f"play it: hunter replay {summary.directory}"
