"""PluginBrain: drives a user's class from the same rows as the built-in brain.

Trades are handed over in batches: all that came in a row, up to a decision boundary, a row of
another kind or BATCH_ROWS_MAX. Whatever goes wrong in the user's code is counted in `errors` and
makes the next decision a flat one that says so: this is the one place of the brain that catches
everything, because the code it calls is not ours. Three such decisions put the brain in shadow: it
is fed and asked on, but what is told is flat and says why, until 600 decisions in a row did not
fail. A call beyond the time budget is counted and told, and changes no decision. Owned by the brain
actor, one per instrument.
"""

from __future__ import annotations

from collections.abc import Callable
from math import isfinite
from typing import Any, NamedTuple

import msgspec

from hunter.brain.inputs import BboRow, BookRow, TickerRow, TradeRow
from hunter.brain.intake import Intake, IntakeState
from hunter.brain.plugins.budget import Budget, Strikes
from hunter.brain.protocol import Outlook, StateError, UserBrain
from hunter.brain.settings import BrainSettings
from hunter.clock import SystemClock
from hunter.signals.decision import Decision, Quality
from hunter.text import printable

BATCH_ROWS_MAX = 1_024
FAILURE_CHARACTERS_MAX = 500
BUDGET_US = 200
STATE_VERSION = 3


class Outcome(NamedTuple):
    """What foreign code returned, or what it raised."""

    value: Any
    error: Exception | None


def attempt(function: Callable[..., Any], *arguments: object) -> Outcome:
    """Call foreign code; anything but a request to exit comes back as a value.

    Out of memory is not foreign: it is the whole process that has none, and a new one is the cure.
    """
    try:
        return Outcome(function(*arguments), None)
    except MemoryError:
        raise
    except Exception as error:
        return Outcome(None, error)


def failure_text(error: object) -> str:
    """What foreign code raised, in characters that can be written anywhere, and not endless."""
    text, wrong = attempt(str, error)
    if wrong is not None:
        text = "an error that cannot say what it is"
    return printable(text)[:FAILURE_CHARACTERS_MAX]


class PluginState(msgspec.Struct, array_like=True):
    """A snapshot's content."""

    version: int
    settings: bytes
    name: str
    intake: IntakeState
    batch: list[TradeRow]
    decisions: int
    errors: int
    failure: str
    strikes: tuple[int, int, str]
    user: bytes


_ENCODER = msgspec.msgpack.Encoder()
_DECODER = msgspec.msgpack.Decoder(PluginState)


