from __future__ import annotations

import itertools
import json
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hunter.exchange.okx.requests import PING, Operation, Subscription, argument, requests


def ids() -> Callable[[], str]:
    counter = itertools.count(1)
    return lambda: f"r{next(counter)}"


def test_ping_is_the_bare_word() -> None:
    assert PING == b"ping"


def test_request_is_spelt_as_the_exchange_documents_it() -> None:
    (request,) = requests(Operation.SUBSCRIBE, [Subscription("trades", "BTC-USDT")], ids())
    assert request.frame == (
        b'{"id":"r1","op":"subscribe","args":[{"channel":"trades","instId":"BTC-USDT"}]}'
    )
    assert request.request_id == "r1"


def test_argument_names_what_the_channel_takes() -> None:
    assert argument(Subscription("liquidation-orders", "SWAP")) == {
        "channel": "liquidation-orders",
        "instType": "SWAP",
    }
    assert argument(Subscription("index-tickers", "BTC-USDT")) == {
        "channel": "index-tickers",
        "instId": "BTC-USDT",
    }
    assert argument(Subscription("status", "")) == {"channel": "status"}


def test_nothing_to_ask_makes_no_request() -> None:
    assert requests(Operation.UNSUBSCRIBE, [], ids()) == []


@given(count=st.integers(1, 60), length=st.integers(1, 40), frame_bytes_max=st.integers(180, 2_000))
def test_batches_keep_every_argument_in_order_below_the_limit(
    count: int, length: int, frame_bytes_max: int
) -> None:
    asked = [Subscription("trades", f"{'X' * length}-{index}") for index in range(count)]
    made = requests(Operation.UNSUBSCRIBE, asked, ids(), frame_bytes_max)
    assert all(len(request.frame) <= frame_bytes_max for request in made)
    assert [item for request in made for item in request.subscriptions] == asked
    sent = [argument for request in made for argument in json.loads(request.frame)["args"]]
    assert [argument["instId"] for argument in sent] == [item.inst_id for item in asked]
    assert len({request.request_id for request in made}) == len(made)


def test_two_thousand_arguments_need_few_requests() -> None:
    asked = [Subscription("trades", f"COIN{index}-USDT-SWAP") for index in range(2_000)]
    made = requests(Operation.SUBSCRIBE, asked, ids())
    assert len(made) == 2


@pytest.mark.parametrize("request_id", ["", "a-b", "a" * 33, "\N{SUPERSCRIPT TWO}"])
def test_id_outside_the_documented_form_is_a_programmer_error(request_id: str) -> None:
    with pytest.raises(AssertionError):
        requests(Operation.SUBSCRIBE, [Subscription("trades", "A-B")], lambda: request_id)
