"""Labels for training are those that the built-in brain learns from."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from fakes.market_recording import START_NS, market_lines, write_market

from hunter.brain.flow import FlowBrain
from hunter.brain.inputs import BboRow, BookRow, TradeRow
from hunter.brain.learning.samples import Label, Samples
from hunter.brain.settings import BrainSettings
from hunter.brain.window.features import NAMES, ODD_COUNT
from hunter.evaluation.labelled import Labelled, Labeller
from hunter.evaluation.rows import RecordedRow, RowCounts, recorded_rows
from hunter.ring.rows import Kind

SECOND = 1_000_000_000
HORIZONS = (1_000, 5_000, 10_000)
STALE_MS = 2_000  # less than the hole


def rows_of(*paths: Path) -> list[RecordedRow]:
    return list(recorded_rows(paths, RowCounts()))


def label(*paths: Path, warm_ms: int = 0) -> list[Labelled]:
    return Labeller(BrainSettings(warm_ms=warm_ms, stale_ms=STALE_MS), HORIZONS).run(
        rows_of(*paths)
    )


@pytest.fixture(scope="module")
def market(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """With a hole of four seconds in all, and one in the trades alone."""
    folder = tmp_path_factory.mktemp("market")
    lines = market_lines(60)
    quiet = [line for line in lines if not 20 <= (int(line[:19]) - START_NS) / SECOND < 24]
    trades = [n for n, line in enumerate(quiet) if b'"trades"' in line]
    path = folder / "market.jsonl"
    path.write_bytes(b"".join(line for n, line in enumerate(quiet) if n != trades[-40]))
    return path


def learnt_by_the_brain(path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Label]:
    found: list[Label] = []
    resolve = Samples.resolve

    def listening(self: Samples, now_ns: int, mid: float | None, until_ns: int) -> list[Label]:
        labels = resolve(self, now_ns, mid, until_ns)
        found.extend(labels)
        return labels

    monkeypatch.setattr(Samples, "resolve", listening)
    brain = FlowBrain("BTC-USDT-SWAP", BrainSettings(stale_ms=STALE_MS))
    for _, _, row in rows_of(path):
        if isinstance(row, TradeRow):
            brain.on_trade(row)
        elif isinstance(row, BboRow):
            brain.on_bbo(row)
        elif isinstance(row, BookRow):
            brain.on_book(row)
        else:
            brain.on_ticker(row)
    monkeypatch.undo()
    return found


def test_labels_are_those_of_the_built_in_brain(
    market: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (one,) = label(market)
    brains = learnt_by_the_brain(market, monkeypatch)
    assert len(brains) > 1_000
    for index, horizon_ms in enumerate(HORIZONS):
        own = one.horizons[horizon_ms]
        known = [item for item in brains if item.horizon == index and item.move == item.move]
        assert own.times_ns.tolist() == [item.ts_ns for item in known]
        assert own.weight.tolist() == [item.weight for item in known]
        assert own.move_bp.tolist() == [item.move / item.mid * 1e4 for item in known]
        vectors = np.array([item.vector[: len(NAMES)] for item in known])
        assert np.array_equal(own.odd, vectors[:, :ODD_COUNT], equal_nan=True)
        assert np.array_equal(own.even, vectors[:, ODD_COUNT:], equal_nan=True)
        assert (own.ends_ns - own.times_ns == horizon_ms * 1_000_000).all()
    assert len(one.horizons[1_000].times_ns) > len(one.horizons[10_000].times_ns) > 200


def test_windows_across_a_hole_and_before_the_warm_up_give_no_label(market: Path) -> None:
    (one,) = label(market, warm_ms=10_000)
    since_s = (one.horizons[5_000].times_ns - START_NS) / SECOND
    assert since_s.min() >= 10.0
    # The last quote before the hole is fresh for STALE_MS: windows of 5 s may end until then.
    assert not ((since_s > 17.0) & (since_s < 24.0)).any()
    assert ((since_s > 16.0) & (since_s < 17.0)).any()
    assert len(label(market)[0].horizons[5_000].times_ns) > len(since_s) + 80


def test_mates_are_seen_by_one_another(tmp_path: Path) -> None:
    swap = market_lines(40)
    spot = market_lines(40, seed=2, name="BTC-USDT", start_ns=START_NS + 7_000_000)
    other = market_lines(40, seed=3, name="ETH-USDT", start_ns=START_NS + 9_000_000)
    path = tmp_path / "both.jsonl"
    path.write_bytes(b"".join(sorted([*swap, *spot, *other], key=lambda line: int(line[:19]))))
    found = label(path)
    assert [one.instrument for one in found] == ["BTC-USDT-SWAP", "BTC-USDT", "ETH-USDT"]
    for name in ("mate_queue_imbalance", "basis_deviation"):
        at = NAMES.index(name)
        known = [np.isfinite(one.horizons[1_000].odd[:, at]).mean() for one in found]
        assert min(known[:2]) > 0.9, name
        assert known[2] == 0.0


def test_invalid_book_breaks_the_windows_off() -> None:
    def row(ms: int, valid: int) -> RecordedRow:
        at_ns = START_NS + ms * 1_000_000
        levels = (10.0, 1.0) + (0.0,) * 38
        asks = (11.0, 1.0) + (0.0,) * 38
        book = BookRow(1, 1, 9, at_ns, at_ns, valid, valid, valid, levels, asks, 0)
        return RecordedRow("BTC-USDT", Kind.BOOK, book)

    rows = [row(ms, int(ms != 3_000)) for ms in range(0, 6_000, 100)]
    (one,) = Labeller(BrainSettings(warm_ms=0), (1_000,)).run(rows)
    since_ms = (one.horizons[1_000].times_ns - START_NS) // 1_000_000
    assert since_ms.max() > 4_000
    assert not ((since_ms >= 2_000) & (since_ms <= 3_000)).any()


def test_market_without_a_sample_has_no_labels(tmp_path: Path) -> None:
    (one,) = label(write_market(tmp_path / "short.jsonl", 0.2))
    assert {len(each.move_bp) for each in one.horizons.values()} == {0}
