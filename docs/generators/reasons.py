"""The sentences with which hunter says what is wrong, as templates out of the source.

Whoever is woken by one looks it up in docs/how-to/troubleshooting.md; tests/contracts asks whether
each has its place there. What stands in braces in the code, a name or a number, is left out: a
template is the list of its constant parts.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

ROOT: Final = Path(__file__).resolve().parents[2]
# Module -> its functions and constants whose texts reach the reasons or notices of a status; None:
# all of its functions.
SOURCES: Final[dict[str, tuple[str, ...] | None]] = {
    "hunter/status/reasons.py": None,
    "hunter/status/report.py": ("make_report", "_of_supervisor"),
    "hunter/watchdog/actor.py": ("_look", "_act_on", "_judge_work", "_late_feeds"),
    "hunter/watchdog/braintroubles.py": ("reasons", "disk_facts"),
    "hunter/watchdog/headroom.py": ("memory", "disk"),
    "hunter/access/instance.py": ("_map", "_usable"),
    "hunter/ring/adopt.py": ("unusable_text",),
    "hunter/brain/learning/drift.py": ("fault",),
    "hunter/brain/learning/reasons.py": ("drift_lines", "_RUNGS"),
    "hunter/brain/plugins/budget.py": ("trouble",),
    "hunter/brain/plugins/troubles.py": ("look",),
    "hunter/exchange/okx/catalog.py": ("verdict",),
    "hunter/stream/bulletins.py": None,
}
# Texts of these functions that no status shows.
NOT_TOLD: Final = {("is live",), ("drift: more confidence is asked for",)}
# Shorter constant parts are joints such as "; " or " of ".
PART_CHARACTERS_MIN: Final = 10
_WORDS_MIN: Final = 2


class Template(NamedTuple):
    """`parts`: its constant texts, in their order, without blanks around them."""

    where: str
    parts: tuple[str, ...]

    @property
    def stable_words(self) -> tuple[str, ...]:
        """The parts by which it is recognised: the long ones, or the longest."""
        long = tuple(part for part in self.parts if len(part) >= PART_CHARACTERS_MIN)
        return long or (max(self.parts, key=len),)


def templates() -> list[Template]:
    """Of all sources, each once."""
    found = {}
    for name, functions in SOURCES.items():
        path = ROOT / name
        for node in _functions(ast.parse(path.read_text(encoding="utf-8")), functions, name):
            for line, parts in _texts(node):
                if parts not in NOT_TOLD:
                    found.setdefault(parts, Template(f"{name}:{line}", parts))
    return list(found.values())


def _functions(tree: ast.Module, wanted: tuple[str, ...] | None, name: str) -> Iterator[ast.AST]:
    named: list[tuple[str, ast.AST]] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef):
            named.append((node.name, node))
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and wanted:
            named.append((node.target.id, node))
    nodes = [node for name, node in named if wanted is None or name in wanted]
    missing = set(wanted or ()) - {name for name, _ in named}
    if missing:
        raise LookupError(f"{name} has no {', '.join(sorted(missing))} any more")
    yield from nodes


def _texts(root: ast.AST) -> Iterator[tuple[int, tuple[str, ...]]]:
    """Line and constant parts of each text that is a sentence; neither docstrings nor log calls."""
    skipped: set[int] = set()
    for node in ast.walk(root):
        if id(node) in skipped:
            skipped |= {id(child) for child in ast.iter_child_nodes(node)}
            continue
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            skipped.add(id(node.value))  # a docstring
        elif isinstance(node, ast.Call) and _is_log(node.func):
            skipped |= {id(child) for child in ast.walk(node)}
        elif isinstance(node, ast.JoinedStr):
            skipped |= {id(part) for part in node.values if isinstance(part, ast.Constant)}
            parts = [str(part.value) for part in node.values if isinstance(part, ast.Constant)]
            if _is_sentence(parts):
                yield node.lineno, _stripped(parts)
        elif isinstance(node, ast.Constant) and _is_sentence([str(node.value)]):
            yield node.lineno, _stripped([str(node.value)])


def _is_log(function: ast.expr) -> bool:
    return isinstance(function, ast.Attribute) and function.attr in {
        "debug",
        "info",
        "warning",
        "error",
    }


def _is_sentence(parts: list[str]) -> bool:
    words = sum(len(re.findall(r"[A-Za-z]{2,}", part)) for part in parts)
    return words >= _WORDS_MIN and any(" " in part for part in parts)


def _stripped(parts: list[str]) -> tuple[str, ...]:
    return tuple(part.strip() for part in parts if part.strip())
