"""The part of YAML that our own files are written in, read strictly: without a library, and what
two readers might take differently is an error.

Mappings and lists by indentation, lists of one line in brackets, comments. A plain scalar is text,
a whole number, true or false; what looks like an octal number, a date, a time or `yes` has to be
quoted. No anchors, tags, block texts or several documents.
"""

from __future__ import annotations

import json
import re
from typing import Any

_KEY = re.compile(r"([A-Za-z_][\w.-]*):(?: +(.*))?$")
_AMBIGUOUS = re.compile(
    r"(?i)(yes|no|on|off|null|~|y|n)$|0\d+$|\d+(:\d+)+$|\d{4}-\d\d-\d\d|[+-]?(\d+\.\d*|\.\d+)$"
)


class PlainYamlError(ValueError):
    pass


class _Reader:
    def __init__(self, text: str) -> None:
        self.lines: list[tuple[int, int, str]] = []
        for number, line in enumerate(text.splitlines(), 1):
            if "\t" in line:
                raise PlainYamlError(f"{number}: a tab")
            bare = _without_comment(line)
            if bare.strip():
                self.lines.append((number, len(bare) - len(bare.lstrip()), bare.strip()))
        self.at = 0

    def block(self, indent: int) -> Any:
        """Everything of this indentation, from here."""
        _, _, text = self.lines[self.at]
        found = self._list(indent) if text.startswith("- ") else self._mapping(indent)
        if self.at < len(self.lines) and self.lines[self.at][1] > indent:
            raise PlainYamlError(f"{self.lines[self.at][0]}: indented too far")
        return found

    def _list(self, indent: int) -> list[Any]:
        found = []
        while self._is_here(indent) and self.lines[self.at][2].startswith("- "):
            number, _, text = self.lines[self.at]
            inner = text[2:].strip()
            if _KEY.match(inner):  # a mapping that begins on the dash's line
                self.lines[self.at] = (number, indent + 2, inner)
                found.append(self._mapping(indent + 2))
            else:
                found.append(_scalar(number, inner))
                self.at += 1
        return found

    def _mapping(self, indent: int) -> dict[str, Any]:
        found: dict[str, Any] = {}
        while self._is_here(indent):
            number, _, text = self.lines[self.at]
            match = _KEY.match(text)
            if match is None:
                raise PlainYamlError(f"{number}: no key: {text}")
            if match[1] in found:
                raise PlainYamlError(f"{number}: {match[1]} stands there twice")
            self.at += 1
            found[match[1]] = _scalar(number, match[2]) if match[2] else self._below(indent)
        return found

    def _below(self, indent: int) -> Any:
        if self.at < len(self.lines) and self.lines[self.at][1] > indent:
            return self.block(self.lines[self.at][1])
        return None

    def _is_here(self, indent: int) -> bool:
        return self.at < len(self.lines) and self.lines[self.at][1] == indent


def _without_comment(line: str) -> str:
    if line.lstrip().startswith("#"):
        return ""
    quoted = False
    for place, character in enumerate(line):
        if character == '"':
            quoted = not quoted
        elif character == "#" and not quoted and line[place - 1] == " ":
            return line[:place].rstrip()
    return line.rstrip()


def _scalar(number: int, text: str) -> Any:
    if text.startswith(('"', "[")):
        try:
            return json.loads(text)
        except ValueError:
            raise PlainYamlError(f"{number}: not as JSON writes it: {text}") from None
    if text.startswith(tuple("&*!|>%@`'{}")) or ": " in text or _AMBIGUOUS.match(text):
        raise PlainYamlError(f"{number}: write it in quotes: {text}")
    if re.fullmatch(r"-?\d+", text):
        return int(text)
    return {"true": True, "false": False}.get(text, text)


def load(text: str) -> Any:
    """The one document in `text`. Raises PlainYamlError with a line number."""
    reader = _Reader(text)
    if not reader.lines:
        return None
    found = reader.block(0)
    if reader.at < len(reader.lines):
        raise PlainYamlError(f"{reader.lines[reader.at][0]}: what is this")
    return found
