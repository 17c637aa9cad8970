from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from fakes.actor_stage import MS
from fakes.web_stage import WebStage

from hunter.access import Instance
from hunter.status.deaths import DeathRecord
from hunter.status.documents import StreamDocument
from hunter.web.story import KEPT_MAX, Story, Telling, TurnView, death_text


class Told:
    """A story that looks when it is told to."""

    def __init__(self, stage: WebStage, instance: Instance) -> None:
        self._stage, self._instance = stage, instance
        self.story = Story(stage.config.log_dir)

    def look(self) -> None:
        self.story.look(self._instance.status(), self._stage.clock.wall_ns())

    def turns(self) -> list[tuple[str, str]]:
        return [(turn.actor, turn.what) for turn in self.story.turns.new]


@pytest.fixture
def told(web_stage: WebStage) -> Iterator[Told]:
    with Instance(web_stage.config) as instance:
        yield Told(web_stage, instance)


def test_what_is_on_file_is_known_from_the_first_look(told: Told, web_stage: WebStage) -> None:
    web_stage.die("brain-0", 50)
    web_stage.die("stream-0", 60, asked=True, detail="to see")
    told.look()
    assert told.turns() == [("brain-0", "died"), ("stream-0", "stopped")]
    event = told.story.events.new[0]
    assert (event.at_ms, event.kind, event.severity, event.is_over) == (
        50_000, "actor", "warning", False,
    )  # fmt: skip
    assert event.text == "brain-0 ended after 12 s: signal 9"
    assert told.story.events.new[1].text == (
        "stream-0 ended after 12 s: signal 9, as the operator had asked; to see"
    )


def test_nothing_new_nothing_told(told: Told, web_stage: WebStage) -> None:
    web_stage.die("brain-0", 50)
    told.look()
    told.story.forget_new()
    told.look()
    assert told.story.turns.new == told.story.events.new == []
    assert [turn.actor for turn in told.story.turns.told] == ["brain-0"]


def test_death_and_restart_while_we_look(told: Told, web_stage: WebStage) -> None:
    web_stage.die("stream-0", 40)
    told.look()
    told.story.forget_new()
    web_stage.die("brain-0", 50)
    web_stage.child("brain-0", "brain", restarts=1, exits={"signal 9": 1}, last_exit="signal 9")
    told.look()
    assert told.turns() == [("brain-0", "died"), ("brain-0", "restarted")]
    kinds = {(event.kind, event.subject) for event in told.story.events.new}
    assert kinds == {("actor", "brain-0")}
    texts = [event.text for event in told.story.events.new]
    assert len(texts) == 2, "the end and the return, each once"
    # the very line that another process of the page makes of the file
    assert texts[0] == "brain-0 ended after 12 s: signal 9"
    assert texts[1].startswith("brain-0 is ready again")


def test_stop_that_was_asked_for_says_what_to_do(told: Told, web_stage: WebStage) -> None:
    told.look()
    told.story.forget_new()
    web_stage.die("brain-0", 50, asked=True)
    web_stage.child("brain-0", "brain", "stopped", wanted=False, exits={"asked": 1})
    told.look()
    texts = [event.text for event in told.story.events.new if event.kind == "actor"]
    assert texts == ["brain-0 was stopped; start it: hunter restart brain-0"]


def test_restarts_from_before_us_are_known_too(told: Told, web_stage: WebStage) -> None:
    web_stage.die("brain-0", 50)
    web_stage.die("brain-0", 63, pid=8, restarts=1)  # started at 50.7 s
    web_stage.child("brain-0", "brain", restarts=2, pid=os.getpid())
    told.look()
    assert told.turns() == [
        ("brain-0", "died"),
        ("brain-0", "restarted"),
        ("brain-0", "died"),
        ("brain-0", "restarted"),
    ]
    first, last = (turn for turn in told.story.turns.new if turn.what == "restarted")
    assert (first.at_ms, first.text) == (50_700, "brain-0 was started again, pid 8")
    assert last.text == f"brain-0 was started again, pid {os.getpid()}"
    told.story.forget_new()
    told.look()
    assert told.turns() == []


def test_restart_that_nobody_saw_alive_is_told_with_its_death(
    told: Told, web_stage: WebStage
) -> None:
    told.look()
    told.story.forget_new()
    web_stage.die("brain-0", 50)
    web_stage.die("brain-0", 63, pid=8, restarts=1)
    web_stage.child("brain-0", "brain", "backoff", restarts=1, pid=0)
    told.look()
    assert [what for _, what in told.turns()] == ["died", "restarted", "died"]


def test_takeover_is_on_the_time_line(told: Told, web_stage: WebStage) -> None:
    told.look()
    told.story.forget_new()
    web_stage.show("stream-0", StreamDocument(takeovers=1, takeover_ms=3.0))
    told.look()
    assert told.turns() == [("stream-0", "takeover")]


def test_no_records_no_turns(told: Told, web_stage: WebStage) -> None:
    web_stage.config.log_dir.rmdir()
    told.look()
    assert told.story.turns.new == []


def test_death_with_a_cause_of_its_own_says_it() -> None:
    record = DeathRecord(
        "brain-0", "brain", 7, 0, "exit 1", "out of memory", False, 0, 0, 12.3, detail="limit"
    )
    assert death_text(record) == "brain-0 ended after 12 s: exit 1 (out of memory); limit"


def test_telling_is_bounded_also_when_nobody_is_told() -> None:
    telling: Telling[TurnView] = Telling()
    for at_ms in range(KEPT_MAX + 7):
        telling.add([TurnView(at_ms, "a", "died", "")])
    assert len(telling.new) == KEPT_MAX
    assert telling.told == []
    telling.forget_new()
    telling.add([TurnView(at_ms * MS, "b", "died", "") for at_ms in (9, 8)])
    assert [turn.at_ms // MS for turn in telling.new] == [8, 9]
    assert (len(telling.told), telling.told[-1].at_ms) == (KEPT_MAX - 2, KEPT_MAX + 6)
