"""Signals computed once more: the same from the first row and from any anchor; mates included."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from fakes.recordings import SPOT, SWAP, ToldMarket, write

from hunter.brain.checkpoint import Checkpoint, GroupCheckpoint, InstrumentCheckpoint
from hunter.brain.group import introduce
from hunter.brain.inputs import BboRow, BookRow, TickerRow, TradeRow
from hunter.brain.load import load_brain
from hunter.brain.protocol import Brain
from hunter.brain.settings import settings_of
from hunter.config import Config, load
from hunter.errors import HunterError
from hunter.evaluation.recompute import recompute
from hunter.evaluation.rows import RecordedRow, RowCounts, recorded_rows
from hunter.signals.rules import SignalRule

SECONDS = 16
CUT = 250


def config_of(home: Path, *settings: str) -> Config:
    file = home / "hunter.toml"
    file.write_text(f'[okx]\ninstruments = ["{SPOT}", "{SWAP}"]\n')
    talkative = ("brain.interval_ms=200", "brain.warm_ms=500", "brain.coverage=1.0")
    return load(file, [*talkative, "brain.threshold=0.0", *settings])


@pytest.fixture
def recording(tmp_path: Path) -> list[Path]:
    return [
        write(tmp_path / f"{name}.jsonl", ToldMarket(SECONDS, name).lines) for name in (SPOT, SWAP)
    ]


def anchor_after(config: Config, rows: Sequence[RecordedRow]) -> Checkpoint:
    """Where a brain process stands that has read these rows, as its checkpoint says it."""
    settings = settings_of(config.brain)
    brains: dict[str, Brain] = {
        name: load_brain("flow", name, settings) for name in config.okx.instruments
    }
    introduce(*brains.values())
    rules = {name: SignalRule("1") for name in brains}
    newest = {name: [0, 0, 0, 0] for name in brains}
    counts = {name: [0, 0, 0, 0] for name in brains}
    for name, kind, row in rows:
        brain = brains[name]
        match row:
            case TradeRow():
                decision, number = brain.on_trade(row), row.trade_id
            case BboRow():
                decision, number = brain.on_bbo(row), row.seq_id
            case TickerRow():
                decision, number = brain.on_ticker(row), row.exchange_ts_ns
            case BookRow():
                decision, number = brain.on_book(row), row.seq_id
        if decision is not None:
            rules[name].apply(decision, 1.0)
        newest[name][kind] = number
        counts[name][kind] += 1
    members = tuple(
        InstrumentCheckpoint(
            name,
            tuple(counts[name]),  # type: ignore[arg-type]
            brain.snapshot(),
            rules[name].snapshot(),
            False,
            tuple(newest[name]),  # type: ignore[arg-type]
        )
        for name, brain in brains.items()
    )
    return Checkpoint(b"", "1", (GroupCheckpoint(len(rows), members),))


def test_the_same_each_time_and_of_both_mates(tmp_path: Path, recording: list[Path]) -> None:
    config = config_of(tmp_path)
    first, again = recompute(config, recording), recompute(config, recording)
    assert first.signals == again.signals
    assert {signal.instrument for signal in first.signals} == {SPOT, SWAP}
    assert first.rows > 2 * CUT
    assert any("mate_queue_imbalance" in signal.features for signal in first.signals)
    begin_ms, end_ms = first.spans[SWAP]
    assert end_ms - begin_ms > (SECONDS - 2) * 1_000


def test_brain_goes_on_from_an_anchor_where_the_other_was(
    tmp_path: Path, recording: list[Path]
) -> None:
    config = config_of(tmp_path)
    whole = recompute(config, recording)
    rows = list(recorded_rows(recording, RowCounts()))
    for cut in (CUT, CUT + 1, CUT + 7, len(rows) - 200):
        rest = recompute(config, recording, [anchor_after(config, rows[:cut])])
        assert rest.rows == len(rows) - cut
        assert rest.signals
        assert rest.signals == [
            signal
            for signal in whole.signals
            if int(signal.id.rpartition("-")[2]) >= rest.spans[signal.instrument][0]
        ]


def test_anchor_of_another_configuration_is_refused(tmp_path: Path, recording: list[Path]) -> None:
    rows = list(recorded_rows(recording, RowCounts()))[:CUT]
    anchor = anchor_after(config_of(tmp_path), rows)
    with pytest.raises(HunterError, match="does not fit this configuration"):
        recompute(config_of(tmp_path, "brain.horizon_ms=2000"), recording, [anchor])


def test_instruments_are_the_configurations_else_the_recordings(
    tmp_path: Path, recording: list[Path]
) -> None:
    one = recompute(config_of(tmp_path, f'okx.instruments=["{SPOT}"]'), recording)
    assert set(one.spans) == {SPOT}
    assert all("mate_queue_imbalance" not in signal.features for signal in one.signals)
    other = recompute(config_of(tmp_path, 'okx.instruments=["DOGE-USDT"]'), recording)
    assert set(other.spans) == {SPOT, SWAP}
