"""FlowBrain: the built-in brain, `flow@2`. One per instrument; single-threaded.

State is a function of the rows consumed, its own and its mate's, and of the settings: no clock, no
randomness. So a restart from a snapshot, a replay at any speed and a live run decide alike, bit for
bit.

Ten times a second of event time a sample is taken: all features, and what was thought of them at
each horizon. Labels come due later and teach (hunter.brain.samples, hunter.brain.horizon). A
decision is made after the first row at or after each boundary of the interval. It is flat, with
p = 1/2 and confidence 0, while nothing is known; it is flat with the model's own p where the brain
abstains (hunter.brain.abstention). The mate is the spot or swap of the same base: its window is
read as it stands, so the two brains have to be given their rows in the order they came.
"""

from __future__ import annotations

from collections.abc import Callable
from math import nan
from typing import NamedTuple

import msgspec

from hunter.brain.abstention import Coverage, Quoted, Verdict, objection, obstacle, warming
from hunter.brain.context import BOOK_LEVELS_USED, MarketContext
from hunter.brain.drift import FeatureShift, Rung
from hunter.brain.features import NAMES, ODD_COUNT, named
from hunter.brain.horizon import THOUGHT_NUMBERS, Horizon, Opinion
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
from hunter.brain.outside import ABSTAINS, Panel
from hunter.brain.prior import EXPERT_NAMES, Prior, published_prior
from hunter.brain.protocol import Outlook, StateError
from hunter.brain.quote import Source
from hunter.brain.reasons import WORDS_MAX, gains_text, notes, terms_text
from hunter.brain.regime import STEP_NS, Market, Regimes, name_of
from hunter.brain.samples import Label, Samples
from hunter.brain.settings import BrainSettings
from hunter.brain.window import FlowWindow, new_window
from hunter.signals.decision import Decision, Direction

NAME = "flow@2"
STATE_VERSION = 3

WATCHED = ("queue_imbalance", "depth_imbalance_5", "trades_per_s", "quotes_per_s", "spread_bp")
"""Features whose distribution is watched for a shift."""

_BBO, _TICKER = int(Source.BBO), int(Source.TICKER)
_FEATURE_COUNT = len(NAMES)
_WATCHED = tuple(NAMES.index(name) for name in WATCHED)
_VOLATILITY, _TRADES = NAMES.index("volatility_ratio_log"), NAMES.index("trades_per_s")
_NO_REGIME = -1.0
_ALL = Coverage(1.0)


