"""The simulator of `running_simulator`, with words for its faults and its truth."""

from __future__ import annotations

from fakes.actor_stage import SWAP
from fakes.running_simulator import Running

from hunter.simulator.faults import parse_fault


class Exchange(Running):
    """One simulator; every word here is said in its thread."""

    @property
    def url(self) -> str:
        return f"ws://127.0.0.1:{self.port}/ws/v5/public"

    def arm(self, name: str, **options: str) -> None:
        fault = parse_fault({"name": name, **options})
        self.call(lambda exchange: exchange.arm(fault))

    def clear(self) -> None:
        self.call(lambda exchange: exchange.faults.clear())

    def fired(self, name: str) -> int:
        count: int = self.call(lambda exchange: exchange.faults.fired.get(name, 0))
        return count

    def truth(self, instrument: str = SWAP) -> dict[int, tuple[int, float, str]]:
        """Every row produced: last match -> (count, price, side)."""
        rows = self.call(lambda exchange: exchange.ledger.rows_after(instrument, -1, 1 << 20))
        return {row.trade_id: (row.match_count, float(row.price), row.side) for row in rows}
