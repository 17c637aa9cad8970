"""Signal: what is published and journalled. Its fields are an outside interface (schema 1).

Ids are deterministic: `RING-INSTRUMENT-BOUNDARY`, the ring's id in hexadecimal, the instrument as
OKX spells it, the boundary of the decision interval in ms of event time. A brain that was killed
and reads the same rows again makes the same ids, so a signal is recognised when it comes a second
time.
"""

from __future__ import annotations

from typing import NamedTuple

import msgspec

from hunter.errors import MalformedMessage
from hunter.signals.decision import Decision, Direction, Quality

SCHEMA = 1


class SignalId(NamedTuple):
    """The parts of a signal's id."""

    ring_id: str
    instrument: str
    boundary_ms: int

    def __str__(self) -> str:
        return f"{self.ring_id}-{self.instrument}-{self.boundary_ms}"


def parse_signal_id(text: str) -> SignalId:
    """The parts of `text`, or MalformedMessage; only the instrument may hold a dash."""
    ring_id, _, rest = text.partition("-")
    instrument, _, boundary = rest.rpartition("-")
    if not ring_id or not instrument or not boundary.isdecimal():
        raise MalformedMessage(f"not a signal id: {text!r}; expected RING-INSTRUMENT-MILLISECONDS")
    return SignalId(ring_id, instrument, int(boundary))


class Signal(msgspec.Struct, frozen=True, kw_only=True):
    """One signal, exactly the fields that `hunter signals --json` prints. Those with a default are
    not in journals of former versions."""

    schema: int = SCHEMA
    id: str
    instrument: str
    direction: Direction
    probability_up: float
    confidence: float
    probability_move: float | None = None
    edge_bp: float | None = None
    edge_after_fee_bp: float | None = None
    horizon_ms: int
    outlook: dict[str, float] = {}
    regime: str
    reason: str
    features: dict[str, float]
    experts: dict[str, float] = {}
    context: dict[str, float] = {}
    model: str
    trade_sequence: int
    book_seq_id: int
    quality: Quality
    decided_ts_ns: int
    latency_us: float
    """From the frame's arrival at the process to the decision; the only field a replay changes
    besides `decided_ts_ns` and the lag."""


_ENCODER = msgspec.json.Encoder()
_DECODER = msgspec.json.Decoder(Signal)


def signal_of(
    decision: Decision, ring_id: str, direction: Direction, reason: str, latency_us: float
) -> Signal:
    """The signal that tells `decision` as `direction`, because of `reason`."""
    return Signal(
        id=str(SignalId(ring_id, decision.instrument, decision.boundary_ms)),
        instrument=decision.instrument,
        direction=direction,
        probability_up=decision.probability_up,
        confidence=decision.confidence,
        probability_move=decision.probability_move,
        edge_bp=decision.edge_bp,
        edge_after_fee_bp=decision.edge_after_fee_bp,
        horizon_ms=decision.horizon_ms,
        outlook=decision.outlook,
        regime=decision.regime,
        reason=reason,
        features=decision.features,
        experts=decision.experts,
        context=decision.context,
        model=decision.model,
        trade_sequence=decision.trade_sequence,
        book_seq_id=decision.book_seq_id,
        quality=decision.quality,
        decided_ts_ns=decision.decided_ts_ns,
        latency_us=latency_us,
    )


def encode_signal(signal: Signal) -> bytes:
    """One JSON object without a line end."""
    return _ENCODER.encode(signal)


def decode_signal(line: bytes) -> Signal:
    """The signal of one line, or MalformedMessage. Fields of a later schema are ignored."""
    try:
        return _DECODER.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise MalformedMessage(f"not a signal: {error}") from error
