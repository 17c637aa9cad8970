from __future__ import annotations

import os
import stat
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hunter import config as config_module
from hunter.config import (
    CHANNELS,
    REGIONS,
    Config,
    HunterSection,
    OkxSection,
    SupervisorSection,
    find_file,
    load,
    load_effective,
    save_effective,
    to_toml,
)
from hunter.errors import ConfigError
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
    },
    "ring": {"capacity": 8192},
    "brain": {"kind": "flow", "interval_ms": 1_000, "horizon_ms": 5_000},
    "watchdog": {"interval_ms": 100, "hang_after_ms": 1_000, "memory_limit_mb": 1_024},
    "supervisor": {"max_restarts": 5, "period_s": 60, "stop_timeout_s": 5.0},
}

# text of the file -> what the error says after "FILE"
BAD_FILES = {
    "[stream]\nshard = 2": ':2: unknown key stream.shard; did you mean "shards"?',
    "[stream]\nzzz = 2": ":2: unknown key stream.zzz; known: standby, shards,",
    "[strem]\nshards = 2": ':1: unknown section [strem]; did you mean "stream"?',
    "shards = 2": ":1: unknown section [shards]",
    "stream = 3": ":1: stream must be a table: write [stream] above its keys",
    "[[stream]]\nshards = 2": "stream must be a table",
    "stream.shard = 2": ":1: unknown key stream.shard;",
    "\nstream.shards = 0": ":2: stream.shards: expected a whole number >= 1",
    "stream = { shards = 0 }": ":1: stream.shards: expected a whole number >= 1",
    "[stream.shards]\nx = 1": ":1: stream.shards: expected a whole number, got a table",
    '[stream]\nshards = "two"': ":2: stream.shards: expected a whole number, got a text (for",
    "[stream]\nstandby = 1": ":2: stream.standby: expected true or false, got a whole number (for",
    "[ring]\n\n# rows\ncapacity = 10": ":4: ring.capacity: expected a whole number >= 64",
    "[ring]\ncapacity = 1000": ":2: ring.capacity: must be a power of two: 512 or 1024",
    "[ring]\ncapacity = 8388608": ":2: ring.capacity: expected a whole number <= 4194304",
    "[ring]\ncapacity = 64.5": ":2: ring.capacity: expected a whole number, got a number",
    '[okx]\ninstruments = "BTC-USDT"': ":2: okx.instruments: expected a list, got a text",
    "[okx]\ninstruments = [1]": ":2: okx.instruments: expected a text, got a whole number",
    "[okx]\ninstruments = []": ":2: okx.instruments: name 1 to 300 instruments",
    "[okx]\ninstruments = [\n 'btc-usdt']": ':2: okx.instruments: "btc-usdt" is not spelt like',
    "[okx]\ninstruments = ['btc-usdt']": 'did you mean "BTC-USDT"?',
    "[okx]\ninstruments = ['BTC/USDT']": '"BTC/USDT" is not spelt like BTC-USDT or BTC-USDT-SWAP',
    "[okx]\ninstruments = ['A-B', 'A-B']": ':2: okx.instruments: "A-B" is named twice',
    "[okx]\nchannels = ['trades', 'book']": 'unknown channel "book"; did you mean "books"?',
    "[okx]\nchannels = ['books']": ':2: okx.channels: must contain "trades"',
    "[okx]\npublic_url = 'http://x'": ":2: okx.public_url: must begin with ws:// or wss:// and",
    "[okx]\npublic_url = 'wss://host:port/ws'": ":2: okx.public_url: must begin with ws:// or wss://",
    "[okx]\npublic_url = 'wss://[::1/ws'": ":2: okx.public_url: must begin with ws:// or wss://",
    "[okx]\nrest_url = 'https://'": ":2: okx.rest_url: must begin with http:// or https:// and",
    "[okx]\nregion = 'ea'": ':2: okx.region: unknown region "ea"; did you mean "eea"?',
    "[okx]\nregion = 3": ":2: okx.region: expected a text, got a whole number (for",
    "[okx]\nproxy = 'proxy.example:1'": ":2: okx.proxy: must be of the form http://[user:pass",
    "[okx]\nproxy = 'socks5://p:1'": ":2: okx.proxy: must be of the form http://[user:password@]",
    "[okx]\nproxy = 'http://p'": ":2: okx.proxy: must be of the form http://[user:password@]host",
    "[okx]\nproxy = 'http://[::1'": ":2: okx.proxy: must be of the form http://[user:password@]",
    "[stream]\nshards = 2": ":2: stream.shards: at most one per instrument, and there are 1",
    "[stream]\nbackoff_max_ms = 10": ":2: stream.backoff_max_ms: must be at least backoff_min_ms =",
    "[stream]\nping_after_ms = 29_000": ":2: stream.ping_after_ms: expected a whole number <= 25",
    "[brain]\nkind = 'flaw'": ':2: brain.kind: "flaw" is no brain; write "flow" or "module:Class"',
    "[hunter]\nname = 'a/b'": ":2: hunter.name: 1 to 32 letters, digits, '-' or '_'",
    "[hunter]\nname = ''": ":2: hunter.name: 1 to 32 letters",
    "[supervisor]\nstop_timeout_s = nan": ":2: supervisor.stop_timeout_s: expected",
    "[supervisor]\nstop_timeout_s = 0": ":2: supervisor.stop_timeout_s: expected",
    "[hunter]\nname = ": ":2: not valid TOML: ",
    "[hunter]\nname = 'a'\nname = 'b'": ":3: not valid TOML: Cannot overwrite a value",
    "[hunter": ":1: not valid TOML: ",
}


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str], Path]:
    def written(text: str) -> Path:
        path = tmp_path / "hunter.toml"
        path.write_text(text, encoding="utf-8")
        return path

    return written


