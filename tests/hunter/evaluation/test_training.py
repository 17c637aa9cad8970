"""Training finds what moves a market, leaves the test alone, and gives the same file again."""

from __future__ import annotations

import gzip
import hashlib
from pathlib import Path

import numpy as np
import pytest
from fakes.market_recording import START_NS, write_market

from hunter.brain.learning.mixture import new_mixture
from hunter.brain.learning.modelfile import ModelFile, decode_model, encode_model, fitted_on
from hunter.brain.learning.prior import published_prior
from hunter.errors import NotFound
from hunter.evaluation.training import (
    Boundary,
    RecordingSource,
    TrainingError,
    test_from_ns,
    train,
)

SECOND = 1_000_000_000
HORIZONS = (1_000, 5_000)


def source(*paths: Path, weight: float = 1.0) -> RecordingSource:
    return RecordingSource(paths[0].name, paths, weight)


@pytest.fixture(scope="module")
def market(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_market(tmp_path_factory.mktemp("market") / "market.jsonl", 150)


@pytest.fixture(scope="module")
def fitted(market: Path) -> ModelFile:
    return train([source(market)], Boundary(None, 0.2), HORIZONS, "test")


def test_model_knows_the_market_better_than_the_published_prior(fitted: ModelFile) -> None:
    first = fitted.horizons[0]
    scores = {score.expert: score for score in first.scores}
    assert [one.horizon_ms for one in fitted.horizons] == list(HORIZONS)
    assert scores.keys() == {"queue", "held", "free", "full", "movement"}
    for name in ("queue", "free"):
        score = scores[name]
        assert score.log_loss is not None
        assert score.log_loss_published is not None
        assert score.auc is not None
        assert score.auc > 0.6
    assert scores["movement"].log_loss is not None
    assert first.experts[0].mean[0] > 1.0
    assert 0.0 < first.move_bp < 5.0


def test_model_is_one_that_a_brain_begins_from(fitted: ModelFile) -> None:
    model = decode_model(encode_model(fitted), "m.json")
    for one in model.horizons:
        mixture = new_mixture(one.prior())
        up = mixture.assess((0.9,) * 20).probability_up
        assert up > 0.6
        # One recording says nothing of how others differ: held no firmer than published.
        published = published_prior(one.horizon_ms)
        for expert, before in zip(one.prior().experts, published.experts, strict=True):
            assert np.all(np.array(expert.precision) <= np.array(before.precision))


def test_model_says_what_it_was_fitted_on(fitted: ModelFile, market: Path) -> None:
    (data,) = fitted.data
    (boundary_ns,) = fitted.settings.test_from_ns
    lines = market.read_bytes().splitlines(keepends=True)
    read = [line for line in lines if int(line[:19]) < boundary_ns]
    assert 0.79 < len(read) / len(lines) < 0.81
    assert data.sha256 == hashlib.sha256(b"".join(read)).hexdigest()
    assert (data.first_ns, data.last_ns) == (int(read[0][:19]), int(read[-1][:19]))
    assert data.rows == len(read)
    assert data.instruments == ("BTC-USDT-SWAP",)
    assert data.labels > 1_000
    assert fitted_on(fitted, data.instruments, data.first_ns, data.last_ns)
    assert not fitted_on(fitted, data.instruments, boundary_ns, int(lines[-1][:19]))


def garbage(line: bytes) -> list[bytes]:
    """What may stand after the boundary: nonsense, or a market that is quite another."""
    other = line.replace(b"bbo-tbt", b"books5").replace(b'"buy"', b'"sell"')
    return [line[:20] + b"garbage\n", line[:20] + b'{"arg":{"channel":"trades"\n', other]


@pytest.mark.parametrize("by", ["share", "until"])
def test_what_comes_after_the_boundary_changes_nothing(
    tmp_path: Path, market: Path, fitted: ModelFile, by: str
) -> None:
    (boundary_ns,) = fitted.settings.test_from_ns
    boundary = Boundary(None, 0.2) if by == "share" else Boundary(boundary_ns)
    lines = market.read_bytes().splitlines(keepends=True)
    spoilt = [
        line if int(line[:19]) < boundary_ns else garbage(line)[n % 3]
        for n, line in enumerate(lines)
    ]
    path = tmp_path / market.name
    path.write_bytes(b"".join(spoilt))
    assert path.read_bytes() != market.read_bytes()
    again = train([source(path)], boundary, HORIZONS, "test")
    assert encode_model(again) == encode_model(fitted)
    # The check can fail: a line before the boundary does change it.
    path.write_bytes(b"".join([*spoilt[:2_000], *spoilt[2_001:]]))
    assert encode_model(train([source(path)], boundary, HORIZONS, "test")) != encode_model(fitted)


def test_packing_and_segments_change_nothing(
    tmp_path: Path, market: Path, fitted: ModelFile
) -> None:
    lines = market.read_bytes().splitlines(keepends=True)
    first, second = tmp_path / "1.jsonl.gz", tmp_path / "2.jsonl"
    first.write_bytes(gzip.compress(b"".join(lines[:1_500])))
    second.write_bytes(b"".join(lines[1_500:]))
    parts = RecordingSource(market.name, (first, second))
    again = train([parts], Boundary(None, 0.2), HORIZONS, "test")
    assert encode_model(again) == encode_model(fitted)


def test_boundary_is_a_time_a_share_of_the_span_or_nowhere(market: Path) -> None:
    one = source(market)
    span_ns = 150 * SECOND - 50_000_000
    assert test_from_ns(one, Boundary(START_NS)) == START_NS
    half = test_from_ns(one, Boundary(None, 0.5))
    assert abs(half - (START_NS + 3_000_000 + span_ns // 2)) < 1_000_000
    assert test_from_ns(one, Boundary()) > START_NS + 10**18


def test_several_recordings_are_pooled_by_their_weights(tmp_path: Path) -> None:
    one = write_market(tmp_path / "one.jsonl", 60, seed=1)
    other = write_market(tmp_path / "other.jsonl", 60, seed=5)
    plain = train([source(one), source(other)], Boundary(), (1_000,), "t")
    heavy = train([source(one, weight=5.0), source(other)], Boundary(), (1_000,), "t")
    assert [one.weight for one in heavy.data] == [5.0, 1.0]
    slopes = [model.horizons[0].experts[2].mean[0] for model in (plain, heavy)]
    assert slopes[1] > slopes[0]  # the prior counts less


def test_progress_is_told(market: Path) -> None:
    told: list[tuple[str, int]] = []
    train([source(market)], Boundary(), (1_000,), "t", None, lambda *what: told.append(what))
    assert told[0][0] == market.name
    assert told[-1] == ("fitting 1000 ms", 0)


def test_too_little_market_is_refused_with_what_to_do(tmp_path: Path) -> None:
    short = write_market(tmp_path / "short.jsonl", 40)
    with pytest.raises(TrainingError, match=r"independent moves.*record longer"):
        train([source(short)], Boundary(None, 0.1), (10_000,), "t")
    with pytest.raises(NotFound, match="nothing before the boundary"):
        train([source(short)], Boundary(START_NS - 1), (1_000,), "t")
    empty = tmp_path / "empty.jsonl"
    empty.write_text("no line\n")
    for boundary in (Boundary(None, 0.2), Boundary()):
        with pytest.raises(NotFound):
            train([source(empty)], boundary, (1_000,), "t")
    acks = tmp_path / "acks.jsonl"
    acks.write_bytes(b'%d {"event":"subscribe"}\n' % START_NS)
    with pytest.raises(NotFound, match="no market data"):
        train([source(acks)], Boundary(), (1_000,), "t")
