"""An instance seen from outside: what of it is mapped now, and the lanes that are in it.

Across restarts. A start makes the status pages anew, and the rings too unless it can go on with
them; an orderly stop removes all of it. So what is mapped here may be of a run that is over. Each
call looks at the names (one stat each, 2 us) and maps what lies there now if that is another file:
an Instance, and every lane taken from it, goes on by itself after `hunter stop` and `hunter start`.
In between, rows are NotRunning; `status` and `instruments` tell of the run that is over.
After a kill everything stays where it was, and can be read.

Former mappings are dropped, never closed: a thread may be reading there, or a view be open.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator, Iterable, Iterator
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Final, Literal, Self, overload

from hunter.access.following import journal_signals, journal_signals_async
from hunter.access.lane import BarLane, BookLane, Found, Lane, is_written
from hunter.clock import SystemClock
from hunter.config import Config, find_file, load
from hunter.errors import NotFound, NotRunning, SegmentError
from hunter.market.bars import BARS, BarTrade, TradeBar, bars_array, bars_of
from hunter.market.contract import Contract, contract_of
from hunter.ring import segment
from hunter.ring.adopt import open_ring, unusable_text
from hunter.ring.layout import RingLayout
from hunter.ring.reader import LaneReader, Row
from hunter.ring.rows import Kind, TradeFlag, place_of
from hunter.status import block, report
from hunter.status.documents import SupervisorDocument, decode

if TYPE_CHECKING:
    import numpy as np

    from hunter.signals.signal import Signal

# What to subscribe for a lane that is not there; the others are always there.
_CHANNELS: Final = {
    Kind.BBO: "bbo-tbt",
    Kind.TICKER: "tickers",
    Kind.BOOK: "books",
    Kind.MARK: "mark-price",
    Kind.INDEX: "index-tickers",
    Kind.FUNDING: "funding-rate",
    Kind.OPEN_INTEREST: "open-interest",
    Kind.LIQUIDATION: "liquidation-orders",
    Kind.CANDLE: "candle1m",
}
_CONTRACT_FIELDS: Final = [
    place_of(Kind.INSTRUMENT, name)
    for name in ("contract_type", "contract_value", "contract_multiplier")
]


class _Mapped:
    """What lay under an instance's names at one moment."""

    def __init__(self, directory: Path) -> None:
        self._pages = segment.attach(directory / block.FILE_NAME)
        self.status = block.StatusBlock(self._pages)
        self.rings: list[tuple[segment.Segment, RingLayout]] = []
        self.unusable: list[str] = []
        for path in sorted(directory.glob("ring-*[0-9]"), key=lambda p: int(p.name[5:])):
            try:
                self.rings.append(open_ring(path))
            except SegmentError as error:
                self.unusable.append(str(error))  # the others are there all the same

    def is_current(self) -> bool:
        return self._pages.is_current() and all(shared.is_current() for shared, _ in self.rings)

    def close(self) -> None:
        for shared in (self._pages, *(shared for shared, _ in self.rings)):
            with contextlib.suppress(BufferError):  # an array shows it: then that one's end does it
                shared.close()


