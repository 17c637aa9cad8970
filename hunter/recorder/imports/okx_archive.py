"""OKX's daily archives: trades as CSV, order books of 400 (or 5000) levels as JSON lines.

As downloaded from okx.com/historical-data or named by GET /api/v5/public/market-data-history
(https://www.okx.com/docs-v5/en/#public-data-rest-api-get-historical-market-data, modules 1 and
4 or 5); what the documentation leaves out is as people who have parsed whole days report it:

    BTC-USDT-SWAP-trades-2024-01-05.zip, one CSV, a row a match:
        instrument_name,trade_id,side,price,size,created_time[,source]
        BTC-USDT-SWAP,720073478,buy,42897.9,8.0,1705248000179
    BTC-USDT-SWAP-L2orderbook-400lv-2024-01-05.tar.gz, one member of JSON lines, 10 ms apart:
        {"instId":"BTC-USDT-SWAP","action":"snapshot","ts":"1705276800006",
         "asks":[["41738.4","240.0","10"]],"bids":[["41738.3","503.0","11"]]}

`side` is the taker's; `created_time` and `ts` are milliseconds; sizes are contracts for swaps and
futures. A level is [price, size, orders], size 0 takes it away. There are no sequence numbers: a
snapshot of all levels about every minute is what a lost update is mended by. A day of trades is
cut at midnight of UTC+8, a day of books at midnight UTC, so the two overlap for sixteen hours.
Files of many instruments need not be in time order, but each instrument in them is.

There is no receive clock in these files: receive time is the exchange's stamp. The archive says
nothing of latency, and a figure from such a recording cannot either.
"""

from __future__ import annotations

import heapq
from collections.abc import Collection, Iterator
from operator import itemgetter
from typing import Final, Literal

import msgspec

from hunter.exchange.okx.messages import MILLISECONDS_MAX, Milliseconds
from hunter.exchange.okx.parse import DECODE_ERRORS
from hunter.exchange.okx.rows import BookLevel
from hunter.market.instrument import is_instrument
from hunter.recorder.imports.market import ImportedMarket, Match
from hunter.recorder.imports.sources import SourceLine, Sources
from hunter.recorder.imports.tally import ImportRefused, ImportTally

COLUMNS: Final = ("instrument_name", "trade_id", "side", "price", "size", "created_time")
INSTRUMENTS_MAX: Final = 300
LATE_MS_MAX: Final = 1_000
"""A row that is older than the newest one by more is left out: it would count as of now."""
_NS_PER_MS: Final = 1_000_000
_NUMBER_MAX: Final = 1e18
_TRADE, _BOOK = 0, 1  # what shares a millisecond: matches first, then the book they left


