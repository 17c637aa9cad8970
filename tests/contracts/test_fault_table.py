"""The table of faults in ARCHITECTURE.md is whole, and every test that it names is there."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import Any

import pytest

LINES = [f"X{number}" for number in range(1, 29)]


def rows_of(text: str) -> dict[str, list[str]]:
    """Line of the table -> its cells."""
    rows = re.findall(r"(?m)^\| (X\d+) \|(.+)\|$", text)
    return {number: [cell.strip() for cell in cells.split("|")] for number, cells in rows}


def named_tests(cells: list[str]) -> list[str]:
    return re.findall(r"`(test_\w+)`", cells[-1])


@pytest.fixture(scope="module")
def table(root: Path) -> dict[str, list[str]]:
    return rows_of((root / "ARCHITECTURE.md").read_text(encoding="utf-8"))


def test_table_has_every_line_and_each_a_reaction_and_a_test(table: dict[str, list[str]]) -> None:
    assert list(table) == LINES
    for number, cells in table.items():
        assert len(cells) == 3, number
        assert all(cells), number
        assert named_tests(cells), number


def test_every_test_that_the_table_names_is_there(
    table: dict[str, list[str]], test_sources: list[Any]
) -> None:
    known = {
        node.name
        for source in test_sources
        for node in ast.walk(source.tree)
        if isinstance(node, ast.FunctionDef)
    }
    missing = {
        number: [name for name in named_tests(cells) if name not in known]
        for number, cells in table.items()
    }
    assert {number: names for number, names in missing.items() if names} == {}


def test_every_system_test_of_a_line_is_named_in_it(
    table: dict[str, list[str]], test_sources: list[Any]
) -> None:
    for source in test_sources:
        if not Path(source.name).name.startswith("test_faults_x_"):
            continue
        for node in source.tree.body:
            if isinstance(node, ast.FunctionDef):
                for number in re.findall(r"(?<=_)x\d+(?=_)", node.name):
                    assert node.name in named_tests(table[number.upper()]), node.name


def test_rows_of_reads_a_table() -> None:
    text = "| # | a |\n|---|---|\n| X1 | fault | what | `test_a`, `test_b` |\nX2\n"
    assert named_tests(rows_of(text)["X1"]) == ["test_a", "test_b"]
    assert list(rows_of(text)) == ["X1"]
