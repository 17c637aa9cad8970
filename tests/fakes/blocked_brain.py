"""A user's brain whose import takes until a file is there: so long does a start last.

A test copies this file beside a configuration (`put_beside`), and lets it `go`.
"""

from __future__ import annotations

import shutil
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

KIND = 'brain.kind="blocked_brain:Blocked"'
BESIDE = "blocked_brain.py"
GO = "go"


def put_beside(home: Path) -> None:
    shutil.copy(__file__, home / BESIDE)


def go(home: Path) -> None:
    (home / GO).touch()


while __name__ == Path(BESIDE).stem and not Path(__file__).with_name(GO).exists():
    threading.Event().wait(0.02)


class Blocked:
    """Has nothing to say when it is there."""

    def on_trades(self, batch: Sequence[Any]) -> None:
        pass

    def on_book(self, book: object) -> None:
        pass

    def on_ticker(self, ticker: object) -> None:
        pass

    def decide(self, now_ns: int) -> None:
        return None

    def snapshot(self) -> bytes:
        return b""

    def restore(self, state: bytes) -> None:
        pass
