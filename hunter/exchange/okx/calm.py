"""What an agreement between a book and its quotes changes in the cross check. Pure.

One truth in two hands: compiled code and `CrossCheck` write the same record. Disagreements, what is
suspected and what follows from it are `CrossCheck`'s alone. This class is the twin of the compiled
one, for where there is none.
"""

from __future__ import annotations

from hunter.exchange.okx.rows import NO_SEQUENCE
from hunter.native import kernel


class Calm:
    """`quotes_compared_id` and `tops_compared_id` are NO_SEQUENCE before the first comparison;
    `last_id` is the newest of the book.
    """

    __slots__ = (
        "agreed_in_a_row",
        "compared_count",
        "last_id",
        "quotes_compared_id",
        "tops_compared_id",
    )

    def __init__(self) -> None:
        self.compared_count = 0
        self.agreed_in_a_row = 0
        self.quotes_compared_id = NO_SEQUENCE
        self.tops_compared_id = NO_SEQUENCE
        self.last_id = 0


def new_calm() -> Calm:
    """The compiled one where there is a kernel."""
    if kernel is None:
        return Calm()
    compiled: Calm = kernel.Calm()
    return compiled
