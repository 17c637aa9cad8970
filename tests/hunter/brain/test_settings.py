from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from hunter.brain.settings import BrainSettings
from hunter.errors import ConfigError


@pytest.mark.parametrize(
    "wrong",
    [
        {"interval_ms": 0},
        {"horizon_ms": -5},
        {"stale_ms": 0},
        {"warm_ms": -1},
        {"threshold": 1.0},
        {"threshold": -0.1},
        {"interval_ms": 10, "horizon_ms": 600_000},
    ],
)
def test_settings_refuse_what_cannot_work(wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=r"brain\."):
        BrainSettings(**wrong)


def test_digest_differs_when_any_number_differs() -> None:
    base = BrainSettings()
    changed = [
        replace(base, interval_ms=200),
        replace(base, horizon_ms=1_000),
        replace(base, threshold=0.2),
        replace(base, warm_ms=0),
        replace(base, stale_ms=100),
    ]
    digests = {settings.digest() for settings in [base, *changed]}
    assert len(digests) == 6
    assert BrainSettings().digest() == base.digest()
