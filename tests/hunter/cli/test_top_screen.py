"""`hunter top` as its user has it: keys pressed, screen looked at, by textual's own pilot."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from fakes.actor_stage import SWAP
from textual.pilot import Pilot
from textual.widgets import Input, Static

from hunter.bus.messages import Answer, RestartActor
from hunter.bus.sockets import ControlServer
from hunter.cli import top_screen
from hunter.cli.top_facts import INSTRUMENT_COLUMNS, WIDE_COLUMNS
from hunter.cli.top_screen import AskScreen, FactTable, HelpScreen, Looker, TopApp, terminal_theme
from hunter.errors import NotRunning

LOOKS_MAX = 500
Play = Callable[[Pilot[None], TopApp], Coroutine[Any, Any, None]]


def run(shown: Any, play: Play, size: tuple[int, int] = (80, 24)) -> None:
    async def program() -> None:
        app = TopApp(shown.config)
        async with app.run_test(size=size, notifications=True) as pilot:
            await until(pilot, lambda: app._look is not None)
            await play(pilot, app)

    asyncio.run(program())


async def until(pilot: Pilot[None], condition: Callable[[], Any]) -> None:
    for _ in range(LOOKS_MAX):
        if condition():
            return
        await pilot.pause(0.02)
    raise AssertionError("the screen does not come to show it")


def told(app: TopApp, name: str) -> str:
    return str(app.query_one(f"#{name}", Static).content)


def cells(app: TopApp, name: str) -> list[list[str]]:
    table = app.query_one(f"#{name}", FactTable)
    return [[str(cell) for cell in table.get_row_at(row)] for row in range(table.row_count)]


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody has to read along."""
    for name in ("LOOK_EVERY_S", "DRAW_EVERY_S"):
        monkeypatch.setattr(top_screen, name, 0.1)


@pytest.fixture
def market(shown: Any) -> Any:
    shown.up()
    shown.put_trades(5, 6)
    shown.put_book()
    shown.put_signal(1_000)
    shown.log("stream-0", "2026-01-31T12:00:01.000Z INFO stream-0 connected")
    shown.log("brain-0", "2026-01-31T12:00:02.000Z ERROR brain-0 broke", "    Traceback")
    return shown


def test_everything_is_on_a_small_screen(market: Any) -> None:
    async def play(pilot: Pilot[None], app: TopApp) -> None:
        assert told(app, "head").startswith('● running  "default"')
        assert len(told(app, "head")) <= 80
        assert [row[0] for row in cells(app, "actors")] == ["stream-0", "brain-0", "watchdog"]
        assert cells(app, "instruments")[0][:2] == [SWAP, "42,219.9"]
        assert [
            str(c.label) for c in app.query_one("#instruments", FactTable).columns.values()
        ] == [*INSTRUMENT_COLUMNS]
        await until(pilot, lambda: "Traceback" in told(app, "log"))
        lines = told(app, "log").splitlines()
        assert lines[0] == "12:00:01 stream-0 connected"
        assert lines[1] == "12:00:02 ERROR brain-0 broke"
        parts = list(app.query("#head, #actors, #instruments, #log, Footer"))
        await until(pilot, lambda: all(widget.region.height for widget in parts))
        assert max(widget.region.right for widget in parts) <= 80
        assert max(widget.region.bottom for widget in parts) <= 24

    run(market, play)


def test_wide_screen_has_more_columns(market: Any) -> None:
    async def play(pilot: Pilot[None], app: TopApp) -> None:
        labels = [str(c.label) for c in app.query_one("#instruments", FactTable).columns.values()]
        assert labels == [*WIDE_COLUMNS]
        assert cells(app, "instruments")[0][-1] == "queues lean up"
        assert "shared" in told(app, "head")
        await pilot.resize_terminal(80, 24)
        await until(pilot, lambda: len(cells(app, "instruments")[0]) == len(INSTRUMENT_COLUMNS))

    run(market, play, (140, 40))


def test_screen_follows_what_happens_and_says_what_is_wrong(market: Any) -> None:
    async def play(pilot: Pilot[None], app: TopApp) -> None:
        assert not app.query_one("#reasons", Static).display
        market.show_feed("stale")
        await until(pilot, lambda: "trades: stale" in told(app, "reasons"))
        assert "see: hunter logs stream-0" in told(app, "reasons"), "as in hunter status"
        assert told(app, "head").startswith("● degraded")
        market.down()
        await until(pilot, lambda: told(app, "head").startswith("● stopped"))
        assert "start it: hunter start" in told(app, "reasons")
        assert cells(app, "actors") == []

    run(market, play)


def test_filter_keeps_what_has_its_words(market: Any) -> None:
    async def play(pilot: Pilot[None], app: TopApp) -> None:
        await pilot.press("slash", *"brain")
        assert app.query_one("#filter", Input).region.height == 1, "one sees what one types"
        await until(pilot, lambda: [row[0] for row in cells(app, "actors")] == ["brain-0"])
        assert cells(app, "instruments") == []
        assert told(app, "log").splitlines() == ["12:00:02 ERROR brain-0 broke",
                                                 "12:00:02 brain-0     Traceback"]  # fmt: skip
        await pilot.press("enter")
        assert "/brain" in told(app, "head")
        assert not app.query_one("#filter", Input).display
        await pilot.press("escape")
        await until(pilot, lambda: len(cells(app, "actors")) == 3)
        assert app.focused is app.query_one("#actors")

    run(market, play)


def test_log_of_the_chosen_actor(market: Any) -> None:
    async def play(pilot: Pilot[None], app: TopApp) -> None:
        await until(pilot, lambda: "connected" in told(app, "log"))
        await pilot.press("down", "l")
        assert "connected" not in told(app, "log")
        assert "broke" in told(app, "log")
        assert app.query_one("#log", Static).border_title == "log of brain-0"
        await pilot.press("l")
        assert "connected" in told(app, "log")

    run(market, play)


