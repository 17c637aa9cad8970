from __future__ import annotations

from hunter.status.documents import BrainDocument
from hunter.watchdog.braintroubles import TROUBLE_SHOWN_NS, BrainTroubles, disk_facts


def test_what_a_counter_tells_is_shown_for_a_minute() -> None:
    troubles = BrainTroubles()
    lapped = BrainDocument(lapped=3)
    said = ["the brain was lapped: 3 rows went by unread; raise ring.capacity"]
    assert troubles.reasons(BrainDocument(), 0) == []
    assert troubles.reasons(lapped, 1) == said
    assert troubles.reasons(lapped, TROUBLE_SHOWN_NS) == said
    assert troubles.reasons(lapped, TROUBLE_SHOWN_NS + 1) == []
    assert troubles.reasons(BrainDocument(), TROUBLE_SHOWN_NS + 2) == [], "a restarted brain"
    assert troubles.reasons(BrainDocument(lapped=1), TROUBLE_SHOWN_NS + 3) != []


def test_failures_that_a_plugin_explains_are_not_told_twice() -> None:
    assert BrainTroubles().reasons(BrainDocument(failures=2), 1) == [
        "the brain failed 2 times: see hunter logs brain-0"
    ]
    explained = BrainDocument(failures=2, plugin_troubles=("x: in shadow",))
    assert BrainTroubles().reasons(explained, 1) == ["x: in shadow"]


def test_what_the_disk_refuses_are_facts_of_their_own() -> None:
    brain = BrainDocument(
        journal_trouble="full", write_through_trouble="slow", checkpoint_trouble="gone"
    )
    facts = disk_facts(brain)
    assert {fact.kind for fact in facts} == {"signal_journal"}
    assert [fact.subject for fact in facts] == ["journal", "write-through", "checkpoint"]
    assert facts[0].text == "the journal cannot be written: full; no signal waits for it yet"
    assert disk_facts(BrainDocument()) == []
