"""The screen of `hunter top`: draws what a Watcher has seen, and takes keys. Needs textual.

The loop that draws never reads anything: a thread looks twice a second and leaves what it saw where
the loop finds it. When the thread waits for a disk that does not answer, the screen says so, and
keys work. The only thing that can be changed from here is an actor's restart, after a question.
Colours are the terminal's own, so a light terminal stays light.
"""

from __future__ import annotations

import operator
import os
import re
import threading
from collections.abc import Callable, Iterable, Sequence
from typing import Any, ClassVar, Final

from rich.text import Text
from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.screen import ModalScreen
from textual.widgets import DataTable, Footer, Input, Static

from hunter.cli.advice import with_step
from hunter.cli.top_facts import (
    ACTOR_COLUMNS,
    INSTRUMENT_COLUMNS,
    RIGHT_COLUMNS,
    WIDE_COLUMNS,
    TopCell,
    TopLook,
    Watcher,
    actor_rows,
    head_texts,
    instrument_rows,
    matches,
    state_cell,
)
from hunter.clock import SystemClock, local_clock_text
from hunter.config import Config
from hunter.errors import HunterError

LOOK_EVERY_S: Final = 0.5
DRAW_EVERY_S: Final = 0.25
LATE_AFTER_S: Final = 3.0
WIDE_FROM: Final = 120
PICTURE_AFTER_S: Final = 4.0
ANSWER_WAIT_MS: Final = 3_000
_LEVEL_COLOURS: Final = {"WARNING": "yellow", "ERROR": "red", "CRITICAL": "red"}
_HELP: Final = """\
 up, down     choose an actor or an instrument
 tab          from one table to the other
 l            log of the chosen actor alone; again: of all
 r            restart the chosen actor; asks first
 /            show only what has these words in it;
              enter keeps the filter, escape drops it
 p            pause: the screen stands still, hunter does not
 q, ctrl+c    quit; hunter goes on

 !  is what is wrong, and what to do about it
 RST restarts   BEAT since the actor's last sign of life
 AGE since the newest data   LOST matches nobody could supply
"""


class Looker(threading.Thread):
    """Looks again and again until it is told to end; `newest` is what it saw last."""

    def __init__(self, look: Callable[[], TopLook]) -> None:
        super().__init__(name="look", daemon=True)  # one that waits for a disk must not hold us up
        self._look = look
        self._ended = threading.Event()
        self.newest: TopLook | None = None
        self.trouble = ""
        self.answered_ns = SystemClock.monotonic_ns()

    def run(self) -> None:
        while not self._ended.is_set():
            try:
                self.newest, self.trouble = self._look(), ""
            except HunterError as error:
                self.trouble = str(error)
            except OSError as error:
                about = f": {error.filename}" if error.filename else ""
                self.trouble = f"{error.strerror or error}{about}"
            self.answered_ns = SystemClock.monotonic_ns()
            self._ended.wait(LOOK_EVERY_S)

    def end(self) -> None:
        self._ended.set()

    def late_s(self) -> float:
        """Since it has seen anything."""
        return (SystemClock.monotonic_ns() - self.answered_ns) / 1e9


class HelpScreen(ModalScreen[None]):
    """The keys."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape,question_mark,q,enter", "dismiss")]

    def compose(self) -> ComposeResult:
        box = Static(_HELP, classes="box", markup=False)
        box.border_title = "keys"
        box.border_subtitle = "escape"
        yield box


class AskScreen(ModalScreen[bool]):
    """A question with yes and no; everything but yes is no."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("y", "answer(True)"),
        Binding("n,escape,q,enter", "answer(False)"),
    ]

    def __init__(self, question: str) -> None:
        super().__init__()
        self._question = question

    def compose(self) -> ComposeResult:
        box = Static(self._question, classes="box", markup=False)
        box.border_subtitle = "y: yes   n: no"
        yield box

    def action_answer(self, answer: bool) -> None:
        self.dismiss(answer)


