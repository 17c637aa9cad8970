"""Output helpers: colour only where it is wanted, tables that line up, times and sizes in words."""

from __future__ import annotations

import sys

import click
import pytest

from hunter.cli.options import colour, duration, size, table


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("TERM", "xterm")
    return monkeypatch


def test_colour_on_a_terminal(terminal: pytest.MonkeyPatch) -> None:
    assert colour("up", "green") == click.style("up", fg="green") != "up"


def test_colour_nowhere_else(terminal: pytest.MonkeyPatch) -> None:
    terminal.setenv("TERM", "dumb")
    assert colour("up", "green") == "up"
    terminal.setenv("TERM", "xterm")
    terminal.setenv("NO_COLOR", "")
    assert colour("up", "green") == "up"
    terminal.delenv("NO_COLOR")
    terminal.setattr(sys.stdout, "isatty", lambda: False)
    assert colour("up", "green") == "up"


def test_table_lines_up_whatever_the_colours() -> None:
    rows = [["NAME", "N"], [click.style("a", fg="red"), "1"], ["long name", "1,000"]]
    lines = [click.unstyle(line) for line in table(rows, {1})]
    assert lines == ["NAME           N", "a              1", "long name  1,000"]


def test_table_leaves_no_blanks_at_line_ends() -> None:
    assert table([["A", "B"], ["x", ""]], set()) == ["A  B", "x"]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.04, "0.0 s"),
        (9.94, "9.9 s"),
        (10, "10 s"),
        (59.9, "59 s"),
        (60, "1 m 00 s"),
        (3_599, "59 m 59 s"),
        (7_620, "2 h 07 m"),
        (273_600, "3 d 4 h"),
    ],
)
def test_duration(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_size() -> None:
    assert (size(999), size(61_000_000), size(1_000_000)) == ("1 kB", "61 MB", "1 MB")
