from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from hunter.config import load
from hunter.errors import ConfigError

# text of the file -> what the error says after "FILE"
BAD_FILES = {
    "[ring]\ncapacity = 1000": ":2: ring.capacity: must be a power of two: 512 or 1024",
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
    "[okx]\nproxy = 'proxy.example:1'": ":2: okx.proxy: must be of the form http://[user:pass",
    "[okx]\nproxy = 'socks5://p:1'": ":2: okx.proxy: must be of the form http://[user:password@]",
    "[okx]\nproxy = 'http://p'": ":2: okx.proxy: must be of the form http://[user:password@]host",
    "[okx]\nproxy = 'http://[::1'": ":2: okx.proxy: must be of the form http://[user:password@]",
    "[stream]\nshards = 2": ":2: stream.shards: at most one per instrument, and there are 1",
    "[stream]\nbackoff_max_ms = 10": ":2: stream.backoff_max_ms: must be at least backoff_min_ms =",
    "[brain]\nkind = 'flaw'": ':2: brain.kind: "flaw" is no brain; write "flow" or "module:Class"',
    "[brain]\nexperts = ['model.txt']": ':2: brain.experts: "model.txt" is no expert; write "mo',
    "[brain]\nexperts = ['a:B', 'a:B']": ':2: brain.experts: "a:B" is named twice',
    "[brain]\nkind = 'a:A'\nexperts = ['a:B']": ":3: brain.experts: vote in the built-in brain",
    "[brain]\nbudget_us = 0": ":2: brain.budget_us: expected a whole number >= 1",
    "[stream]\ncpus = '1,'": ':2: stream.cpus: write core numbers as in "2", "2-3" or "0,4-6"',
    "[stream]\ncpus = '4095'": ":2: stream.cpus: no core 4095 here; this host has 0 to ",
    "[brain]\ncpus = '3-1'": ":2: brain.cpus: 3-1 is empty; write the smaller number first",
    "[brain]\ncpus = 2": ":2: brain.cpus: expected a text, got a whole number",
    "[brain]\nbusy_poll_us = -1": ":2: brain.busy_poll_us: expected a whole number >= 0",
    "[web]\nhost = 'a b'": ':2: web.host: "a b" is no host name or address',
    "[web]\nallowed_hosts = ['h.example:1']": ':2: web.allowed_hosts: "h.example:1" is no host',
    "[web]\nport = 0": ":2: web.port: expected a whole number >= 1",
    "[alerts]\nenabled = true": ":2: alerts.enabled: nobody to tell: set webhook, telegram_token",
    "[alerts]\nwebhook = 'https://x.example/SECRET'": ':2: alerts.webhook: name a place, "env:N',
    "[alerts]\ntelegram_token = 'env:T'": ":1: alerts.telegram_chat: Telegram needs both",
    "[alerts]\ntelegram_chat = '1'": ":1: alerts.telegram_token: Telegram needs both",
    "[store]\ntables = ['trade']": ':2: store.tables: unknown table "trade"; did you mean "trades',
    "[store]\nenabled = true\ntables = []": ":3: store.tables: name at least one of trades, books",
    "[hunter]\nname = 'a/b'": ":2: hunter.name: 1 to 32 letters, digits, '-' or '_'",
    "[hunter]\nname = ''": ":2: hunter.name: 1 to 32 letters",
}


@pytest.mark.parametrize("text", BAD_FILES, ids=lambda text: " ".join(text.split())[:40])
def test_bad_file_is_one_line_with_place_key_and_hint(
    refusal: Callable[[str], str], text: str
) -> None:
    assert BAD_FILES[text] in refusal(text)


@pytest.mark.parametrize("key", ["alerts.webhook", "alerts.telegram_token", "alert.token"])
def test_secret_on_the_command_line_is_refused_and_not_repeated(key: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load(None, [f"{key}=https://hooks.example/SECRET"])
    assert "SECRET" not in str(caught.value)


def test_trades_may_come_singly() -> None:
    assert load(None, ['okx.channels=["trades-all"]']).okx.channels == ("trades-all",)


@pytest.mark.parametrize("key", ["public_url", "business_url", "rest_url"])
@pytest.mark.parametrize("user", ["anna:secret", "secret", ":secret", "a@b:secret"])
def test_address_with_a_password_is_refused_without_repeating_it(
    tmp_path: Path, key: str, user: str
) -> None:
    url = f"{'https' if key == 'rest_url' else 'wss'}://{user}@gate.example/"
    path = tmp_path / "hunter.toml"
    path.write_text(f"[okx]\n{key} = '{url}'\n")
    with pytest.raises(ConfigError, match=f":2: okx.{key}: must hold no user or") as caught:
        load(path)
    assert "secret" not in str(caught.value)
    with pytest.raises(ConfigError, match="must hold no user or password") as caught:
        load(None, [f"okx.{key}={url}"])
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    "bad", ["wss://h/a b", "wss://h/\\u007f", "wss://h/\\nHost: x", "wss://h/#a"]
)
def test_address_that_could_break_a_request_is_refused(tmp_path: Path, bad: str) -> None:
    path = tmp_path / "hunter.toml"
    path.write_text(f'[okx]\npublic_url = "{bad}"\n')
    with pytest.raises(ConfigError, match=r":2: okx.public_url: must hold no blank"):
        load(path)


def test_rest_address_to_which_no_path_can_be_added_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"okx.rest_url: .* that of REST no '\?'"):
        load(None, ["okx.rest_url=https://gate.example/?token=secret"])
