"""I7's checkers are silent on what is right and speak on what is broken, or not told; and the
nemesis knows which of its victims may be struck again.
"""

from __future__ import annotations

import pytest
from fakes.nemesis_deaths import (
    Death,
    Term,
    check_deaths,
    check_restarts,
    foreign_kills,
    is_excused,
)
from soak.nemesis_trial import are_mended, still_doomed

from hunter.status.documents import ChildDocument
from supervisor.events import ChildExited, ChildSpawned, Report, ReportKind, Tick
from supervisor.policy import decide
from supervisor.spec import ChildSpec, TreeSpec
from supervisor.tree import initial_tree


def term(restarts: int, *, settled: bool = True) -> Term:
    injected = [Death("brain-0", 7, "signal"), Death("brain-0", 8, "hang")]
    exits = {"brain-0": {"signal": 1, "hang": restarts - 1}}
    return Term(injected, {"brain-0": restarts, "watchdog": 0}, exits, settled)


def test_i7_counters_that_equal_the_faults_pass() -> None:
    assert check_restarts(term(2)) == []


@pytest.mark.parametrize("restarts", [1, 3])
def test_i7_counters_that_are_off_by_one_are_found(restarts: int) -> None:
    assert check_restarts(term(restarts))


def test_i7_supervisor_that_was_killed_may_have_counted_less_but_never_more() -> None:
    assert check_restarts(term(1, settled=False)) == []
    assert check_restarts(term(3, settled=False))


def test_i7_cause_that_was_not_injected_is_found() -> None:
    wrong = Term([Death("brain-0", 7, "signal")], {"brain-0": 1}, {"brain-0": {"hang": 1}})
    assert len(check_restarts(wrong)) == 2


def test_i7_one_record_for_each_death_passes() -> None:
    done = term(2)
    assert check_deaths([done], done.injected) == []
    assert foreign_kills([done], done.injected) == []


def test_i7_missing_doubled_and_foreign_records_are_found() -> None:
    done = term(2)
    assert check_deaths([done], done.injected[:1])
    assert check_deaths([done], done.injected * 2)
    assert check_deaths([done], [*done.injected, Death("stream-0", 9, "exit")])


def test_i7_record_of_another_cause_is_found() -> None:
    done = term(2)
    wrong = [done.injected[0], Death("brain-0", 8, "exit")]
    assert len(check_deaths([done], wrong)) == 2


def test_i7_pid_that_comes_round_may_die_as_often_as_it_was_killed() -> None:
    death = Death("brain-0", 7, "signal")
    terms = [Term([death], {"brain-0": 1}), Term([death], {"brain-0": 1})]
    assert check_deaths(terms, [death, death]) == []
    assert check_deaths(terms, [death])
    assert check_deaths(terms, [death] * 3)
    terms[1].settled = False
    assert check_deaths(terms, [death]) == []
    assert check_deaths(terms, []), "the first of them was noticed"


def test_i7_killed_supervisor_is_told_of_once_by_its_successor() -> None:
    killed = Death("supervisor", 5, "killed", last_exit="killed")
    assert check_deaths([term(2), Term([killed])], [*term(2).injected, killed]) == []
    assert check_deaths([term(2), Term([killed])], term(2).injected)
    assert check_deaths([term(2)], [*term(2).injected, killed])
    assert foreign_kills([term(2)], [killed]) == []


def test_i7_records_that_are_not_there_at_all_are_missed() -> None:
    assert len(check_deaths([term(2)], [])) == 2


