"""FlowBrain: the built-in brain, `flow@1`. One per instrument; single-threaded.

State is a function of the rows consumed and of the settings: no clock, no randomness. So a restart
from a snapshot, a replay at any speed and a live run decide alike, bit for bit.

A decision is made after the first row at or after each boundary of the interval on event time. It
is flat, with p = 1/2 and confidence 0, while warming up or when the input is bad, and the reason
says which; it is flat with the model's own p when there is no edge.
"""

from __future__ import annotations

import msgspec

from hunter.brain.features import read_features
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
from hunter.brain.labels import Pending, PendingLabels
from hunter.brain.model import Model, QueueImbalanceLogit
from hunter.brain.protocol import Outlook, StateError
from hunter.brain.quote import Source
from hunter.brain.settings import BrainSettings
from hunter.brain.window import DEPTH_LEVELS, FlowWindow, WindowState
from hunter.signals.decision import Decision, Direction, Regime

NAME = "flow@1"
STATE_VERSION = 2

CALM_BELOW = 0.7
VOLATILE_ABOVE = 1.5
"""Limits of the ratio of 5 s to 60 s volatility; outside them is calm or volatile."""

REASON_TERMS_MAX = 3

_BBO, _TICKER = int(Source.BBO), int(Source.TICKER)


class FlowState(msgspec.Struct, array_like=True):
    """A snapshot's content; floats are kept as their eight bytes."""

    version: int
    settings: bytes
    intake: IntakeState
    window: WindowState
    model: tuple[float, ...]
    labels: list[Pending]
    decisions: int


_ENCODER = msgspec.msgpack.Encoder()
_DECODER = msgspec.msgpack.Decoder(FlowState)


