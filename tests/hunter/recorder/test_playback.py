"""The configuration of a replay: the recording's market, the user's brain, room for every row."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from hunter.config import Config, load
from hunter.errors import NotFound
from hunter.recorder.contents import Contents
from hunter.recorder.playback import CAPACITY_MAX, expected_frames, playback_config
from hunter.simulator.lines import Counts
from hunter.system import ring_layout

GB = 1 << 30


def holding(**frames: int) -> Contents:
    """`BTC_trades=3`: three trades of BTC-USDT; other parts of the name by two underscores."""
    keys = {}
    for name, count in frames.items():
        base, channel = name.split("_", 1)
        keys[channel.replace("_", "-"), f"{base}-USDT"] = count
    return Contents((Path("a"),), Counter(keys), Counter(), 0, 1, Counts())


def played(contents: Contents, *settings: str, room: int = GB, **options: Any) -> Config:
    config = load(None, settings)
    return playback_config(config, contents, Path("/x/out"), Path("/x/run"), room, **options)


def test_market_is_the_recordings_and_the_brain_the_users() -> None:
    contents = holding(BTC_trades=10, ETH_trades=4, ETH_books5=7, ETH_mark_price=9)
    config = played(contents, "brain.interval_ms=250", "stream.shards=1")
    assert config.okx.instruments == ("BTC-USDT", "ETH-USDT")
    assert config.okx.channels == ("trades", "books5", "mark-price")
    assert config.brain.interval_ms == 250
    assert config.hunter.name == "replay"
    assert (config.data_dir, config.log_dir) == (Path("/x/out"), Path("/x/out/logs"))
    assert config.runtime_dir == Path("/x/run")
    assert expected_frames(config, contents) == 30


def test_recording_without_trades_still_has_their_lane() -> None:
    contents = holding(BTC_tickers=3)
    config = played(contents)
    assert config.okx.channels == ("trades", "tickers")
    assert expected_frames(config, contents) == 3


def test_recording_of_no_instrument_has_nothing_to_play() -> None:
    contents = holding(BTC_index_tickers=3)
    with pytest.raises(NotFound, match="of no instrument, only of index-tickers: nothing to play"):
        played(contents)


@pytest.mark.parametrize(
    ("frames", "lane"),
    [
        ({"BTC_trades": 20_000}, 0),
        ({"BTC_bbo_tbt": 20_000}, 1),
        ({"BTC_tickers": 9_000}, 2),
        ({"BTC_books": 9_000}, 3),
        ({"BTC_trades": 16_384}, 0),
    ],
)
def test_ring_has_room_for_every_row_of_every_lane(frames: dict[str, int], lane: int) -> None:
    config = played(holding(**frames))
    capacity = ring_layout(config, 0, "").capacities[lane]
    (count,) = frames.values()
    assert count <= capacity < 2 * count


def test_ring_is_never_smaller_than_configured() -> None:
    assert played(holding(BTC_trades=3), "ring.capacity=4096").ring.capacity == 4096


@pytest.mark.parametrize("instruments", [1, 2, 5])
def test_ring_stays_within_the_memory_there_is(instruments: int) -> None:
    channels = ("trades", "books", "bbo_tbt", "tickers")
    keys = [f"B{n}_{channel}" for n in range(instruments) for channel in channels]
    contents = holding(**dict.fromkeys(keys, 10**9))
    room = 64 << 20
    layout = ring_layout(played(contents, room=room), 0, "")
    assert room / 4 < layout.instrument_bytes * instruments <= room
    assert played(contents, room=1 << 50).ring.capacity == CAPACITY_MAX
    assert played(contents, room=1).ring.capacity == 64


def test_what_the_user_sets_for_the_replay_stays() -> None:
    contents = holding(BTC_trades=100_000, ETH_trades=4, ETH_tickers=5)
    settings = ["ring.capacity=64", 'okx.instruments=["ETH-USDT"]', 'okx.channels=["trades"]']
    config = played(contents, *settings, fixed=[text.split("=")[0] for text in settings])
    assert config.ring.capacity == 64
    assert expected_frames(config, contents) == 4
    with pytest.raises(NotFound, match="SOL-USDT is not in the recording; it holds BTC-USDT"):
        played(contents, 'okx.instruments=["SOL-USDT"]', fixed=["okx.instruments"])


def test_shards_are_no_more_than_instruments_and_there_is_no_standby() -> None:
    names = 'okx.instruments=["A-USDT","B-USDT","C-USDT"]'
    config = played(holding(BTC_trades=1), names, "stream.shards=3")
    assert config.stream.shards == 1
    assert not config.stream.standby
