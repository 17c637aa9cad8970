"""Where in the file, or on the command line, a key was given: an error names the place.

`load` makes one for each reading and says which keys `--set` has overridden.
"""

from __future__ import annotations

import re
from pathlib import Path


class Places:
    """Finds the line of a key: tomllib does not keep it."""

    def __init__(self, path: Path | None, text: str) -> None:
        self.overridden: dict[tuple[str, str], str] = {}
        self._file = str(path) if path is not None else "defaults"
        self._lines: dict[tuple[str, str], int] = {}
        table = ""
        for number, line in enumerate(text.splitlines(), 1):
            if found := re.match(r"\s*\[+([\w\s.\"'-]+)\]+\s*(#.*)?$", line):
                table = found[1]
                self._remember(table, number)
            elif found := re.match(r"\s*([\w.\"'-]+)\s*=", line):
                self._remember(f"{table}.{found[1]}" if table else found[1], number)

    def _remember(self, dotted: str, number: int) -> None:
        """`[stream]`, `shards =` below it, `[stream.shards]`, `stream.shards =`: all may occur."""
        section, key, *_ = *(re.sub(r"[\s\"']", "", part) for part in dotted.split(".")), ""
        self._lines.setdefault((section, key), number)

    def of(self, section: str, key: str = "") -> str:
        if (section, key) in self.overridden:
            return self.overridden[section, key]
        if not key and (section, "") not in self._lines:
            for (overridden, _), place in self.overridden.items():
                if overridden == section:
                    return place
        for wanted in ((section, key), (section, "")):
            if wanted in self._lines:
                return f"{self._file}:{self._lines[wanted]}"
        return self._file
