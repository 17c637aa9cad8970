"""What tests ask of the simulator over HTTP, and how they make it misbehave. Pure.

/sim/ledger?instId=X&after=ID&limit=N[&matches=1]   produced rows newer than ID, oldest first
/sim/book?instId=X&seqId=S                          the book, 20 levels a side, as it was at seqId S
/sim/counts                                         produced per channel, sent per connection, how
                                                    much of each limit was used, faults fired
/sim/fault                                          what is armed, and every name
/sim/fault?name=...&count=&lasts_s=&conn=&instId=&code=   arm or perform one (see faults.FAULTS)
/sim/fault?clear=NAME|all                           disarm; `all` also ends what faults left behind
/sim/fault?storm=SEED[&gap_s=2]                     begin a storm; storm=off ends it and heals all
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from hunter.errors import ConfigError
from hunter.simulator.driver import Driver
from hunter.simulator.exchange import Exchange
from hunter.simulator.faults import FAULTS, parse_fault
from hunter.simulator.frames import matches

Query = dict[str, str]

_LEDGER_LIMIT_MAX: Final = 10_000


class Control:
    def __init__(self, exchange: Exchange, driver: Driver) -> None:
        self._exchange = exchange
        self._driver = driver
        self.handlers: dict[str, Callable[[Query], dict[str, Any]]] = {
            "/sim/ledger": self._ledger,
            "/sim/book": self._book,
            "/sim/counts": lambda _: exchange.counts(),
            "/sim/fault": self._fault,
        }

    def _ledger(self, query: Query) -> dict[str, Any]:
        inst_id = self._instrument(query)
        after = _whole(query, "after", -1)
        limit = min(_whole(query, "limit", 1000), _LEDGER_LIMIT_MAX)
        rows = self._exchange.ledger.rows_after(inst_id, after, limit)
        if query.get("matches") == "1":
            rows = [match for row in rows for match in matches(row)]
        book = self._exchange.instruments[inst_id].book
        bids, asks = book.sides(400)
        return {
            "instId": inst_id,
            "rows": [row._asdict() for row in rows],
            "book": {"seqId": book.seq_id, "bids": bids, "asks": asks},
        }

    def _book(self, query: Query) -> dict[str, Any]:
        inst_id = self._instrument(query)
        seq_id = _whole(query, "seqId", -1)
        top = self._exchange.instruments[inst_id].book_at(seq_id)
        if top is None:
            raise ConfigError(f"no book of {inst_id} at seqId {seq_id} is remembered")
        return {"instId": inst_id, "seqId": seq_id, "bids": top[0], "asks": top[1]}

    def _fault(self, query: Query) -> dict[str, Any]:
        exchange, done_to = self._exchange, 0
        if "storm" in query:
            self._storm(query)
        elif query.get("clear") == "all":
            exchange.heal()
        elif "clear" in query:
            exchange.faults.clear(query["clear"])
        elif query:
            done_to = exchange.arm(parse_fault(query))
        armed = [fault.describe() for fault in exchange.faults.armed]
        names = {name: kind.meaning for name, kind in FAULTS.items()}
        return {"armed": armed, "done_to": done_to, "names": names}

    def _storm(self, query: Query) -> None:
        if query["storm"] == "off":
            self._driver.stop_storm()
            return
        try:
            gap_s = float(query.get("gap_s", 2.0))
        except ValueError as error:
            raise ConfigError(f"gap_s is a number of seconds: {error}") from error
        if not 0.01 <= gap_s <= 3600:
            raise ConfigError(f"gap_s {gap_s} is not within 0.01 and 3600")
        self._driver.start_storm(_whole(query, "storm", 0), gap_s)

    def _instrument(self, query: Query) -> str:
        inst_id = query.get("instId", "")
        if inst_id not in self._exchange.instruments:
            raise ConfigError(f"no instrument {inst_id!r}; give instId=NAME of those simulated")
        return inst_id


def _whole(query: Query, name: str, default: int) -> int:
    try:
        return int(query.get(name, default))
    except ValueError as error:
        raise ConfigError(f"{name} is a whole number: {error}") from error
