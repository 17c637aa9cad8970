from __future__ import annotations

from collections.abc import Iterator

import pytest
from fakes.alert_server import AlertServer


@pytest.fixture
def server() -> Iterator[AlertServer]:
    made = AlertServer()
    yield made
    made.close()
