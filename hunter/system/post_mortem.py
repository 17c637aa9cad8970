"""Makes the record of each death from what the dead left: its page, its log, the rings.

Called by the supervisor's observer right after a death, before a successor can have written
anything. Rings are read with pread and never mapped: a ring that somebody cut short must not take
the supervisor with it (SIGBUS).
"""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path

from hunter.clock import Clock
from hunter.ring.layout import RingLayout
from hunter.ring.merge import MERGED_KINDS
from hunter.runtime.logs import log_path
from hunter.status.deaths import (
    DeathLog,
    DeathRecord,
    LogMark,
    RingPosition,
    last_lines,
    log_mark,
)
from hunter.status.page import Beat
from hunter.system.shared import Prepared
from supervisor.commands import OPERATOR
from supervisor.events import Report, ReportKind


class PostMortem:
    """Hears every report; writes a record for each death but those of an orderly stop of all."""

    def __init__(self, prepared: Prepared, deaths: DeathLog, clock: Clock) -> None:
        self._pages = prepared.status.pages
        self._children = {child.name: child for child in prepared.children}
        self._rings = prepared.rings
        self._log_dir = prepared.config.log_dir
        self._deaths = deaths
        self._clock = clock
        self._starts: Counter[str] = Counter()
        self._log_marks: dict[str, LogMark] = {}
        self._details: dict[str, str] = {}

    def hear(self, report: Report, *, stopping: bool) -> None:
        """`stopping`: the whole tree is on its way down."""
        if report.kind is ReportKind.STARTED:
            self._starts[report.name] += 1
            self._log_marks[report.name] = log_mark(self._log_path(report.name))
            self._details.pop(report.name, None)
        elif report.kind in (ReportKind.HUNG, ReportKind.RESTARTING):
            self._details[report.name] = report.text
        elif report.kind is ReportKind.START_ERROR or (
            report.kind is ReportKind.DIED and not (stopping and report.asked)
        ):
            self._deaths.append(self._record(report))

    def _record(self, report: Report) -> DeathRecord:
        child = self._children[report.name]
        beat = self._beat(report)
        detail = self._details.pop(report.name, "")
        now_ns = self._clock.monotonic_ns()
        noticed_ns = report.at_ns or now_ns  # the next one has been started since
        return DeathRecord(
            actor=report.name,
            role=child.role,
            pid=report.pid or 0,
            restarts=max(0, self._starts[report.name] - 1),
            last_exit=report.text,
            cause=report.cause or "",
            asked=report.asked,
            at_ns=self._clock.wall_ns() - (now_ns - noticed_ns),
            at_monotonic_ns=noticed_ns,
            uptime_s=round((report.uptime_ns or 0) / 1e9, 3),
            rss_bytes=beat.rss_bytes if beat else 0,
            cpu_percent=beat.cpu_permille / 10 if beat else 0.0,
            progress=beat.progress if beat else 0,
            rings=tuple(RingPosition(path.name, row_count(path, lay)) for path, lay in self._rings),
            log=last_lines(
                self._log_path(report.name), self._log_marks.get(report.name, LogMark())
            ),
            # "hang", "memory" or "operator" is told already, in one way or the other
            detail="" if detail in (report.text, report.cause, OPERATOR) else detail,
        )

    def _log_path(self, name: str) -> Path:
        return log_path(self._log_dir, name)

    def _beat(self, report: Report) -> Beat | None:
        """The page as the dead left it; None when it never got there, or another has it."""
        beat = self._pages[report.name].beat()
        return beat if report.pid and beat.pid == report.pid else None


def row_count(path: Path, layout: RingLayout) -> int:
    """Rows of the market in a ring, over all instruments; 0 when it cannot be read. From the lanes'
    heads: arrival numbers are taken by group, and some by rows that a death kept from being shown.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    except OSError:
        return 0
    try:
        size = layout.lanes_offset - layout.lane_table_offset
        raw = os.pread(descriptor, size, layout.lane_table_offset)
    except OSError:
        return 0
    finally:
        os.close(descriptor)
    if len(raw) != size:
        return 0
    words, first = memoryview(raw).cast("Q"), layout.lane_table_offset // 8
    return sum(
        words[layout.intent_word(index, kind) + 1 - first]
        for index in range(len(layout.instruments))
        for kind in MERGED_KINDS
    )
