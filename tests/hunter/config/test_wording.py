"""What an error says, and what it must not repeat."""

from __future__ import annotations

import pytest

from hunter.config import load
from hunter.config.wording import nearest, plain_reason, told
from hunter.errors import ConfigError


def test_nearest_known_word_is_the_hint_and_else_all_are() -> None:
    assert nearest("shard", ["standby", "shards"]) == '; did you mean "shards"?'
    assert nearest("zzz", ["standby", "shards"]) == "; known: standby, shards"


def test_address_is_not_told() -> None:
    assert [told(text) for text in ("lab", "u:p@h", "http://h")] == ["lab", "...", "..."]


@pytest.mark.parametrize(
    ("reason", "told"),
    [
        ("Expected `int`, got `array`", "expected a whole number, got a list"),
        ("Expected `bool`, got `null`", "expected true or false, got null"),
        ("Expected `int` >= 1", "expected a whole number >= 1"),
    ],
)
def test_reason_is_in_a_readers_words(reason: str, told: str) -> None:
    assert plain_reason(reason) == told


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
