from __future__ import annotations

import msgspec
import pytest
from fakes.actor_stage import SWAP, Stage

from hunter.config import Config
from hunter.ring.layout import capacities_of
from hunter.ring.rows import Kind
from hunter.system.layouts import fitting_capacity, ring_layout, rings_bytes


def with_channels(config: Config, channels: list[str]) -> Config:
    replace = msgspec.structs.replace
    return replace(config, okx=replace(config.okx, channels=tuple(channels)))


@pytest.mark.parametrize(
    ("channels", "lanes"),
    [
        (["trades"], {}),
        (["trades-all"], {}),
        (["trades", "bbo-tbt"], {Kind.BBO: 512}),
        (["trades", "tickers", "books"], {Kind.TICKER: 128, Kind.BOOK: 128}),
        (["trades", "books5"], {Kind.BOOK: 128}),
        (["trades", "instruments", "status"], {}),
        (["trades", "mark-price"], {Kind.MARK: 1024}),
        (["trades", "index-tickers"], {Kind.INDEX: 1024}),
        (["trades", "funding-rate"], {Kind.FUNDING: 256}),
        (["trades", "open-interest"], {Kind.OPEN_INTEREST: 256}),
        (["trades", "liquidation-orders"], {Kind.LIQUIDATION: 1024}),
        (["trades", "candle1m"], {Kind.CANDLE: 1024}),
        (["trades", "candle1m", "candle1H", "candle1Dutc"], {Kind.CANDLE: 4096}),
        (["trades", *(f"candle{bar}" for bar in ("1s", "1m", "3m", "5m", "1H", "2H"))],
         {Kind.CANDLE: 8192}),
    ],
    ids=lambda value: value[-1] if isinstance(value, list) else "",
)  # fmt: skip
def test_ring_layout_has_the_lanes_that_are_fed(
    channels: list[str], lanes: dict[Kind, int]
) -> None:
    stage = Stage("ring.capacity=512")
    try:
        config = with_channels(stage.config, channels)
        layout = ring_layout(config, 0, "somewhere")
    finally:
        stage.close()
    assert layout.capacities == capacities_of({Kind.TRADE: 512, Kind.INSTRUMENT: 64} | lanes)
    assert layout.instruments == (SWAP,)


def test_ring_layout_of_small_capacity_keeps_enough_slow_rows() -> None:
    stage = Stage("ring.capacity=64")
    try:
        made = (Kind.TRADE, Kind.BBO, Kind.TICKER, Kind.BOOK, Kind.INSTRUMENT)
        wanted = capacities_of(dict.fromkeys(made, 64))
        assert ring_layout(stage.config, 0, "x").capacities == wanted
        assert ring_layout(stage.config, 0, "x") != ring_layout(stage.config, 0, "y")
    finally:
        stage.close()


def test_capacity_that_fits_is_the_largest_one_below_the_present() -> None:
    stage = Stage("ring.capacity=8192")
    try:
        config = stage.config
        sizes = {
            capacity: rings_bytes(with_capacity(config, capacity))
            for capacity in (64, 128, 1024, 2048, 4096)
        }
        assert fitting_capacity(config, sizes[2048]) == 2048
        assert fitting_capacity(config, sizes[2048] - 1) == 1024
        assert fitting_capacity(config, 1 << 40) == 4096, "the present one is what did not fit"
        assert fitting_capacity(config, sizes[64]) == 64
        assert fitting_capacity(config, sizes[64] - 1) is None
    finally:
        stage.close()


def with_capacity(config: Config, capacity: int) -> Config:
    replace = msgspec.structs.replace
    return replace(config, ring=replace(config.ring, capacity=capacity))


def test_300_instruments_fit_into_what_docker_gives_with_a_small_capacity() -> None:
    names = ",".join(f'"C{number}-USDT-SWAP"' for number in range(300))
    stage = Stage(f"okx.instruments=[{names}]", "stream.shards=2", "ring.capacity=512")
    try:
        config = with_channels(stage.config, ["trades", "books5", "tickers"])
        assert rings_bytes(config) < 48 << 20
    finally:
        stage.close()
