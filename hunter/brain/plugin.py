"""PluginBrain: drives a user's class from the same rows as the built-in brain.

Trades are handed over in batches: all that came in a row, up to a decision boundary, a row of
another kind or BATCH_ROWS_MAX. Whatever goes wrong in the user's code is counted in `errors` and
makes the next decision a flat one that says so: this is the one place of the brain that catches
everything, because the code it calls is not ours. Owned by the brain actor, one per instrument.
"""

from __future__ import annotations

from collections.abc import Callable
from math import isfinite
from typing import Any, NamedTuple

import msgspec

from hunter.brain.inputs import BboRow, BookRow, TickerRow, TradeRow
from hunter.brain.intake import Intake, IntakeState
from hunter.brain.protocol import Outlook, StateError, UserBrain
from hunter.brain.settings import BrainSettings
from hunter.signals.decision import Decision, Quality
from hunter.text import printable

BATCH_ROWS_MAX = 1_024
FAILURE_CHARACTERS_MAX = 500
STATE_VERSION = 2


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


def _failure_text(error: object) -> str:
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
    user: bytes


_ENCODER = msgspec.msgpack.Encoder()
_DECODER = msgspec.msgpack.Decoder(PluginState)


class PluginBrain:
    """See hunter.brain.protocol.Brain."""

    __slots__ = (
        "_batch",
        "_failure",
        "_intake",
        "_on_bbo",
        "_settings",
        "_user",
        "decisions",
        "errors",
        "instrument",
        "name",
    )

    def __init__(
        self, instrument: str, user: UserBrain, name: str, settings: BrainSettings | None = None
    ) -> None:
        self.instrument = instrument
        self.name = name
        self._user = user
        self._on_bbo: Callable[[BboRow], None] | None = getattr(user, "on_bbo", None)
        self._settings = settings or BrainSettings()
        self._intake = Intake(self._settings)
        self._batch: list[TradeRow] = []
        self._failure = ""  # of the user's code since the last decision
        self.decisions = 0
        self.errors = 0
        """Calls of the user's code that raised, and decisions that were no decision."""

    @property
    def warm(self) -> bool:
        return self._intake.warm

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
        value, error = attempt(getattr(self._user, method), argument)
        if error is not None:
            self._fail(f"{method} raised {type(error).__name__}: {_failure_text(error)}")
        return value

    def _fail(self, what: str) -> None:
        self.errors += 1
        self._failure = self._failure or _failure_text(what)

    def _decide(self, exchange_ts_ns: int, received_ts_ns: int) -> Decision | None:
        intake = self._intake
        boundary_ms = intake.pass_boundary()
        said = None
        if intake.warm or self._failure:
            # A brain that failed since is not asked: it did not take in all rows.
            said = None if self._failure else self._call("decide", intake.now_ns)
            if said is not None:
                said = self._checked(said)
            if self._failure:
                said = self._abstention(f"{self.name} failed: {self._failure}")
                self._failure = ""
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

    def outlook(self, now_ns: int) -> tuple[Outlook, ...]:
        """The user's `decide`, asked besides the intervals: what came is handed over first."""
        self._hand_over()
        said = self._call("decide", max(now_ns, self._intake.now_ns)) if self.warm else None
        said = None if said is None else self._checked(said)
        if said is None:
            said = self._abstention(self._failure or "nothing to say")
        p, horizon_ms = said.probability_up, said.horizon_ms
        return (Outlook(horizon_ms, p, None, None, said.direction, said.reason),)

    def _checked(self, said: object) -> Decision | None:
        """A decision that may be published, or None and a failure."""
        if not isinstance(said, Decision):
            self._fail(f"decide returned {type(said).__name__}, expected Decision or None")
            return None
        wrong = attempt(_fault, said)
        if wrong.error is not None or wrong.value:
            self._fail(f"decide returned {wrong.value or _failure_text(wrong.error)}")
            return None
        return said

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
            why = _failure_text(error or type(value))
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
        self._intake.load(found.intake)
        self._batch = found.batch
        self.decisions = found.decisions
        self.errors = found.errors
        self._failure = found.failure


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
