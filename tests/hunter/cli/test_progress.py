"""Progress: rewritten on a terminal, now and then elsewhere, never in the way."""

from __future__ import annotations

import io

import pytest

from hunter.cli.progress import PLAIN_EVERY_NS, TERMINAL_EVERY_NS, Progress, bar, left_text


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def terminal_of_forty_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "40")


def test_terminal_has_one_line_that_is_rewritten_and_fits() -> None:
    screen = Terminal()
    progress = Progress(screen, 0)
    progress.show(TERMINAL_EVERY_NS, lambda: "one")
    progress.show(TERMINAL_EVERY_NS + 1, lambda: "too soon")
    progress.show(2 * TERMINAL_EVERY_NS, lambda: "x" * 100)
    assert screen.getvalue() == f"\rone\x1b[K\r{'x' * 39}\x1b[K"


def test_message_takes_the_line_away_and_stays() -> None:
    screen = Terminal()
    progress = Progress(screen, 0)
    progress.say("before")
    progress.show(TERMINAL_EVERY_NS, lambda: "one")
    progress.say("lost")
    progress.finish()
    assert screen.getvalue() == "before\n\rone\x1b[K\r\x1b[Klost\n"


def test_elsewhere_a_plain_line_every_ten_seconds() -> None:
    screen = io.StringIO()
    progress = Progress(screen, 0)
    for now_ns in range(0, 2 * PLAIN_EVERY_NS + 1, TERMINAL_EVERY_NS):
        progress.show(now_ns, lambda at_ns=now_ns: f"at {at_ns}")
    progress.finish()
    assert screen.getvalue() == f"at {PLAIN_EVERY_NS}\nat {2 * PLAIN_EVERY_NS}\n"


def test_dumb_terminal_gets_plain_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "dumb")
    screen = Terminal()
    Progress(screen, 0).show(PLAIN_EVERY_NS, lambda: "one")
    assert screen.getvalue() == "one\n"


def test_closed_terminal_is_forgiven() -> None:
    class Gone(io.StringIO):
        def write(self, text: str) -> int:
            raise BrokenPipeError

    progress = Progress(Gone(), 0)
    progress.say("nobody hears this")
    progress.show(PLAIN_EVERY_NS, lambda: "nor this")


def test_bar_tells_the_share_and_what_is_left_of_the_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    screen = Terminal()
    progress = Progress(screen, 0)
    progress.restart(TERMINAL_EVERY_NS)
    progress.show_bar(2 * TERMINAL_EVERY_NS, 0.1, lambda: "x")
    assert screen.getvalue() == f"\r{bar(0.1)}  x, 1.8 s left\x1b[K"
    assert bar(0.25) == "[######..................]  25%"
    assert bar(-1.0).endswith("]   0%")
    assert bar(2.0) == "[########################] 100%"
    assert left_text(0.25, 4_000_000_000) == ", 12 s left"
    assert left_text(0.01, 4_000_000_000) == left_text(1.0, 1) == ""


def test_bar_is_a_plain_line_elsewhere() -> None:
    screen = io.StringIO()
    Progress(screen, 0).show_bar(PLAIN_EVERY_NS, 0.5, lambda: "x")
    assert screen.getvalue() == "50%  x\n"


def test_quiet_progress_shows_messages_only() -> None:
    screen = Terminal()
    progress = Progress(screen, 0, is_quiet=True)
    progress.show(PLAIN_EVERY_NS, lambda: "one")
    progress.show_bar(2 * PLAIN_EVERY_NS, 0.5, lambda: "two")
    progress.say("lost")
    assert screen.getvalue() == "lost\n"
    assert not progress.is_shown
    assert Progress(screen, 0).is_shown
