"""300 instruments with trades, books and tickers on two stream processes: all live, none lost."""

from __future__ import annotations

import json
from contextlib import closing
from pathlib import Path

import pytest
from fakes.instance import HunterInstance, running, wait_until

from hunter.ring import segment
from hunter.ring.layout import RingLayout
from hunter.ring.merge import merged_row_count
from hunter.status import block
from hunter.status.documents import BrainDocument, StreamDocument, decode

pytestmark = pytest.mark.system

NAMES = [f"C{number}-USDT-SWAP" for number in range(300)]
CHANNELS = ("trades", "books5", "tickers")
SETTINGS = (
    f"okx.instruments={json.dumps(NAMES)}",
    f"okx.channels={json.dumps(CHANNELS)}",
    "stream.shards=2",
    "ring.capacity=512",
)
SIMULATED = ("--no-limits", "--rate", "0.5", "--instruments", ",".join(NAMES))
ROWS_MORE = 3_000
SHM_BYTES_MAX = 64 << 20
"""What Docker gives a container that does not ask."""


def streams(instance: HunterInstance) -> list[StreamDocument]:
    with closing(block.attach(instance.shared)) as status:
        found = [
            decode(status.pages[f"stream-{shard}"].read_document(), StreamDocument)
            for shard in (0, 1)
        ]
    return [document for document in found if document is not None]


def brain(instance: HunterInstance) -> BrainDocument:
    with closing(block.attach(instance.shared)) as status:
        return decode(status.pages["brain-0"].read_document(), BrainDocument) or BrainDocument()


def live_feeds(instance: HunterInstance) -> set[tuple[str, str]]:
    return {
        (feed.instrument, feed.channel)
        for document in streams(instance)
        for feed in document.feeds
        if feed.state == "live"
    }


def row_count(instance: HunterInstance) -> int:
    """In both rings, of the kinds that a brain reads."""
    total = 0
    for path in (instance.shared / "ring-0", instance.shared / "ring-1"):
        with segment.attach(path) as shared:
            total += merged_row_count(shared, RingLayout.read_header(shared.view))
    return total


def read_count(instance: HunterInstance) -> int:
    inputs = brain(instance).inputs
    return inputs.trades + inputs.tickers + inputs.books + inputs.bbo


def test_300_instruments_on_two_cores_are_live_and_none_of_their_rows_is_lost(
    tmp_path: Path,
) -> None:
    with running(tmp_path, *SETTINGS, sim=SIMULATED) as (instance, _):
        wanted = {(name, channel) for name in NAMES for channel in CHANNELS}
        wait_until("every feed is live", lambda: live_feeds(instance) >= wanted, timeout_s=60)
        taken = sum(path.stat().st_blocks * 512 for path in instance.shared.iterdir())
        assert taken < SHM_BYTES_MAX
        enough = row_count(instance) + ROWS_MORE
        wait_until("the brain has read on", lambda: read_count(instance) >= enough, timeout_s=60)
        there = row_count(instance)
        wait_until("it keeps up", lambda: read_count(instance) >= there, timeout_s=30)
        said = brain(instance)
        assert (said.lapped, said.damaged, said.failures) == (0, 0, 0)
        assert {name for name, _ in live_feeds(instance)} == set(NAMES)
        assert not [feed for document in streams(instance) for feed in document.feeds if feed.lost]
