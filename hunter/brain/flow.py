"""FlowBrain: the built-in brain, `flow@2`. One per instrument; single-threaded.

State is a function of the rows consumed, its own and its mate's, and of the settings: no clock, no
randomness. So a restart from a snapshot, a replay at any speed and a live run decide alike, bit for
bit.

Ten times a second of event time a sample is taken: all features, and what was thought of them at
each horizon. Labels come due later and teach (hunter.brain.learning: samples, horizon). A decision
is made after the first row at or after each boundary of the interval. It is flat, with p = 1/2 and
confidence 0, while nothing is known; it is flat with the model's own p where the brain abstains
(hunter.brain.learning.abstention). The mate is the spot or swap of the same base: its window is
read as it stands, so the two brains have to be given their rows in the order they came.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import msgspec

from hunter.brain.context.context import BOOK_LEVELS_USED, MarketContext
from hunter.brain.inputs import (
    ASKS_PLACE,
    BIDS_PLACE,
    BboRow,
    BookRow,
    PlainBook,
    TickerRow,
    TradeRow,
)
from hunter.brain.intake import Intake, IntakeState
from hunter.brain.learning.abstention import Quoted, obstacle, warming
from hunter.brain.learning.horizon import Belief, Opinion, published_belief
from hunter.brain.learning.learned import Learned, LearnedState
from hunter.brain.learning.reasons import drift_text
from hunter.brain.plugins.outside import Panel
from hunter.brain.protocol import Outlook, StateError
from hunter.brain.settings import BrainSettings
from hunter.brain.window.features import named
from hunter.brain.window.quote import Source
from hunter.brain.window.window import FlowWindow, new_window
from hunter.signals.decision import Decision, Direction

NAME = "flow@2"
STATE_VERSION = 3
WORDS_MAX = 2

_BBO, _TICKER = int(Source.BBO), int(Source.TICKER)


class FlowState(msgspec.Struct, array_like=True):
    """A snapshot's content."""

    version: int
    settings: bytes
    intake: IntakeState
    window: bytes
    context: bytes
    learned: LearnedState
    decisions: int


_ENCODER = msgspec.msgpack.Encoder()
_DECODER = msgspec.msgpack.Decoder(FlowState)


class _Look(NamedTuple):
    """What there is to see at one moment; `fault` says why there is no opinion."""

    vector: tuple[float, ...]
    regime: int
    fault: str
    opinions: tuple[Opinion, ...]


