from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from fakes.store_stage import StoreStage


@pytest.fixture
def make_stage() -> Iterator[Callable[..., StoreStage]]:
    stages: list[StoreStage] = []

    def make(*settings: str) -> StoreStage:
        stages.append(StoreStage(*settings))
        return stages[-1]

    yield make
    for stage in stages:
        stage.close()


@pytest.fixture
def stage(make_stage: Callable[..., StoreStage]) -> StoreStage:
    return make_stage()