class FactTable(DataTable[Text]):
    """A table that is given all its rows again and again, and keeps its cursor where it was.

    Its columns only get wider: textual measures a whole column anew for each cell, if it is left to
    do so, which takes seconds for 300 instruments.
    """

    def __init__(self, name: str) -> None:
        super().__init__(id=name, cursor_type="row", show_cursor=False)
        self._names: tuple[str, ...] = ()
        self._widths: list[int] = []
        self._rows: dict[str, list[TopCell]] = {}

    def show(self, names: Sequence[str], rows: dict[str, list[TopCell]]) -> None:
        """Draw what has changed; all of it when there are other columns, other rows or no room."""
        self.display = bool(rows)
        every = ([TopCell(name) for name in names], *rows.values())
        widths = [max(len(cell.text) for cell in column) for column in zip(*every, strict=True)]
        same = tuple(names) == self._names and list(rows) == list(self._rows)
        if same and all(map(operator.le, widths, self._widths)):
            for key, cells in rows.items():
                for name, cell, before in zip(names, cells, self._rows[key], strict=True):
                    if cell != before:
                        self.update_cell(key, name, _cell(name, cell))
        else:
            before_widths = self._widths if tuple(names) == self._names else [0] * len(names)
            self._widths = list(map(max, widths, before_widths))
            self._names = tuple(names)
            self._draw_all(rows)
        self._rows = rows

    def on_focus(self) -> None:
        self.show_cursor = True

    def on_blur(self) -> None:
        self.show_cursor = False

    def chosen(self) -> str:
        """Key of the row under the cursor; "" when there is none."""
        keys = list(self._rows)
        return keys[self.cursor_row] if 0 <= self.cursor_row < len(keys) else ""

    def _draw_all(self, rows: dict[str, list[TopCell]]) -> None:
        chosen, top = self.chosen(), self.scroll_y
        self.clear(columns=True)
        for name, width in zip(self._names, self._widths, strict=True):
            self.add_column(Text(name, justify=_justify(name)), key=name, width=width)
        for key, cells in rows.items():
            drawn = (_cell(name, cell) for name, cell in zip(self._names, cells, strict=True))
            self.add_row(*drawn, key=key)
        if chosen in rows:
            self.move_cursor(row=list(rows).index(chosen), scroll=False)
            self.scroll_to(y=top, animate=False)


def _justify(column: str) -> Any:
    return "right" if column in RIGHT_COLUMNS else "left"


def _cell(column: str, cell: TopCell) -> Text:
    return Text(cell.text, cell.colour, justify=_justify(column), no_wrap=True)


