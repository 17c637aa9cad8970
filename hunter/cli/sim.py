"""`hunter sim`: the exchange look-alike by itself."""

from __future__ import annotations

from pathlib import Path

import click

from hunter.errors import NotFound
from hunter.simulator.options import SimOptions
from hunter.simulator.serve import run


class Speed(click.ParamType[float | None]):
    """A factor, or None for `max`."""

    name = "N|max"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> float | None:
        if value == "max":
            return None
        try:
            speed = float(str(value).removesuffix("x"))
        except ValueError:
            self.fail(f"{value!r} is neither a number nor max", param, ctx)
        return speed


@click.command()
@click.option(
    "--port",
    default=8790,
    show_default=True,
    type=click.IntRange(0, 65535),
    help="0: any free one.",
)
@click.option(
    "--instruments", default="BTC-USDT-SWAP", show_default=True, help="Names, with commas between."
)
@click.option(
    "--rate", default=20.0, show_default=True, help="Trades a second and instrument, on average."
)
@click.option("--seed", default=1, show_default=True, help="The same seed gives the same market.")
@click.option(
    "--replay", multiple=True, type=Path, metavar="RECORDING", help="Replay files instead."
)
@click.option(
    "--speed", default="1", type=Speed(), help="Of the replay: 1 as recorded, N times, or max."
)
@click.option(
    "--ledger", type=Path, help="Append the truth to this file; go on from it when it exists."
)
@click.option("--limits/--no-limits", default=True, help="OKX's request and connection limits.")
def sim(
    port: int,
    instruments: str,
    rate: float,
    seed: int,
    replay: tuple[Path, ...],
    speed: float | None,
    ledger: Path | None,
    limits: bool,
) -> None:
    """Run the exchange look-alike by itself: WebSocket and REST on loopback.

    Point hunter at it: --set okx.public_url=ws://127.0.0.1:PORT/ws/v5/public and
    --set okx.rest_url=http://127.0.0.1:PORT
    """
    for path in replay:
        if not path.is_file():
            raise NotFound(f"no recording at {path}")
    names = tuple(name.strip() for name in instruments.split(",") if name.strip())
    run(
        SimOptions(
            port=port,
            instruments=names,
            rate=rate,
            seed=seed,
            replay=replay,
            speed=speed,
            ledger=ledger,
            limits=limits,
        )
    )
