"""What an import read, and what it left out and why. Nothing is left out without being counted."""

from __future__ import annotations

from collections import Counter

from hunter.errors import HunterError
from hunter.text import printable

_SHOWN_MAX = 120


class ImportRefused(HunterError):
    """What was given cannot become a recording."""


class ImportTally:
    """Counts of one import."""

    def __init__(self) -> None:
        self.lines = 0
        self.dropped: Counter[str] = Counter()
        """By reason, in words."""
        self.torn: list[str] = []
        """Files that break off or are damaged from some point on, and how."""
        self.first_drop = ""
        """Where the first line that was dropped stands, and its beginning."""

    def drop(self, reason: str, name: str, line: bytes = b"") -> None:
        """A line that is left out."""
        self.dropped[reason] += 1
        if not self.first_drop:
            shown = printable(line[:_SHOWN_MAX].decode("utf-8", "replace"))
            self.first_drop = f"{printable(name)}: {reason}" + (f": {shown}" if shown else "")

    def tear(self, name: str, error: BaseException) -> None:
        """A file whose rest cannot be read."""
        self.torn.append(printable(f"{name}: {str(error) or type(error).__name__}"))
