"""What `hunter start` prints: log lines as they come, and the market, from shared memory only."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from fakes.actor_stage import SWAP

from hunter.cli import console as console_module
from hunter.cli.console import Console, _totals
from hunter.cli.status import read
from hunter.clock import SystemClock


class Screen:
    """A pipe in place of the terminal, on descriptors 1 and 2 until `close`."""

    def __init__(self) -> None:
        self._ours, theirs = os.pipe()
        os.set_blocking(self._ours, False)
        self._saved = [os.dup(1), os.dup(2)]
        os.dup2(theirs, 1)
        os.dup2(theirs, 2)
        os.close(theirs)
        self.text = ""

    def read(self) -> str:
        with contextlib.suppress(BlockingIOError):
            self.text += os.read(self._ours, 1 << 20).decode()
        return self.text

    def close(self) -> None:
        for number, saved in enumerate(self._saved, 1):
            os.dup2(saved, number)
            os.close(saved)
        os.close(self._ours)


Open = Callable[..., contextlib.AbstractContextManager[tuple[Screen, Console]]]


@pytest.fixture
def opened(shown: Any, monkeypatch: pytest.MonkeyPatch) -> Open:
    """A console with its screen. Inside the test: between its phases pytest moves descriptors."""
    monkeypatch.setattr(console_module, "POLL_S", 0.01)
    monkeypatch.setattr(console_module, "MARKET_EVERY_NS", 50_000_000)

    @contextlib.contextmanager
    def open_console(demo: bool = False) -> Iterator[tuple[Screen, Console]]:
        screen = Screen()
        made = Console(shown.config, demo=demo)
        try:
            made.take_output(log_of(shown))
            yield screen, made
        finally:
            made.finish()
            screen.close()

    return open_console


def until(screen: Screen, text: str) -> None:
    end_ns = SystemClock().monotonic_ns() + 10_000_000_000
    while text not in screen.read():
        assert SystemClock().monotonic_ns() < end_ns, (text, screen.text)


def log_of(shown: Any) -> Path:
    shown.log("supervisor")
    path: Path = shown.config.log_dir / "supervisor.log"
    return path


def test_console_takes_the_terminal_and_gives_it_back(shown: Any, opened: Open) -> None:
    with opened() as (screen, made):
        os.write(1, b"to the log\n")
        os.write(2, b"and this\n")
        made.finish()
        os.write(1, b"to the terminal\n")
        assert log_of(shown).read_text() == "to the log\nand this\n"
        assert screen.read() == "to the terminal\n"


@pytest.mark.parametrize("demo", [True, False])
def test_console_begins_with_what_and_how_to_stop(shown: Any, opened: Open, demo: bool) -> None:
    with opened(demo) as (screen, made):
        made.start()
        where = "the embedded exchange" if demo else shown.config.okx.public_url
        assert f'hunter "default" on {where}' in screen.read()
        assert "Ctrl-C stops it." in screen.text
        made.finish()
        assert screen.read().endswith("stopped; nothing is left running\n")


def test_console_shows_log_lines_readiness_and_the_market(shown: Any, opened: Open) -> None:
    with opened() as (screen, made):
        made.start()
        shown.log("brain-0", "2026-01-31T12:00:00.000Z INFO brain-0 ring-0: cold")
        until(screen, "  2026-01-31T12:00:00.000Z INFO brain-0 ring-0: cold\n")
        assert "Ready" not in screen.text
        shown.up()
        until(screen, "Ready in ")
        until(screen, f"{SWAP}  no trades yet")
        shown.put_trades(10)
        until(screen, "no book")
        shown.put_book()
        until(screen, f"{SWAP}  last 42,219.9  1 trades (+")
        until(screen, "book 100.0 x 100.5 valid")
        until(
            screen, "running: 1,234 messages, 0 gaps, 0 lost, 0 restarts, 9 decisions, 3 signals\n"
        )
        shown.put_signal(1_000)
        until(screen, "signal up p(up) 0.62: queues lean up")
        shown.put_book(valid=False)
        until(screen, "book not valid")
        assert screen.text.count("Ready in") == 1


def test_console_does_not_believe_a_book_that_nobody_writes_any_more(
    shown: Any, opened: Open
) -> None:
    shown.up()
    shown.put_trades(10)
    shown.put_book()
    shown.stage.end_writer()
    with opened() as (screen, made):
        made.start()
        until(screen, "book not valid")
        assert "book 100.0" not in screen.text


def test_console_says_why_it_is_degraded(shown: Any, opened: Open) -> None:
    shown.up()
    shown.show_feed("stale")
    with opened() as (screen, made):
        made.start()
        until(screen, f"degraded  {SWAP} trades: stale")


def test_console_of_many_instruments_shows_the_first(
    shown: Any, opened: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(console_module, "INSTRUMENTS_SHOWN_MAX", 0)
    shown.up()
    with opened() as (screen, made):
        made.start()
        until(screen, "and 1 more: hunter status")


def test_console_prints_the_last_lines_before_it_ends(shown: Any, opened: Open) -> None:
    with opened() as (screen, made):
        made.start()
        shown.log("stream-0", "last words")
        made.finish()
        assert screen.read().endswith("  last words\nstopped; nothing is left running\n")


def test_console_survives_a_terminal_that_went_away(shown: Any, opened: Open) -> None:
    with opened() as (_, made):
        made._out = os.open("/dev/full", os.O_WRONLY)
        made.start()
        shown.log("stream-0", "a line")
        made.finish()
        os.close(made._out)


def test_totals_tell_that_the_brain_warms_up(shown: Any) -> None:
    shown.up(strea=2)
    report = read(shown.config)
    report.brain.warm = False
    assert _totals(report) == (
        "running: 1,234 messages, 0 gaps, 0 lost, 2 restarts, 9 decisions, 3 signals"
        " (the brain is warming up)"
    )