class FlowBrain:
    """See hunter.brain.protocol.Brain. `model` defaults to the queue-imbalance baseline."""

    __slots__ = (
        "_intake",
        "_labels",
        "_model",
        "_settings",
        "_stale_ns",
        "_weight",
        "_window",
        "decisions",
        "instrument",
    )

    name = NAME
    errors = 0

    def __init__(
        self,
        instrument: str,
        settings: BrainSettings | None = None,
        model: Model | None = None,
    ) -> None:
        self.instrument = instrument
        self._settings = settings or BrainSettings()
        horizon_ms, interval_ms = self._settings.horizon_ms, self._settings.interval_ms
        self._model: Model = model or QueueImbalanceLogit(horizon_ms)
        # Decisions closer than the horizon share most of their window: they count as one label.
        self._weight = min(1.0, interval_ms / horizon_ms)
        self._stale_ns = self._settings.stale_ms * 1_000_000
        self._intake = Intake(self._settings)
        self._window = FlowWindow(self._settings.stale_ms)
        self._labels = PendingLabels(horizon_ms)
        self.decisions = 0

    @property
    def warm(self) -> bool:
        return self._intake.warm

    @property
    def inputs(self) -> dict[str, int]:
        return self._intake.inputs

    # A row may also be as the ring unpacks it, which is the same but for the names, in a ticker's
    # case with the day's statistics in between: numbers are read by their places (see inputs).

    def on_trade(self, row: TradeRow) -> Decision | None:
        intake = self._intake
        now_ns = intake.on_trade(row)
        if self._labels.due_ns < now_ns:
            self._learn(now_ns)
        _, _, _, exchange_ts_ns, received_ts_ns, _, size, count, side, _, _ = row
        stamp_ns = exchange_ts_ns if exchange_ts_ns < now_ns else now_ns
        self._window.on_trade(stamp_ns, size, side, count)
        if now_ns < intake.next_boundary_ns:
            return None
        return self._decide(exchange_ts_ns, received_ts_ns)

    def on_gap(self) -> None:
        self._intake.on_gap()

    def on_bbo(self, row: BboRow) -> Decision | None:
        intake = self._intake
        now_ns = intake.on_bbo(row)
        if self._labels.due_ns < now_ns:
            self._learn(now_ns)
        exchange_ts_ns = row[3]
        stamp_ns = exchange_ts_ns if exchange_ts_ns < now_ns else now_ns
        self._window.on_quote((stamp_ns, now_ns), _BBO, row[5:7], row[7:9])
        if now_ns < intake.next_boundary_ns:
            return None
        return self._decide(exchange_ts_ns, row[4])

    def on_ticker(self, row: TickerRow) -> Decision | None:
        intake, window = self._intake, self._window
        now_ns = intake.on_ticker(row)
        if self._labels.due_ns < now_ns:
            self._learn(now_ns)
        exchange_ts_ns = row[2]
        if not window.quote.outranks(_TICKER, now_ns):
            stamp_ns = exchange_ts_ns if exchange_ts_ns < now_ns else now_ns
            window.on_quote((stamp_ns, now_ns), _TICKER, row[6:8], row[8:10])
        if now_ns < intake.next_boundary_ns:
            return None
        return self._decide(exchange_ts_ns, row[3])

    def on_book(self, row: BookRow) -> Decision | None:
        bid_count, ask_count = min(DEPTH_LEVELS, row.bid_count), min(DEPTH_LEVELS, row.ask_count)
        return self._on_book(row, row.bids[: 2 * bid_count], row.asks[: 2 * ask_count])

    def on_plain_book(self, row: PlainBook) -> Decision | None:
        """As `on_book`, of a row as the ring unpacks it: only what is used is taken out of it."""
        bid_count, ask_count = row[6], row[7]
        bids_end = BIDS_PLACE + 2 * (bid_count if bid_count < DEPTH_LEVELS else DEPTH_LEVELS)
        asks_end = ASKS_PLACE + 2 * (ask_count if ask_count < DEPTH_LEVELS else DEPTH_LEVELS)
        return self._on_book(row, row[BIDS_PLACE:bids_end], row[ASKS_PLACE:asks_end])

    def _on_book(
        self, row: BookRow | PlainBook, bids: tuple[float, ...], asks: tuple[float, ...]
    ) -> Decision | None:
        intake = self._intake
        now_ns = intake.on_book(row)
        if self._labels.due_ns < now_ns:
            self._learn(now_ns)
        exchange_ts_ns = row[3]
        if row[5]:
            stamp_ns = exchange_ts_ns if exchange_ts_ns < now_ns else now_ns
            self._window.on_book((stamp_ns, now_ns), bids, asks)
        else:
            self._window.on_invalid_book()
        if now_ns < intake.next_boundary_ns:
            return None
        return self._decide(exchange_ts_ns, row[4])

    def _learn(self, now_ns: int) -> None:
        """Labels that came due before the row at `now_ns`, which does not count yet."""
        quote = self._window.quote
        mid = quote.mid if quote.usable and not self._intake.book_lost else None
        good_until_ns = quote.stamp_ns + self._stale_ns
        for values, move in self._labels.resolve(now_ns, mid, good_until_ns):
            self._model.learn(values, move, self._weight)

    def _decide(self, exchange_ts_ns: int, received_ts_ns: int) -> Decision:
        intake, settings = self._intake, self._settings
        boundary_ms = intake.pass_boundary()
        now_ns = intake.now_ns
        features = read_features(self._window, now_ns)
        obstacle = self._obstacle(now_ns)
        direction: Direction = "flat"
        probability_up, reason = 0.5, obstacle
        if not obstacle:
            values = tuple(features.get(name, 0.0) for name in self._model.inputs)
            self._labels.push(now_ns, self._window.quote.mid, values)
            if intake.warm:
                probability_up = self._model.probability_up(values)
                direction, reason = self._judge(probability_up, values)
        if not intake.warm:
            reason = f"warming up: {intake.seen_ns / 1e9:.1f} s of {settings.warm_ms / 1e3:.1f} s"
        self.decisions += 1
        return Decision(
            instrument=self.instrument,
            direction=direction,
            probability_up=probability_up,
            confidence=abs(2.0 * probability_up - 1.0),
            horizon_ms=settings.horizon_ms,
            regime=self._regime(now_ns),
            reason=reason,
            features=features,
            model=NAME,
            trade_sequence=intake.trade_sequence,
            book_seq_id=intake.book_seq_id,
            quality=intake.quality(exchange_ts_ns, received_ts_ns),
            decided_ts_ns=received_ts_ns,
            boundary_ms=boundary_ms,
        )

    def outlook(self, now_ns: int) -> tuple[Outlook, ...]:
        """See Brain."""
        intake, settings = self._intake, self._settings
        now_ns = max(now_ns, intake.now_ns)
        direction: Direction = "flat"
        probability_up, reason = 0.5, self._obstacle(now_ns)
        if not intake.warm:
            reason = f"warming up: {intake.seen_ns / 1e9:.1f} s of {settings.warm_ms / 1e3:.1f} s"
        elif not reason:
            features = read_features(self._window, now_ns)
            values = tuple(features.get(name, 0.0) for name in self._model.inputs)
            probability_up = self._model.probability_up(values)
            direction, reason = self._judge(probability_up, values)
        return (Outlook(settings.horizon_ms, probability_up, None, None, direction, reason),)

    def _obstacle(self, now_ns: int) -> str:
        """Why the input allows no opinion, or nothing."""
        quote = self._window.quote
        if self._intake.book_lost:
            return "book invalid: waiting for a new snapshot"
        if quote.source == Source.NOWHERE:
            return "no quote yet"
        if quote.is_stale(now_ns):
            age_ms = (now_ns - quote.stamp_ns) / 1e6
            return (
                f"stale input: newest quote {age_ms:.0f} ms old, limit {self._settings.stale_ms} ms"
            )
        if quote.crossed:
            return f"crossed book: bid {quote.bid:g} not below ask {quote.ask:g}"
        return "" if quote.usable else "one-sided book: no bid or no ask"

    def _judge(self, probability_up: float, values: tuple[float, ...]) -> tuple[Direction, str]:
        terms = self._terms(values)
        edge = abs(2.0 * probability_up - 1.0)
        # No edge at exactly 1/2 whatever the threshold: there is no side to take.
        if edge < self._settings.threshold or edge == 0.0:
            limit = self._settings.threshold
            return "flat", f"no edge: |2p-1| {edge:.3f} below {limit:.2f}; {terms}"
        return ("up" if probability_up > 0.5 else "down"), terms

    def _terms(self, values: tuple[float, ...]) -> str:
        """The largest signed contributions in words; equal ones in the model's order."""
        model = self._model
        rows = zip(model.contributions(values), model.inputs, values, strict=True)
        ranked = sorted(rows, key=lambda row: -abs(row[0]))[:REASON_TERMS_MAX]
        source = Source(self._window.quote.source).name.lower()
        return ", ".join(
            f"{name.replace('_', ' ')} {value:+.2f} ({source}) adds {term:+.3f} to the log-odds"
            for term, name, value in ranked
        )

    def _regime(self, now_ns: int) -> Regime:
        ratio = self._window.volatility_ratio(now_ns)
        if ratio < CALM_BELOW:
            return "calm"
        return "volatile" if ratio > VOLATILE_ABOVE else "normal"

    def snapshot(self) -> bytes:
        """All state, as bytes."""
        return _ENCODER.encode(
            FlowState(
                version=STATE_VERSION,
                settings=self._settings.digest(),
                intake=self._intake.state(),
                window=self._window.state(),
                model=self._model.state(),
                labels=self._labels.state(),
                decisions=self.decisions,
            )
        )

    def restore(self, state: bytes) -> None:
        """Continue from `snapshot()`; StateError leaves this brain as it was."""
        fresh = FlowWindow(self._settings.stale_ms)
        try:
            found = _DECODER.decode(state)
            fresh.load(found.window)
        except (msgspec.DecodeError, ValueError) as error:
            raise StateError(f"not a state of {NAME}: {error}; start cold") from error
        if found.version != STATE_VERSION or found.settings != self._settings.digest():
            raise StateError(f"a state of {NAME} with other settings or version; start cold")
        try:
            self._model.load(found.model)
        except ValueError as error:
            raise StateError(f"not a state of this model: {error}; start cold") from error
        self._window = fresh
        self._intake.load(found.intake)
        self._labels.load(found.labels)
        self.decisions = found.decisions
