from __future__ import annotations

import pytest

from hunter import extras
from hunter.errors import MissingExtra


def test_missing_extra_is_one_line_with_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(extras.MODULES, "store", ("pyarrow_that_is_not_there",))
    assert not extras.has_extra("store")
    with pytest.raises(MissingExtra, match=r"^store.enabled needs: pip install 'okx-hunter\[store"):
        extras.expect_extra("store", "store.enabled")


def test_extra_that_is_there_is_no_error() -> None:
    extras.expect_extra("web", "web.enabled")
