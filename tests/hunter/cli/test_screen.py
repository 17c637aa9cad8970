"""A screen that is written over itself, and what follows itself elsewhere."""

from __future__ import annotations

import io

import pytest

from hunter.cli.screen import Screen, fitting


class Tty(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def terminal_of_twenty_by_four(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "20")
    monkeypatch.setenv("LINES", "4")


def test_terminal_is_cleared_once_and_then_written_over() -> None:
    tty = Tty()
    screen = Screen(tty)
    screen.show("one\ntwo")
    first = tty.getvalue()
    assert first == "\x1b[?25l\x1b[2J\x1b[Hone\x1b[K\ntwo\x1b[K\x1b[J"
    screen.show("three")
    assert tty.getvalue() == first + "\x1b[Hthree\x1b[K\x1b[J"
    screen.close()
    assert tty.getvalue().endswith("\x1b[?25h\n"), "the cursor is given back"


@pytest.mark.parametrize("term", ["dumb", "xterm"])
def test_elsewhere_one_text_follows_the_other(monkeypatch: pytest.MonkeyPatch, term: str) -> None:
    monkeypatch.setenv("TERM", term)
    out = Tty() if term == "dumb" else io.StringIO()
    screen = Screen(out)
    screen.show("one")
    screen.show("two")
    screen.close()
    assert out.getvalue() == "one\n\ntwo\n"


def test_screen_that_showed_nothing_closes_without_a_word() -> None:
    tty = Tty()
    Screen(tty).close()
    assert tty.getvalue() == ""


def test_what_does_not_fit_is_cut_and_counted() -> None:
    assert fitting(["a", "b"], 20, 2) == ["a", "b"]
    assert fitting(["a", "b", "c"], 40, 2) == ["a", "... 2 more lines: hunter status"]
    assert fitting(["\x1b[32m" + "x" * 9 + "\x1b[0m"], 9, 2) == ["\x1b[32m" + "x" * 9 + "\x1b[0m"]
    assert fitting(["\x1b[32m" + "x" * 10 + "\x1b[0m"], 9, 2) == ["x" * 8 + "…"]