def test_cursor_stays_with_its_actor_when_rows_come_and_go(market: Any) -> None:
    async def play(pilot: Pilot[None], app: TopApp) -> None:
        table = app.query_one("#actors", FactTable)
        await pilot.press("down", "down")
        assert table.chosen() == "watchdog"
        await pilot.press("slash", *"watch", "enter")
        await until(pilot, lambda: len(cells(app, "actors")) == 1)
        await pilot.press("escape")
        await until(pilot, lambda: len(cells(app, "actors")) == 3)
        assert table.chosen() == "watchdog"
        await pilot.press("tab")
        assert app.focused is app.query_one("#instruments")

    run(market, play)


def test_pause_keeps_the_screen_as_it_is(market: Any) -> None:
    async def play(pilot: Pilot[None], app: TopApp) -> None:
        await pilot.press("p")
        assert "paused at" in told(app, "head")
        market.show_feed("stale")
        looks = app._looker.newest
        await until(pilot, lambda: app._looker.newest is not looks)
        await pilot.pause(2 * top_screen.DRAW_EVERY_S)
        assert "stale" not in told(app, "reasons")
        await pilot.press("p")
        await until(pilot, lambda: "stale" in told(app, "reasons"))

    run(market, play)


def test_help_opens_and_closes(market: Any) -> None:
    async def play(pilot: Pilot[None], app: TopApp) -> None:
        for key in ("escape", "question_mark", "q"):
            await pilot.press("question_mark")
            assert isinstance(app.screen, HelpScreen)
            await pilot.press(key)
            assert not isinstance(app.screen, HelpScreen)

    run(market, play)


class Supervisor(threading.Thread):
    """Answers one command."""

    def __init__(self, shown: Any, answer: Answer) -> None:
        super().__init__(daemon=True)
        self._server = ControlServer(shown.config.runtime_dir)
        self._answer = answer
        self._ended = threading.Event()
        self.commands: list[Any] = []

    def run(self) -> None:
        while not self._ended.wait(0.01):
            for address, command in self._server.receive():
                self.commands.append(command)
                self._server.answer(address, self._answer)
        self._server.close()

    def end(self) -> None:
        self._ended.set()
        self.join()


def test_restart_asks_first_and_then_the_supervisor(market: Any) -> None:
    supervisor = Supervisor(market, Answer(ok=False, text="it is parked"))
    supervisor.start()

    async def play(pilot: Pilot[None], app: TopApp) -> None:
        await pilot.press("down", "r")
        assert isinstance(app.screen, AskScreen)
        await pilot.press("enter")
        assert not isinstance(app.screen, AskScreen)
        assert supervisor.commands == []
        await pilot.press("r", "y")
        await until(pilot, lambda: supervisor.commands)
        assert supervisor.commands == [RestartActor(actor="brain-0", reason="operator")]
        messages = app._notifications
        await until(pilot, lambda: "brain-0: it is parked" in [each.message for each in messages])

    run(market, play)
    supervisor.end()


def test_restart_of_nothing_says_so(shown: Any) -> None:
    shown.down()

    async def play(pilot: Pilot[None], app: TopApp) -> None:
        await pilot.press("r")
        assert [each.message for each in app._notifications] == ["no actor is chosen"]

    run(shown, play)


def test_wedged_look_is_told_and_keys_work(market: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A thread that waits for a disk for ever: the screen turns all the same, and can be left."""
    monkeypatch.setattr(top_screen, "LATE_AFTER_S", 0.2)
    hold = threading.Event()

    async def play(pilot: Pilot[None], app: TopApp) -> None:
        app._looker._look = lambda: hold.wait() and app._look  # type: ignore[assignment]
        await until(pilot, lambda: "nothing could be read for" in told(app, "reasons"))
        await pilot.press("question_mark")
        assert isinstance(app.screen, HelpScreen)
        await pilot.press("escape", "q")
        assert app._exit

    run(market, play)
    hold.set()


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (NotRunning("it belongs to user 7"), "it belongs to user 7"),
        (PermissionError(13, "Permission denied", "run"), "Permission denied: run"),
        (OSError("odd"), "odd"),
    ],
)
def test_looker_keeps_what_went_wrong_and_looks_again(error: Exception, said: str) -> None:
    looked = threading.Semaphore(0)

    def look() -> Any:
        looked.release()
        raise error

    looker = Looker(look)
    looker.start()
    assert looked.acquire(timeout=5)
    looker.end()
    looker.join(5)
    assert not looker.is_alive()
    assert looker.trouble == said
    assert looker.newest is None


def test_theme_is_the_terminals(monkeypatch: pytest.MonkeyPatch) -> None:
    themes = ["textual-dark", "ansi-dark", "ansi-light"]
    monkeypatch.delenv("COLORFGBG", raising=False)
    assert terminal_theme(themes) == "ansi-dark"
    monkeypatch.setenv("COLORFGBG", "0;15")
    assert terminal_theme(themes) == "ansi-light"
    assert terminal_theme(["textual-dark", "textual-ansi"]) == "textual-ansi"
    assert terminal_theme(["textual-dark"]) == "textual-dark"


def test_picture_is_an_svg_that_asks_nobody_for_fonts(
    market: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(top_screen, "PICTURE_AFTER_S", 0.5)
    made = asyncio.run(top_screen.picture(market.config, 80, 24, "textual-light", ["down"]))
    assert made.startswith("<svg")
    assert "stream-0" in made
    assert "font-face" not in made
