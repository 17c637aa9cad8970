from __future__ import annotations

import sys
from math import nan
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fakes.training import COUNT, sample

from hunter.brain.adapters.lightgbm import make
from hunter.brain.adapters.still import FEATURE_NAMES
from hunter.brain.plugins.outside import frozen_array
from hunter.errors import ConfigError

HASH = "0f" * 32


@pytest.fixture
def library() -> Any:
    return pytest.importorskip("lightgbm", reason="no lightgbm: make test-ml")


def train(
    library: Any, objective: str = "binary", names: Any = "auto", columns: int = COUNT
) -> Any:
    x, y = sample()
    data = library.Dataset(x[:, :columns], y, feature_name=names)
    options = {"objective": objective, "verbosity": -1, "num_threads": 1, "seed": 1}
    return library.train(options, data, 20)


def content(booster: Any, path: Path) -> bytes:
    booster.save_model(path)
    return path.read_bytes()


@pytest.mark.parametrize("names", ["auto", list(FEATURE_NAMES)], ids=["unnamed", "named"])
def test_trees_say_what_lightgbm_says_a_missing_feature_included(
    library: Any, names: Any, tmp_path: Path
) -> None:
    booster = train(library, names=names)
    expert = make("lightgbm:m.txt", HASH, content(booster, tmp_path / "m.txt"))
    x, y = sample()
    x[::7, 0] = nan
    found = [expert.predict(frozen_array(row), 1_000) for row in x]
    assert found == booster.predict(x).tolist()
    assert np.mean((np.array(found) > 0.5) == y) > 0.8


def test_trees_for_other_features_or_another_target_are_refused(
    library: Any, tmp_path: Path
) -> None:
    path = tmp_path / "m.txt"
    with pytest.raises(ConfigError, match="made for 3 features"):
        make("lightgbm:m.txt", HASH, content(train(library, columns=3), path))
    names = [*reversed(FEATURE_NAMES)]
    with pytest.raises(ConfigError, match="its feature 0 is"):
        make("lightgbm:m.txt", HASH, content(train(library, names=names), path))
    with pytest.raises(ConfigError, match="gives no probability"):
        make("lightgbm:m.txt", HASH, content(train(library, "regression"), path))


@pytest.mark.parametrize("raw", [b"", b"\x80\x04K\x01.", b"tree", b"PK\x03\x04"])
def test_file_that_is_no_text_model_is_refused(library: Any, raw: bytes) -> None:
    with pytest.raises(ConfigError, match="not a text model of LightGBM"):
        make("lightgbm:m.txt", HASH, raw)


def test_text_model_cut_short_is_refused(library: Any, tmp_path: Path) -> None:
    raw = content(train(library), tmp_path / "m.txt")
    with pytest.raises(ConfigError, match="LightGBM cannot load it"):
        make("lightgbm:m.txt", HASH, raw[:60])


def test_without_the_library_one_line_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "lightgbm", None)
    with pytest.raises(ConfigError, match=r"pip install 'okx-hunter\[lightgbm\]'"):
        make("lightgbm:m.txt", HASH, b"tree\n")