@pytest.mark.parametrize(
    ("restarts", "exits"),
    [
        ({}, {}),
        ({"watchdog": 0}, {"watchdog": {}}),
        ({"brain-0": 2}, {}),
        ({"brain-0": 2}, {"brain-0": {}}),
        ({"brain-0": 2}, {"brain-0": {"signal": 1}}),
        ({"brain-0": 2}, {"brain-0": {"signal": 1, "hang": 1, "exit": 1}}),
        ({"brain-0": 2, "watchdog": 1}, {"brain-0": {"signal": 1, "hang": 1}}),
    ],
)
def test_i7_what_is_not_told_is_found_as_well(
    restarts: dict[str, int], exits: dict[str, dict[str, int]]
) -> None:
    injected = [Death("brain-0", 7, "signal"), Death("brain-0", 8, "hang")]
    assert check_restarts(Term(injected, restarts, exits))


def test_i7_supervisor_that_tells_of_nobody_is_found_even_when_nothing_was_done() -> None:
    assert check_restarts(Term())
    assert check_restarts(Term(settled=False)) == []


FOREIGN = Death("stream-0", 9, "signal", last_exit="signal 9")


def test_kill_that_nobody_of_us_sent_is_a_foreign_one() -> None:
    done = term(2)
    assert foreign_kills([done], [*done.injected, FOREIGN]) == [FOREIGN]
    again = Death("brain-0", 7, "signal", last_exit="signal 9")
    assert foreign_kills([done], [*done.injected, again]) == [again], "one pid, two kills"


@pytest.mark.parametrize(
    ("cause", "last_exit"),
    [
        ("signal", "signal 11"),
        ("signal", "signal 6"),
        ("signal", "signal 7"),
        ("out of memory", "signal 9, perhaps out of memory"),
        ("exit", "exit 1"),
    ],
)
def test_crash_and_death_for_memory_are_nobody_elses(cause: str, last_exit: str) -> None:
    crash = Death("stream-0", 9, cause, last_exit=last_exit)
    done = term(2)
    assert foreign_kills([done], [*done.injected, crash]) == []
    assert check_deaths([done], [*done.injected, crash])


def test_foreign_kill_excuses_a_wrong_count_and_nothing_else() -> None:
    assert is_excused([], [FOREIGN])
    assert is_excused(["I7 stream-0: 1 restarts, 0 faults"], [FOREIGN])
    assert not is_excused(["I7 stream-0: 1 restarts, 0 faults"], [])
    assert not is_excused(["I7 stream-0: 1 restarts", "I2 a match is lost"], [FOREIGN])


def child(name: str, pid: int, restarts: int = 0, state: str = "ready") -> ChildDocument:
    return ChildDocument(name, "brain", state, pid, restarts)


def test_doomed_pid_is_fit_again_when_its_end_was_noticed() -> None:
    doomed = {("brain-0", 7), ("watchdog", 7), ("stream-0", 5)}
    children = {"brain-0": child("brain-0", 7), "watchdog": child("watchdog", 9)}
    assert still_doomed(doomed, children) == {("brain-0", 7), ("stream-0", 5)}
    assert still_doomed(doomed, {}) == doomed, "a page that could not be read tells nothing"


def test_supervisor_whose_page_tells_of_nobody_has_not_mended_anything() -> None:
    assert not are_mended({}, {})
    assert are_mended({"brain-0": child("brain-0", 7, 1)}, {"brain-0": 1})
    assert not are_mended({"brain-0": child("brain-0", 7, 1)}, {"brain-0": 2})
    assert not are_mended({"brain-0": child("brain-0", 7, 1, "backoff")}, {"brain-0": 1})


def test_report_of_a_death_says_when_it_was_noticed_not_when_it_was_written_down() -> None:
    """The nemesis measures by it; the start of the next one comes between."""
    spec = TreeSpec(children=(ChildSpec(name="brain-0", argv=("brain",)),))
    tree, _ = decide(initial_tree(spec, 1), Tick(0), 1_000)
    tree, _ = decide(tree, ChildSpawned("brain-0", 7), 2_000)
    _, actions = decide(tree, ChildExited("brain-0", None, 9), 3_000)
    told = {each.kind: each.at_ns for each in actions if isinstance(each, Report)}
    assert told[ReportKind.DIED] == 3_000
