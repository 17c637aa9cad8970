"""Listings: any well-spelt name has steps and a price that fit each other."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hunter.simulator.instruments import listing, listing_row


def test_known_swap_has_the_exchanges_steps() -> None:
    row = listing_row(listing("BTC-USDT-SWAP"))
    assert (row["tickSz"], row["lotSz"], row["ctVal"], row["ctValCcy"]) == (
        "0.1",
        "0.01",
        "0.01",
        "BTC",
    )
    assert (row["instType"], row["settleCcy"], row["ctType"]) == ("SWAP", "USDT", "linear")


def test_inverse_and_spot_say_so() -> None:
    inverse, spot = listing_row(listing("BTC-USD-SWAP")), listing_row(listing("BTC-USDT"))
    assert (inverse["ctType"], inverse["ctValCcy"], inverse["settleCcy"]) == (
        "inverse",
        "USD",
        "BTC",
    )
    assert (spot["ctVal"], spot["ctType"], spot["baseCcy"], spot["quoteCcy"]) == (
        "",
        "",
        "BTC",
        "USDT",
    )


@given(st.from_regex(r"[A-Z]{2,6}-(USDT|USD)(-SWAP|-251226)?", fullmatch=True))
def test_any_name_has_room_for_400_levels_and_exact_prices(name: str) -> None:
    item = listing(name)
    assert item == listing(name)
    assert item.anchor_ticks >= 6_000
    assert item.ticks(item.price_text(item.anchor_ticks)) == item.anchor_ticks


@pytest.mark.parametrize(("price", "ticks"), [("63913.4", 639134), ("64000", 640000), ("1.25", 12)])
def test_ticks_of_a_price_text(price: str, ticks: int) -> None:
    assert listing("BTC-USDT-SWAP").ticks(price) == ticks


def test_volume_in_currency() -> None:
    assert listing("BTC-USDT-SWAP").volume_currency_text(250_000) == "25"
    assert listing("BTC-USDT").volume_currency_text(100_000_000) == "64010"
    assert listing("BTC-USDT").inst_type == "SPOT"