class Instance:
    """One instance of hunter, seen from outside."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self._directory = segment.shared_dir(config.hunter.name, config.runtime_dir)
        self._mapped = self._map()

    def _map(self) -> _Mapped:
        try:
            return _Mapped(self._directory)
        except SegmentError as error:
            name = self.config.hunter.name
            raise NotRunning(f'hunter "{name}" is not running; start it: hunter start') from error

    def _now(self) -> _Mapped:
        """What lies there now; raises NotRunning when nothing does."""
        if not self._mapped.is_current():
            self._mapped = self._map()
        return self._mapped

    @property
    def is_current(self) -> bool:
        """Whether what was read last still is what the instance has: False between a stop and the
        next call after the next start.
        """
        return self._mapped.is_current()

    def status(self) -> report.StatusReport:
        """What `hunter status --json` prints, as an object; after a stop, how it ended."""
        with contextlib.suppress(NotRunning):
            self._now()
        mapped, now = self._mapped, SystemClock()
        rings, unusable = _usable(mapped)
        made = report.make_report(mapped.status, rings, now.wall_ns(), now.monotonic_ns())
        made.reasons = unusable + made.reasons
        if unusable and made.state == "running":
            made.state = "degraded"
        return made

    @property
    def instruments(self) -> list[str]:
        """Their names; after a stop, those of the run that is over."""
        with contextlib.suppress(NotRunning):
            self._now()
        return [name for _, layout in self._mapped.rings for name in layout.instruments]

    # Each of the following raises NotFound for an instrument that this instance does not stream,
    # and for rows that no subscribed channel feeds; the text says which one to subscribe.
    # SegmentError: the ring is damaged; the text says what to do. Rows that are damaged are left
    # out: then the last 1000 are 999.

    def trades(self, instrument: str) -> Lane:
        """Trades, each match once and in match order: trade_id, price, size (contracts; base
        currency for spot), count, side. Channel trades or trades-all.
        """
        return Lane(lambda: self._fed(instrument, Kind.TRADE))

    def quotes(self, instrument: str) -> Lane:
        """Best bid and offer; sizes as of trades. Channel bbo-tbt."""
        return Lane(lambda: self._fed(instrument, Kind.BBO))

    def tickers(self, instrument: str) -> Lane:
        """Last price, best bid and offer, and what the last 24 h brought. Channel tickers."""
        return Lane(lambda: self._fed(instrument, Kind.TICKER))

    def books(self, instrument: str) -> BookLane:
        """Book tops, 20 levels a side; sizes as of trades. Channel books or books5."""
        return BookLane(lambda: self._fed(instrument, Kind.BOOK))

    def instrument_facts(self, instrument: str) -> Lane:
        """What the exchange says the instrument is; a row for each change, the newest is in force.

        tick_size (price), lot_size and min_size (contracts; base currency for spot),
        contract_value times contract_multiplier in value_currency (NaN and b"" for spot),
        list_ts_ns, expiry_ts_ns (0: none), contract_type and state as in hunter.ring.rows;
        exchange_ts_ns is 0. The lane is always there, whatever is subscribed.
        """
        return Lane(lambda: self._fed(instrument, Kind.INSTRUMENT))

    def marks(self, instrument: str) -> Lane:
        """Mark prices: price. Channel mark-price."""
        return Lane(lambda: self._fed(instrument, Kind.MARK))

    def indexes(self, instrument: str) -> Lane:
        """Prices of the instrument's index: price, open_24h, high_24h, low_24h. Channel
        index-tickers.
        """
        return Lane(lambda: self._fed(instrument, Kind.INDEX))

    def funding(self, instrument: str) -> Lane:
        """Funding rates of a swap, 0.0001 = one basis point a period: rate is due at
        funding_ts_ns, next_rate (often NaN) at next_funding_ts_ns; min_rate, max_rate,
        settled_rate, premium. Channel funding-rate.
        """
        return Lane(lambda: self._fed(instrument, Kind.FUNDING))

    def open_interest(self, instrument: str) -> Lane:
        """Open interest: size (contracts), size_base (base currency), value_usd. Channel
        open-interest.
        """
        return Lane(lambda: self._fed(instrument, Kind.OPEN_INTEREST))

    def liquidations(self, instrument: str) -> Lane:
        """Liquidation orders, some of them and not in order of time, as the exchange has it:
        price (of bankruptcy), size (contracts), size_base (base currency), value_quote (quote
        currency), loss, side (+1 buy, -1 sell), position (+1 long, -1 short, 0 net). Channel
        liquidation-orders.
        """
        return Lane(lambda: self._fed(instrument, Kind.LIQUIDATION))

    def candles(self, instrument: str, bar: str | None = None) -> Lane:
        """Candles: open_ts_ns, open, high, low, close, volume (contracts; base currency for spot),
        volume_base, volume_quote, bar_s (length), confirmed (1: the bar is over), utc.

        A bar under way has a row for each push: the last row with its open_ts_ns is in force.
        exchange_ts_ns is the opening too, for the exchange gives no other time.
        `bar` is a name of the exchange's, "1m", "1H" or "1Dutc"; None: of all bars that are
        subscribed. Channels candle1m, candle1H, candle1Dutc and so on.
        """
        from hunter.exchange.okx.endpoints import candle_bar

        found = None if bar is None else candle_bar(f"candle{bar}")
        if bar is not None and found is None:
            raise NotFound(f'no bar "{bar}"; there are 1s, 1m, 5m, 1H, 4H, 1D, 1Dutc and others')
        if found is None:
            return Lane(lambda: self._fed(instrument, Kind.CANDLE))
        return BarLane(lambda: self._fed(instrument, Kind.CANDLE, f"candle{bar}"), found)

    def bars(self, instrument: str, bar: str) -> np.ndarray[tuple[int], np.dtype[np.void]]:
        """Bars made here of all trades that the ring still holds, oldest first; hunter.market.bars
        says by which rules. `bar` is 1s, 1m, 5m, 15m or 1h. Channel trades or trades-all.

        A structured array of shape (bars,): open_ts_ns, open, high, low, close, volume, buy_volume,
        sell_volume (contracts; base currency for spot), volume_base, volume_quote (NaN while a
        contract's value is not known), vwap, cvd and cvd_running (as volume), matches,
        first_trade_id, last_trade_id, misplaced, flags, complete. The first bar is cut off where
        the ring begins and the last one is under way: neither is `complete`. A bar in which nothing
        was traded is not there. The exchange's own bars are `candles`.
        """
        return bars_array(self.trade_bars(instrument, bar))

    def trade_bars(self, instrument: str, bar: str) -> list[TradeBar]:
        """The same as objects, None where a contract's value is not known; needs no numpy."""
        if bar not in BARS:
            raise NotFound(f'no bar "{bar}"; there are {", ".join(BARS)}')
        reader = self._fed(instrument, Kind.TRADE).reader
        rows = reader.last(reader.capacity)
        return list(bars_of(bar_trades(rows), BARS[bar], self.contract(instrument)))

    def contract(self, instrument: str) -> Contract:
        """What sizes of the instrument are worth, as far as the exchange has said so."""
        rows = self.lane(instrument, Kind.INSTRUMENT).last_rows(1)
        if not rows:
            return contract_of(instrument)
        kind, value, multiplier = (rows[0][place] for place in _CONTRACT_FIELDS)
        return contract_of(instrument, int(kind), value, multiplier)

    @overload
    def lane(self, instrument: str, kind: Literal[Kind.BOOK]) -> BookLane: ...
    @overload
    def lane(self, instrument: str, kind: Kind) -> Lane: ...
    def lane(self, instrument: str, kind: Kind) -> Lane:
        """Rows of any kind; none, if no channel feeds them.

        Raises NotFound for an instrument that this instance does not stream.
        """
        make = BookLane if kind is Kind.BOOK else Lane
        return make(lambda: self._lane(instrument, kind))

    def _fed(self, instrument: str, kind: Kind, channel: str = "") -> Found:
        found = self._lane(instrument, kind)
        if not found.reader.capacity:
            wanted = channel or _CHANNELS[kind]
            raise NotFound(
                f'no channel feeds {kind.name.lower()} rows of "{instrument}";'
                f' add "{wanted}" to [okx] channels and start again'
            )
        return found

    def _lane(self, instrument: str, kind: Kind) -> Found:
        mapped = self._now()
        rings, unusable = _usable(mapped)
        for shared, layout in rings:
            if instrument in layout.instruments:
                index = layout.instruments.index(instrument)
                return Found(shared, layout, index, kind, LaneReader(shared, layout, index, kind))
        if unusable:
            raise SegmentError(unusable[0])
        tree = decode(mapped.status.pages[block.SUPERVISOR].read_document(), SupervisorDocument)
        if tree is not None and len(tree.ring_ids) > len(rings):  # they go first, they come first
            name = self.config.hunter.name
            raise NotRunning(f'hunter "{name}" is being stopped or started; see: hunter status')
        known = ", ".join(self.instruments)
        raise NotFound(f'no instrument "{instrument}" here; this instance streams {known}')

    def is_written(self, instrument: str) -> bool:
        """Whether the process that last wrote this instrument's lanes is still there."""
        for shared, layout in _usable(self._now())[0]:
            if instrument in layout.instruments:
                return is_written(shared)
        return False

    def signals(
        self, instrument: str | None = None, row_count: int = 20, *, follow: bool = False
    ) -> Iterator[Signal]:
        """The newest signals, oldest first; with `follow`, then each new one as it is decided.

        Out of the journal: they come whether or not the instance runs, and go on after a restart.
        """
        return journal_signals(self.config, instrument, row_count, follow=follow)

    def signals_async(
        self, instrument: str | None = None, row_count: int = 20, *, follow: bool = True
    ) -> AsyncGenerator[Signal, None]:
        """The same for `async for`; never blocks the loop, and may be cancelled at any time."""
        return journal_signals_async(self.config, instrument, row_count, follow=follow)

    def close(self) -> None:
        """Unmap everything; nothing that was taken from here may be asked any more."""
        self._mapped.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def _usable(mapped: _Mapped) -> tuple[list[tuple[segment.Segment, RingLayout]], list[str]]:
    """The rings that can be read, and in words what is the matter with the others.

    `hunter start` shows the market from within the supervisor, which has to live through a ring
    that somebody cuts short.
    """
    whole = [ring for ring in mapped.rings if not ring[0].is_cut_short()]
    cut = [ring[0].path for ring in mapped.rings if ring not in whole]
    texts = [unusable_text(path, "somebody has cut it short") for path in cut]
    return whole, mapped.unusable + texts


def bar_trades(rows: Iterable[Row]) -> Iterator[BarTrade]:
    """Rows of a trade lane as hunter.market.bars takes them."""
    for _, _, trade_id, exchange_ts_ns, received_ts_ns, price, size, count, side, flags, _ in rows:
        yield BarTrade(
            int(trade_id),
            int(count),
            int(exchange_ts_ns),
            int(received_ts_ns),
            price,
            size,
            int(side),
            after_loss=bool(int(flags) & TradeFlag.AFTER_LOSS),
        )


def attach(config_file: str | Path | None = None) -> Instance:
    """Open a running instance by its configuration file (default: as the command line finds it).

    Raises NotRunning, or ConfigError for a bad file.
    """
    given = None if config_file is None else str(config_file)
    return Instance(load(find_file(given)))