def plain(config: Config) -> dict[str, dict[str, Any]]:
    found = msgspec.json.decode(msgspec.json.encode(config))
    found.pop("base_dir")
    return found  # type: ignore[no-any-return]


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
    [ring]
    capacity = 64
    [brain]
    kind = "my.module:Brain"
    interval_ms = 10
    horizon_ms = 100
    [watchdog]
    interval_ms = 50
    hang_after_ms = 250
    memory_limit_mb = 64
    [supervisor]
    max_restarts = 1
    period_s = 1
    stop_timeout_s = 1
    """
    found = load(write(text))
    expected = tomllib.loads(text)
    assert plain(found) == expected
    assert {name: set(keys) for name, keys in expected.items()} == {
        name: set(keys) for name, keys in DEFAULTS.items()
    }
    assert isinstance(found.supervisor.stop_timeout_s, float)


@pytest.mark.parametrize("text", BAD_FILES, ids=lambda text: " ".join(text.split())[:40])
def test_bad_file_is_one_line_with_place_key_and_hint(
    write: Callable[[str], Path], text: str
) -> None:
    path = write(text)
    with pytest.raises(ConfigError) as caught:
        load(path)
    message = str(caught.value)
    assert message.startswith(f"{path}:"), message
    assert BAD_FILES[text] in message
    assert "\n" not in message
    assert "`" not in message
    assert caught.value.exit_code == 78


def test_file_that_ends_too_early_names_a_line(write: Callable[[str], Path]) -> None:
    path = write('[hunter]\nname = "default')
    with pytest.raises(ConfigError, match=r"hunter\.toml:2: not valid TOML"):
        load(path)


def test_absent_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"absent\.toml: no such file; name another with -c FILE"):
        load(tmp_path / "absent.toml")


def test_unreadable_file_is_told(tmp_path: Path) -> None:
    (tmp_path / "latin.toml").write_bytes(b"# caf\xe9")
    for name in ("", "latin.toml"):
        with pytest.raises(ConfigError, match="cannot be read"):
            load(tmp_path / name)


def test_override_wins_over_file_over_default(write: Callable[[str], Path]) -> None:
    path = write("[stream]\nstale_after_ms = 100\nstable_after_ms = 200\n")
    found = load(path, ["stream.stale_after_ms=300", "ring.capacity=64", "ring.capacity=128"])
    assert found.stream.stale_after_ms == 300
    assert found.stream.stable_after_ms == 200
    assert found.stream.ping_after_ms == 5_000
    assert found.ring.capacity == 128, "the last one wins"


@pytest.mark.parametrize(
    ("override", "section", "key", "value"),
    [
        ("hunter.name=lab", "hunter", "name", "lab"),
        ('hunter.name="lab"', "hunter", "name", "lab"),
        (" hunter.name = lab", "hunter", "name", "lab"),
        ("hunter.data_dir=/a=b", "hunter", "data_dir", "/a=b"),
        ("stream.standby=false", "stream", "standby", False),
        ('okx.instruments=["A-B", "C-D"]', "okx", "instruments", ("A-B", "C-D")),
        ("okx.public_url=ws://127.0.0.1:8/x", "okx", "public_url", "ws://127.0.0.1:8/x"),
        ("supervisor.stop_timeout_s=2", "supervisor", "stop_timeout_s", 2.0),
    ],
)
def test_override_takes_toml_or_a_bare_word(
    override: str, section: str, key: str, value: object
) -> None:
    assert getattr(getattr(load(None, [override]), section), key) == value


@pytest.mark.parametrize(
    ("override", "told"),
    [
        ("stream.shards", "--set stream.shards: write section.key=value, for example"),
        ("shards=2", "--set shards=2: write section.key=value"),
        ("=", "--set =: write section.key=value"),
        (
            "stream.shard=2",
            '--set stream.shard=2: unknown key stream.shard; did you mean "shards"?',
        ),
        ("stream.=2", "--set stream.=2: unknown key stream."),
        ("stream.a.b=2", "unknown key stream.a.b"),
        ("strem.shards=2", 'unknown section [strem]; did you mean "stream"?'),
        ("stream.shards=two", "--set stream.shards=two: stream.shards: expected a whole number"),
        (
            "ring.capacity=65",
            "--set ring.capacity=65: ring.capacity: must be a power of two: 64 or",
        ),
    ],
)
def test_bad_override_is_one_line_that_repeats_it(override: str, told: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load(None, [override])
    assert told in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", REGIONS)
def test_region_gives_the_addresses_that_are_not_given(
    write: Callable[[str], Path], name: str
) -> None:
    path = write(f'[okx]\nregion = "{name}"\nbusiness_url = "ws://127.0.0.1:1/b"')
    found = load(path).okx
    site = REGIONS[name]
    assert (found.public_url, found.rest_url) == (site.public_url, site.rest_url)
    assert found.business_url == "ws://127.0.0.1:1/b"
    assert found.is_simulated is site.is_simulated is name.endswith("demo")
    assert load(None, [f"okx.region={name}"]).okx == msgspec.structs.replace(
        found, business_url=site.business_url
    )


def test_shown_configuration_of_a_region_loads_as_the_same(write: Callable[[str], Path]) -> None:
    found = load(None, ["okx.region=us-demo"])
    shown = to_toml(found)
    assert 'public_url = "wss://wsuspap.okx.com:8443/ws/v5/public"' in shown
    assert plain(load(write(shown))) == plain(found)


def test_regions_are_different_places() -> None:
    for position in range(2):
        assert len({site[position] for site in REGIONS.values()}) == len(REGIONS)
    assert all(site.public_url.startswith("wss://ws") for site in REGIONS.values())


@pytest.mark.parametrize("password", ["secret", "se@cret", "se:cret", "se/cret", ""])
def test_password_of_a_proxy_is_not_shown(password: str) -> None:
    found = load(None, [f"okx.proxy=http://anna:{quote(password, safe='')}@proxy.example:3128"])
    assert 'proxy = "http://anna:***@proxy.example:3128"' in to_toml(found)
    unquoted = OkxSection(proxy=f"http://anna:{password}@proxy.example:3128")
    assert 'proxy = "http://anna:***@proxy.example:3128"' in to_toml(Config(okx=unquoted))


@pytest.mark.parametrize(("given", "shown"), [("", ""), ("secret@", "***@")])
def test_proxy_without_a_password_is_shown_without_its_token(given: str, shown: str) -> None:
    found = load(None, [f"okx.proxy=http://{given}proxy.example:3128"])
    assert f'proxy = "http://{shown}proxy.example:3128"' in to_toml(found)


@pytest.mark.parametrize("key", ["okx.proxy=socks5", "okx.proxi=http", "okc.proxy=http"])
def test_error_about_a_proxy_does_not_repeat_its_password(key: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load(None, [f"{key}://anna:secret@proxy.example:1"])
    assert f"--set {key.partition('=')[0]}=...: " in str(caught.value)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("address", ["http://u:s3cret@h:1", "http://s3cret@h:1", "u:s3cret@h:1"])
@pytest.mark.parametrize(
    "form",
    [
        *("proxy={}", "okx.proxy {}", "okx.proxy={}", "okx.proxy='{}", 'okx.proxy=["{}"]'),
        *("{}", "{}=1", "okx.{}=1", "x.{}=1", "okx.proxy.{}", "okx={}", "okx.={}", "=okx.proxy={}"),
        *("okx.region={}", "okx.public_url=x{}", "okx.instruments=['{}']", "okx.instruments={}"),
        *("okx.channels=['{}']", "brain.kind={}", "hunter.name={}", "stream.shards={}"),
        *("okx.proxy=socks5{}", "okx.proxy= {} ", "http.proxy={}", "okx.proxy={{a='{}'}}"),
    ],
)
def test_no_error_of_an_override_repeats_a_password(form: str, address: str) -> None:
    try:
        load(None, [form.format(address)])
    except ConfigError as error:
        assert "s3cret" not in str(error)  # noqa: PT017 - one or two are right


@pytest.mark.parametrize(
    "override",
    [
        *("okx.proxy=u:s3cret", "proxy=s3cret", "okx.prox=http:s3cret", "okx.proxy u:s3cret"),
        *("OKX.PROXY=s3cret", "=okx.proxy=s3cret", "okx.http_proxy=s3cret", "okx proxy = s3cret"),
    ],
)
def test_what_is_meant_as_a_proxy_is_not_repeated_either(override: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load(None, [override])
    assert "s3cret" not in str(caught.value)


def test_override_into_what_is_no_table_is_told(write: Callable[[str], Path]) -> None:
    path = write("stream = 3")
    with pytest.raises(ConfigError, match=r"hunter\.toml:1: stream must be a table"):
        load(path, ["stream.shards=1"])


def test_error_without_a_file_names_the_defaults() -> None:
    places = config_module._Places(None, "")
    assert places.of("stream", "shards") == "defaults"


@given(st.binary(max_size=60).map(lambda raw: raw.decode("utf-8", "replace")))
def test_any_override_is_taken_or_refused_in_words(text: str) -> None:
    for override in (text, f"hunter.name={text}", f"stream.{text}=1"):
        try:
            load(None, [override])
        except ConfigError as error:
            assert str(error)  # noqa: PT017 - most of them are refused, a few are right


def test_file_is_found_by_precedence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert find_file(None) is None
    monkeypatch.setenv("HUNTER_CONFIG", "/etc/hunter.toml")
    assert find_file(None) == Path("/etc/hunter.toml")
    (tmp_path / "hunter.toml").touch()
    assert find_file(None) == Path("hunter.toml")
    assert find_file("other.toml") == Path("other.toml")


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


texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
addresses = texts.map(lambda text: text.replace("?", ""))  # a query is not shown
configs = st.builds(
    Config,
    hunter=st.builds(HunterSection, data_dir=texts, runtime_dir=texts, log_dir=texts),
    okx=st.builds(
        OkxSection, instruments=st.lists(texts, max_size=3).map(tuple), public_url=addresses
    ),
    supervisor=st.builds(SupervisorSection, stop_timeout_s=st.floats(1e-9, 600)),
)


@given(configs)
def test_toml_of_a_configuration_says_the_same(config: Config) -> None:
    assert tomllib.loads(to_toml(config)) == plain(config)


def test_toml_of_the_defaults_loads_as_the_defaults(write: Callable[[str], Path]) -> None:
    assert plain(load(write(to_toml(load(None))))) == DEFAULTS


@given(configs)
def test_effective_configuration_round_trip(config: Config) -> None:
    raw = msgspec.json.encode(config)
    assert msgspec.json.decode(raw, type=Config) == config


def test_actors_get_the_checked_configuration(
    write: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = load(write("[ring]\ncapacity = 64\n"), ["hunter.name=lab"])
    path = tmp_path / "effective.json"
    path.write_text("a longer text of a former run, to be cut off" * 100)
    save_effective(found, path)
    monkeypatch.chdir("/")
    again = load_effective(path)
    assert again == found
    assert again.data_dir == tmp_path / "data", "whatever the working directory"


def test_effective_configuration_is_private(tmp_path: Path) -> None:
    save_effective(load(None), tmp_path / "effective.json")
    assert stat.S_IMODE((tmp_path / "effective.json").stat().st_mode) == 0o600


def test_sections_are_frozen_and_closed() -> None:
    for section in [Config(), *(kind() for kind in config_module._SECTIONS.values())]:
        assert section.__struct_config__.frozen
        assert section.__struct_config__.forbid_unknown_fields


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


def test_business_address_follows_a_public_one_that_is_given() -> None:
    okx = load(None, ["okx.public_url=ws://127.0.0.1:9/ws/v5/public"]).okx
    assert okx.business_url == "ws://127.0.0.1:9/ws/v5/business"
    okx = load(None, ["okx.public_url=ws://127.0.0.1:9/feed"]).okx
    assert okx.business_url == REGIONS["global"].business_url


def test_trades_may_come_singly() -> None:
    assert load(None, ['okx.channels=["trades-all"]']).okx.channels == ("trades-all",)


def test_channels_are_those_the_exchange_knows() -> None:
    known = {name for name in CHANNELS if not name.startswith("candle")}
    assert known == {name for name in okx_channels if not name.endswith("-l2-tbt")}
    assert {name for name in CHANNELS if name.startswith("candle")} == set(CANDLE_BARS)
