"""Model files: what a brain begins from, fitted beforehand on recordings. JSON; nothing is run.

    {"format": 1, "name": "...", "features": {"odd": [...], "even": [...]}, "settings": {...},
     "data": [{"recording": ..., "sha256": ..., "instruments": [...], "first_ns": ..., ...}],
     "horizons": [{"horizon_ms": 1000, "scales": [...], "experts": [...], "movement": {...},
                   "scores": [...]}],
     "sha256": "of all the rest"}

A file says which recordings and which span of time it was fitted on, so that nobody takes a score
on them for a proof; `fitted_on` is asked by the evaluation. Only what fits this version's features
and experts is taken. Written by `hunter train`, read by FlowBrain by way of `beliefs_of`;
without a file the published priors hold. Pure but for reading and writing it.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Collection
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Final, NoReturn

import msgspec
from msgspec import Meta

from hunter.brain.learning.horizon import Belief
from hunter.brain.learning.movement import MovementPrior, published_movement
from hunter.brain.learning.prior import EXPERT_NAMES, ExpertPrior, Prior, published_prior
from hunter.brain.window.features import NAMES, ODD_COUNT
from hunter.errors import ConfigError
from hunter.text import printable

FORMAT: Final = 1
MODEL_BYTES_MAX: Final = 4 << 20
_SWAP: Final = "-SWAP"

Numbers = tuple[float, ...]
Name = Annotated[str, Meta(min_length=1, max_length=200)]


class ModelFileError(ConfigError):
    """A model file that cannot be used; the message says what to do."""


class ModelUnreadable(ModelFileError):
    """Not there, too large, no JSON, or JSON of something else."""


class ModelVersion(ModelFileError):
    """Written by another version of hunter in a format that this one does not know."""


class ModelDamaged(ModelFileError):
    """Its content is not what its hash was made of."""


class ModelFeatures(ModelFileError):
    """Fitted on other features, or on other numbers of them."""


class FeatureNames(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """In the order of every vector."""

    odd: tuple[str, ...]
    even: tuple[str, ...]


class FittedData(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A recording and the part of it that was read: lines received from `first_ns` to `last_ns`.

    `sha256` is of these lines, unpacked. `labels` are of all horizons, overlaps and all.
    """

    recording: Name
    sha256: str
    instruments: tuple[str, ...]
    first_ns: int
    last_ns: int
    rows: int
    labels: int
    weight: float = 1.0


class FittingSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the fit was told."""

    step_ms: int
    stale_ms: int
    warm_ms: int
    blocks: int
    test_from_ns: tuple[int, ...]
    """By recording: from this receive time on nothing was read; 0 where all was."""


class Coefficients(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A Gaussian: mean and inverse variance of each coefficient."""

    name: str
    mean: Numbers
    precision: Numbers


