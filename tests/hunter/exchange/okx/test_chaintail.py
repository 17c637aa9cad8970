"""A second hand takes the rows that simply follow, as compiled code does; nobody can tell."""

from __future__ import annotations

from collections.abc import Iterable

from hypothesis import given
from hypothesis import strategies as st

from hunter.exchange.okx.chaintail import CLOSED, ChainTail, new_chain_tail
from hunter.exchange.okx.rows import Trade
from hunter.exchange.okx.tradechain import JUMP_MATCHES_MAX, Duplicate, Outcome, TradeChain
from hunter.market.side import Side
from hunter.native import kernel

T0 = 1_700_000_000_000_000_000


def row(trade_id: int, count: int = 1, price: float = 10.0, ts_ns: int = T0) -> Trade:
    return Trade(trade_id, count, price, 1.0, Side.BUY, ts_ns)


def take(chain: TradeChain, trade: Trade, now_ns: int) -> list[Outcome]:
    """As compiled code would: by the tail alone, else by the chain."""
    tail = chain.tail
    if tail.end < 0 or trade.trade_id - trade.count != tail.end:
        return chain.accept(trade, now_ns)
    tail.end = trade.trade_id
    tail.newest_ts_ns = max(tail.newest_ts_ns, trade.exchange_ts_ns)
    tail.row_count += 1
    tail.match_count += trade.count
    tail.last_count, tail.last_price, tail.last_size = trade.count, trade.price, trade.size
    return [trade]


def test_the_compiled_one_is_used_where_there_is_one() -> None:
    expected = ChainTail if kernel is None else kernel.ChainTail
    assert type(new_chain_tail()) is expected


def test_tail_is_open_only_while_nothing_else_is_to_be_thought_of() -> None:
    chain = TradeChain()
    ends = [chain.tail.end]
    for step in (row(100), row(105), row(106)):
        chain.accept(step, 1)
        ends.append(chain.tail.end)
    chain.fill([row(number) for number in range(101, 105)], 2)
    ends.append(chain.tail.end)
    chain.accept(row(108 + JUMP_MATCHES_MAX), 3)  # kept aside
    ends.append(chain.tail.end)
    chain.accept(row(107), 4)
    ends.append(chain.tail.end)
    chain.accept(row(5, ts_ns=T0 + 10**10), 5)  # ids that may count anew
    ends.append(chain.tail.end)
    assert ends == [CLOSED, 100, CLOSED, CLOSED, 106, CLOSED, 107, CLOSED]


def test_first_match_of_all_follows_on_nothing() -> None:
    chain = TradeChain()
    assert chain.tail.end == CLOSED
    assert chain.accept(row(0), 1) == [row(0)]  # after -1, which is no end
    assert chain.tail.end == 0


def test_row_taken_by_the_tail_is_the_one_that_a_duplicate_is_compared_with() -> None:
    chain = TradeChain()
    chain.accept(row(100), 1)
    take(chain, row(101, price=11.0), 2)
    assert (chain.last_trade_id, chain.newest_known_id) == (101, 101)
    same, other = row(101, price=11.0), row(101, price=12.0)
    assert chain.accept(same, 3) == [Duplicate(same, conflicting=False)]
    assert chain.accept(other, 3) == [Duplicate(other, conflicting=True)]
    assert take(chain, row(102), 4) == [row(102)]


def test_after_a_loss_the_row_before_it_is_still_the_newest() -> None:
    chain = TradeChain()
    chain.accept(row(100, 1), 1)
    chain.accept(row(103, 5), 2)  # overlaps: its new part is a hole at the very end
    chain.give_up(3)
    assert chain.tail.end == 103
    other = row(100, 1, price=9.0)
    assert chain.accept(other, 4) == [Duplicate(other, conflicting=True)]


steps = st.lists(
    st.tuples(
        st.sampled_from(
            ("next", "next", "next", "hole", "again", "jump", "restart", "fill", "lose")
        ),
        st.integers(1, 4),
        st.sampled_from((10.0, 11.0)),
        st.booleans(),
    ),
    max_size=60,
)


@given(steps, st.integers(0, 3))
def test_two_hands_are_as_good_as_one(
    steps: Iterable[tuple[str, int, float, bool]], first: int
) -> None:
    alone, shared = TradeChain(40), TradeChain(40)
    trade_id, ts_ns = first, T0
    for now_ns, (kind, count, price, second_hand) in enumerate(steps):
        if kind == "fill":
            page = [row(number) for number in range(max(trade_id - 6, 0), trade_id)]
            assert alone.fill(page, now_ns) == shared.fill(page, now_ns)
        elif kind == "lose":
            assert alone.give_up_oldest(now_ns) == shared.give_up_oldest(now_ns)
        else:
            ts_ns += 10**10 if kind == "restart" else 1
            gap = {"hole": 3, "jump": JUMP_MATCHES_MAX + 1}.get(kind, 0)
            last = alone.newest_known_id if kind == "next" else trade_id
            trade_id = (trade_id if last is None else last) + gap + count
            if kind == "again":
                trade_id = max(trade_id - count - count, 0)
            elif kind == "restart":
                trade_id = 50 + now_ns % 3
            trade = row(trade_id, count, price, ts_ns)
            found = take(shared, trade, now_ns) if second_hand else shared.accept(trade, now_ns)
            assert found == alone.accept(trade, now_ns)
        assert shared.statistics() == alone.statistics()
        assert (shared.last_trade_id, shared.newest_known_id, shared.holes) == (
            alone.last_trade_id, alone.newest_known_id, alone.holes,
        )  # fmt: skip
