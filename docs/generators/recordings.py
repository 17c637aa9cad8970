"""docs/reference/recordings.md: the words of the modules that write and read them."""

from __future__ import annotations

from docs.generators.text import paragraphs
from hunter.recorder import anchor, segments, writing

_HEAD = """# Recordings

A recording is lines of

    RECEIVE_TIME_NS FRAME

that is nanoseconds since the epoch, a blank, and the frame as it was received, one a line, in plain
files, `.gz` or `.zst`; several files (segments) make one recording. Any decoder reads them:
`zstdcat btc/*`. [Record and replay an incident](../how-to/record-replay.md) shows how they are
used.
"""


def page() -> str:
    return "\n".join(
        [
            _HEAD,
            "## Segments\n",
            paragraphs(segments.__doc__) + "\n",
            "## What a killed recorder loses\n",
            paragraphs(writing.__doc__) + "\n",
            "## Anchors\n",
            paragraphs(anchor.__doc__),
        ]
    )
