from __future__ import annotations

from collections.abc import Iterator

import pytest
from fakes.web_stage import WebStage


@pytest.fixture
def web_stage() -> Iterator[WebStage]:
    made = WebStage()
    yield made
    made.close()