class FlowState(msgspec.Struct, array_like=True):
    """A snapshot's content; floats are kept as their eight bytes."""

    version: int
    settings: bytes
    intake: IntakeState
    window: bytes
    samples: bytes
    horizons: list[bytes]
    regimes: bytes
    shift: bytes
    coverage: bytes
    context: bytes
    panel: bytes
    outside: list[tuple[float, ...]]
    looked_ns: int
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
    """See hunter.brain.protocol.Brain. `panel` are the outside experts, `priors` what is believed
    at each horizon (in ms) before the first label."""

    __slots__ = (
        "_context",
        "_coverage",
        "_gap_count",
        "_horizons",
        "_intake",
        "_looked_ns",
        "_mate",
        "_next_ns",
        "_outside",
        "_own",
        "_panel",
        "_priors",
        "_regimes",
        "_samples",
        "_settings",
        "_shift",
        "_stale_ns",
        "_window",
        "decisions",
        "instrument",
    )

    name = NAME

    def __init__(
        self,
        instrument: str,
        settings: BrainSettings | None = None,
        panel: Panel | None = None,
        priors: Callable[[int], Prior] = published_prior,
    ) -> None:
        self.instrument = instrument
        self._settings = settings = settings or BrainSettings()
        self._panel = panel or Panel()
        self._priors = priors
        self._stale_ns = settings.stale_ms * 1_000_000
        self._own = settings.horizons_ms.index(settings.horizon_ms)
        self._mate: FlowBrain | None = None
        self._start()

    def _start(self) -> None:
        """Everything that is learnt, as it is before the first row."""
        settings, experts = self._settings, len(self._panel.names)
        horizons_ms = settings.horizons_ms
        self._intake = Intake(settings)
        self._window: FlowWindow = new_window(settings.stale_ms)
        self._context = MarketContext(settings.stale_ms)
        self._horizons = tuple(Horizon(ms, experts, self._priors(ms)) for ms in horizons_ms)
        width = _FEATURE_COUNT + 1 + len(horizons_ms) * (THOUGHT_NUMBERS + experts)
        self._samples = Samples(horizons_ms, width)
        self._regimes = Regimes()
        self._shift = FeatureShift(len(WATCHED))
        self._coverage = Coverage(settings.coverage)
        self._outside: tuple[tuple[float, ...], ...] = ((nan,) * experts,) * len(horizons_ms)
        self._looked_ns = 0  # when regimes and shift last looked
        self._gap_count = 0  # of the intake, as last heard
        self._next_ns = 0  # of the next sample or decision
        self.decisions = 0

    def meet(self, mate: FlowBrain) -> None:
        """From now on read the window of `mate`, the other instrument of the same base."""
        assert mate is not self
        self._mate = mate

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
        mate = self._mate._window if self._mate is not None else None
        if mate is not None:
            window.on_mate(now_ns, mate)
        if samples.silent_ns(now_ns) > self._stale_ns:
            samples.break_off(now_ns)
        if self._intake.book_lost or not quote.usable or quote.is_stale(now_ns):
            samples.skip(now_ns)
            return
        vector = window.vector(now_ns, mate)
        market = self._market(vector)
        if now_ns - self._looked_ns >= STEP_NS:
            self._looked_ns = now_ns
            self._regimes.see(market)
            self._shift.see(tuple(abs(vector[i]) for i in _WATCHED))
        if self._panel:
            asked = self._panel.ask(vector, self._settings.horizons_ms)
            self._outside = tuple(
                tuple(nan if one == ABSTAINS else one for one in some) for some in asked
            )
        regime = float(self._regimes.code(market)) if self._intake.warm else _NO_REGIME
        numbers = [*vector, regime]
        odd = vector[:ODD_COUNT]
        for horizon, outside in zip(self._horizons, self._outside, strict=True):
            numbers += horizon.thought(odd, outside)
            numbers += outside
        samples.take(now_ns, quote.mid, tuple(numbers))

    def _learn(self, now_ns: int) -> None:
        """Labels that came due before the row at `now_ns`, which does not count yet."""
        quote = self._window.quote
        mid = quote.mid if quote.usable and not self._intake.book_lost else None
        for label in self._samples.resolve(now_ns, mid, quote.stamp_ns + self._stale_ns):
            if label.vector:
                self._learn_one(label)

    def _learn_one(self, label: Label) -> None:
        horizon, vector = self._horizons[label.horizon], label.vector
        each = THOUGHT_NUMBERS + len(self._panel.names)
        first = _FEATURE_COUNT + 1 + label.horizon * each
        regime = int(vector[_FEATURE_COUNT])
        verified = horizon.learn(label, vector[first : first + each], regime)
        if verified is not None and label.horizon == self._own:
            self._regimes.learn(verified.regime, verified.loss)
        if self._panel and label.move:
            move = 1 if label.move > 0.0 else -1
            known = vector[:_FEATURE_COUNT]
            self._panel.learn(known, horizon.horizon_ms, move, label.weight)

    def _market(self, vector: tuple[float, ...]) -> Market:
        quote = self._window.quote
        return Market(vector[_VOLATILITY], quote.ask - quote.bid, vector[_TRADES])

    # ---- what it says

    def _look(self, now_ns: int) -> _Look:
        """Changes nothing."""
        window, intake, quote = self._window, self._intake, self._window.quote
        mate = self._mate._window if self._mate is not None else None
        vector = window.vector(now_ns, mate)
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
        fault = obstacle(quoted, self._settings.stale_ms)
        fault = fault or warming(intake.seen_ns, self._settings.warm_ms)
        opinions: tuple[Opinion, ...] = ()
        if not fault:
            both = zip(self._horizons, self._outside, strict=True)
            opinions = tuple(horizon.opinion(vector, outside) for horizon, outside in both)
        return _Look(vector, self._regimes.code(self._market(vector)), fault, opinions)

    def _direction(self, look: _Look, index: int, now_ns: int) -> tuple[Direction, str]:
        """Of one horizon, and what speaks against telling it."""
        if look.fault:
            return "flat", look.fault
        opinion, own = look.opinions[index], index == self._own
        wide = any(horizon.drift.rung for horizon in self._horizons[: index + 1])
        gap_age_ns = self._intake.gap_age_ns
        if gap_age_ns is not None:
            gap_age_ns += now_ns - self._intake.now_ns
        verdict = Verdict(
            opinion.confidence,
            opinion.edge_bp,
            gap_age_ns,
            self._horizons[index].drift.fault(),
            self._regimes.fault(look.regime) if own else "",
            wide,
        )
        against = objection(verdict, self._settings, self._coverage if own else _ALL)
        if against:
            return "flat", against
        return ("up" if opinion.probability_up > 0.5 else "down"), ""

    def _decide(self, exchange_ts_ns: int, received_ts_ns: int) -> Decision:
        intake, settings, own = self._intake, self._settings, self._own
        boundary_ms = intake.pass_boundary()
        now_ns = intake.now_ns
        look = self._look(now_ns)
        direction, reason = self._direction(look, own, now_ns)
        opinion = look.opinions[own] if look.opinions else None
        p = opinion.probability_up if opinion is not None else 0.5
        if opinion is not None:
            self._coverage.add(opinion.confidence)
            reason = self._reason(look, direction, reason, now_ns)
        self.decisions += 1
        experts = (*EXPERT_NAMES, *self._panel.names)
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
            regime=name_of(look.regime, bool(self._horizons[own].drift.rung)),
            reason=reason,
            features=named(look.vector),
            experts=dict(zip(experts, opinion.weights, strict=True)) if opinion else {},
            context=self._context.values(now_ns),
            model=NAME,
            trade_sequence=intake.trade_sequence,
            book_seq_id=intake.book_seq_id,
            quality=intake.quality(exchange_ts_ns, received_ts_ns),
            decided_ts_ns=received_ts_ns,
            boundary_ms=boundary_ms,
        )

    def _reason(self, look: _Look, direction: Direction, against: str, now_ns: int) -> str:
        """Of the brain's own horizon, where there is an opinion."""
        own, odd = self._own, look.vector[:ODD_COUNT]
        horizon, outside = self._horizons[own], self._outside[own]
        contributions = horizon.mixture.contributions(odd, outside)
        parts = [against] if against else []
        names = (*NAMES[:ODD_COUNT], *self._panel.names)
        parts.append(terms_text(contributions, names, odd))
        parts.append(gains_text(look.opinions[own], self._settings.fee_bp))
        shifted = [WATCHED[i] for i in self._shift.shifted()]
        shadowed = [one.name for one in self._panel.experts if one.in_shadow]
        rung = horizon.drift.rung if not against.startswith("drift") else Rung.FINE
        parts += notes(rung, shifted, shadowed)
        if direction != "flat":
            parts += self._context.words(now_ns)[:WORDS_MAX]
        return "; ".join(parts)

    def outlook(self, now_ns: int) -> tuple[Outlook, ...]:
        """See Brain."""
        now_ns = max(now_ns, self._intake.now_ns)
        look = self._look(now_ns)
        found = []
        for index, horizon_ms in enumerate(self._settings.horizons_ms):
            direction, reason = self._direction(look, index, now_ns)
            if look.opinions:
                p, probability_move, edge_bp, _ = look.opinions[index]
                found.append(
                    Outlook(horizon_ms, p, probability_move, edge_bp, direction, reason)
                )
            else:
                found.append(Outlook(horizon_ms, 0.5, None, None, direction, reason))
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
                samples=self._samples.state(),
                horizons=[horizon.state() for horizon in self._horizons],
                regimes=self._regimes.state(),
                shift=self._shift.state(),
                coverage=self._coverage.state(),
                context=self._context.state(),
                panel=self._panel.state(),
                outside=list(self._outside),
                looked_ns=self._looked_ns,
                decisions=self.decisions,
            )
        )

    def restore(self, state: bytes) -> None:
        """Continue from `snapshot()`; StateError leaves this brain as it was, unless it is an
        outside expert that refuses: then make a new one."""
        try:
            found = _DECODER.decode(state)
        except (msgspec.DecodeError, ValueError) as error:
            raise StateError(f"not a state of {NAME}: {error}; start cold") from error
        if found.version != STATE_VERSION or found.settings != self._settings.digest():
            raise StateError(f"a state of {NAME} with other settings or version; start cold")
        fresh = FlowBrain(self.instrument, self._settings, self._panel, self._priors)
        try:
            fresh._load(found)
            self._panel.load(found.panel)
        except ValueError as error:
            raise StateError(f"not a state of {NAME}: {error}; start cold") from error
        for name in self.__slots__:
            if name not in ("_mate", "_panel"):
                setattr(self, name, getattr(fresh, name))

    def _load(self, found: FlowState) -> None:
        """ValueError when a part does not fit: this brain is spoilt then."""
        self._intake.load(found.intake)
        self._window.load(found.window)
        self._samples.load(found.samples)
        for horizon, one in zip(self._horizons, found.horizons, strict=True):
            horizon.load(one)
        self._regimes.load(found.regimes)
        self._shift.load(found.shift)
        self._coverage.load(found.coverage)
        self._context.load(found.context)
        if [len(some) for some in found.outside] != [len(some) for some in self._outside]:
            raise ValueError("held answers of other outside experts")
        self._outside = tuple(found.outside)
        self._looked_ns = found.looked_ns
        self.decisions = found.decisions
        self._next_ns = min(self._samples.next_ns, self._intake.next_boundary_ns)
