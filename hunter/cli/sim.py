"""`hunter sim`: the exchange look-alike by itself."""

from __future__ import annotations

from pathlib import Path

import click

from hunter.errors import NotFound
from hunter.simulator.faults import fault_lines
from hunter.simulator.options import Checksum, SimOptions
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
@click.option(
    "--checksum",
    type=click.Choice([mode.value for mode in Checksum]),
    default=Checksum.ZERO.value,
    show_default=True,
    help="In books frames: zero as today, crc as until 2026, or no such field.",
)
@click.option("--tls-cert", type=Path, metavar="FILE", help="Serve wss and https; PEM.")
@click.option("--tls-key", type=Path, metavar="FILE", help="The certificate's key; PEM.")
@click.option("--faults", type=Path, metavar="FILE", help="A script of faults, TOML.")
@click.option("--storm", type=int, metavar="SEED", help="Faults without end, drawn from SEED.")
@click.option(
    "--storm-gap-s", default=2.0, show_default=True, help="Mean seconds between two of them."
)
@click.option("--list-faults", is_flag=True, help="Print every fault and end.")
def sim(
    port: int,
    instruments: str,
    rate: float,
    seed: int,
    replay: tuple[Path, ...],
    speed: float | None,
    ledger: Path | None,
    limits: bool,
    checksum: str,
    tls_cert: Path | None,
    tls_key: Path | None,
    faults: Path | None,
    storm: int | None,
    storm_gap_s: float,
    list_faults: bool,
) -> None:
    """Run the exchange look-alike by itself: WebSocket and REST on loopback.

    Point hunter at it: --set okx.public_url=ws://127.0.0.1:PORT/ws/v5/public and
    --set okx.rest_url=http://127.0.0.1:PORT

    Faults: by a script (--faults), by chance (--storm), or over HTTP, see /sim/fault there. A
    script is a TOML file of [[fault]] tables with at_s and name, and count, lasts_s, connection,
    instId and code where they are wanted.
    """
    if list_faults:
        for line in fault_lines():
            click.echo(line)
        return
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
            checksum=Checksum(checksum),
            tls_cert=tls_cert,
            tls_key=tls_key,
            faults=faults,
            storm=storm,
            storm_gap_s=storm_gap_s,
        )
    )
