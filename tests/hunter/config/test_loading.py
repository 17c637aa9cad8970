from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hunter.config import REGIONS, find_file, load
from hunter.errors import ConfigError

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
    "[ring]\ncapacity = 8388608": ":2: ring.capacity: expected a whole number <= 4194304",
    "[ring]\ncapacity = 64.5": ":2: ring.capacity: expected a whole number, got a number",
    '[okx]\ninstruments = "BTC-USDT"': ":2: okx.instruments: expected a list, got a text",
    "[okx]\ninstruments = [1]": ":2: okx.instruments: expected a text, got a whole number",
    "[okx]\nregion = 'ea'": ':2: okx.region: unknown region "ea"; did you mean "eea"?',
    "[okx]\nregion = 3": ":2: okx.region: expected a text, got a whole number (for",
    "[stream]\nping_after_ms = 29_000": ":2: stream.ping_after_ms: expected a whole number <= 25",
    "[supervisor]\nstop_timeout_s = nan": ":2: supervisor.stop_timeout_s: expected",
    "[supervisor]\nstop_timeout_s = 0": ":2: supervisor.stop_timeout_s: expected",
    "[hunter]\nname = ": ":2: not valid TOML: ",
    "[hunter]\nname = 'a'\nname = 'b'": ":3: not valid TOML: Cannot overwrite a value",
    "[hunter": ":1: not valid TOML: ",
}


@pytest.mark.parametrize("text", BAD_FILES, ids=lambda text: " ".join(text.split())[:40])
def test_bad_file_is_one_line_with_place_key_and_hint(
    refusal: Callable[[str], str], text: str
) -> None:
    assert BAD_FILES[text] in refusal(text)


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


def test_absurdly_nested_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "hunter.toml"
    path.write_text("a = " + "[" * 100_000)
    with pytest.raises(ConfigError, match="not valid TOML"):
        load(path)
    with pytest.raises(ConfigError, match=r"okx\.channels"):
        load(None, ["okx.channels=" + "[" * 100_000])


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


def test_override_into_what_is_no_table_is_told(write: Callable[[str], Path]) -> None:
    path = write("stream = 3")
    with pytest.raises(ConfigError, match=r"hunter\.toml:1: stream must be a table"):
        load(path, ["stream.shards=1"])


@given(st.binary(max_size=60).map(lambda raw: raw.decode("utf-8", "replace")))
def test_any_override_is_taken_or_refused_in_words(text: str) -> None:
    for override in (text, f"hunter.name={text}", f"stream.{text}=1"):
        try:
            load(None, [override])
        except ConfigError as error:
            assert str(error)  # noqa: PT017 - most of them are refused, a few are right


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


def test_business_address_follows_a_public_one_that_is_given() -> None:
    okx = load(None, ["okx.public_url=ws://127.0.0.1:9/ws/v5/public"]).okx
    assert okx.business_url == "ws://127.0.0.1:9/ws/v5/business"
    okx = load(None, ["okx.public_url=ws://127.0.0.1:9/feed"]).okx
    assert okx.business_url == REGIONS["global"].business_url


def test_file_is_found_by_precedence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert find_file(None) is None
    monkeypatch.setenv("HUNTER_CONFIG", "/etc/hunter.toml")
    assert find_file(None) == Path("/etc/hunter.toml")
    (tmp_path / "hunter.toml").touch()
    assert find_file(None) == Path("hunter.toml")
    assert find_file("other.toml") == Path("other.toml")
