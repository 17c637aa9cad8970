"""What faults do to the exchange itself: its markets, its listings, what REST serves of the past.

`states` and `hidden` are read by the exchange and by REST; only this changes them. Owned by the
exchange.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from hunter.clock import Clock
from hunter.errors import ConfigError
from hunter.simulator.faults import Fault
from hunter.simulator.frames import Push, envelope
from hunter.simulator.instruments import DELISTED, LIVE, SUSPENDED, Listing, listing_row
from hunter.simulator.ledger import Ledger
from hunter.simulator.market import Market

_MAINTENANCE_MS: Final = 20 * 60_000
_DAY_MS: Final = 86_400_000
_STATE_OF: Final = {"suspend": SUSPENDED, "delist": DELISTED, "resume": LIVE}


class MarketFaults:
    def __init__(
        self, ledger: Ledger, clock: Clock, dispatch: Callable[[list[Push]], None]
    ) -> None:
        self.markets: dict[str, Market] = {}
        self.listings: dict[str, Listing] = {}
        self.states: dict[str, str] = {}  # of those that are not live
        # instrument: match ranges [first, last] that REST has lost
        self.hidden: dict[str, list[tuple[int, int]]] = {}
        self._ledger = ledger
        self._clock = clock
        self._dispatch = dispatch

    def perform(self, fault: Fault) -> int:
        """Do it to the instruments it names; returns how many."""
        if fault.name == "maintenance":
            self._dispatch([self.status("scheduled", fault.code)])
            return 1
        names = [name for name in self.listings if fault.inst_id in ("*", name)]
        if not names:
            raise ConfigError(f"no instrument {fault.inst_id!r} here; see /sim/counts")
        if fault.name == "rest_missing":
            for name in names:
                self._hide(name, fault.code)
            return len(names)
        if not self.markets:
            raise ConfigError(f"{fault.name} needs a synthetic market; this is a recording")
        for name in names:
            self._perform(fault, name)
        return len(names)

    def heal(self) -> None:
        """Every instrument is live again; what REST has lost stays lost."""
        for name in list(self.states):
            self._set_state(name, LIVE)

    def is_hidden(self, name: str, trade_id: int) -> bool:
        return any(first <= trade_id <= last for first, last in self.hidden.get(name, ()))

    def status(self, state: str, begins_in_s: int) -> Push:
        """A frame of channel `status`."""
        now_ms = self._clock.wall_ns() // 1_000_000
        begin_ms = now_ms + begins_in_s * 1000
        row = {
            "begin": str(begin_ms),
            "end": str(begin_ms + _MAINTENANCE_MS),
            "env": "1",
            "href": "",
            "maintType": "1",
            "preOpenBegin": "",
            "scheDesc": "",
            "serviceType": "0",
            "state": state,
            "system": "unified",
            "title": "Simulated service upgrade",
            "ts": str(now_ms),
        }
        return Push("status", "", envelope("status", "", row), None)

    def past_status(self) -> Push:
        """The latest change before this run: an upgrade that is long over."""
        return self.status("completed", -(_DAY_MS // 1000))

    def _perform(self, fault: Fault, name: str) -> None:
        market = self.markets[name]
        if fault.name == "seq_reset":
            market.reset_sequence()
        elif fault.name == "burst":
            market.burst(fault.code)
        else:
            self._set_state(name, _STATE_OF[fault.name])

    def _set_state(self, name: str, state: str) -> None:
        if self.states.get(name, LIVE) == state:
            return
        if state == LIVE:
            del self.states[name]
            self.markets[name].wake(self._clock.wall_ns())
        else:
            self.states[name] = state
            self.markets[name].rest()
        item = self.listings[name]
        row: dict[str, Any] = listing_row(item, state)
        self._dispatch(
            [
                Push(
                    "instruments",
                    item.inst_type,
                    envelope("instruments", item.inst_type, row),
                    None,
                )
            ]
        )

    def _hide(self, name: str, match_count: int) -> None:
        last = self._ledger.last(name)
        if last is not None:
            span = (last.trade_id - match_count + 1, last.trade_id)
            self.hidden.setdefault(name, []).append(span)
