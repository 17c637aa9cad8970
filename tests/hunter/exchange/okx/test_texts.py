"""Words of the exchange."""

from __future__ import annotations

from hunter.exchange.okx.requests import Subscription
from hunter.exchange.okx.texts import LENGTH_MAX, named, short


def test_subscription_that_an_error_names() -> None:
    msg = "wrong URL or channel:candle1m,instId:BTC-USDT doesn't exist."
    assert named(msg) == Subscription("candle1m", "BTC-USDT")
    assert named("channel: books, instType: SWAP") == Subscription("books", "SWAP")
    assert named("channel:status is unknown") == Subscription("status", "")
    assert named("nothing in particular") is None


def test_fields_are_cut_and_cannot_steer_a_terminal() -> None:
    assert short(None) == ""
    assert short(60_018) == "60018"
    assert short("a\n") == r"a\x0a"
    assert len(short("x" * 1_000)) == LENGTH_MAX
