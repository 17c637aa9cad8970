from __future__ import annotations

from pathlib import Path

from hunter.watchdog.disk import Room
from hunter.watchdog.headroom import Headroom

MIB = 1 << 20
DATA = Path("/srv/data")


def test_memory_is_told_above_nine_tenths_and_over_well_below() -> None:
    headroom = Headroom(1000 * MIB, 0)
    assert headroom.memory("brain-0", 900 * MIB) is None
    fact = headroom.memory("brain-0", 901 * MIB)
    assert fact is not None
    assert (fact.kind, fact.subject) == ("memory", "brain-0")
    assert fact.text == (
        "brain-0 holds 901 MB; above watchdog.memory_limit_mb = 1000 it is restarted: raise that"
        " if the host has more"
    )
    assert headroom.memory("brain-0", 851 * MIB) is not None
    assert headroom.memory("stream-0", 851 * MIB) is None
    assert headroom.memory("brain-0", 850 * MIB) is None
    assert headroom.memory("brain-0", 851 * MIB) is None, "it was over"


def disk(headroom: Headroom, *free_mb: int, answers: bool = True) -> list[tuple[str, str]]:
    rooms = [Room(DATA / str(index), mb * MIB) for index, mb in enumerate(free_mb)]
    facts = list(headroom.disk(rooms, answers=answers, place=str(DATA)))
    assert all(fact.kind == "disk" for fact in facts)
    return [(fact.subject, fact.text) for fact in facts]


def test_disk_is_told_below_the_limit_and_over_a_tenth_above_it() -> None:
    headroom = Headroom(MIB, 500 * MIB)
    assert disk(headroom, 500, 900) == []
    ((subject, text),) = disk(headroom, 900, 499)
    assert subject == "/srv/data/1"
    assert text == (
        "only 499 MB are free where /srv/data/1 is (watchdog.disk_free_mb = 500): remove old"
        " recordings or lower store.budget_mb, before signals wait for room"
    )
    assert disk(headroom, 900, 549) != []
    assert disk(headroom, 900, 550) == []
    assert disk(headroom, 900, 549) == []


def test_disk_that_does_not_answer_is_a_fact_too() -> None:
    ((subject, text),) = disk(Headroom(MIB, MIB), 900, answers=False)
    assert subject == "/srv/data"
    assert text.startswith("the disk where /srv/data is does not answer")


def test_limit_of_nothing_asks_for_nothing() -> None:
    assert disk(Headroom(MIB, 0), 0) == []
    assert disk(Headroom(MIB, 0), 0, answers=False) == []
