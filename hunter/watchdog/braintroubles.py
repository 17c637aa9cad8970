"""What has gone wrong in the brain, from its document: as long as it lasts, or for a minute what
only a counter tells. Pure; owned by the watchdog actor.
"""

from __future__ import annotations

from typing import Final

from hunter.status.documents import BrainDocument, FactDocument

TROUBLE_SHOWN_NS: Final = 60_000_000_000


class BrainTroubles:
    """Of one brain process, over its restarts."""

    def __init__(self) -> None:
        self._seen: dict[int, int] = {}
        self._until_ns: dict[int, int] = {}

    def reasons(self, brain: BrainDocument, now_ns: int) -> list[str]:
        """All but `facts`, in words."""
        failed = f"the brain failed {brain.failures} times: see hunter logs brain-0"
        texts = {
            f"the brain was lapped: {brain.lapped} rows went by unread; raise ring.capacity": (
                brain.lapped
            ),
            f"{brain.damaged} damaged rows of the ring were left out: is the memory sound?": (
                brain.damaged
            ),
            f"{brain.journal_lost} signals were lost: the disk has refused too many": (
                brain.journal_lost
            ),
            failed: brain.failures,
        }
        reasons = list(brain.plugin_troubles)
        for number, (text, count) in enumerate(texts.items()):
            if count > self._seen.get(number, 0):
                self._until_ns[number] = now_ns + TROUBLE_SHOWN_NS
            self._seen[number] = count  # also back to 0: a restarted brain counts anew
            explained = text == failed and bool(brain.plugin_troubles)
            if now_ns < self._until_ns.get(number, 0) and not explained:
                reasons.append(text)
        return reasons


def disk_facts(brain: BrainDocument) -> list[FactDocument]:
    """What the disk does not take now. Nothing is lost yet: it is tried again and again."""
    found = []
    if brain.journal_trouble:
        waiting = brain.journal_waiting
        held = f"{waiting} signals wait for it" if waiting else "no signal waits for it yet"
        text = f"the journal cannot be written: {brain.journal_trouble}; {held}"
        found.append(FactDocument("signal_journal", "journal", text))
    if why := brain.write_through_trouble:
        text = f"the journal is not written through to the disk: {why}"
        found.append(FactDocument("signal_journal", "write-through", text))
    if brain.checkpoint_trouble:
        text = f"the brain's checkpoint cannot be written: {brain.checkpoint_trouble}"
        found.append(FactDocument("signal_journal", "checkpoint", text))
    return found
