"""Model files come back as they were written, and anything else is refused with its reason."""

from __future__ import annotations

import json
import stat
from pathlib import Path
from typing import Any

import msgspec
import pytest
from fakes.model_files import SECOND, fitted_horizon, model_file

from hunter.brain.learning import modelfile as module
from hunter.brain.learning.horizon import published_belief
from hunter.brain.learning.mixture import new_mixture
from hunter.brain.learning.modelfile import (
    ModelDamaged,
    ModelFeatures,
    ModelFile,
    ModelFileError,
    ModelUnreadable,
    ModelVersion,
    beliefs_of,
    content_sha256,
    decode_model,
    encode_model,
    fitted_on,
    fitted_spans,
    movement_of,
    prior_of,
    read_model,
    write_model,
)
from hunter.errors import ConfigError


def test_model_comes_back_with_every_number_and_its_hash(tmp_path: Path) -> None:
    model, path = model_file(), tmp_path / "m.json"
    digest = write_model(path, model)
    found = read_model(path)
    assert found == msgspec.structs.replace(model, sha256=digest)
    assert digest == content_sha256(found)
    assert [item.name for item in tmp_path.iterdir()] == ["m.json"]
    assert encode_model(found) == path.read_bytes()


def test_file_is_replaced_as_a_whole_or_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "m.json"
    write_model(path, model_file())
    before = path.read_bytes()
    write_model(path, model_file(name="second"))
    assert read_model(path).name == "second"
    path.write_bytes(before)

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(module.os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        write_model(path, model_file(name="third"))
    assert path.read_bytes() == before
    assert [item.name for item in tmp_path.iterdir()] == ["m.json"]
    assert stat.S_ISREG(path.stat().st_mode)


def spoiled(change: Any) -> bytes:
    """The file's bytes after a change, with a hash that fits: whoever made it meant it."""
    content = json.loads(encode_model(model_file()))
    change(content)
    model = msgspec.convert(content, ModelFile)
    return encode_model(model)


def test_content_that_was_changed_is_damage() -> None:
    content = encode_model(model_file())
    for old, new in ((b"2.5", b"2.6"), (b"a.jsonl", b"b.jsonl"), (b'"test"', b'"best"')):
        assert old in content
        with pytest.raises(ModelDamaged, match="was changed after it was written"):
            decode_model(content.replace(old, new, 1), "m.json")


def test_another_format_is_told_apart_from_damage() -> None:
    content = json.loads(encode_model(model_file()))
    for number in (0, 2):
        later = json.dumps({"format": number, "more": 1, "name": content["name"]}).encode()
        with pytest.raises(ModelVersion, match=f"format {number}, this hunter reads 1"):
            decode_model(later, "m.json")


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"[]", b'{"format":1}', b'{"format":"1"}', b"\xff\xfe", b"[" * 100_000, b"null"],
)
def test_what_is_no_model_file_is_unreadable(content: bytes) -> None:
    with pytest.raises(ModelUnreadable, match=r"m\.json: no model file: .*hunter train"):
        decode_model(content, "m.json")


def test_unknown_key_is_refused() -> None:
    content = json.loads(encode_model(model_file()))
    content["pickle"] = "gASV"
    with pytest.raises(ModelUnreadable, match="unknown field `pickle`"):
        decode_model(json.dumps(content).encode(), "m.json")


def test_missing_or_enormous_file_is_unreadable(tmp_path: Path) -> None:
    with pytest.raises(ModelUnreadable, match="No such file or directory; make one: hunter train"):
        read_model(tmp_path / "none.json")
    with pytest.raises(ModelUnreadable, match="Is a directory"):
        read_model(tmp_path)
    large = tmp_path / "large.json"
    large.write_bytes(b" " * (module.MODEL_BYTES_MAX + 1))
    with pytest.raises(ModelUnreadable, match="MiB are no model file"):
        read_model(large)


def rename(content: Any) -> None:
    content["features"]["odd"][0] = "phase_of_the_moon"


def shorten(content: Any) -> None:
    content["horizons"][0]["experts"][1]["mean"].pop()


def unsettle(content: Any) -> None:
    content["horizons"][0]["experts"][1]["precision"][0] = 0.0


def blow_up(content: Any) -> None:
    content["horizons"][0]["movement"]["mean"][0] = 1e300


def repeat(content: Any) -> None:
    content["horizons"].append(content["horizons"][0])


def drop_expert(content: Any) -> None:
    content["horizons"][0]["experts"].pop()


@pytest.mark.parametrize("change", [rename, shorten, unsettle, blow_up, repeat, drop_expert])
def test_other_features_or_numbers_that_do_not_fit_are_refused(change: Any) -> None:
    with pytest.raises(ModelFeatures, match="fit it anew: hunter train"):
        decode_model(spoiled(change), "m.json")


def test_each_refusal_is_one_of_the_configuration() -> None:
    for kind in (ModelUnreadable, ModelVersion, ModelDamaged, ModelFeatures):
        assert issubclass(kind, ModelFileError)
    assert issubclass(ModelFileError, ConfigError)
    assert ModelFileError.exit_code == 78


def test_brain_begins_from_the_model_and_from_the_published_prior_without() -> None:
    model = model_file()
    assert prior_of(model, 1_000).experts[0].mean == (2.5,)
    new_mixture(prior_of(model, 1_000))
    published = published_belief(10_000)
    for none in (prior_of(model, 10_000), prior_of(None, 10_000)):
        assert none == published.direction
    assert movement_of(model, 5_000) == model.horizons[1].movement_prior()
    assert movement_of(None, 10_000) == published.movement
    assert beliefs_of(model)(5_000).direction == model.horizons[1].prior()
    assert beliefs_of(None)(1_000) == published_belief(1_000)


@pytest.mark.parametrize(
    ("instrument", "first_s", "last_s", "fitted"),
    [
        ("BTC-USDT-SWAP", 12, 15, True),
        ("BTC-USDT-SWAP", 0, 10, True),
        ("BTC-USDT-SWAP", 20, 30, True),
        ("BTC-USDT", 12, 15, True),
        ("BTC-USDT-SWAP", 0, 9, False),
        ("BTC-USDT-SWAP", 21, 30, False),
        ("ETH-USDT-SWAP", 12, 15, False),
        ("BTC-USD-SWAP", 12, 15, False),
    ],
)
def test_recording_of_the_same_market_and_time_was_fitted_on(
    instrument: str, first_s: int, last_s: int, fitted: bool
) -> None:
    model, span = model_file(), (first_s * SECOND, last_s * SECOND)
    assert fitted_on(model, (instrument,), *span) is fitted
    assert fitted_spans(model, (instrument,), *span) == (model.data if fitted else ())


def test_model_says_in_words_what_it_was_fitted_on() -> None:
    assert model_file().text == "test, fitted on a.jsonl (BTC-USDT-SWAP)"
    assert fitted_horizon(1_000).prior().horizon_ms == 1_000
