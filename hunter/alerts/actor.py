"""The alerts actor's duty cycle: status -> changes -> policy -> checkpoint -> sender.

It looks a few times a second, at the same report that everybody sees, and never waits for the
network: that is the sender's thread. The order within a look is what makes a kill harmless: what is
told is in the checkpoint before the sender has it, and out of it after the other side has.
"""

from __future__ import annotations

import os
import select
import socket
from pathlib import Path
from typing import Final

from hunter.access import Instance
from hunter.alerts.channels import make_channels, redact_logs
from hunter.alerts.checkpoint import AlertsMemory, CheckpointFile, OutboxEntry
from hunter.alerts.policy import Message, Policy, PolicyState, seen
from hunter.alerts.sender import LANE_MESSAGES_MAX, Sender
from hunter.alerts.wording import Origin, text
from hunter.clock import utc_text
from hunter.config import Config
from hunter.errors import HunterError
from hunter.runtime.actor import Context
from hunter.status import documents
from hunter.status.block import SUPERVISOR
from hunter.status.changes import Change, ChangeTracker
from hunter.status.deaths import read_deaths
from hunter.status.page import ActorState
from hunter.status.shapes import StatusReport

LOOK_EVERY_NS: Final = 300_000_000
END_TIMEOUT_S: Final = 1.0
_MS: Final = 1_000_000
_QUIET: Final = frozenset(("stopping", "stopped"))


class AlertsActor:
    """Tells people; see the package."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._log = context.log
        config = context.config
        origin = origin_of(config)
        channels, redactor = make_channels(config.alerts, Path(config.base_dir), os.environ, origin)
        redact_logs(context.log, redactor)
        self._origin = origin
        self._file = CheckpointFile(config.data_dir)
        self._sender = Sender(channels, redactor, context.clock)
        self._tracker = ChangeTracker()
        self._policy = Policy(config.alerts, PolicyState())
        self._outbox: list[OutboxEntry] = []
        self._instance: Instance | None = None
        self._before = documents.AlertsDocument()
        self._trouble_told = ""
        self._disk_told = ""
        self._due_ns = 0
        self._sleeper = select.poll()
        self._sleeper.register(self._sender.fileno(), select.POLLIN)

    def on_start(self, now_ns: int) -> None:
        self._due_ns = now_ns
        self._instance = Instance(self._context.config)
        page = self._context.page
        before = documents.decode(page.read_document(), documents.AlertsDocument)
        self._before = before or self._before
        found = self._file.load()
        if found is not None:
            self._policy.state, self._outbox = found.policy, found.outbox
            for entry in self._outbox:
                self._sender.put(entry.message, entry.channels)
        self._hear_of_deaths(is_first=found is None)
        self._save()
        names = ", ".join(self._sender.channel_names)
        self._log.info("tells %s; %d messages were on their way", names, len(self._outbox))

    def do_work(self, now_ns: int) -> int:
        # At once: killed before, it would be sent again.
        self._settle()
        if now_ns < self._due_ns:
            return 0
        self._due_ns = now_ns + LOOK_EVERY_NS
        if not self._sender.is_alive:
            raise HunterError("the thread that sends has ended; see the lines above")
        assert self._instance is not None
        self._look(self._instance.status(), self._context.clock.wall_ns())
        self._save()
        return 1

    def wait(self, timeout_ms: int) -> None:
        due_ms = (self._due_ns - self._context.clock.monotonic_ns()) // _MS + 1
        self._sleeper.poll(max(0, min(timeout_ms, due_ms)))

    def on_stop(self) -> None:
        self._sender.close(END_TIMEOUT_S)
        self._settle()
        self._save()
        if self._instance is not None:
            self._instance.close()

    def state(self) -> ActorState:
        return ActorState.READY

    def document(self) -> documents.AlertsDocument:
        sender, before = self._sender, self._before
        return documents.AlertsDocument(
            sent=before.sent + sender.sent,
            failed=before.failed + sender.failed,
            held_back=self._policy.state.held_back_ever,
            dropped=before.dropped + sender.dropped,
            waiting=sender.waiting,
            trouble=sender.trouble,
        )

    def _look(self, report: StatusReport, now_wall_ns: int) -> None:
        changes = self._tracker.look(report, now_wall_ns)
        if report.state in _QUIET:
            return  # the operator knows, and what follows from it is no news
        sight = seen(changes, self._tracker.open_troubles, report)
        message = self._policy.step(sight, now_wall_ns)
        if message is not None:
            self._tell(message)

    def _tell(self, message: Message) -> None:
        channels = self._sender.channel_names
        self._outbox.append(OutboxEntry(message, list(channels)))
        del self._outbox[: -LANE_MESSAGES_MAX - 1]
        self._save()
        for line in text(message, self._origin).splitlines():
            self._log.info("tells: %s", line)
        self._sender.put(message, channels)

    def _settle(self) -> None:
        """What the sender is done with need not be kept."""
        outcomes = self._sender.outcomes()
        for outcome in outcomes:
            for entry in self._outbox:
                if entry.message.id == outcome.message_id and outcome.channel in entry.channels:
                    entry.channels.remove(outcome.channel)
            if not outcome.delivered:
                self._log.error("gave up on a message by %s: %s", outcome.channel, outcome.words)
        if outcomes:
            self._outbox = [entry for entry in self._outbox if entry.channels]
            self._save()
        trouble = self._sender.trouble
        if trouble != self._trouble_told:
            self._trouble_told = trouble
            if trouble:
                self._log.warning("cannot tell by %s; tried again", trouble)
            else:
                self._log.info("can tell again")

    def _hear_of_deaths(self, *, is_first: bool) -> None:
        """Of supervisors that were killed since somebody was told last. Whoever asks for alerts for
        the first time does not want to hear of old ones.
        """
        deaths = read_deaths(self._context.config.log_dir, SUPERVISOR)
        if not deaths:
            return
        state, newest = self._policy.state, deaths[-1]
        if newest.at_ns > state.death_told_ns and not is_first:
            name = self._context.config.hunter.name
            words = (
                f"the former supervisor was killed at {utc_text(newest.at_ns)}, after"
                f" {newest.uptime_s:.0f} s, and everything with it; {name} was started again:"
                f" see hunter deaths {SUPERVISOR}"
            )
            who = f"{SUPERVISOR} {newest.pid}"
            self._policy.hear(Change(newest.at_ns, "instance", who, "critical", words))
        state.death_told_ns = max(state.death_told_ns, newest.at_ns)

    def _save(self) -> None:
        self._file.save(AlertsMemory(self._policy.state, self._outbox))
        if self._file.trouble != self._disk_told:
            self._disk_told = self._file.trouble
            if self._disk_told:
                self._log.warning("the checkpoint cannot be written: %s", self._disk_told)
            else:
                self._log.info("the checkpoint is written again")


def origin_of(config: Config) -> Origin:
    """Who speaks in this instance's name."""
    return Origin(config.hunter.name, socket.gethostname())
