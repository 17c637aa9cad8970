"""Minute bars of one instrument, made of its trades as they come. Pure, but for the facts' lane.

The rules are those of hunter.market.bars. What a contract is worth may become known while a bar is
under way; volumes in currency are therefore counted in contracts' units first, and null as long as
nobody has said it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from hunter.market.bars import BARS, BarBuilder, BarTrade, TradeBar
from hunter.market.contract import Contract, SizeUnit, contract_of
from hunter.ring.reader import LaneReader
from hunter.ring.rows import Kind, place_of
from hunter.store.resume import CandleStart

_CONTRACT_FIELDS: Final = [
    place_of(Kind.INSTRUMENT, name)
    for name in ("contract_type", "contract_value", "contract_multiplier")
]


class CandleMaker:
    """`take` trades in match order; the bars that are over come back."""

    def __init__(self, instrument: str, facts: LaneReader, start: CandleStart) -> None:
        self._instrument = instrument
        self._facts = facts
        unit = contract_of(instrument).unit
        # Of one unit, and priced when a bar is over.
        self._builder = BarBuilder(BARS["1m"], Contract(unit, 1.0))
        self._seed = start.seed
        if start.seed is not None:
            self._builder.add(start.seed)

    def take(self, trades: Iterable[BarTrade]) -> list[TradeBar]:
        """Bars that ended with one of these."""
        found = []
        for trade in trades:
            bar = self._builder.add(trade)
            if bar is None:
                continue
            if self._seed is not None:
                self._seed = None  # a bar that is stored already; it only joined the next one on
                continue
            found.append(self._priced(bar))
        return found

    def _priced(self, bar: TradeBar) -> TradeBar:
        contract = self._contract()
        base, quote = contract.base_per_unit, contract.quote_per_unit
        return bar._replace(
            volume_base=None if base is None or bar.volume_base is None else bar.volume_base * base,
            volume_quote=None
            if quote is None or bar.volume_quote is None
            else bar.volume_quote * quote,
        )

    def _contract(self) -> Contract:
        rows = self._facts.last(1) if self._facts.capacity else []
        if not rows:
            return contract_of(self._instrument)
        kind, value, multiplier = (rows[0][place] for place in _CONTRACT_FIELDS)
        said = contract_of(self._instrument, int(kind), value, multiplier)
        is_same = said.unit is contract_of(self._instrument).unit
        return said if is_same or said.unit is SizeUnit.PREMIUM else said._replace(value=None)