class FittingScore(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Of one expert on blocks that came after those it was fitted on, beside the published prior on
    the same labels. `labels` counts overlaps once. None where there was nothing to score.
    """

    expert: str
    labels: float
    log_loss: float | None
    log_loss_published: float | None
    auc: float | None
    auc_published: float | None


class FittedHorizon(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All of one horizon."""

    horizon_ms: Annotated[int, Meta(ge=1)]
    scales: Numbers
    experts: tuple[Coefficients, ...]
    movement: Coefficients
    move_bp: float
    """Mean absolute move of the labels that moved, basis points; for people."""
    scores: tuple[FittingScore, ...]

    def prior(self) -> Prior:
        """ValueError when its parts do not fit together."""
        experts = tuple(ExpertPrior(one.mean, one.precision) for one in self.experts)
        prior = Prior(self.horizon_ms, experts, self.scales)
        prior.check()
        return prior

    def movement_prior(self) -> MovementPrior:
        """ValueError when its parts do not fit together."""
        prior = MovementPrior(self.horizon_ms, self.movement.mean, self.movement.precision)
        prior.check()
        return prior


class ModelFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A file's content. `sha256` is empty in one that has not been written."""

    format: int
    name: Name
    features: FeatureNames
    settings: FittingSettings
    data: tuple[FittedData, ...]
    horizons: tuple[FittedHorizon, ...]
    sha256: str = ""

    @property
    def text(self) -> str:
        """What it was fitted on, in words."""
        parts = (f"{one.recording} ({', '.join(one.instruments)})" for one in self.data)
        return f"{self.name}, fitted on {'; '.join(parts)}"


def feature_names() -> FeatureNames:
    """Those of this version."""
    return FeatureNames(NAMES[:ODD_COUNT], NAMES[ODD_COUNT:])


def content_sha256(model: ModelFile) -> str:
    """Of everything but the hash itself."""
    bare = msgspec.structs.replace(model, sha256="")
    return hashlib.sha256(msgspec.json.encode(bare, order="deterministic")).hexdigest()


def encode_model(model: ModelFile) -> bytes:
    """The file's bytes, legible, with their hash; the same for the same content."""
    whole = msgspec.structs.replace(model, sha256=content_sha256(model))
    return msgspec.json.format(msgspec.json.encode(whole, order="deterministic"), indent=1) + b"\n"


def write_model(path: Path, model: ModelFile) -> str:
    """Replace the file as a whole, or leave what is there. Returns the hash. Raises OSError."""
    content = encode_model(model)
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with beside.open("xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)
    return content_sha256(model)


def read_model(path: Path) -> ModelFile:
    """A file that fits this version. Raises ModelFileError, of the kind that says why not."""
    try:
        with path.open("rb") as file:
            content = file.read(MODEL_BYTES_MAX + 1)
    except OSError as error:
        raise ModelUnreadable(f"{path}: {error.strerror}; make one: hunter train") from error
    if len(content) > MODEL_BYTES_MAX:
        raise ModelUnreadable(f"{path}: more than {MODEL_BYTES_MAX >> 20} MiB are no model file")
    return decode_model(content, str(path))


def named_model(model_file: str, base_dir: Path | None = None) -> ModelFile | None:
    """What `brain.model_file` names, relative to `base_dir`; None when it names nothing. Read once
    a process. Raises ModelFileError.
    """
    if not model_file:
        return None
    return _read_once((base_dir or Path()) / Path(model_file).expanduser())


@lru_cache(maxsize=8)
def _read_once(path: Path) -> ModelFile:
    try:
        return read_model(path)
    except ModelFileError as error:
        raise type(error)(f"brain.model_file: {error}") from error


class _Versioned(msgspec.Struct, frozen=True):
    format: int


def decode_model(content: bytes, name: str) -> ModelFile:
    """As `read_model`; `name` is for messages."""
    try:
        version = msgspec.json.decode(content, type=_Versioned).format
        if version != FORMAT:
            raise ModelVersion(
                f"{name}: format {version}, this hunter reads {FORMAT}; fit it anew: hunter train"
            )
        model = msgspec.json.decode(content, type=ModelFile)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise ModelUnreadable(f"{name}: no model file: {error}; make one: hunter train") from error
    if model.sha256 != content_sha256(model):
        raise ModelDamaged(
            f"{name}: its content was changed after it was written; fit it anew or get it again"
        )
    _check(model, name)
    return model


def _check(model: ModelFile, name: str) -> None:
    if model.features != feature_names():
        _refuse(name, "fitted on other features than this version's")
    if len({one.horizon_ms for one in model.horizons}) != len(model.horizons):
        _refuse(name, "a horizon stands in it twice")
    for one in model.horizons:
        if tuple(expert.name for expert in one.experts) != EXPERT_NAMES:
            _refuse(name, f"experts other than {', '.join(EXPERT_NAMES)}")
        try:
            one.prior()
            one.movement_prior()
        except ValueError as error:
            _refuse(name, f"horizon {one.horizon_ms} ms: {error}")


def _refuse(name: str, why: str) -> NoReturn:
    raise ModelFeatures(f"{name}: {printable(why)}; fit it anew: hunter train")


# ---- what a brain begins from


def _horizon(model: ModelFile | None, horizon_ms: int) -> FittedHorizon | None:
    horizons = model.horizons if model is not None else ()
    return next((one for one in horizons if one.horizon_ms == horizon_ms), None)


def prior_of(model: ModelFile | None, horizon_ms: int) -> Prior:
    """The fitted one; the published one without a model and for a horizon that it lacks."""
    found = _horizon(model, horizon_ms)
    return found.prior() if found is not None else published_prior(horizon_ms)


def movement_of(model: ModelFile | None, horizon_ms: int) -> MovementPrior:
    """As `prior_of`."""
    found = _horizon(model, horizon_ms)
    return found.movement_prior() if found is not None else published_movement(horizon_ms)


def beliefs_of(model: ModelFile | None) -> Callable[[int], Belief]:
    """By horizon in ms, as FlowBrain asks for it."""

    def belief(horizon_ms: int) -> Belief:
        return Belief(prior_of(model, horizon_ms), movement_of(model, horizon_ms))

    return belief


# ---- what a score proves nothing about


def fitted_spans(
    model: ModelFile, instruments: Collection[str], first_ns: int, last_ns: int
) -> tuple[FittedData, ...]:
    """The recordings it was fitted on that overlap these instruments and this span of receive
    time. Spot and swap of one base and quote are one market: what one did the other tells.
    """
    markets = {name.removesuffix(_SWAP) for name in instruments}
    return tuple(
        one
        for one in model.data
        if one.first_ns <= last_ns
        and first_ns <= one.last_ns
        and markets & {name.removesuffix(_SWAP) for name in one.instruments}
    )


def fitted_on(model: ModelFile, instruments: Collection[str], first_ns: int, last_ns: int) -> bool:
    """Whether any of this was fitted on: then it is not to be scored."""
    return bool(fitted_spans(model, instruments, first_ns, last_ns))