class FlowBrain:
    """See hunter.brain.protocol.Brain. `panel` are the outside experts, `beliefs` gives what is
    believed at a horizon (in ms) before the first label."""

    __slots__ = (
        "_beliefs",
        "_context",
        "_gap_count",
        "_intake",
        "_learned",
        "_next_ns",
        "_panel",
        "_samples",
        "_settings",
        "_stale_ns",
        "_window",
        "decisions",
        "instrument",
        "mate",
    )

    name = NAME

    def __init__(
        self,
        instrument: str,
        settings: BrainSettings | None = None,
        panel: Panel | None = None,
        beliefs: Callable[[int], Belief] = published_belief,
    ) -> None:
        self.instrument = instrument
        self._settings = settings = settings or BrainSettings()
        self._panel = panel or Panel()
        self._beliefs = beliefs
        self._stale_ns = settings.stale_ms * 1_000_000
        self.mate: FlowBrain | None = None
        self._intake = Intake(settings)
        self._window: FlowWindow = new_window(settings.stale_ms)
        self._context = MarketContext(settings.stale_ms)
        self._learned = Learned(settings, self._panel, beliefs)
        self._samples = self._learned.samples
        self._gap_count = 0  # of the intake, as last heard
        self._next_ns = 0  # of the next sample or decision
        self.decisions = 0

    def meet(self, mate: FlowBrain) -> None:
        """From now on read the window of `mate`, the other instrument of the same base."""
        assert mate is not self
        self.mate = mate

    @property
    def warm(self) -> bool:
        return self._intake.warm

    @property
    def inputs(self) -> dict[str, int]:
        return self._intake.inputs

    @property
    def errors(self) -> int:
        """Of the outside experts; its own code has none."""
        return self._panel.failures

    @property
    def failure(self) -> str:
        return self._panel.failure

    @property
    def overruns(self) -> int:
        return self._panel.overruns

    @property
    def trouble(self) -> str:
        return self._panel.trouble

    @property
    def drift(self) -> str:
        return drift_text(self._learned.horizons[self._learned.own].drift)

    # A row may also be as the ring unpacks it, which is the same but for the names, in a ticker's
    # case with the day's statistics in between: numbers are read by their places (see inputs).

    def on_trade(self, row: TradeRow) -> Decision | None:
        intake = self._intake
        now_ns = intake.on_trade(row)
        if self._samples.due_ns < now_ns:
            self._learn(now_ns)
        if intake.gap_count != self._gap_count:
            self._forget(now_ns)
        _, _, _, exchange_ts_ns, received_ts_ns, price, size, count, side, _, _ = row
        stamp_ns = exchange_ts_ns if exchange_ts_ns < now_ns else now_ns
        self._window.on_trade(stamp_ns, price, size, side, count)
        self._context.on_trade(stamp_ns, price, size, side, count)
        if now_ns < self._next_ns:
            return None
        return self._think(now_ns, exchange_ts_ns, received_ts_ns)

    def on_gap(self) -> None:
        """Flows begin anew, and windows across the gap teach nothing."""
        self._intake.on_gap()
        self._forget(self._intake.now_ns)

    def on_bbo(self, row: BboRow) -> Decision | None:
        now_ns = self._intake.on_bbo(row)
        if self._samples.due_ns < now_ns:
            self._learn(now_ns)
        _, _, _, exchange_ts_ns, received_ts_ns, bid, bid_size, ask, ask_size, _, _ = row
        stamp_ns = exchange_ts_ns if exchange_ts_ns < now_ns else now_ns
        self._window.on_quote(stamp_ns, now_ns, _BBO, bid, bid_size, ask, ask_size)
        if now_ns < self._next_ns:
            return None
        return self._think(now_ns, exchange_ts_ns, received_ts_ns)

    def on_ticker(self, row: TickerRow) -> Decision | None:
        now_ns = self._intake.on_ticker(row)
        if self._samples.due_ns < now_ns:
            self._learn(now_ns)
        exchange_ts_ns = row[2]
        stamp_ns = exchange_ts_ns if exchange_ts_ns < now_ns else now_ns
        self._window.on_quote(stamp_ns, now_ns, _TICKER, *row[6:10])
        if now_ns < self._next_ns:
            return None
        return self._think(now_ns, exchange_ts_ns, row[3])

    def on_book(self, row: BookRow) -> Decision | None:
        bid_count = min(BOOK_LEVELS_USED, row.bid_count)
        ask_count = min(BOOK_LEVELS_USED, row.ask_count)
        return self._on_book(row, row.bids[: 2 * bid_count], row.asks[: 2 * ask_count])

    def on_plain_book(self, row: PlainBook) -> Decision | None:
        """As `on_book`, of a row as the ring unpacks it: only what is used is taken out of it."""
        bid_count, ask_count = row[6], row[7]
        bids_end = BIDS_PLACE + 2 * (bid_count if bid_count < BOOK_LEVELS_USED else 20)
        asks_end = ASKS_PLACE + 2 * (ask_count if ask_count < BOOK_LEVELS_USED else 20)
        return self._on_book(row, row[BIDS_PLACE:bids_end], row[ASKS_PLACE:asks_end])

    def _on_book(
        self, row: BookRow | PlainBook, bids: tuple[float, ...], asks: tuple[float, ...]
    ) -> Decision | None:
        now_ns = self._intake.on_book(row)
        if self._samples.due_ns < now_ns:
            self._learn(now_ns)
        exchange_ts_ns = row[3]
        if row[5]:
            stamp_ns = exchange_ts_ns if exchange_ts_ns < now_ns else now_ns
            self._window.on_book(stamp_ns, now_ns, bids, asks)
            self._context.on_book(stamp_ns, bids, asks)
        else:
            self._window.on_invalid_book()
            self._context.on_invalid_book()
            self._samples.break_off(now_ns)
            self._gap_count = self._intake.gap_count  # of the book alone: other flows go on
        if now_ns < self._next_ns:
            return None
        return self._think(now_ns, exchange_ts_ns, row[4])

    def _forget(self, now_ns: int) -> None:
        """Matches or rows are missing here."""
        self._gap_count = self._intake.gap_count
        self._window.on_gap()
        self._context.on_gap()
        self._samples.break_off(now_ns)

    # ---- samples and what they teach

    def _think(self, now_ns: int, exchange_ts_ns: int, received_ts_ns: int) -> Decision | None:
        samples, intake = self._samples, self._intake
        if now_ns >= samples.next_ns:
            self._sample(now_ns)
        decision = None
        if now_ns >= intake.next_boundary_ns:
            decision = self._decide(exchange_ts_ns, received_ts_ns)
        self._next_ns = min(samples.next_ns, intake.next_boundary_ns)
        return decision

    def _sample(self, now_ns: int) -> None:
        samples, window, quote = self._samples, self._window, self._window.quote
        if self.mate is not None:
            window.on_mate(now_ns, self.mate._window)
        if samples.silent_ns(now_ns) > self._stale_ns:
            samples.break_off(now_ns)
        if self._intake.book_lost or not quote.usable or quote.is_stale(now_ns):
            samples.skip(now_ns)
            return
        vector = self._vector(now_ns)
        self._learned.sample(now_ns, quote.mid, quote.ask - quote.bid, vector)

    def _vector(self, now_ns: int) -> tuple[float, ...]:
        mate = self.mate._window if self.mate is not None else None
        return self._window.vector(now_ns, mate)

    def _learn(self, now_ns: int) -> None:
        """Labels that came due before the row at `now_ns`, which does not count yet."""
        quote = self._window.quote
        mid = quote.mid if quote.usable and not self._intake.book_lost else None
        self._learned.resolve(now_ns, mid, quote.stamp_ns + self._stale_ns)

    # ---- what it says

    def _look(self, now_ns: int) -> _Look:
        """Changes nothing."""
        intake, quote, settings = self._intake, self._window.quote, self._settings
        vector = self._vector(now_ns)
        seen = quote.source != Source.NOWHERE
        quoted = Quoted(
            book_lost=intake.book_lost,
            seen=seen,
            age_ns=now_ns - quote.stamp_ns if seen else 0,
            crossed=quote.crossed,
            usable=quote.usable,
            bid=quote.bid,
            ask=quote.ask,
        )
        fault = obstacle(quoted, settings.stale_ms) or warming(intake.seen_ns, settings.warm_ms)
        opinions = self._learned.opinions(vector) if not fault else ()
        regime = self._learned.regime(vector, quote.ask - quote.bid)
        return _Look(vector, regime, fault, opinions)

    def _judge(self, look: _Look, index: int, now_ns: int) -> tuple[Direction, str]:
        """The direction at one horizon, and why it is flat."""
        if look.fault:
            return "flat", look.fault
        gap_age_ns = self._intake.gap_age_ns
        if gap_age_ns is not None:
            gap_age_ns += now_ns - self._intake.now_ns
        return self._learned.judge(index, look.opinions[index], look.regime, gap_age_ns)

    def _decide(self, exchange_ts_ns: int, received_ts_ns: int) -> Decision:
        intake, settings, learned = self._intake, self._settings, self._learned
        boundary_ms = intake.pass_boundary()
        now_ns = intake.now_ns
        look = self._look(now_ns)
        direction, reason = self._judge(look, learned.own, now_ns)
        opinion = None
        if look.opinions:
            opinion = look.opinions[learned.own]
            learned.count(opinion)
            source = Source(self._window.quote.source).name.lower()
            parts = learned.reasons(look.vector, reason, source)
            if direction != "flat":
                parts += self._context.words(now_ns)[:WORDS_MAX]
            reason = "; ".join(parts)
        p = opinion.probability_up if opinion else 0.5
        self.decisions += 1
        return Decision(
            instrument=self.instrument,
            direction=direction,
            probability_up=p,
            confidence=abs(2.0 * p - 1.0),
            probability_move=opinion.probability_move if opinion else None,
            edge_bp=opinion.edge_bp if opinion else None,
            edge_after_fee_bp=abs(opinion.edge_bp) - settings.fee_bp if opinion else None,
            horizon_ms=settings.horizon_ms,
            outlook={
                str(ms): one.probability_up
                for ms, one in zip(settings.horizons_ms, look.opinions, strict=False)
            },
            regime=learned.regime_name(look.regime),
            reason=reason,
            features=named(look.vector),
            experts=dict(zip(learned.expert_names, opinion.weights, strict=True))
            if opinion
            else {},
            context=self._context.values(now_ns),
            model=NAME,
            trade_sequence=intake.trade_sequence,
            book_seq_id=intake.book_seq_id,
            quality=intake.quality(exchange_ts_ns, received_ts_ns),
            decided_ts_ns=received_ts_ns,
            boundary_ms=boundary_ms,
        )

    def outlook(self, now_ns: int) -> tuple[Outlook, ...]:
        """See Brain. The reason is empty unless it is flat."""
        now_ns = max(now_ns, self._intake.now_ns)
        look = self._look(now_ns)
        found = []
        for index, horizon_ms in enumerate(self._settings.horizons_ms):
            said = self._judge(look, index, now_ns)
            if look.opinions:
                p, probability_move, edge_bp, _ = look.opinions[index]
                found.append(Outlook(horizon_ms, p, probability_move, edge_bp, *said))
            else:
                found.append(Outlook(horizon_ms, 0.5, None, None, *said))
        return tuple(found)

    # ---- snapshot

    def snapshot(self) -> bytes:
        """All state, as bytes. StateError when an outside expert cannot say its own."""
        return _ENCODER.encode(
            FlowState(
                version=STATE_VERSION,
                settings=self._settings.digest(),
                intake=self._intake.state(),
                window=self._window.state(),
                context=self._context.state(),
                learned=self._learned.state(),
                decisions=self.decisions,
            )
        )

    def restore(self, state: bytes) -> None:
        """Continue from `snapshot()`; StateError leaves this brain as it was, unless it is an
        outside expert that refuses: then make a new one."""
        settings = self._settings
        try:
            found = _DECODER.decode(state)
        except (msgspec.DecodeError, ValueError) as error:
            raise StateError(f"not a state of {NAME}: {error}; start cold") from error
        if found.version != STATE_VERSION or found.settings != settings.digest():
            raise StateError(f"a state of {NAME} with other settings or version; start cold")
        window, context = new_window(settings.stale_ms), MarketContext(settings.stale_ms)
        learned = Learned(settings, self._panel, self._beliefs)
        try:
            window.load(found.window)
            context.load(found.context)
            learned.load(found.learned)
        except ValueError as error:
            raise StateError(f"not a state of {NAME}: {error}; start cold") from error
        self._window, self._context, self._learned = window, context, learned
        self._samples = learned.samples
        self._intake = Intake(settings)
        self._intake.load(found.intake)
        self._gap_count = 0
        self._next_ns = min(self._samples.next_ns, self._intake.next_boundary_ns)
        self.decisions = found.decisions