class _BookLine(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    inst_id: str
    action: Literal["snapshot", "update"]
    ts: Milliseconds
    asks: list[BookLevel]
    bids: list[BookLevel]


_Event = tuple[int, int, str, Match | _BookLine]
_decode_book = msgspec.json.Decoder(_BookLine, strict=False).decode


def import_okx_archive(
    sources: Sources, wanted: Collection[str], market: ImportedMarket, tally: ImportTally
) -> Iterator[None]:
    """Bring all files into the market, in the order of their stamps; yields now and then.

    wanted: names of instruments; empty for all there are. Raises ImportRefused for a file of
    another kind and for more instruments than hunter takes.
    """
    files = [_events(sources, index, tally) for index in range(len(sources))]
    for number, (ts_ms, _, name, event) in enumerate(heapq.merge(*files, key=itemgetter(0, 1))):
        if number % 4096 == 0:
            yield
        if wanted and name not in wanted:
            tally.drop("another instrument", name)
            continue
        if ts_ms * _NS_PER_MS < market.now_ns - LATE_MS_MAX * _NS_PER_MS:
            tally.drop("a row out of time order; take one instrument at a time", name)
            continue
        if name not in market.instruments and len(market.instruments) >= INSTRUMENTS_MAX:
            raise ImportRefused(
                f"more than {INSTRUMENTS_MAX} instruments; say which by --instrument NAME"
            )
        received_ns = market.advance(ts_ms * _NS_PER_MS)
        one = market.instrument(name)
        if isinstance(event, Match):
            if one.is_next(event.match_id):
                one.trade(received_ns, event)
            else:
                tally.drop("a match that came before", name)
            continue
        if event.action == "snapshot":
            one.book.replace(event.bids, event.asks)
        elif one.has_book:
            one.book.update(event.bids, event.asks)
        else:
            tally.drop("an update before the first snapshot", name)
            continue
        one.has_book = True
        one.book_changed(received_ns, ts_ms)
        one.quote_changed(received_ns, ts_ms, one.book.quote(), is_of_book=True)
    market.finish()


def _events(sources: Sources, index: int, tally: ImportTally) -> Iterator[_Event]:
    """Of one file. The first line of each member tells its kind."""
    member, places = None, None
    for line in sources.lines(index):
        if line.name != member:
            member = line.name
            places = None if line.text.startswith(b"{") else _places(line)
            if places is not None:
                continue
        try:
            if places is None:
                yield _book_event(line.text)
            else:
                yield _trade_event(line.text, places)
        except (ValueError, *DECODE_ERRORS) as error:
            tally.drop(_reason(error), line.name, line.text)


def _reason(error: Exception) -> str:
    if isinstance(error, msgspec.ValidationError):
        return "a book line with a field that is missing or out of range"
    if isinstance(error, msgspec.DecodeError | RecursionError):
        return "a line that is no JSON"
    return str(error) if str(error) in _REASONS else "a field that is no number or not a name"


def _places(line: SourceLine) -> tuple[int, ...]:
    """Where the columns stand. Raises ImportRefused for a file that is no archive of trades."""
    text = line.text.removeprefix(b"\xef\xbb\xbf").decode("utf-8", "replace")
    names = [name.strip(' "').lower() for name in text.split(",")]
    missing = [name for name in COLUMNS if name not in names]
    if missing:
        raise ImportRefused(
            f"{line.name} is no archive of OKX: its first line has no {', '.join(missing)};"
            f" wanted are a CSV with {','.join(COLUMNS)} or JSON lines with instId, action, ts"
        )
    return tuple(names.index(name) for name in COLUMNS)


_FEW, _SIDE, _RANGE, _NAME = (
    "a row with too few columns",
    "a side that is neither buy nor sell",
    "a number out of range",
    "a name that is no instrument's",
)
_REASONS: Final = (_FEW, _SIDE, _RANGE, _NAME)


def _trade_event(text: bytes, places: tuple[int, ...]) -> _Event:
    """Raises ValueError."""
    fields = text.split(b",")
    if len(fields) <= max(places):
        raise ValueError(_FEW)
    name, number, side, price, size, created = (fields[at].strip(b' "') for at in places)
    taker = side.lower().decode("ascii", "replace")
    if taker not in ("buy", "sell"):
        raise ValueError(_SIDE)
    match = Match(int(number), 1, int(created), float(price), float(size), taker)
    if not (0 < match.price < _NUMBER_MAX and 0 < match.size < _NUMBER_MAX):
        raise ValueError(_RANGE)
    if not (0 < match.ts_ms <= MILLISECONDS_MAX and 0 <= match.match_id < 2**63):
        raise ValueError(_RANGE)
    return match.ts_ms, _TRADE, _instrument(name.decode("utf-8", "replace")), match


def _book_event(text: bytes) -> _Event:
    """Raises ValueError and what msgspec raises."""
    line = _decode_book(text)
    return line.ts, _BOOK, _instrument(line.inst_id), line


def _instrument(name: str) -> str:
    if not is_instrument(name):
        raise ValueError(_NAME)
    return name
