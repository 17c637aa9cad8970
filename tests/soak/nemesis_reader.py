"""Reads the trades of an instance without pause, and writes down what it saw.

    python tests/soak/nemesis_reader.py CONFIG_FILE LOG_FILE

A process of its own, read-only, that survives everything done to the instance. Each pass takes the
new rows of each instrument by a LaneReader, and the newest rows once more by `hunter.attach`, in
the midst of the writer's work. The log has one JSON object a line: a digest of each 64 rows, or
what was wrong. Ends on SIGTERM, or with its parent.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np
from fakes.checkers import ReaderLog, impossible
from fakes.nemesis_truth import FileTail, RowDigest

import hunter
from hunter.access import Instance, Lane
from hunter.ring import segment
from hunter.ring.layout import RingLayout
from hunter.ring.reader import LaneReader
from hunter.ring.rows import Kind, numpy_dtype

PAUSE_S = 0.002
AGAIN_ROWS = 64
LOOK_EVERY_S = 0.5
DTYPE = numpy_dtype(Kind.TRADE)


class Watched:
    """One instrument: the same lane by two ways."""

    def __init__(self, name: str, reader: LaneReader, lane: Lane) -> None:
        self._name = name
        self._reader = reader
        self._lane = lane
        self._digest = RowDigest()
        self._sequence = 0
        self._last_id: int | None = None
        self._last_again: tuple[int, int] = (0, 0)  # sequence and match of a row seen before

    def step(self) -> tuple[int, list[dict[str, Any]]]:
        """How many rows are new, and what there is to write down."""
        raw = self._reader.poll_bytes()
        notes: list[dict[str, Any]] = []
        rows = np.frombuffer(raw, dtype=DTYPE)
        if len(rows):
            notes += self._new(rows)
        if self._reader.lapped:
            notes.append({"wrong": f"{self._name}: lapped by {self._reader.lapped} rows"})
            self._reader.lapped = 0
        self._again(self._lane.last(AGAIN_ROWS), notes)
        return len(rows), notes

    def _new(self, rows: np.ndarray[Any, Any]) -> list[dict[str, Any]]:
        notes: list[dict[str, Any]] = [
            {"wrong": f"{self._name}: {text}, read at row {self._sequence + 1} or later"}
            for text in impossible(rows)
        ]
        before, after = self._sequence, rows["sequence"].astype(np.int64)
        if after[0] != before + 1 or np.any(np.diff(after) != 1):
            notes.append({"wrong": f"{self._name}: after row {before} come {after[:5].tolist()}"})
        last_ids = rows["trade_id"]
        known = last_ids[0] if self._last_id is None else self._last_id
        if last_ids[0] < known or np.any(np.diff(last_ids) <= 0):
            notes.append({"wrong": f"{self._name}: matches go back after row {before}"})
        notes += [
            {"instrument": self._name, "sequence": sequence, "crc": crc}
            for sequence, crc in self._digest.add(rows)
        ]
        self._sequence, self._last_id = int(after[-1]), int(last_ids[-1])
        return notes

    def _again(self, rows: np.ndarray[Any, Any], notes: list[dict[str, Any]]) -> None:
        """The newest rows, those that are just being written beside among them."""
        if not len(rows):
            return
        texts = impossible(rows)
        if np.any(np.diff(rows["sequence"].astype(np.int64)) != 1):
            texts.append("a hole in the newest rows")
        sequence, trade_id = self._last_again
        same = rows["trade_id"][rows["sequence"] == sequence]
        if len(same) and int(same[0]) != trade_id:
            texts.append(f"row {sequence} has changed after it was published")
        self._last_again = (int(rows["sequence"][-1]), int(rows["trade_id"][-1]))
        notes += [{"wrong": f"{self._name}: {text}"} for text in texts]


def watched_by(instance: Instance) -> tuple[list[Watched], list[segment.Segment]]:
    found, segments = [], []
    directory = segment.shared_dir(instance.config.hunter.name, instance.config.runtime_dir)
    for path in sorted(directory.glob("ring-*[0-9]")):
        shared = segment.attach(path)
        segments.append(shared)
        layout = RingLayout.read_header(shared.view)
        for index, name in enumerate(layout.instruments):
            reader = LaneReader(shared, layout, index, Kind.TRADE)
            found.append(Watched(name, reader, instance.trades(name)))
    return found, segments


def main() -> int:
    config_file, log_file = sys.argv[1:3]
    stopped: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, _: stopped.append(number))
    parent = os.getppid()
    instance = hunter.attach(config_file)
    watched, segments = watched_by(instance)
    row_count = polls = 0
    looked_s = 0.0
    with Path(log_file).open("a", encoding="utf-8") as log:

        def note(entry: dict[str, Any]) -> None:
            log.write(json.dumps(entry) + "\n")
            log.flush()

        note({"began": os.getpid()})
        while not stopped and os.getppid() == parent:
            new_count = 0
            for each in watched:
                count, notes = each.step()
                new_count += count
                for entry in notes:
                    note(entry)
            row_count, polls = row_count + new_count, polls + 1
            if not new_count:
                time.sleep(PAUSE_S)
            if time.monotonic() - looked_s > LOOK_EVERY_S:
                looked_s = time.monotonic()
                if not all(shared.is_current() for shared in segments):
                    note({"wrong": "the ring was made anew: what was committed is gone"})
                    break
        note({"ended": True, "rows": row_count, "polls": polls})
    return 0


class LogTail:
    """Takes in what the reader wrote, as it comes."""

    def __init__(self, path: Path) -> None:
        self._tail = FileTail(path)
        self.log = ReaderLog()

    def poll(self) -> ReaderLog:
        for line in self._tail.lines():
            entry = json.loads(line)
            if "crc" in entry:
                digests = self.log.digests.setdefault(entry["instrument"], {})
                digests[entry["sequence"]] = entry["crc"]
            elif "wrong" in entry:
                self.log.wrong.append(entry["wrong"])
            elif "ended" in entry:
                self.log.ended = True
                self.log.row_count, self.log.polls = entry["rows"], entry["polls"]
        return self.log

    def close(self) -> None:
        self._tail.close()


if __name__ == "__main__":
    raise SystemExit(main())
