from __future__ import annotations

import os
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from fakes.configs import plain
from hypothesis import given
from hypothesis import strategies as st

from hunter.config import CHANNELS, REGIONS, Config, load
from hunter.config.schema import SECTIONS
from hunter.exchange.okx.endpoints import CANDLE_BARS
from hunter.exchange.okx.endpoints import CHANNELS as okx_channels

DEFAULTS: dict[str, dict[str, Any]] = {
    "hunter": {"name": "default", "runtime_dir": "", "data_dir": "data", "log_dir": ""},
    "okx": {
        "region": "global",
        "public_url": "wss://ws.okx.com:8443/ws/v5/public",
        "business_url": "wss://ws.okx.com:8443/ws/v5/business",
        "rest_url": "https://openapi.okx.com",
        "proxy": "",
        "instruments": ["BTC-USDT-SWAP"],
        "channels": ["trades", "tickers", "books", "bbo-tbt"],
    },
    "stream": {
        "standby": False,
        "shards": 1,
        "stale_after_ms": 8_000,
        "ping_after_ms": 5_000,
        "backoff_min_ms": 1_000,
        "backoff_max_ms": 30_000,
        "stable_after_ms": 30_000,
        "cpus": "",
        "busy_poll_us": 0,
    },
    "ring": {"capacity": 8192},
    "brain": {
        "kind": "flow",
        "experts": [],
        "budget_us": 200,
        "interval_ms": 1_000,
        "horizon_ms": 5_000,
        "threshold": 0.10,
        "coverage": 0.2,
        "min_edge_bp": 0.0,
        "fee_bp": 10.0,
        "warm_ms": 30_000,
        "stale_ms": 5_000,
        "model_file": "",
        "cpus": "",
        "busy_poll_us": 0,
    },
    "watchdog": {
        "interval_ms": 100,
        "hang_after_ms": 1_000,
        "memory_limit_mb": 1_024,
        "disk_free_mb": 512,
    },
    "supervisor": {"max_restarts": 5, "period_s": 60, "stop_timeout_s": 5.0},
    "web": {
        "enabled": False,
        "host": "127.0.0.1",
        "port": 8_787,
        "allowed_hosts": [],
        "token_file": "",
    },
    "alerts": {
        "enabled": False,
        "webhook": "",
        "telegram_token": "",
        "telegram_chat": "",
        "apprise": "",
        "after_s": 10,
        "repeat_s": 3_600,
        "per_hour_max": 30,
    },
    "store": {
        "enabled": False,
        "dir": "",
        "tables": ["trades", "books", "candles", "signals"],
        "book_levels": 20,
        "flush_s": 60,
        "retention_days": 0,
        "budget_mb": 10_000,
    },
}


def test_every_key_has_the_promised_default() -> None:
    assert plain(load(None)) == DEFAULTS


def test_every_key_can_be_set(write: Callable[[str], Path]) -> None:
    text = """
    [hunter]
    name = "lab"
    runtime_dir = "run"
    data_dir = "/var/d"
    log_dir = "~/logs"
    [okx]
    region = "eea-demo"
    public_url = "ws://127.0.0.1:1/a"
    business_url = "ws://127.0.0.1:1/b"
    rest_url = "http://127.0.0.1:1"
    proxy = "http://anna:secret@proxy.example:3128"
    instruments = ["BTC-USDT", "ETH-USDT"]
    channels = ["trades", "books5"]
    [stream]
    standby = false
    shards = 2
    stale_after_ms = 1
    ping_after_ms = 100
    backoff_min_ms = 1
    backoff_max_ms = 1
    stable_after_ms = 1
    cpus = "0"
    busy_poll_us = 50
    [ring]
    capacity = 64
    [brain]
    kind = "my.module:Brain"
    experts = []
    budget_us = 1000000
    interval_ms = 10
    horizon_ms = 100
    threshold = 0.0
    coverage = 1.0
    min_edge_bp = 0.5
    fee_bp = 0.0
    warm_ms = 0
    stale_ms = 100
    model_file = "models/m.json"
    cpus = " 0-0 , 0"
    busy_poll_us = 10000000
    [watchdog]
    interval_ms = 50
    hang_after_ms = 250
    memory_limit_mb = 64
    disk_free_mb = 0
    [supervisor]
    max_restarts = 1
    period_s = 1
    stop_timeout_s = 1
    [web]
    enabled = true
    host = "::1"
    port = 65535
    allowed_hosts = ["hunter.example.org"]
    token_file = "token"
    [alerts]
    enabled = true
    webhook = "env:WEBHOOK"
    telegram_token = "file:~/token"
    telegram_chat = "-100"
    apprise = "file:addresses"
    after_s = 0
    repeat_s = 1
    per_hour_max = 1000
    [store]
    enabled = true
    dir = "/srv/store"
    tables = ["signals"]
    book_levels = 1
    flush_s = 3600
    retention_days = 30
    budget_mb = 16
    """
    found = load(write(text))
    expected = tomllib.loads(text)
    assert plain(found) == expected
    assert {name: set(keys) for name, keys in expected.items()} == {
        name: set(keys) for name, keys in DEFAULTS.items()
    }
    assert isinstance(found.supervisor.stop_timeout_s, float)


