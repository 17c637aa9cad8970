"""`hunter evaluate`: how good a brain's signals are, on recordings."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

import click
import msgspec

from hunter.brain.learning.modelfile import named_model
from hunter.brain.load import Plugins, load_brain
from hunter.brain.protocol import Brain
from hunter.brain.settings import settings_of
from hunter.cli.evaluate_text import report_lines
from hunter.cli.options import config_option, json_option, load_config
from hunter.cli.progress import Progress
from hunter.clock import SystemClock
from hunter.config import Config
from hunter.errors import HunterError, NotFound
from hunter.evaluation.assessment import Terms
from hunter.evaluation.cell import Cell
from hunter.evaluation.gate import shortfalls
from hunter.evaluation.page import page
from hunter.evaluation.rows import recorded_instruments
from hunter.evaluation.run import Evaluation, FittedOn, Recorded
from hunter.evaluation.walk import Entrant
from hunter.recorder.contents import recording_files
from hunter.simulator.lines import Counts, file_lines

HORIZON_MS_MAX: Final = 3_600_000
TIMES_MAX: Final = 8
_BUILT_IN: Final = "flow"


class Milliseconds(click.ParamType[tuple[int, ...]]):
    """`1000,5000`: whole milliseconds, each once, in order."""

    name = "milliseconds"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[int, ...]:
        if isinstance(value, tuple):
            return value
        parts = [part.strip() for part in str(value).split(",")]
        if not all(part.isascii() and part.isdigit() and len(part) < 9 for part in parts):
            self.fail(f"{value!r}: write milliseconds, as 1000,5000", param, ctx)
        found = tuple(sorted(set(map(int, parts))))
        if found[-1] > HORIZON_MS_MAX:
            self.fail(f"{found[-1]} ms is more than an hour", param, ctx)
        if len(found) > TIMES_MAX:
            self.fail(f"at most {TIMES_MAX} times", param, ctx)
        return found


@click.command()
@click.argument(
    "recording", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="RECORDING..."
)
@click.option(
    "--brain",
    "kinds",
    multiple=True,
    metavar="NAME|module:Class",
    help="May be repeated. Default: brain.kind of the configuration.",
)
@click.option(
    "--horizon",
    "horizons_ms",
    default="1000,5000,10000",
    show_default=True,
    type=Milliseconds(),
    metavar="MS,MS",
    help="How far ahead.",
)
@click.option(
    "--delay",
    "delays_ms",
    default="0,100,500",
    show_default=True,
    type=Milliseconds(),
    metavar="MS,MS",
    help="How late one enters.",
)
@click.option(
    "--cost-bp",
    type=click.FloatRange(0, 10_000),
    help="Of a round trip, in basis points. Default: brain.fee_bp.",
)
@click.option(
    "--step",
    "step_ms",
    default=100,
    show_default=True,
    type=click.IntRange(1, 60_000),
    metavar="MS",
    help="Between two questions, of receive time.",
)
@click.option("--instrument", help="Score this one only.")
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    help="Write report.html and report.json there.",
)
@click.option("--gate", is_flag=True, help="Exit code 1 when a brain is below the limits.")
@click.option("--set", "overrides", multiple=True, metavar="KEY=VALUE", help="As for start.")
@json_option
@config_option
def evaluate(
    recording: tuple[Path, ...],
    kinds: tuple[str, ...],
    horizons_ms: tuple[int, ...],
    delays_ms: tuple[int, ...],
    cost_bp: float | None,
    step_ms: int,
    instrument: str | None,
    out: Path | None,
    gate: bool,
    overrides: tuple[str, ...],
    as_json: bool,
    config_file: str | None,
) -> None:
    """Put brains to the test on RECORDING... (files, or folders of segments; each is a recording).

    Walk-forward in one pass, in the order received: a brain starts cold, learns as it goes, and is
    asked before it sees what came later. The first 120 s are never scored, nor is what the brain
    was fitted on. Compared with the queue imbalance of the best bid and offer alone.

    The gate: AUC at 1 s not more than 0.010 below queue imbalance on any recording, mean log-loss
    below ln 2 at 1 and 5 s, calibration within its noise, a fair placebo, a look-ahead test that
    works and finds nothing.
    """
    config = load_config(config_file, overrides)
    cost_bp = config.brain.fee_bp if cost_bp is None else cost_bp
    terms = _terms(step_ms, horizons_ms, delays_ms, cost_bp)
    recordings = _recordings(recording)
    only = [] if instrument is None else [_known(instrument, recordings)]
    names = tuple(dict.fromkeys(kinds or (config.brain.kind,)))
    bar = ReadingBar(recordings, is_quiet=as_json)
    evaluation = Evaluation(
        [_entrant(kind, config) for kind in names],
        terms,
        config.brain.stale_ms,
        SystemClock(),
        fitted_on(names, config),
        bar.tell,
    )
    for item in evaluation.report.fitted_on:
        click.echo(f"hunter: {item.kind} was fitted on {item.recording}: not scored", err=True)
    try:
        for recorded in recordings:
            cells = evaluation.add(recorded, only)
            bar.finish()
            if as_json:
                _print_json(cells)
    finally:
        bar.finish()
    _conclude(evaluation, gate, out, as_json)


def _conclude(evaluation: Evaluation, gate: bool, out: Path | None, as_json: bool) -> None:
    report = evaluation.report
    if gate:
        report.shortfalls = shortfalls(report.cells)
    if not report.cells:
        raise HunterError("nothing could be scored: " + "; ".join(report.notes))
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
        text = msgspec.json.format(msgspec.json.encode(report))
        (out / "report.json").write_bytes(text + b"\n")
        (out / "report.html").write_text(page(report), encoding="utf-8")
        click.echo(f"written: {out / 'report.html'}, {out / 'report.json'}", err=True)
    if as_json:
        for note in report.notes:
            click.echo(f"hunter: left out: {note}", err=True)
    else:
        for line in report_lines(report):
            click.echo(line)
    if report.shortfalls:
        raise HunterError("below the gate: " + "; ".join(report.shortfalls))


def _print_json(cells: Sequence[Cell]) -> None:
    for cell in cells:
        click.echo(msgspec.json.encode(cell).decode())


def _terms(
    step_ms: int, horizons_ms: tuple[int, ...], delays_ms: tuple[int, ...], cost_bp: float
) -> Terms:
    for option, times in (("--horizon", horizons_ms), ("--delay", delays_ms)):
        for time_ms in times:
            if time_ms % step_ms:
                raise click.BadParameter(
                    f"{time_ms} ms is no multiple of --step {step_ms}", param_hint=option
                )
    if not all(horizons_ms):
        raise click.BadParameter("must be more than 0 ms", param_hint="--horizon")
    return Terms(step_ms, horizons_ms, tuple(filter(None, delays_ms)), cost_bp)


def _recordings(given: Sequence[Path]) -> list[Recorded]:
    """Each argument is one; raises NotFound."""
    twice = Counter(path.name for path in given)
    return [
        Recorded(path.name if twice[path.name] == 1 else str(path), recording_files([path]))
        for path in given
    ]


def _known(instrument: str, recordings: Sequence[Recorded]) -> str:
    names = {name for recorded in recordings for name in recorded_instruments(recorded.paths)}
    if instrument not in names:
        raise NotFound(
            f"{instrument} is in none of the recordings; they hold {', '.join(sorted(names))}"
        )
    return instrument


def _entrant(kind: str, config: Config) -> Entrant:
    def make(instrument: str, horizon_ms: int | None) -> Brain:
        settings = settings_of(config.brain)
        if horizon_ms is not None:
            settings = replace(settings, horizon_ms=horizon_ms)
        plugins = Plugins.of(config.brain)
        return load_brain(kind, instrument, settings, Path(config.base_dir), plugins)

    make("BTC-USDT", None)  # what is wrong with it is told before an hour of reading
    return Entrant(kind, make, kind == _BUILT_IN)


def fitted_on(kinds: Sequence[str], config: Config) -> list[FittedOn]:
    """What the brains were fitted on; nothing, for priors that were published."""
    model = named_model(config.brain.model_file, Path(config.base_dir))
    if model is None or _BUILT_IN not in kinds:
        return []
    return [
        FittedOn(_BUILT_IN, one.recording, one.instruments, one.first_ns, one.last_ns)
        for one in model.data
    ]


class ReadingBar:
    """How far the reading is. Only a terminal is worth counting the lines first."""

    def __init__(self, recordings: Sequence[Recorded], *, is_quiet: bool = False) -> None:
        self._clock = SystemClock()
        now_ns = self._clock.monotonic_ns()
        self._progress = Progress(sys.stderr, now_ns, is_quiet=is_quiet)
        self._recordings = {recorded.name: recorded for recorded in recordings}
        self._spans: dict[str, tuple[int, int]] = {}

    def tell(self, name: str, at_ns: int) -> None:
        if not self._progress.is_shown:
            return
        now_ns = self._clock.monotonic_ns()
        if name not in self._spans:
            self._spans[name] = _span_ns(self._recordings[name].paths)
            self._progress.restart(now_ns)
        first_ns, last_ns = self._spans[name]
        place = list(self._recordings).index(name) + 1
        share = (at_ns - first_ns) / max(1, last_ns - first_ns)
        self._progress.show_bar(
            now_ns, share, lambda: f"{name} ({place} of {len(self._recordings)})"
        )

    def finish(self) -> None:
        self._progress.finish()


def _span_ns(paths: Sequence[Path]) -> tuple[int, int]:
    """Receive times of the first and the last line of a recording."""
    first_ns, last_ns = 0, 0
    for path in paths:
        for received_ns, _ in file_lines(path, Counts()):
            first_ns = min(first_ns or received_ns, received_ns)
            last_ns = max(last_ns, received_ns)
    return first_ns, last_ns
