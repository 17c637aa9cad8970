from __future__ import annotations

from fakes.brain_rows import MS, START_NS, feed, fresh_flow, random_rows

from hunter.brain.features import FEATURES
from hunter.brain.window import FlowWindow, new_window


def test_vector_of_nothing_has_a_place_for_every_feature() -> None:
    vector = new_window(2_000).vector(START_NS)
    assert len(vector) == len(FEATURES)


def test_reading_changes_nothing() -> None:
    brain = fresh_flow()
    for row in random_rows(3, 300):
        feed(brain, row)
    window = brain._window
    before = window.state()
    for ms in range(0, 5_000, 37):
        window.vector(brain._intake.now_ns + ms * MS, window)
    assert window.state() == before


def test_state_is_continued() -> None:
    window, other = FlowWindow(2_000), FlowWindow(2_000)
    window.on_quote(START_NS, START_NS, 0, 100.0, 3.0, 101.0, 1.0)
    other.load(window.state())
    assert repr(other.vector(START_NS + MS)) == repr(window.vector(START_NS + MS))