def test_sections_are_frozen_and_closed() -> None:
    for section in [Config(), *(kind() for kind in SECTIONS.values())]:
        assert section.__struct_config__.frozen
        assert section.__struct_config__.forbid_unknown_fields


def test_regions_are_different_places() -> None:
    for position in range(2):
        assert len({site[position] for site in REGIONS.values()}) == len(REGIONS)
    assert all(site.public_url.startswith("wss://ws") for site in REGIONS.values())


def test_regions_differ_in_hosts_alone() -> None:
    for name, site in REGIONS.items():
        hosts = {urlsplit(site.public_url).netloc, urlsplit(site.business_url).netloc}
        assert len(hosts) == 1
        assert hosts.pop().endswith(".okx.com:8443")
        assert urlsplit(site.public_url).path == "/ws/v5/public"
        assert urlsplit(site.business_url).path == "/ws/v5/business"
        assert urlsplit(site.rest_url).scheme == "https"
        assert site.is_simulated is name.endswith("demo")
    assert len({site.public_url for site in REGIONS.values()}) == 6


def test_demo_shares_the_rest_host_of_its_region() -> None:
    for name, demo in (("global", "demo"), ("eea", "eea-demo"), ("us", "us-demo")):
        assert REGIONS[name].rest_url == REGIONS[demo].rest_url


def test_channels_are_those_the_exchange_knows() -> None:
    known = {name for name in CHANNELS if not name.startswith("candle")}
    assert known == {name for name in okx_channels if not name.endswith("-l2-tbt")}
    assert {name for name in CHANNELS if name.startswith("candle")} == set(CANDLE_BARS)


def test_relative_paths_count_from_the_file(
    write: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", "/home-of-a-test")
    found = load(write('[hunter]\nruntime_dir = "run"\nlog_dir = "~/logs"\n'))
    assert found.runtime_dir == tmp_path / "run"
    assert found.data_dir == tmp_path / "data"
    assert found.log_dir == Path("/home-of-a-test/logs")


def test_logs_are_kept_with_the_data_by_default(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    found = load(None, ["hunter.data_dir=d"])
    assert found.data_dir == tmp_path / "d"
    assert found.log_dir == tmp_path / "d" / "logs"


def test_runtime_dir_defaults_to_the_users_own(monkeypatch: pytest.MonkeyPatch) -> None:
    found = load(None, ["hunter.name=lab"])
    monkeypatch.setenv("XDG_RUNTIME_DIR", "/run/user/7")
    assert found.runtime_dir == Path("/run/user/7/hunter/lab")
    monkeypatch.delenv("XDG_RUNTIME_DIR")
    assert found.runtime_dir == Path(f"/tmp/hunter-{os.getuid()}/lab")


@given(st.integers(1, 40), st.integers(1, 64))
def test_every_instrument_belongs_to_one_shard_and_shares_are_even(
    instrument_count: int, shards: int
) -> None:
    names = [f"A{number}-USDT" for number in range(instrument_count)]
    overrides = [f"okx.instruments={names}", f"stream.shards={min(shards, instrument_count)}"]
    found = load(None, overrides)
    dealt = [found.shard_instruments(shard) for shard in range(found.stream.shards)]
    assert sorted(name for share in dealt for name in share) == sorted(names)
    assert max(map(len, dealt)) - min(map(len, dealt)) <= 1
    assert min(map(len, dealt)) >= 1


def test_model_file_counts_from_the_configuration(write: Callable[[str], Path]) -> None:
    path = write('[brain]\nmodel_file = "models/m.json"\n')
    assert load(path).model_path == path.parent / "models" / "m.json"
    assert load(None).model_path is None
