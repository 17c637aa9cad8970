from __future__ import annotations

import logging

import pytest

from hunter.brain.plugins.troubles import CHARACTERS_MAX, TOLD_MAX, Troubles


class Brain:
    def __init__(self, trouble: str = "", overruns: int = 0) -> None:
        self.trouble, self.overruns = trouble, overruns


@pytest.fixture
def troubles() -> Troubles:
    return Troubles(logging.getLogger("brain-0"))


def test_trouble_is_logged_when_it_begins_and_when_it_is_over(
    troubles: Troubles, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    brain = Brain()
    for trouble in ("", "m: in shadow", "m: in shadow", "m: late", "", ""):
        brain.trouble = trouble
        told = troubles.look([("BTC-USDT", brain)])  # type: ignore[list-item]
        assert told == ((f"BTC-USDT: {trouble}",) if trouble else ())
    assert [(record.levelname, record.getMessage()) for record in caplog.records] == [
        ("WARNING", "BTC-USDT: m: in shadow"),
        ("WARNING", "BTC-USDT: m: late"),
        ("INFO", "BTC-USDT: over: m: late"),
    ]


def test_overruns_of_all_are_summed_anew_at_each_look(troubles: Troubles) -> None:
    for _ in range(2):
        troubles.look([("A-B", Brain(overruns=3)), ("C-D", Brain(overruns=4))])  # type: ignore[list-item]
    assert troubles.overruns == 7


def test_troubles_of_many_stay_short(troubles: Troubles) -> None:
    brains = [(f"X{number}-USDT", Brain("x" * 2_000)) for number in range(300)]
    told = troubles.look(brains)  # type: ignore[arg-type]
    assert len(told) == TOLD_MAX
    assert max(map(len, told)) == CHARACTERS_MAX
    assert told[-1] == "plug-ins of 297 more instruments: see hunter logs brain-0"
