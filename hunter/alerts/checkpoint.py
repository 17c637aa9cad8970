"""What outlives a kill of the alerts process: the policy's memory and the messages on their way.

Written whole or not at all, whenever it has changed, before a message is handed to the sender. So a
message that was under way when the process was killed is sent by the next one, perhaps once more
than needed (its `id` tells), and what was told is not told again. No secret is in it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import msgspec

from hunter.alerts.policy import Message, PolicyState
from hunter.files import private_opener

SCHEMA: Final = 1
FILE_NAME: Final = "alerts.json"
BYTES_MAX: Final = 4 << 20


class OutboxEntry(msgspec.Struct):
    """A message and the channels that have not got it yet."""

    message: Message
    channels: list[str]


class AlertsMemory(msgspec.Struct):
    policy: PolicyState
    outbox: list[OutboxEntry] = []
    schema: int = SCHEMA


class CheckpointFile:
    """The one writer. `trouble`: why the last write failed, "" when it did not."""

    def __init__(self, data_dir: Path) -> None:
        self._path = data_dir / "checkpoints" / FILE_NAME
        self._written = b""
        self.trouble = ""

    def load(self) -> AlertsMemory | None:
        """None when there is none, or it is damaged or of another version."""
        try:
            with self._path.open("rb") as file:
                found = msgspec.json.decode(file.read(BYTES_MAX), type=AlertsMemory)
        except (OSError, msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            return None
        return found if found.schema == SCHEMA else None

    def save(self, checkpoint: AlertsMemory) -> None:
        """If it says anything new. A disk that refuses costs the memory over a restart alone."""
        raw = msgspec.json.encode(checkpoint)
        if raw == self._written and not self.trouble:
            return
        aside = self._path.with_name(f".{FILE_NAME}.new")
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with open(aside, "wb", opener=private_opener) as file:
                file.write(raw)
            aside.replace(self._path)
        except OSError as error:
            self.trouble = error.strerror or str(error)
            return
        self._written, self.trouble = raw, ""
