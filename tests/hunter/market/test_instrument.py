from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hunter.market.instrument import (
    InstrumentType,
    group_leaders,
    instrument_type,
    is_instrument,
    mate_of,
)

GOOD = {
    "BTC-USDT": InstrumentType.SPOT,
    "1INCH-USDT": InstrumentType.SPOT,
    "BTC-USDT-SWAP": InstrumentType.SWAP,
    "BTC-USD-SWAP": InstrumentType.SWAP,
    "BTC-USD-241227": InstrumentType.FUTURES,
    "BTC-USD-241227-60000-C": InstrumentType.OPTION,
    "ETH-USD-241227-0.5-P": InstrumentType.OPTION,
}
BAD = [
    "", "BTC", "btc-usdt", "BTC/USDT", "BTC-USDT ", " BTC-USDT", "BTC-USDT\n", "BTC--USDT",
    "BTC-USDT-swap", "BTC-USDT-PERP", "BTC-USD-24122", "BTC-USD-2412270", "BTC-USD-241227-60000",
    "BTC-USD-241227-60000-X", "BTC-USD-241227-.5-C", "BTC-USDT-SWAP-SWAP", "../etc-PASSWD",
    "A" * 21 + "-USDT", "BTC-" + "U" * 11, "BTC-USDT\u0661",
]  # fmt: skip


@pytest.mark.parametrize("name", GOOD)
def test_names_of_okx_are_instruments_of_their_type(name: str) -> None:
    assert is_instrument(name)
    assert instrument_type(name) is GOOD[name]


@pytest.mark.parametrize("name", BAD)
def test_other_spellings_are_none(name: str) -> None:
    assert not is_instrument(name)
    with pytest.raises(AssertionError):
        instrument_type(name)


@given(st.text(max_size=40))
def test_every_instrument_fits_the_rings_name_field_and_a_file_name(name: str) -> None:
    if is_instrument(name):
        assert name.isascii()
        assert len(name) <= 64
        assert "/" not in name


def test_every_type_has_an_example() -> None:
    assert set(GOOD.values()) == set(InstrumentType)


@pytest.mark.parametrize(
    ("name", "mate"),
    [
        ("BTC-USDT", "BTC-USDT-SWAP"),
        ("BTC-USDT-SWAP", "BTC-USDT"),
        ("BTC-USD-SWAP", "BTC-USD"),
        ("BTC-USD-241227", None),
        ("BTC-USD-241227-60000-C", None),
        ("BTC", None),
    ],
)
def test_mate_is_the_spot_of_a_swap_and_the_swap_of_a_spot(name: str, mate: str | None) -> None:
    assert mate_of(name) == mate


def test_mates_are_led_by_the_one_that_is_named_first() -> None:
    names = ["BTC-USDT-SWAP", "ETH-USDT", "BTC-USD-SWAP", "BTC-USDT", "SOL-USDT", "ETH-USDT-SWAP"]
    assert group_leaders(names) == (0, 1, 2, 0, 4, 1)
    assert group_leaders([]) == ()
