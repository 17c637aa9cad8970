"""Writes docs/reference from the code: `python docs/generate.py`; `--check` says what is stale.

The pages are committed, so that they can be read without building anything; tests/contracts holds
them equal to what this makes. Nothing here starts a process or reads the network.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[1]
if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))

from docs.generators import (  # noqa: E402 - the root must be on the path first
    access,
    alerts,
    codes,
    commands,
    metrics,
    recordings,
    rows,
    settings,
    shapes,
    store,
)

REFERENCE: Final = ROOT / "docs" / "reference"
NOTE: Final = "<!-- Made by docs/generate.py from the code. Change the code, not this page. -->\n\n"
PAGES: Final[dict[str, Callable[[], str]]] = {
    "cli.md": commands.page,
    "configuration.md": settings.page,
    "signals.md": shapes.signals_page,
    "status.md": shapes.status_page,
    "metrics.md": metrics.page,
    "exit-codes.md": codes.page,
    "trades.md": rows.page,
    "recordings.md": recordings.page,
    "store.md": store.page,
    "alerts.md": alerts.page,
    "python.md": access.page,
}

INCLUDED: Final = {"faults.md"}
"""Written by hand, and filled when the site is built; see hooks.py."""


def made(name: str) -> str:
    """A page's whole text."""
    return NOTE + PAGES[name]().rstrip() + "\n"


def stale() -> list[str]:
    """Pages that are not what the code says, or are there without a maker."""
    paths = [path for path in REFERENCE.glob("*.md") if path.name not in INCLUDED]
    on_disk = {path.name: path.read_text(encoding="utf-8") for path in paths}
    wanted = {name: made(name) for name in PAGES}
    return sorted(
        name for name in on_disk.keys() | wanted.keys() if on_disk.get(name) != wanted.get(name)
    )


def main() -> int:
    if "--check" in sys.argv[1:]:
        found = stale()
        for name in found:
            print(f"docs/reference/{name} is stale: python docs/generate.py")
        return int(bool(found))
    REFERENCE.mkdir(exist_ok=True)
    for name in PAGES:
        (REFERENCE / name).write_text(made(name), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
