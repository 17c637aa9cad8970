"""The table decides every pair, and the drawn picture is the table."""

from __future__ import annotations

import itertools
import subprocess
import sys
import textwrap

import pytest

import supervisor
from supervisor.lifecycle import LIVE, TABLE, ChildState, Trigger, advance, diagram, table


def test_every_state_and_trigger_is_decided():
    assert set(TABLE) == set(itertools.product(ChildState, Trigger))


@pytest.mark.parametrize("state", ChildState)
@pytest.mark.parametrize("trigger", Trigger)
def test_advance_follows_the_table_and_refuses_the_impossible(state, trigger):
    if TABLE[state, trigger] is None:
        with pytest.raises(AssertionError, match=trigger.name):
            advance(state, trigger)
    else:
        assert advance(state, trigger) is TABLE[state, trigger]


def test_every_state_can_be_reached_and_left():
    reached = {ChildState.STOPPED}
    for _ in ChildState:
        reached |= {to for (state, _), to in TABLE.items() if state in reached and to}
    assert reached == set(ChildState)
    for state in ChildState:
        assert any(TABLE[state, trigger] not in (None, state) for trigger in Trigger)


@pytest.mark.parametrize("trigger", [Trigger.BECAME_READY, Trigger.GONE_DOWN, Trigger.SUSPEND])
def test_what_comes_from_outside_is_possible_in_every_state(trigger):
    assert all(TABLE[state, trigger] is not None for state in ChildState)


def test_a_process_comes_only_by_spawn_and_goes_only_by_its_end():
    for (state, trigger), target in TABLE.items():
        if target is None:
            continue
        if target in LIVE and state not in LIVE:
            assert trigger is Trigger.SPAWN
        if state in LIVE and target not in LIVE:
            assert trigger in (Trigger.GONE_DOWN, Trigger.GONE_BACKOFF, Trigger.GONE_PARK)


def test_once_asked_to_go_a_child_is_never_ready_again():
    for state in (ChildState.STOPPING, ChildState.KILLING):
        assert ChildState.READY not in {TABLE[state, trigger] for trigger in Trigger}


def test_live_is_what_has_a_process():
    assert {state for state in ChildState if state.is_live} == LIVE


def test_the_diagram_has_every_edge_once():
    lines = diagram().splitlines()
    assert lines[0] == "stateDiagram-v2"
    assert len(lines) == len(set(lines))
    edges = {(s, t) for (s, _), t in TABLE.items() if t not in (None, s)}
    for state, target in edges:
        assert any(f"{state.value} --> {target.value}:" in line for line in lines)


def test_the_picture_in_the_package_is_the_diagram():
    assert textwrap.indent(diagram(), "    ") in supervisor.__doc__


def test_a_signal_that_stops_or_continues_a_child_changes_no_state():
    assert all(TABLE[state, Trigger.SUSPEND] is state for state in ChildState)


def test_the_printed_table_has_a_cell_for_every_pair():
    header, rule, *rows = [
        [cell.strip() for cell in line.split("|")[1:-1]] for line in table().splitlines()
    ]
    by_text = {trigger.value: trigger for trigger in Trigger}
    triggers = [by_text[text] for text in header[1:]]
    assert set(triggers) == set(Trigger)
    assert set(rule) == {"---"}
    printed = {
        (ChildState(row[0]), trigger): cell
        for row in rows
        for trigger, cell in zip(triggers, row[1:], strict=True)
    }
    assert printed.keys() == TABLE.keys()
    for pair, target in TABLE.items():
        told = "-" if target is None else "." if target is pair[0] else target.value
        assert printed[pair] == told


def test_the_module_prints_picture_and_table():
    argv = [sys.executable, "-m", "supervisor.lifecycle"]
    done = subprocess.run(argv, capture_output=True, text=True, check=True)
    assert done.stdout == f"{diagram()}\n\n{table()}\n"
