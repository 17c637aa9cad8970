"""`hunter replay --verify`: are the signals of a run what its recording gives once more?

Reads the recording, its anchors and the journal; starts nothing. The comparison reaches as far as
both sides do: from where the recomputation begins to the last boundary that both have decided.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import click
import msgspec

from hunter.brain.checkpoint import Checkpoint, read_checkpoint
from hunter.cli.options import duration
from hunter.clock import SystemClock, utc_text
from hunter.config import Config
from hunter.errors import HunterError, NotFound, VerificationDiffers
from hunter.evaluation.recompute import Recomputed, recompute
from hunter.recorder.anchor import anchors_of
from hunter.recorder.contents import recording_files
from hunter.signals.journal_reader import last_signals
from hunter.signals.signal import Signal, parse_signal_id
from hunter.signals.verification import Difference, compare, moment_of

_EVERY_SIGNAL: Final = 1 << 62
_MS: Final = 1_000_000


class VerifySummary(msgspec.Struct):
    """`hunter replay --verify --json`; every number's unit is in its name."""

    schema: int
    recording: list[str]
    against: str
    anchored: bool
    rows: int
    decisions: int
    compared: int
    from_ms: int
    until_ms: int
    took_s: float
    difference: dict[str, Any] | None


def verify(config: Config, recording: Sequence[Path], against: Path | None) -> VerifySummary:
    """Raises NotFound when there is nothing to compare; the caller tells a difference."""
    clock = SystemClock()
    began_ns = clock.monotonic_ns()
    folder = _signals_dir(against or config.data_dir)
    paths = recording_files(recording)
    anchors = _anchors(recording)
    found = recompute(config, paths, anchors)
    told = _of_that_run(last_signals(folder, _EVERY_SIGNAL), anchors, found)
    again = [signal for signal in found.signals if moment_of(signal).instrument in told]
    last_ms = {
        name: min(found.spans[name][1], moment_of(signals[-1]).boundary_ms)
        for name, signals in told.items()
    }
    if not told:
        raise NotFound(f"no signals of this recording's time in {folder}; name the run: --against")
    verdict = compare(
        (s for signals in told.values() for s in signals if _is_before(s, last_ms)),
        (s for s in again if _is_before(s, last_ms)),
    )
    return VerifySummary(
        schema=1,
        recording=[str(path) for path in paths],
        against=str(folder),
        anchored=bool(anchors),
        rows=found.rows,
        decisions=found.decisions,
        compared=verdict.compared,
        from_ms=min(found.spans[name][0] for name in told),
        until_ms=max(last_ms.values()),
        took_s=round((clock.monotonic_ns() - began_ns) / 1e9, 3),
        difference=_plain(verdict.difference),
    )


def tell(summary: VerifySummary, as_json: bool) -> None:
    """Prints it; raises VerificationDiffers."""
    if as_json:
        click.echo(msgspec.json.encode(summary))
    elif summary.difference is None:
        click.echo(
            f"verified: {summary.compared:,} signals from {utc_text(summary.from_ms * _MS)} to"
            f" {utc_text(summary.until_ms * _MS)} are as {summary.against} has them\n"
            f"{summary.rows:,} rows and {summary.decisions:,} decisions computed again in"
            f" {duration(summary.took_s)}, {_from(summary)}"
        )
    if summary.difference is not None:
        hint = (
            "" if summary.anchored
            else "; a run that did not begin with the recording needs its anchor, which"
            " hunter record keeps when it runs beside it with the same data_dir"
        )  # fmt: skip
        raise VerificationDiffers(
            f"{summary.compared:,} signals are the same, then {summary.difference['text']}{hint}"
        )


def _from(summary: VerifySummary) -> str:
    return "from the recording's anchor on" if summary.anchored else "from its first row on"


def _signals_dir(place: Path) -> Path:
    for folder in (place / "signals", place / "data" / "signals", place):
        if any(folder.glob("signals-*.jsonl")):
            return folder
    raise NotFound(f"no journal of signals in {place}; name the folder of a run: --against DIR")


def _anchors(recording: Sequence[Path]) -> list[Checkpoint]:
    found = []
    for path in (anchor for folder in recording for anchor in anchors_of(folder)):
        checkpoint = read_checkpoint(path)
        if checkpoint is None:
            raise HunterError(
                f"{path} is damaged or of another version; without it (move it away) only a run"
                " that began with the recording can be verified"
            )
        found.append(checkpoint)
    return found


def _of_that_run(
    signals: Sequence[Signal], anchors: Sequence[Checkpoint], found: Recomputed
) -> dict[str, list[Signal]]:
    """By instrument, oldest first: those of the anchors' rings, else of the newest ring that told
    anything in the time that was recomputed.
    """
    rings = {anchor.ring_id for anchor in anchors}
    newest: dict[str, str] = {}
    told: dict[str, list[Signal]] = {}
    for signal in reversed(signals):
        ring_id, name, boundary_ms = parse_signal_id(signal.id)
        first_ms, last_ms = found.spans.get(name, (1, 0))
        if not first_ms <= boundary_ms <= last_ms:
            continue
        if ring_id in rings if rings else newest.setdefault(name, ring_id) == ring_id:
            told.setdefault(name, []).append(signal)
    return {name: some[::-1] for name, some in told.items()}


def _is_before(signal: Signal, last_ms: dict[str, int]) -> bool:
    boundary_ms, name = moment_of(signal)
    return boundary_ms <= last_ms[name]


def _plain(difference: Difference | None) -> dict[str, Any] | None:
    if difference is None:
        return None
    boundary_ms, instrument = difference.moment
    whole = not difference.field
    return {
        "instrument": instrument,
        "boundary_ms": boundary_ms,
        "field": difference.field or None,
        "told": None if whole else difference.told,
        "recomputed": None if whole else difference.recomputed,
        "text": str(difference),
    }
