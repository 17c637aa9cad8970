"""Whatever happens, in whatever order: what must hold for every history of a tree.

The world of conftest.py checks with each decision: never two processes of one name, no spawn while
stopping, no signal to nobody, pid and state agree, finished only when all are gone, restarts are
spawns but the first, and every end is counted once.
"""

from __future__ import annotations

from typing import get_args

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from supervisor.commands import (
    HANG,
    Command,
    Describe,
    RestartChild,
    StartChild,
    StopAll,
    StopChild,
)
from supervisor.events import (
    ChildBeat,
    ChildContinued,
    ChildExited,
    ChildReady,
    ChildSpawned,
    ChildStopped,
    Event,
    Finished,
    Kill,
    ReportKind,
    SpawnFailed,
    StartExtended,
    Terminate,
    Tick,
)
from supervisor.lifecycle import ChildState
from supervisor.spec import ChildSpec, Restart, RestartIntensity, Strategy, TreeSpec

MS = 1_000_000
S = 1000 * MS
BEATING = {"hang_after_ns": 1 * S}


def spec_of(name, **changes):
    return ChildSpec(name=name, argv=("true",), **changes)


NAMES = "abcd"
names = st.sampled_from(NAMES)


class AnyHistory(RuleBasedStateMachine):
    """Whatever children, operators and time do, in any order: the world's checks hold, and a stop
    always comes to its end."""

    world_class = None  # set by the test below: fixtures are not for machines

    @initialize(
        strategy=st.sampled_from(Strategy),
        restarts=st.lists(st.sampled_from(Restart), min_size=4, max_size=4),
        critical=st.sampled_from([None, *NAMES]),
        max_restarts=st.integers(0, 3),
        patient=st.sets(names),
    )
    def begin(self, strategy, restarts, critical, max_restarts, patient):
        children = tuple(
            spec_of(
                name,
                restart=restart,
                hang_after_ns=1 * S,
                critical=name == critical,
                after=None if name in patient else frozenset(NAMES[:number:2]),
            )
            for number, (name, restart) in enumerate(zip(NAMES, restarts, strict=True))
        )
        intensity = RestartIntensity(max_restarts=max_restarts)
        self.world = self.world_class(
            TreeSpec(children=children, strategy=strategy, intensity=intensity)
        )
        self.stopped_by_name = set()

    @rule(name=names)
    def become_ready(self, name):
        self.world.feed(ChildReady(name))

    @rule(name=names)
    def beat(self, name):
        self.world.feed(ChildBeat(name))

    @rule(name=names, extra_ms=st.integers(0, 50_000))
    def extend(self, name, extra_ms):
        self.world.feed(StartExtended(name, extra_ms * MS))

    @rule(name=names, is_stop=st.booleans())
    def stop_or_continue_by_signal(self, name, is_stop):
        self.world.feed(ChildStopped(name, 19) if is_stop else ChildContinued(name))

    @precondition(lambda self: self.world.pids)
    @rule(data=st.data(), code=st.sampled_from([0, 1, 78, None]), out_of_memory=st.booleans())
    def end(self, data, code, out_of_memory):
        name = data.draw(st.sampled_from(sorted(self.world.pids)))
        if code is None:
            self.world.exit(name, signal=9, out_of_memory=out_of_memory)
        else:
            self.world.exit(name, code)

    @rule(duration_ms=st.sampled_from([0, 1, 150, 1_000, 5_000, 25_000, 70_000]))
    def pass_time(self, duration_ms):
        self.world.pass_ns(duration_ms * MS)

    @rule(slept_s=st.integers(3, 100))
    def oversleep(self, slept_s):
        hung = len(self.world.reports(ReportKind.HUNG))
        for name in self.world.pids:
            self.world.feed(ChildBeat(name))
        self.world.now_ns += slept_s * S
        self.world.feed(Tick(late_ns=slept_s * S))
        assert len(self.world.reports(ReportKind.HUNG)) == hung

    @rule(name=names, reason=st.sampled_from(["operator", HANG, "memory"]))
    def restart(self, name, reason):
        assert self.world.ask(RestartChild(name, reason)).text
        if reason == "operator" and not self.world.tree.stopping:
            self.stopped_by_name.discard(name)

    @rule(name=names)
    def stop_one(self, name):
        if self.world.ask(StopChild(name)).ok:
            self.stopped_by_name.add(name)

    @rule(name=names)
    def start_one(self, name):
        if self.world.ask(StartChild(name)).ok:
            self.stopped_by_name.discard(name)

    @rule(name=names)
    def break_or_mend_the_program(self, name):
        self.world.unspawnable ^= {name}

    @rule(fast=st.booleans())
    def stop_all(self, fast):
        self.world.feed(StopAll(fast))

    @invariant()
    def what_was_stopped_by_name_stays_down(self):
        for name in self.stopped_by_name:
            assert self.world.record(name).state.value in ("stopped", "stopping", "killing")

    @invariant()
    def what_is_beyond_its_limit_is_parked_or_on_its_one_try(self):
        """Or an operator stopped it, or everything stops."""
        world = self.world
        for record in world.tree.records:
            count = len(record.failures_ns)
            if count > world.tree.spec.intensity.max_restarts and not record.half_open:
                is_down = record.state.value == "stopped"
                is_told = world.tree.stopping or not record.wanted
                assert record.state.value == "parked" or (is_down and is_told)

    @invariant()
    def what_is_on_its_way_out_has_a_deadline(self):
        for record in self.world.tree.records:
            if record.state.value in ("starting", "stopping", "killing"):
                assert record.deadline_ns is not None

    @invariant()
    def while_stopping_something_is_asked_to_go(self):
        world = self.world
        if world.tree.stopping and not world.tree.finished:
            assert any(state in ("stopping", "killing") for state in world.states())

    @invariant()
    def what_waits_for_its_turn_waits_for_somebody(self):
        """Nobody is forgotten: one that is due is up, or another one is not settled yet."""
        world = self.world
        if world.tree.stopping:
            return
        for i, record in enumerate(world.tree.records):
            if record.is_waiting_turn:
                others = world.tree.records[:i] + world.tree.records[i + 1 :]
                assert any(
                    other.state.is_live or other.unsettled_until_ns is not None for other in others
                )

    def teardown(self):
        if not hasattr(self, "world"):
            return
        world = self.world
        world.feed(StopAll())
        for _ in range(4 * len(NAMES)):
            asked = [r.name for r in world.tree.records if r.state.value in ("stopping", "killing")]
            for name in asked:
                world.exit(name, signal=15)
        assert world.tree.finished
        assert sum(isinstance(action, Finished) for action in world.actions) == 1
        signalled = [a for a in world.actions if isinstance(a, Terminate | Kill)]
        assert len(signalled) < 10_000


