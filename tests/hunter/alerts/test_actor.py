"""AlertsActor over real pages, a real web server and a clock that is moved."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator

import pytest
from fakes.actor_stage import SkippingClock, Stage
from fakes.alert_server import AlertServer
from fakes.instance import wait_until

from hunter.alerts.actor import LOOK_EVERY_NS, AlertsActor
from hunter.errors import ConfigError, HunterError
from hunter.status.block import SUPERVISOR
from hunter.status.deaths import DeathLog, DeathRecord
from hunter.status.documents import (
    AlertsDocument,
    ChildDocument,
    FactDocument,
    SupervisorDocument,
    WatchdogDocument,
)
from hunter.status.page import ActorState, process_start_ticks

SECRET = "hook-secret"
ACTORS = ("watchdog", "alerts")


class Rig:
    """An instance of a watchdog and the alerts actor; every process is this one."""

    def __init__(self, server: AlertServer) -> None:
        self.server = server
        self.stage = Stage(
            "alerts.enabled=true", 'alerts.webhook="file:hook"', "alerts.after_s=2", actors=ACTORS
        )
        file = self.stage.home / "hook"
        file.write_text(f"{server.url}/{SECRET}")
        file.chmod(0o600)
        self.clock = SkippingClock()
        for name in (SUPERVISOR, *ACTORS):
            page = self.stage.status.pages[name]
            page.store("pid", os.getpid())
            page.store("process_start", process_start_ticks(os.getpid()))
            page.store("state", ActorState.READY)
            page.store("started_wall_ns", self.clock.wall_ns())
        self.tell_state("running")
        self.actors: list[AlertsActor] = []

    def tell_state(self, state: str) -> None:
        children = tuple(
            ChildDocument(name, name, "ready", os.getpid(), wanted=state == "running")
            for name in ACTORS
        )
        self.stage.show(SUPERVISOR, SupervisorDocument(state, "1", children))

    def full(self, *, full: bool) -> None:
        """Whether the watchdog says that a disk is full."""
        facts = (FactDocument("disk", "/d", "the disk is full"),) if full else ()
        reasons = tuple(fact.text for fact in facts)
        self.stage.show("watchdog", WatchdogDocument(reasons, facts=facts))

    def tell_death(self, at_ns: int) -> None:
        """What the next supervisor says of one that was killed."""
        log_dir = self.stage.config.log_dir
        log_dir.mkdir(parents=True, exist_ok=True)
        killed = DeathRecord(
            SUPERVISOR, SUPERVISOR, 7, 0, "killed", "killed", False, at_ns, 0, 61.0
        )
        DeathLog(log_dir).append(killed)

    def start(self) -> AlertsActor:
        """As a process that takes over the page, and maybe the file, of one before it."""
        actor = AlertsActor(self.stage.context("alerts", self.clock))
        actor.on_start(self.clock.monotonic_ns())
        self.actors.append(actor)
        return actor

    def kill(self, actor: AlertsActor) -> None:
        """It says nothing any more, and tidies nothing up."""
        self.stage.show("alerts", actor.document())
        actor._sender.close(5)

    def live(self, seconds: int, actor: AlertsActor) -> None:
        for _ in range(seconds):
            self.clock.skip(1_000)
            for name in (SUPERVISOR, *ACTORS):
                self.stage.status.pages[name].store("beat_monotonic_ns", self.clock.monotonic_ns())
            # the wall clock, by which troubles are timed, is the host's: set it back instead
            for trouble in actor._policy.state.troubles:
                trouble.began_ns -= 1_000_000_000
                trouble.ended_ns -= 1_000_000_000 * bool(trouble.ended_ns)
            actor.do_work(self.clock.monotonic_ns())

    def texts(self) -> list[str]:
        return [post.body["text"].partition("\n")[2] for post in self.server.posts]

    def wait(self, actor: AlertsActor, what: str, condition: Callable[[], object]) -> None:
        def turn() -> object:
            self.live(1, actor)
            return condition()

        wait_until(what, turn)

    def close(self) -> None:
        for actor in self.actors:
            actor.on_stop()
        self.stage.close()


@pytest.fixture
def rig(server: AlertServer) -> Iterator[Rig]:
    made = Rig(server)
    yield made
    made.close()


def test_trouble_and_its_end_are_told_and_nothing_else(rig: Rig) -> None:
    actor = rig.start()
    rig.live(5, actor)
    assert rig.server.posts == []
    rig.full(full=True)
    rig.live(5, actor)
    wait_until("the alert", lambda: len(rig.server.posts) == 1)
    rig.full(full=False)
    rig.live(6, actor)
    wait_until("its end", lambda: len(rig.server.posts) == 2)
    alert, resolved = rig.texts()
    assert alert.startswith("- the disk is full (for ")
    assert resolved.startswith("- resolved after ")
    rig.wait(actor, "an empty outbox", lambda: not actor._outbox)
    assert actor.document() == AlertsDocument(sent=2)
    assert actor.state() is ActorState.READY
    assert rig.stage.log.having("tells: - the disk is full")


def test_killed_actor_neither_repeats_nor_forgets(rig: Rig) -> None:
    first = rig.start()
    rig.full(full=True)
    rig.live(5, first)
    wait_until("the alert", lambda: len(rig.server.posts) == 1)
    rig.wait(first, "the outbox to be empty", lambda: not first._outbox)
    rig.kill(first)
    second = rig.start()
    rig.live(10, second)
    assert second.document().sent == 1, "it goes on counting"
    rig.kill(second)
    rig.full(full=False)
    third = rig.start()
    rig.live(6, third)
    wait_until("its end", lambda: len(rig.server.posts) == 2)
    assert rig.texts()[1].startswith("- resolved after ")


def test_message_under_way_when_it_was_killed_is_sent_by_the_next(rig: Rig) -> None:
    rig.server.mood = "500"
    first = rig.start()
    rig.full(full=True)
    rig.live(5, first)
    wait_until("a try", lambda: rig.server.posts)
    rig.live(1, first)
    assert first.document().trouble == "webhook: HTTP 500"
    rig.kill(first)
    rig.server.mood = "ok"
    tried = len(rig.server.posts)
    second = rig.start()
    wait_until("delivery", lambda: second.document().sent == 1)
    assert len({post.body["id"] for post in rig.server.posts}) == 1
    assert len(rig.server.posts) == tried + 1
    rig.live(1, second)
    assert rig.stage.log.having("cannot tell by webhook: HTTP 500")


def test_loop_does_not_wait_for_a_server_that_hangs(rig: Rig) -> None:
    rig.server.mood = "hang"
    actor = rig.start()
    rig.full(full=True)
    rig.live(5, actor)
    wait_until("the server to hang", lambda: rig.server.posts)
    rig.full(full=False)
    rig.live(6, actor)  # would take ten seconds for each look
    assert len(actor._outbox) == 2
    assert actor.document().waiting == 2


def test_killed_supervisor_is_told_of_by_the_next_start_once(rig: Rig) -> None:
    rig.kill(rig.start())
    rig.tell_death(rig.clock.wall_ns())
    second = rig.start()
    rig.kill(second)  # before it could tell
    third = rig.start()
    rig.live(2, third)
    wait_until("the word of it", lambda: len(rig.server.posts) == 1)
    assert rig.texts()[0].startswith("- the former supervisor was killed at 20")
    rig.wait(third, "the outbox to be empty", lambda: not third._outbox)
    rig.kill(third)
    rig.live(5, rig.start())
    assert len(rig.server.posts) == 1


def test_first_start_tells_nothing_of_old_deaths(rig: Rig) -> None:
    rig.tell_death(1)
    rig.live(3, rig.start())
    assert rig.server.posts == []


def test_operator_who_stops_it_is_not_told_so(rig: Rig) -> None:
    actor = rig.start()
    rig.full(full=True)
    rig.live(1, actor)
    rig.tell_state("stopping")
    rig.live(5, actor)
    assert rig.stage.log.having("tells: ") == []


def test_it_looks_now_and_then_only(rig: Rig) -> None:
    actor = rig.start()
    now_ns = rig.clock.monotonic_ns()
    assert actor.do_work(now_ns + LOOK_EVERY_NS) == 1
    assert actor.do_work(now_ns + LOOK_EVERY_NS + 1) == 0
    actor.wait(1)


def test_thread_that_ended_ends_the_process(rig: Rig) -> None:
    actor = rig.start()
    actor._sender.close(5)
    with pytest.raises(HunterError, match="the thread that sends has ended"):
        rig.live(1, actor)


def test_secret_that_cannot_be_read_is_a_bad_configuration(rig: Rig) -> None:
    (rig.stage.home / "hook").chmod(0o644)
    with pytest.raises(ConfigError, match="others can read it"):
        rig.start()


def test_disk_that_refuses_the_checkpoint_is_told_in_the_log_and_alerts_go_on(rig: Rig) -> None:
    rig.stage.config.data_dir.mkdir(parents=True, exist_ok=True)
    (rig.stage.config.data_dir / "checkpoints").write_text("in the way")
    actor = rig.start()
    rig.full(full=True)
    rig.live(5, actor)
    wait_until("the alert", lambda: len(rig.server.posts) == 1)
    assert len(rig.stage.log.having("the checkpoint cannot be written")) == 1
    (rig.stage.config.data_dir / "checkpoints").unlink()
    rig.live(1, actor)
    assert rig.stage.log.having("the checkpoint is written again")


def test_secret_is_in_no_log_and_no_file(rig: Rig) -> None:
    actor = rig.start()
    rig.full(full=True)
    for mood in ("404", "close", "500"):
        rig.server.mood = mood
        rig.live(5, actor)
    wait_until("tries", lambda: actor.document().failed)
    rig.live(1, actor)
    assert rig.stage.log.having("webhook")
    assert SECRET not in "\n".join(rig.stage.log.lines) + repr(actor.document())
    files = [path for path in rig.stage.config.data_dir.rglob("*") if path.is_file()]
    assert files
    assert not any(SECRET.encode() in path.read_bytes() for path in files)