class PluginBrain:
    """See hunter.brain.protocol.Brain."""

    __slots__ = (
        "_batch",
        "_budget",
        "_failure",
        "_intake",
        "_on_bbo",
        "_settings",
        "_strikes",
        "_user",
        "decisions",
        "errors",
        "instrument",
        "name",
    )

    def __init__(
        self,
        instrument: str,
        user: UserBrain,
        name: str,
        settings: BrainSettings | None = None,
        budget: Budget | None = None,
    ) -> None:
        self.instrument = instrument
        self.name = name
        self._user = user
        self._on_bbo: Callable[[BboRow], None] | None = getattr(user, "on_bbo", None)
        self._settings = settings or BrainSettings()
        self._intake = Intake(self._settings)
        self._budget = budget or Budget(SystemClock(), BUDGET_US)
        self._strikes = Strikes()
        self._batch: list[TradeRow] = []
        self._failure = ""  # of the user's code since the last decision
        self.decisions = 0
        self.errors = 0
        """Calls of the user's code that raised, and decisions that were no decision."""

    @property
    def warm(self) -> bool:
        return self._intake.warm

    @property
    def failure(self) -> str:
        return self._strikes.why

    @property
    def overruns(self) -> int:
        return self._budget.overruns

    @property
    def trouble(self) -> str:
        why = self._strikes.trouble or self._budget.trouble
        return f"{self.name}: {why}" if why else ""

    @property
    def drift(self) -> str:
        return ""  # what a user's brain learns, it does not tell

    @property
    def inputs(self) -> dict[str, int]:
        return self._intake.inputs

    def on_trade(self, row: TradeRow) -> Decision | None:
        now_ns = self._intake.on_trade(row)
        self._batch.append(row)
        if now_ns < self._intake.next_boundary_ns:
            if len(self._batch) >= BATCH_ROWS_MAX:
                self._hand_over()
            return None
        self._hand_over()
        return self._decide(row.exchange_ts_ns, row.received_ts_ns)

    def on_gap(self) -> None:
        """The user reads of it in the decisions' quality."""
        self._hand_over()
        self._intake.on_gap()

    def on_bbo(self, row: BboRow) -> Decision | None:
        now_ns = self._intake.on_bbo(row)
        self._hand_over()
        if self._on_bbo is not None:
            self._call("on_bbo", row)
        return self._decide_if_due(now_ns, row)

    def on_ticker(self, row: TickerRow) -> Decision | None:
        now_ns = self._intake.on_ticker(row)
        self._hand_over()
        self._call("on_ticker", row)
        return self._decide_if_due(now_ns, row)

    def on_book(self, row: BookRow) -> Decision | None:
        now_ns = self._intake.on_book(row)
        self._hand_over()
        self._call("on_book", row)
        return self._decide_if_due(now_ns, row)

    def _decide_if_due(self, now_ns: int, row: BboRow | TickerRow | BookRow) -> Decision | None:
        if now_ns < self._intake.next_boundary_ns:
            return None
        return self._decide(row.exchange_ts_ns, row.received_ts_ns)

    def _hand_over(self) -> None:
        if self._batch:
            batch, self._batch = self._batch, []
            self._call("on_trades", batch)

    def _call(self, method: str, argument: object) -> Any:
        began_ns = self._budget.begin()
        value, error = attempt(getattr(self._user, method), argument)
        self._budget.end(method, began_ns)
        if error is not None:
            self._fail(f"{method} raised {type(error).__name__}: {failure_text(error)}")
        return value

    def _fail(self, what: str) -> None:
        self.errors += 1
        self._failure = self._failure or failure_text(what)

    def _decide(self, exchange_ts_ns: int, received_ts_ns: int) -> Decision | None:
        intake = self._intake
        boundary_ms = intake.pass_boundary()
        if intake.warm or self._failure:
            said = self._ask()
        else:
            warm_s = self._settings.warm_ms / 1e3
            said = self._abstention(f"warming up: {intake.seen_ns / 1e9:.1f} s of {warm_s:.1f} s")
        if said is None:
            return None
        self.decisions += 1
        return msgspec.structs.replace(
            said,
            instrument=self.instrument,
            confidence=abs(2.0 * said.probability_up - 1.0),
            model=said.model or self.name,
            trade_sequence=intake.trade_sequence,
            book_seq_id=intake.book_seq_id,
            quality=intake.quality(exchange_ts_ns, received_ts_ns),
            decided_ts_ns=received_ts_ns,
            boundary_ms=boundary_ms,
        )

    def _ask(self) -> Decision | None:
        """What is to be told; the user's, if nothing failed of late."""
        # A brain that failed since is not asked: it did not take in all rows.
        said = None if self._failure else self._call("decide", self._intake.now_ns)
        if said is not None and (fault := _fault_of(said)):
            self._fail(f"decide returned {fault}")
        failure, self._failure = self._failure, ""
        strikes = self._strikes
        if failure:
            strikes.strike(failure)
        else:
            strikes.passed()
        if strikes.in_shadow:
            return self._abstention(f"{self.name}: {strikes.trouble}")
        if failure:
            return self._abstention(f"{self.name} failed: {failure}")
        checked: Decision | None = said
        return checked

    def outlook(self, now_ns: int) -> tuple[Outlook, ...]:
        """The user's `decide`, asked besides the intervals: what came is handed over first. It is
        neither timed nor counted."""
        self._hand_over()
        said = self._abstention(self._failure or self._strikes.trouble or "warming up")
        if self.warm and not (self._failure or self._strikes.in_shadow):
            value, error = attempt(self._user.decide, max(now_ns, self._intake.now_ns))
            if error is not None:
                why = f"decide raised {type(error).__name__}: {failure_text(error)}"
                said = self._abstention(f"{self.name} failed: {why}")
            elif value is None:
                said = self._abstention("nothing to say")
            elif fault := _fault_of(value):
                said = self._abstention(f"{self.name} failed: decide returned {fault}")
            else:
                said = value
        p, horizon_ms = said.probability_up, said.horizon_ms
        return (Outlook(horizon_ms, p, None, None, said.direction, said.reason),)

    def _abstention(self, reason: str) -> Decision:
        return Decision(
            direction="flat",
            probability_up=0.5,
            horizon_ms=self._settings.horizon_ms,
            reason=reason,
        )

    def snapshot(self) -> bytes:
        """All state with the user's; StateError when the user's code fails."""
        value, error = attempt(self._user.snapshot)
        if not isinstance(value, bytes):
            self.errors += 1
            why = failure_text(error or type(value))
            raise StateError(f"{self.name}: snapshot returned no bytes: {why}")
        return _ENCODER.encode(
            PluginState(
                version=STATE_VERSION,
                settings=self._settings.digest(),
                name=self.name,
                intake=self._intake.state(),
                batch=self._batch,
                decisions=self.decisions,
                errors=self.errors,
                failure=self._failure,
                strikes=self._strikes.state(),
                user=value,
            )
        )

    def restore(self, state: bytes) -> None:
        """Continue from `snapshot()`.

        After StateError make a new brain: the user's may be half restored.
        """
        try:
            found = _DECODER.decode(state)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise StateError(f"not a state of a user's brain: {error}; start cold") from error
        mine = (STATE_VERSION, self._settings.digest(), self.name)
        if (found.version, found.settings, found.name) != mine:
            raise StateError(f"a state of {found.name} with other settings or version; start cold")
        _, failure = attempt(self._user.restore, found.user)
        if failure is not None:
            raise StateError(f"{self.name}: restore raised {failure!r}; start cold") from failure
        try:
            self._strikes.load(found.strikes)
        except ValueError as error:
            raise StateError(f"{self.name}: {error}; start cold") from error
        self._intake.load(found.intake)
        self._batch = found.batch
        self.decisions = found.decisions
        self.errors = found.errors
        self._failure = found.failure


def _fault_of(said: object) -> str:
    """Why this is no decision that may be published; "" if it is one."""
    if not isinstance(said, Decision):
        return f"{type(said).__name__}, expected Decision or None"
    fault, error = attempt(_fault, said)
    return failure_text(error) if error is not None else str(fault)


def _fault(said: Decision) -> str:
    """What is wrong with a user's decision, or nothing."""
    p = said.probability_up
    if not (isfinite(p) and 0.0 <= p <= 1.0):
        return f"probability_up {p}, expected 0 to 1"
    if said.direction not in ("up", "down", "flat"):
        return f"direction {said.direction!r}, expected up, down or flat"
    if (said.direction == "up" and p < 0.5) or (said.direction == "down" and p > 0.5):
        return f"direction {said.direction} with probability_up {p}"
    if not all(isfinite(value) for value in said.features.values()):
        return "a feature that is not finite"
    # Types are only hints to a user; what cannot be encoded must not reach the journal.
    kept = msgspec.structs.replace(said, confidence=0.0, quality=Quality())  # the others are ours
    msgspec.json.decode(msgspec.json.encode(kept), type=Decision)
    return ""
