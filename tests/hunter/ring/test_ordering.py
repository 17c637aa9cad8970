from __future__ import annotations

import os
from types import SimpleNamespace

import pytest

from hunter import native
from hunter.errors import SegmentUnusable
from hunter.ring.ordering import require_order


def on(machine: str, kernel: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "uname", lambda: SimpleNamespace(machine=machine))
    monkeypatch.setattr(native, "kernel", kernel)


def test_plain_python_is_enough_where_stores_keep_their_order(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    on("x86_64", None, monkeypatch)
    require_order()


def test_other_processors_need_the_compiled_half(monkeypatch: pytest.MonkeyPatch) -> None:
    on("aarch64", object(), monkeypatch)
    require_order()
    on("aarch64", None, monkeypatch)
    with pytest.raises(SegmentUnusable, match=r"aarch64.*compiler.*install hunter again") as raised:
        require_order()
    assert raised.value.exit_code == 78, "no restart mends it"