def test_p19_any_history_keeps_the_promises(world_class):
    AnyHistory.world_class = world_class
    run_state_machine_as_test(
        AnyHistory, settings=settings(max_examples=60, stateful_step_count=40, deadline=None)
    )


REACH = {
    "starting": lambda world: None,
    "ready": lambda world: world.ready("a"),
    "stopping": lambda world: (world.ready("a"), world.ask(RestartChild("a"))),
    "killing": lambda world: world.pass_ns(20 * S),
    "backoff": lambda world: (world.crash("a"), world.crash("a")),
    "parked": lambda world: world.exit("a", code=78),
    "stopped": lambda world: (world.ask(StopChild("a")), world.exit("a", code=0)),
}
SAID = [
    ChildReady("a"),
    ChildBeat("a"),
    StartExtended("a", 5 * S),
    ChildStopped("a", 19),
    ChildContinued("a"),
    Tick(),
    Tick(late_ns=100 * S),
    RestartChild("a"),
    RestartChild("a", HANG),
    RestartChild("a", "memory"),
    RestartChild("a", HANG, pid=1),
    StopChild("a"),
    StartChild("a"),
    StopAll(),
    StopAll(fast=True),
    Describe(),
]
ENDED = [
    {"code": 0},
    {"code": 1},
    {"code": 78},
    {"signal": 9},
    {"signal": 9, "out_of_memory": True},
    {"signal": 11},
    {},
]


@pytest.mark.parametrize("is_stopped", [False, True], ids=["running", "suspended"])
@pytest.mark.parametrize("state", REACH)
def test_p19_every_event_in_every_state_is_decided_and_a_stop_still_ends(
    make_world, state, is_stopped
):
    for event in [*SAID, *ENDED]:
        world = make_world("ab", child=BEATING)
        REACH[state](world)
        assert world.record("a").state.value == state
        if is_stopped:
            world.feed(ChildStopped("a", 19))
        if not isinstance(event, dict):
            world.feed(event)
        elif "a" in world.pids:
            world.exit("a", **event)
        else:
            world.feed(ChildExited("a", event.get("code"), event.get("signal")))
        world.feed(StopAll())
        starts = len(world.starts())
        for _ in range(4):
            for record in world.tree.records:
                if record.state.value in ("stopping", "killing"):
                    world.exit(record.name, signal=15)
        assert world.tree.finished, (state, event)
        assert len(world.starts()) == starts, "spawned while stopping"


def test_every_state_is_tried_with_every_event():
    assert set(REACH) == {state.value for state in ChildState}
    kinds = {type(event) for event in SAID} | {ChildExited}
    answers = {ChildSpawned, SpawnFailed}  # given by the world to each Spawn
    assert kinds | answers == {*get_args(Event), *get_args(Command)}
