"""PendingLabels: decisions that wait to learn which way the mid went.

The label of a decision at t is the sign of mid(t + horizon) - mid(t), mid(t + horizon) being what
was in force when event time first went past t + horizon. A window without a move, or one that
ended on a quote that was stale or unusable, gives no label. Owned by one brain; holds at most
horizon / interval + 1 entries.
"""

from __future__ import annotations

from collections import deque
from typing import NamedTuple

NEVER_NS = 1 << 62


class Pending(NamedTuple):
    """A decision's due time, its mid, and the model's input."""

    due_ns: int
    mid: float
    values: tuple[float, ...]


class PendingLabels:
    """First in, first out. `due_ns` is the next due time: compare before calling `resolve`."""

    __slots__ = ("_horizon_ns", "_pending", "due_ns")

    def __init__(self, horizon_ms: int) -> None:
        self._horizon_ns = horizon_ms * 1_000_000
        self._pending: deque[Pending] = deque()
        self.due_ns = NEVER_NS

    def __len__(self) -> int:
        return len(self._pending)

    def push(self, now_ns: int, mid: float, values: tuple[float, ...]) -> None:
        """A decision was made."""
        self._pending.append(Pending(now_ns + self._horizon_ns, mid, values))
        self.due_ns = self._pending[0].due_ns

    def resolve(
        self, now_ns: int, mid: float | None, good_until_ns: int
    ) -> list[tuple[tuple[float, ...], int]]:
        """(input, +1 or -1) of those due before `now_ns`; call it before the row at `now_ns`
        counts.

        `mid` is the one in force, None when there is no usable one; it counts for due times up to
        `good_until_ns`.
        """
        labels = []
        pending = self._pending
        while pending and pending[0].due_ns < now_ns:
            due_ns, mid_then, values = pending.popleft()
            if mid is not None and mid != mid_then and due_ns <= good_until_ns:
                labels.append((values, 1 if mid > mid_then else -1))
        self.due_ns = pending[0].due_ns if pending else NEVER_NS
        return labels

    def state(self) -> list[Pending]:
        """For the snapshot."""
        return list(self._pending)

    def load(self, state: list[Pending]) -> None:
        """Continue from `state()`."""
        self._pending = deque(state)
        self.due_ns = state[0].due_ns if state else NEVER_NS
