"""What a simulator can be told. Plain values; checked here once, trusted everywhere else."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import msgspec

from hunter.errors import ConfigError
from hunter.market.instrument import is_instrument

PLAN_FILE: Final = "exchange.json"


class ReplayPlan(msgspec.Struct, frozen=True):
    """What the exchange actor plays: PLAN_FILE in the runtime directory. Without that file it makes
    a market up.
    """

    recordings: tuple[str, ...]
    speed: float | None = None


def save_plan(runtime_dir: Path, plan: ReplayPlan) -> None:
    (runtime_dir / PLAN_FILE).write_bytes(msgspec.json.encode(plan))


def load_plan(runtime_dir: Path) -> ReplayPlan | None:
    try:
        return msgspec.json.decode((runtime_dir / PLAN_FILE).read_bytes(), type=ReplayPlan)
    except FileNotFoundError:
        return None


class Checksum(enum.StrEnum):
    """What books frames say: zero as today, a CRC32 as until 2026, or no such field."""

    ZERO = "zero"
    CRC = "crc"
    ABSENT = "absent"


@dataclass(frozen=True, slots=True)
class Bounds:
    """Every limit of the simulator. The defaults are the exchange's own where it has one."""

    idle_timeout_s: float = 30.0
    book_keepalive_s: float = 60.0
    request_bytes_max: int = 65_536
    requests_per_hour_max: int = 480
    connects_per_s_max: int = 3
    connections_max: int = 1024
    # What a reader may leave unread before it is closed with 4005.
    queue_bytes_max: int = 8 << 20
    close_timeout_s: float = 5.0
    ledger_matches_max: int = 200_000
    ledger_file_bytes_max: int = 64 << 20


@dataclass(frozen=True, slots=True)
class SimOptions:
    """`speed`: 1.0 as recorded, N times that, or None for as fast as the readers take it.

    With `replay`, the recording says which instruments there are. `limits` switches the request
    and connection rate limits; the idle timeout and the slow reader's limit stay on. `port` 0 takes
    any free one. With `tls_cert` and `tls_key` (PEM files) it is wss and https.
    """

    port: int = 0
    host: str = "127.0.0.1"
    instruments: tuple[str, ...] = ("BTC-USDT-SWAP",)
    rate: float = 20.0
    seed: int = 1
    replay: tuple[Path, ...] = ()
    speed: float | None = 1.0
    ledger: Path | None = None
    limits: bool = True
    compression: bool = True
    checksum: Checksum = Checksum.ZERO
    tls_cert: Path | None = None
    tls_key: Path | None = None
    faults: Path | None = None  # a script, see script.py
    storm: int | None = None  # the seed of an endless sequence of faults, see storm.py
    storm_gap_s: float = 2.0
    bounds: Bounds = field(default_factory=Bounds)

    def __post_init__(self) -> None:
        for name in self.instruments:
            if not is_instrument(name):
                raise ConfigError(f"not an instrument name: {name!r}; write it like BTC-USDT-SWAP")
        if not self.instruments and not self.replay:
            raise ConfigError("nothing to simulate; give at least one instrument or a recording")
        if not 0 <= self.rate <= 20_000:
            raise ConfigError(f"rate {self.rate} is not within 0 to 20000 trades a second")
        if self.speed is not None and not 0 < self.speed <= 100_000:
            raise ConfigError(f"speed {self.speed} is not within 0 to 100000; None means no limit")
        if not 0 <= self.port <= 65_535:
            raise ConfigError(f"port {self.port} is not within 0 to 65535")
        if (self.tls_cert is None) != (self.tls_key is None):
            raise ConfigError("TLS needs both a certificate and its key")
        if not 0.01 <= self.storm_gap_s <= 3600:
            raise ConfigError(f"storm gap {self.storm_gap_s} is not within 0.01 to 3600 seconds")
        for path in self.replay:
            if not path.is_file():
                raise ConfigError(f"no recording at {path}; check the path")
