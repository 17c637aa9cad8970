"""The supervisor's page, log and records of deaths: the Observer of the supervisor package. It also
keeps the file there that a restarted actor reads.

What it raises is survived by the supervisor, so that nobody loses a process to a status page.
"""

from __future__ import annotations

import logging
import os
from importlib.metadata import PackageNotFoundError, version

from hunter.clock import SystemClock
from hunter.config import save_effective
from hunter.runtime.runner import EFFECTIVE_CONFIG
from hunter.status import block, documents
from hunter.status.deaths import DeathLog
from hunter.status.page import ActorState, Page, process_start_ticks
from hunter.status.usage import UsageMeter
from hunter.system.post_mortem import PostMortem
from hunter.system.shared import Prepared
from hunter.system.wishes import keep_stopped, stopped_actors
from supervisor.events import Report, ReportKind
from supervisor.tree import ChildRecord, Tree


def hunter_version() -> str:
    """The installed distribution's version; a source tree that is not installed says so."""
    try:
        return version("okx-hunter")
    except PackageNotFoundError:
        return "0+source"


class StatusWriter:
    """Writes the supervisor's page and log, and the effective configuration should it vanish."""

    def __init__(self, prepared: Prepared, log: logging.Logger) -> None:
        self._page: Page = prepared.status.pages[block.SUPERVISOR]
        self._ring_ids = prepared.ring_ids
        self._config = prepared.config
        self._effective = prepared.config.runtime_dir / EFFECTIVE_CONFIG
        self._told_unwritable = False
        self._log = log
        self._clock = SystemClock()
        self._usage = UsageMeter(self._page)
        self._deaths = DeathLog(prepared.config.log_dir)
        self._post_mortem = PostMortem(prepared, self._deaths, self._clock)
        self._settled: set[str] = set()
        self._down = stopped_actors(self._config)
        self._started_wall_ns: dict[int, int] = {}
        page = self._page
        page.store("started_wall_ns", self._clock.wall_ns())
        page.store("process_start", process_start_ticks(os.getpid()))
        page.store("state", ActorState.STARTING)
        children = tuple(
            documents.ChildDocument(child.name, child.role, "starting")
            for child in prepared.children
        )
        self._write("starting", children)
        self.tick()
        page.store("pid", os.getpid())

    def changed(self, tree: Tree, reports: tuple[Report, ...]) -> None:
        for report in reports:
            self._tell(report)
            self._post_mortem.hear(report, stopping=tree.stopping)
        self._keep_wishes(tree)
        children = []
        live = {record.pid for record in tree.records}
        self._started_wall_ns = {
            pid: at for pid, at in self._started_wall_ns.items() if pid in live
        }
        for record in tree.records:
            if record.state.value in ("ready", "parked") or not record.wanted:
                self._settled.add(record.name)  # for good or ill
            children.append(self._child(record))
        if tree.stopping:
            state = "stopping"
        else:
            state = "running" if len(self._settled) == len(children) else "starting"
        self._write(state, tuple(children))

    def _child(self, record: ChildRecord) -> documents.ChildDocument:
        return documents.ChildDocument(
            name=record.name,
            role=record.spec.role,
            state=record.state.value,
            pid=record.pid or 0,
            restarts=record.restarts,
            last_exit=record.last_exit,
            started_wall_ns=self._started(record.pid or 0),
            exits=dict(record.exits),
            wanted=record.wanted,
            stopped_since_ns=record.stopped_since_ns or 0,
        )

    def tick(self) -> None:
        now_ns = self._clock.monotonic_ns()
        self._page.store("beat_monotonic_ns", now_ns)
        self._usage.measure(now_ns)
        self._keep_effective()

    def finish(self) -> None:
        self._page.store("state", ActorState.STOPPED)
        self._log.info("stopped")

    def _keep_wishes(self, tree: Tree) -> None:
        """Before the page says so: who reads there that an actor is down may kill us."""
        down = frozenset(record.name for record in tree.records if not record.wanted)
        if tree.stopping or down == self._down:
            return
        self._down = down
        try:
            keep_stopped(self._config, down)
        except OSError as error:
            text = "who is stopped by name will be forgotten if the supervisor is killed: %s"
            self._log.warning(text, error)

    def _keep_effective(self) -> None:
        """Actors read it at their start; systemd-tmpfiles takes what is ten days old from /tmp."""
        try:
            if self._effective.exists():
                return
            save_effective(self._config, self._effective)
        except OSError as error:
            if not self._told_unwritable:
                text = "%s is gone, no actor can start without it, and it cannot be written: %s"
                self._log.warning(text, self._effective, error)
            self._told_unwritable = True
        else:
            self._told_unwritable = False
            self._log.warning("%s was removed by somebody, and is written again", self._effective)

    def _started(self, pid: int) -> int:
        """Wall time at which a pid was first seen: the policy knows monotonic time only."""
        if not pid:
            return 0
        return self._started_wall_ns.setdefault(pid, self._clock.wall_ns())

    def _write(self, state: str, children: tuple[documents.ChildDocument, ...]) -> None:
        document = documents.SupervisorDocument(
            state, hunter_version(), children, self._ring_ids, self._deaths.lost
        )
        self._page.write_document(documents.encode(document))

    def _tell(self, report: Report) -> None:
        quiet = report.asked or report.kind in (
            ReportKind.STARTED, ReportKind.READY, ReportKind.RESTARTING, ReportKind.STOPPING,
        )  # fmt: skip
        level = logging.INFO if quiet else logging.WARNING
        lived = f" after {report.uptime_ns / 1e9:.1f} s" if report.uptime_ns else ""
        pid = f" (pid {report.pid})" if report.pid else ""
        what = "ended" if report.asked and report.kind is ReportKind.DIED else report.kind.value
        about = f"{report.name or 'tree'} {what}"
        self._log.log(
            level, "%s%s%s%s", about, pid, lived, f": {report.text}" if report.text else ""
        )