class TopApp(App[None]):
    """`hunter top`. `look` and `restart` are what a test may put in their place."""

    TITLE = "hunter top"
    ENABLE_COMMAND_PALETTE = False
    CSS = """
    #head { height: 1; padding: 0 1; }
    #actors { height: auto; max-height: 40%; }
    #instruments { height: auto; max-height: 40%; margin-top: 1; }
    #reasons { height: auto; max-height: 6; padding: 0 1; }
    #log { height: 1fr; min-height: 2; padding: 0 1; border-top: solid ansi_bright_black; }
    #log { text-wrap: nowrap; text-overflow: ellipsis; }
    #filter { height: 1; border: none; padding: 0 1; display: none; }
    #filter.asked { display: block; }
    DataTable { scrollbar-size: 1 1; overflow-x: hidden; background: $background; }
    DataTable > .datatable--header { background: $background; text-style: bold; }
    ModalScreen { align: center middle; }
    .box { width: auto; max-width: 76; height: auto; padding: 0 1; border: round ansi_cyan; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("q", "quit", "quit"),
        Binding("question_mark", "help", "help", key_display="?"),
        Binding("slash", "filter", "filter", key_display="/"),
        Binding("l", "log", "log"),
        Binding("r", "restart", "restart"),
        Binding("p", "pause", "pause"),
        Binding("ctrl+c", "quit", "quit", show=False),
        Binding("escape", "drop_filter", show=False),
    ]

    def __init__(self, config: Config, *, theme: str = "") -> None:
        super().__init__()
        self._config = config
        self._watcher = Watcher(config)
        self._looker = Looker(self._watcher.look)
        self._look: TopLook | None = None
        self._wanted = ""
        self._log_actor = ""
        self._paused_at = ""
        self._shown: tuple[object, ...] = ()
        self.theme = theme or terminal_theme(self.available_themes)

    def compose(self) -> ComposeResult:
        yield Static(id="head")
        yield Static(id="reasons")
        yield FactTable("actors")
        yield FactTable("instruments")
        yield Static(id="log")
        yield Input(id="filter", placeholder="words to look for", compact=True)
        yield Footer(show_command_palette=False)

    def on_mount(self) -> None:
        self._looker.start()
        self.query_one("#actors").focus()
        self.set_interval(DRAW_EVERY_S, self._draw)

    def on_unmount(self) -> None:
        self._looker.end()

    def on_resize(self) -> None:
        self.call_after_refresh(self._draw)

    # Drawing

    def _draw(self) -> None:
        """Draw what there is to draw; nothing, if nothing has changed since."""
        if not self._paused_at:
            self._look = self._looker.newest
        trouble = self._trouble()
        shown = (self._look, trouble, self._wanted, self._log_actor, self._paused_at, self.size)
        if not self.query("#head") or shown == self._shown:
            return  # of the former: the screen is not there yet, or not any more
        self._shown = shown
        self._draw_words(self._look, trouble)
        if self._look is not None:
            self._draw_tables(self._look)

    def _draw_words(self, look: TopLook | None, trouble: str) -> None:
        self.query_one("#head", Static).update(self._head(look))
        lines = [Text.assemble(("! ", "yellow"), trouble)] if trouble else []
        if look is not None:
            reasons = (with_step(reason, look.report) for reason in look.report.reasons)
            lines += [Text.assemble(("! ", "yellow"), text) for text in reasons]
            lines += [Text.assemble(("i ", "cyan"), text) for text in look.report.notices]
        pane = self.query_one("#reasons", Static)
        pane.display = bool(lines)
        pane.update(Text("\n").join(lines))

    def _draw_tables(self, look: TopLook) -> None:
        columns = WIDE_COLUMNS if self.size.width >= WIDE_FROM else INSTRUMENT_COLUMNS
        actors = self._kept(actor_rows(look.report))
        instruments = self._kept(instrument_rows(look, columns))
        self.query_one("#actors", FactTable).show(ACTOR_COLUMNS, actors)
        self.query_one("#instruments", FactTable).show(columns, instruments)
        self.query_one("#log", Static).update(self._log_text(look))

    def _kept(self, rows: dict[str, list[TopCell]]) -> dict[str, list[TopCell]]:
        return {
            key: cells
            for key, cells in rows.items()
            if matches(self._wanted, *(cell.text for cell in cells))
        }

    def _trouble(self) -> str:
        late_s = self._looker.late_s()
        if late_s > LATE_AFTER_S:
            return f"nothing could be read for {late_s:.0f} s: is a disk or the memory wedged?"
        return self._looker.trouble

    def _head(self, look: TopLook | None) -> Text:
        if look is None:
            return Text("looking for hunter ...")
        report = look.report
        state, colour = state_cell(report.state)
        head = Text.assemble((f"● {state}", f"{colour} bold"))
        if self._paused_at:
            head.append(f"  paused at {self._paused_at}: p goes on", "reverse")
        if self._wanted:
            head.append(f"  /{self._wanted}", "cyan")
        for text in head_texts(report) if report.actors else ():
            if head.cell_len + len(text) + 4 > self.size.width:
                break
            head.append(f"  {text}")
        return head

    def _log_text(self, look: TopLook) -> Text:
        pane = self.query_one("#log", Static)
        pane.border_title = f"log of {self._log_actor}" if self._log_actor else "log"
        lines = [
            line
            for line in look.log
            if self._log_actor in ("", line.actor) and matches(self._wanted, line.actor, line.text)
        ]
        height = max(1, pane.content_size.height)
        shown = Text(no_wrap=True, overflow="ellipsis", end="")
        for line in lines[-height:]:
            level, _, rest = line.text.partition(" ")
            if level in _LEVEL_COLOURS or level == "INFO":
                if shown:
                    shown.append("\n")
                shown.append(f"{line.stamp[11:19]} ", "dim")
                shown.append(rest if level == "INFO" else line.text, _LEVEL_COLOURS.get(level, ""))
            else:
                shown.append(("\n" if shown else "") + f"{line.stamp[11:19]} {line.actor} ", "dim")
                shown.append(line.text)
        return shown

    # Keys

    def action_help(self) -> None:
        self.push_screen(HelpScreen())

    def action_pause(self) -> None:
        self._paused_at = "" if self._paused_at else local_clock_text(SystemClock.wall_ns())
        self._draw()

    def action_log(self) -> None:
        chosen = self.query_one("#actors", FactTable).chosen()
        self._log_actor = "" if self._log_actor == chosen else chosen
        self._draw()

    def action_filter(self) -> None:
        asked = self.query_one("#filter", Input)
        asked.value = self._wanted
        asked.add_class("asked")
        asked.focus()

    def action_drop_filter(self) -> None:
        self._wanted = ""
        self._leave_filter()

    def on_input_changed(self, event: Input.Changed) -> None:
        if event.input.has_class("asked"):
            self._wanted = event.value
            self._draw()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        self._wanted = event.value
        self._leave_filter()

    def _leave_filter(self) -> None:
        self.query_one("#filter", Input).remove_class("asked")
        self._draw()
        self.query_one("#actors").focus()  # after it is drawn: what is hidden takes no focus

    def action_restart(self) -> None:
        actor = self.query_one("#actors", FactTable).chosen()
        if not actor:
            self.notify("no actor is chosen", severity="warning")
            return

        def answered(yes: bool | None) -> None:
            if yes:
                self.notify(f"{actor}: asked the supervisor to restart it")
                threading.Thread(target=self._restart, args=(actor,), daemon=True).start()

        self.push_screen(
            AskScreen(f"Restart {actor}? It ends politely and a new one starts."), answered
        )

    def _restart(self, actor: str) -> None:
        """In a thread of its own: a supervisor that is wedged does not answer."""
        try:
            text = ask_restart(self._config, actor)
        except HunterError as error:
            text = str(error)
        if text:
            self.call_from_thread(self.notify, f"{actor}: {text}", severity="error")


def ask_restart(config: Config, actor: str) -> str:
    """Ask the supervisor; why it will not, or "". Raises TimedOut."""
    from hunter.bus.messages import RestartActor
    from hunter.bus.sockets import ControlClient

    command = RestartActor(actor=actor, reason="operator")
    answer = ControlClient(config.runtime_dir).ask(command, ANSWER_WAIT_MS)
    return "" if answer.ok else answer.text


def terminal_theme(available: Iterable[str]) -> str:
    """The theme that takes its colours from the terminal. Terminals that say how light they are do
    so in COLORFGBG, `foreground;background`, where 7 and 15 are white.
    """
    light = os.environ.get("COLORFGBG", "").rpartition(";")[2] in ("7", "15")
    names = ["ansi-light" if light else "ansi-dark", "textual-ansi", "textual-dark"]
    return next(name for name in names if name in set(available))


async def picture(
    config: Config, columns: int, lines: int, theme: str, keys: Sequence[str] = ()
) -> str:
    """The screen as SVG, after a few seconds and after these keys; for the documentation.

    `theme` is one of textual's: "textual-dark", "textual-light".
    """
    app = TopApp(config, theme=theme)
    async with app.run_test(size=(columns, lines)) as pilot:
        await pilot.pause(PICTURE_AFTER_S)  # long enough for a rate
        await pilot.press(*keys)
        await pilot.pause(2 * DRAW_EVERY_S)
        svg = app.export_screenshot()
    return re.sub(r"@font-face {.*?}", "", svg, flags=re.DOTALL)  # fonts of somebody's server
