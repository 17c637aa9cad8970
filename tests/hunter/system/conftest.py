from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest
from fakes.actor_stage import Stage

from hunter.system.shared import Prepared, prepare

TWO = 'okx.instruments=["BTC-USDT-SWAP", "ETH-USDT-SWAP"]'


@pytest.fixture
def stage() -> Iterator[Stage]:
    made = Stage(TWO)
    yield made
    made.close()


@pytest.fixture
def prepared(stage: Stage, quiet: logging.Logger) -> Iterator[Prepared]:
    made = prepare(stage.config, quiet, demo=False)
    yield made
    made.status.close()


@pytest.fixture
def quiet() -> logging.Logger:
    logger = logging.Logger("supervisor")
    logger.addHandler(logging.NullHandler())
    return logger
