"""The tables of faults in ARCHITECTURE.md are whole, and every test that they name is there."""

from __future__ import annotations

import ast
import re
from typing import Any

import pytest

LINE_COUNTS = {"P": 20, "R": 18, "C": 14, "X": 28, "S": 14}
LINES = [f"{letter}{n}" for letter, count in LINE_COUNTS.items() for n in range(1, count + 1)]
# Some lines cannot be shown by a test of this suite; then the last cell says why.
UNTESTED = re.compile(r"not tested here, because \w+|does not apply: \w+")


def rows_of(text: str) -> dict[str, list[str]]:
    """Line of a table -> its cells."""
    rows = re.findall(r"(?m)^\| ([PRCXS]\d+) \|(.+)\|$", text)
    assert len({number for number, _ in rows}) == len(rows), "a line stands twice"
    return {number: [cell.strip() for cell in cells.split("|")] for number, cells in rows}


def named_tests(cells: list[str]) -> list[str]:
    return re.findall(r"`(test_\w+)`", cells[-1])


def functions_of(test_sources: list[Any]) -> set[str]:
    return {
        node.name
        for source in test_sources
        for node in ast.walk(source.tree)
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
    }


@pytest.fixture(scope="module")
def tables(root: Any) -> dict[str, list[str]]:
    return rows_of((root / "ARCHITECTURE.md").read_text(encoding="utf-8"))


def test_tables_have_every_line_and_each_a_reaction_and_a_test(
    tables: dict[str, list[str]],
) -> None:
    assert sorted(tables) == sorted(LINES)
    for number, cells in tables.items():
        assert len(cells) == 3, number
        assert all(cells), number
        assert named_tests(cells) or UNTESTED.search(cells[-1]), number


def test_every_test_that_a_table_names_is_there(
    tables: dict[str, list[str]], test_sources: list[Any]
) -> None:
    known = functions_of(test_sources)
    missing = {
        number: [name for name in named_tests(cells) if name not in known]
        for number, cells in tables.items()
    }
    assert {number: names for number, names in missing.items() if names} == {}


def test_every_system_test_of_a_line_is_named_in_it(
    tables: dict[str, list[str]], test_sources: list[Any]
) -> None:
    whole = [source for source in test_sources if "test_faults_" in source.name]
    assert whole
    forgotten = {
        name: number.upper()
        for name in functions_of(whole)
        for number in re.findall(r"(?<=_)[prcxs]\d+(?=_)", name)
        if number.upper() in tables and name not in named_tests(tables[number.upper()])
    }
    assert forgotten == {}


def test_rows_of_reads_a_table() -> None:
    text = "| # | a |\n|---|---|\n| X1 | fault | what | `test_a`, `test_b` |\n"
    text += "X2\n| R2 | f | w | no |\n"
    assert named_tests(rows_of(text)["X1"]) == ["test_a", "test_b"]
    assert list(rows_of(text)) == ["X1", "R2"]


def test_line_without_a_test_says_why() -> None:
    assert UNTESTED.search("not tested here, because it takes a host")
    assert not UNTESTED.search("not tested here")
