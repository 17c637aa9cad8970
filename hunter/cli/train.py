"""`hunter train`: a model file for the brain, fitted on recordings up to where the test begins."""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import click
import msgspec

from hunter.brain.learning.modelfile import FittingScore, ModelFile, write_model
from hunter.brain.settings import HORIZONS_MS, settings_of
from hunter.cli.options import config_option, json_option, load_config, table
from hunter.cli.progress import Progress
from hunter.clock import SystemClock, utc_text
from hunter.errors import HunterError
from hunter.evaluation.training import Boundary, RecordingSource, train
from hunter.recorder.contents import recording_files

TEST_SHARE: Final = 0.25
HORIZON_MS_MAX: Final = 600_000
_ISO_ZONE: Final = re.compile(r"(Z|[+-]\d\d:?\d\d)$")


class TrainingSummary(msgspec.Struct):
    """`hunter train --json`; `test_from_ns` by recording, 0 where nothing was left to a test."""

    schema: int
    model_file: str
    sha256: str
    recordings: list[str]
    test_from_ns: list[int]
    horizons: dict[int, list[FittingScore]]


class _Instant(click.ParamType[int]):
    """ns since the epoch, or a date and time with its zone (UTC without one)."""

    name = "time"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> int:
        text = str(value)
        if re.fullmatch(r"\d{18,19}", text):
            return int(text)
        try:
            moment = datetime.fromisoformat(text if _ISO_ZONE.search(text) else f"{text}+00:00")
        except ValueError:
            self.fail(f"{text!r} is no time; write 2026-11-23T06:00:00Z, or ns", param, ctx)
        since = moment - datetime(1970, 1, 1, tzinfo=UTC)
        return (since.days * 86_400 + since.seconds) * 1_000_000_000 + since.microseconds * 1_000


class _Horizons(click.ParamType[tuple[int, ...]]):
    """Milliseconds, comma between them."""

    name = "horizons"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[int, ...]:
        if isinstance(value, tuple):
            return value
        words = str(value).split(",")
        if not all(word.isdecimal() and 100 <= int(word) <= HORIZON_MS_MAX for word in words):
            self.fail(f"{value!r}: write milliseconds, such as 1000,5000", param, ctx)
        return tuple(sorted({int(word) for word in words}))


@click.command("train")
@click.argument(
    "recording", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="RECORDING..."
)
@click.option(
    "-o",
    "--output",
    required=True,
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="MODEL.json",
    help="The model file; one that is there is replaced.",
)
@click.option(
    "--horizon",
    "horizons",
    default=",".join(map(str, HORIZONS_MS)),
    show_default=True,
    type=_Horizons(),
    metavar="MS,MS",
    help="How far ahead.",
)
@click.option(
    "--until", type=_Instant(), metavar="TIME", help="Read nothing from this receive time on."
)
@click.option(
    "--test-share",
    type=click.FloatRange(min=0, max=1, max_open=True),
    metavar="SHARE",
    help=f"Leave so much of each recording's end to a test; default {TEST_SHARE}.",
)
@click.option(
    "--weight",
    "weights",
    multiple=True,
    type=click.FloatRange(min=0, min_open=True, max=1e3),
    help="How much a label counts: one for each recording, in their order; default 1.",
)
@click.option("--name", default="", metavar="NAME", help="Default: that of the file.")
@click.option("--set", "overrides", multiple=True, metavar="KEY=VALUE", help="As for start.")
@json_option
@config_option
def train_(
    recording: tuple[Path, ...],
    output: Path,
    horizons: tuple[int, ...],
    until: int | None,
    test_share: float | None,
    weights: tuple[float, ...],
    name: str,
    overrides: tuple[str, ...],
    as_json: bool,
    config_file: str | None,
) -> None:
    """Fit what the built-in brain begins from on RECORDING... (files, or folders of segments).

    The end of each recording is left to a test: nothing of it is read. Use the file as
    brain.model_file; see what it is worth on what it has not seen: hunter evaluate.
    """
    if until is not None and test_share is not None:
        raise click.UsageError("--until or --test-share, not both")
    if weights and len(weights) != len(recording):
        raise click.UsageError(f"{len(recording)} recordings need as many --weight, or none")
    if until is None and test_share is None:
        test_share = TEST_SHARE
    settings = settings_of(load_config(config_file, overrides).brain)
    if not output.parent.is_dir():
        raise HunterError(f"there is no folder {output.parent} to write the model to; make it")
    sources = [
        RecordingSource(path.name, recording_files([path]), weight)
        for path, weight in zip(recording, weights or (1.0,) * len(recording), strict=True)
    ]
    clock = SystemClock()
    progress = Progress(sys.stderr, clock.monotonic_ns(), is_quiet=as_json)

    def tell(what: str, received_ns: int) -> None:
        at = f" at {utc_text(received_ns)[:19]}" if received_ns else ""
        progress.show(clock.monotonic_ns(), lambda: f"training: {what}{at}")

    try:
        boundary = Boundary(until, test_share or 0.0)
        model = train(sources, boundary, horizons, name or output.stem, settings, tell)
    finally:
        progress.finish()
    digest = write_model(output, model)
    if as_json:
        click.echo(msgspec.json.encode(_summary(model, output, digest)))
    else:
        click.echo("\n".join(_text(model, output)))


def _summary(model: ModelFile, output: Path, digest: str) -> TrainingSummary:
    return TrainingSummary(
        1,
        str(output),
        digest,
        [one.recording for one in model.data],
        list(model.settings.test_from_ns),
        {one.horizon_ms: list(one.scores) for one in model.horizons},
    )


def _text(model: ModelFile, output: Path) -> Sequence[str]:
    lines = []
    for one, test_ns in zip(model.data, model.settings.test_from_ns, strict=True):
        rest = f"; not read: from {utc_text(test_ns)} on" if test_ns else "; all of it was read"
        lines.append(
            f"{one.recording} ({', '.join(one.instruments)}): {one.rows:,} rows"
            f" from {utc_text(one.first_ns)} to {utc_text(one.last_ns)}{rest}"
        )
    rows = [("horizon", "expert", "labels", "log-loss", "published", "AUC", "published")]
    for horizon in model.horizons:
        for score in horizon.scores:
            rows.append(
                (
                    f"{horizon.horizon_ms} ms",
                    score.expert,
                    f"{score.labels:,.0f}",
                    _number(score.log_loss),
                    _number(score.log_loss_published),
                    _number(score.auc),
                    _number(score.auc_published),
                )
            )
    lines.append("on blocks after those that were fitted on, beside the published prior:")
    lines += table(rows, {2, 3, 4, 5, 6})
    lines.append(f"wrote {output}; use it: --set brain.model_file={output.resolve()}")
    return lines


def _number(value: float | None) -> str:
    return "none" if value is None else f"{value:.3f}"
