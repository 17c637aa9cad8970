"""A second hand counts agreements, as compiled code does; trust is lost and regained as ever."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hunter.exchange.okx.calm import Calm, new_calm
from hunter.exchange.okx.crosscheck import STRIKES_MAX, TRUST_REGAINED, Agreement, CrossCheck
from hunter.exchange.okx.orderbook import OrderBook
from hunter.exchange.okx.rows import BookAction, BookLevel, BookUpdate
from hunter.native import kernel

ASK = (101.0, 1.0)


def level(price: float, size: float) -> list[BookLevel]:
    return [BookLevel(price, size)]


def apply(book: OrderBook, seq_id: int, prev_seq_id: int, size: float) -> None:
    action = BookAction.SNAPSHOT if prev_seq_id < 0 else BookAction.UPDATE
    asks = level(*ASK) if prev_seq_id < 0 else []
    book.apply(BookUpdate(action, level(100.0, size), asks, seq_id, prev_seq_id, 0, 1))


def take(check: CrossCheck, seq_id: int, size: float) -> object:
    """As compiled code would: an agreement about an id that the book has shown."""
    calm = check.calm
    shown = check.kept[0].find(seq_id)
    told = ([100.0, size], list(ASK))
    top = None if shown is None else (shown[0][:2], shown[1][:2])
    if not check.is_calm or top != told or seq_id == calm.quotes_compared_id:
        return check.on_quote(seq_id, 100.0, size, *ASK)
    calm.quotes_compared_id = seq_id
    calm.compared_count += 1
    calm.agreed_in_a_row += 1
    return Agreement(seq_id)


def test_the_compiled_one_is_used_where_there_is_one() -> None:
    expected = Calm if kernel is None else kernel.Calm
    assert type(new_calm()) is expected


@pytest.mark.parametrize("asked", [True, False])
@pytest.mark.parametrize("enough", [True, False])
def test_trust_is_regained_by_agreements_whoever_counts_them(enough: bool, asked: bool) -> None:
    check, book = CrossCheck(), OrderBook()
    seq_id = 0
    for _ in range(STRIKES_MAX + 1):
        seq_id += 10
        apply(book, seq_id, -1, 1.0)
        check.on_book(book)
        check.on_quote(seq_id, 100.0, 9.0, *ASK)
        apply(book, seq_id + 1, seq_id, 1.0)
        check.on_book(book)
        check.on_quote(seq_id + 1, 100.0, 8.0, *ASK)
    assert check.distrusted
    assert not check.is_calm
    check.calm.agreed_in_a_row += TRUST_REGAINED if enough else TRUST_REGAINED - 1
    seq_id += 10
    apply(book, seq_id, -1, 1.0)
    check.on_book(book)
    if asked:
        assert check.is_calm is enough
    check.on_quote(seq_id, 100.0, 9.0, *ASK)  # what is in a row ends here
    assert check.distrusted is not enough


@given(
    st.lists(st.tuples(st.integers(0, 5), st.sampled_from((1.0, 2.0)), st.booleans()), max_size=120)
)
def test_two_hands_are_as_good_as_one(steps: list[tuple[int, float, bool]]) -> None:
    alone, shared, book = CrossCheck(), CrossCheck(), OrderBook()
    apply(book, 1, -1, 1.0)
    seq_id = 1
    for kind, size, second_hand in steps:
        if kind == 0:
            seq_id += 1
            apply(book, seq_id, -1, size)
        elif kind <= 2:
            seq_id += 1
            apply(book, seq_id, seq_id - 1, size)
        if kind <= 2:
            assert alone.on_book(book) == shared.on_book(book)
        else:
            quoted = seq_id + (kind == 5)
            expected = alone.on_quote(quoted, 100.0, size, *ASK)
            told = (quoted, 100.0, size, *ASK)
            found = take(shared, quoted, size) if second_hand else shared.on_quote(*told)
            assert found == expected
        for name in ("mismatch_count", "compared_count", "broken", "distrusted"):
            assert getattr(shared, name) == getattr(alone, name)
