"""A small model file that is right, for those who spoil it."""

from __future__ import annotations

from hunter.brain.learning.modelfile import (
    FORMAT,
    Coefficients,
    FittedData,
    FittedHorizon,
    FittingScore,
    FittingSettings,
    ModelFile,
    feature_names,
)
from hunter.brain.learning.movement import published_movement
from hunter.brain.learning.prior import EXPERT_NAMES, published_prior

SECOND = 1_000_000_000


def fitted_horizon(horizon_ms: int, slope: float = 2.5) -> FittedHorizon:
    prior, movement = published_prior(horizon_ms), published_movement(horizon_ms)
    experts = tuple(
        Coefficients(name, (slope, *one.mean[1:]), one.precision)
        for name, one in zip(EXPERT_NAMES, prior.experts, strict=True)
    )
    return FittedHorizon(
        horizon_ms=horizon_ms,
        scales=prior.scales,
        experts=experts,
        movement=Coefficients("movement", movement.mean, movement.precision),
        move_bp=0.5,
        scores=(FittingScore("queue", 10.0, 0.6, 0.65, 0.7, None),),
    )


def model_file(**other: object) -> ModelFile:
    values: dict[str, object] = {
        "format": FORMAT,
        "name": "test",
        "features": feature_names(),
        "settings": FittingSettings(100, 2_000, 30_000, 4, (0,)),
        "data": (
            FittedData("a.jsonl", "ab" * 32, ("BTC-USDT-SWAP",), 10 * SECOND, 20 * SECOND, 7, 5),
        ),
        "horizons": (fitted_horizon(1_000), fitted_horizon(5_000)),
    }
    return ModelFile(**values | other)  # type: ignore[arg-type]
