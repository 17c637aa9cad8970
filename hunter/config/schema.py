"""What can be configured: sections, their keys, types, ranges and defaults, and the constants of
OKX's regions and channels. No reading and no judging: that is `loading` and `checks`.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Any, Final, NamedTuple

import msgspec
from msgspec import Meta

from hunter.config.dealing import deal

INSTRUMENTS_MAX: Final = 300
SHARDS_MAX: Final = 64
ACTORS_MAX: Final = 56  # processes of one instance; each has a page of the status block
CHANNELS: Final = (
    *("trades", "trades-all", "tickers", "books", "books5", "bbo-tbt"),
    *("mark-price", "index-tickers", "funding-rate", "open-interest", "liquidation-orders"),
    *("instruments", "status"),
    *(f"candle{bar}" for bar in ("1s", "1m", "3m", "5m", "15m", "30m", "1H", "2H", "4H")),
    *(
        f"candle{bar}{utc}"
        for bar in ("6H", "12H", "1D", "2D", "3D", "5D", "1W", "1M", "3M")
        for utc in ("", "utc")
    ),
)


class Site(NamedTuple):
    """Where a region of OKX is; `is_simulated`: its market is the demo one."""

    public_url: str
    business_url: str
    rest_url: str
    is_simulated: bool


def _site(socket_host: str, rest_host: str, is_simulated: bool = False) -> Site:
    sockets = f"wss://{socket_host}.okx.com:8443/ws/v5"
    return Site(
        f"{sockets}/public", f"{sockets}/business", f"https://{rest_host}.okx.com", is_simulated
    )


# https://www.okx.com/docs-v5/en/#overview-production-trading-services and, for the demo ones,
# #overview-demo-trading-services; the regional pages are those of my.okx.com and app.okx.com.
REGIONS: Final[dict[str, Site]] = {
    "global": _site("ws", "openapi"),
    "eea": _site("wseea", "eea"),
    "us": _site("wsus", "us"),
    "demo": _site("wspap", "openapi", is_simulated=True),
    "eea-demo": _site("wseeapap", "eea", is_simulated=True),
    "us-demo": _site("wsuspap", "us", is_simulated=True),
}
SITE_URLS: Final = ("public_url", "business_url", "rest_url")
Milliseconds = Annotated[int, Meta(ge=1, le=86_400_000)]
Count = Annotated[int, Meta(ge=1, le=1_000_000)]
BusyPollMicroseconds = Annotated[int, Meta(ge=0, le=10_000_000)]


def host_runtime_dir() -> Path:
    """What all instances of this user on this host share."""
    parent = os.environ.get("XDG_RUNTIME_DIR")
    return Path(parent) / "hunter" if parent else Path(f"/tmp/hunter-{os.getuid()}")


class HunterSection(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`[hunter]`: which instance this is and where it keeps things."""

    name: str = "default"
    runtime_dir: str = ""
    data_dir: str = "data"
    log_dir: str = ""


class OkxSection(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`[okx]`: what to subscribe, and where. `load` sets the addresses that are not given to those
    of the region. proxy: "" leaves it to the environment (HTTPS_PROXY, NO_PROXY).
    """

    region: str = "global"
    public_url: str = REGIONS["global"].public_url
    business_url: str = REGIONS["global"].business_url
    rest_url: str = REGIONS["global"].rest_url
    proxy: str = ""
    instruments: tuple[str, ...] = ("BTC-USDT-SWAP",)
    channels: tuple[str, ...] = ("trades", "tickers", "books", "bbo-tbt")

    @property
    def is_simulated(self) -> bool:
        """Whether REST has to be told that the demo market is meant."""
        return REGIONS[self.region].is_simulated


class StreamSection(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`[stream]`: connections. Times in milliseconds.

    stale_after_ms: without a data frame for so long, the feed has to prove that the market is
    quiet. ping_after_ms: a text ping after so much silence; OKX closes at 30,000. cpus: cores for
    the stream processes, "" = any. busy_poll_us: how long to look for work without sleeping.
    """

    standby: bool = False
    shards: Annotated[int, Meta(ge=1, le=SHARDS_MAX)] = 1
    stale_after_ms: Milliseconds = 8_000
    ping_after_ms: Annotated[int, Meta(ge=100, le=25_000)] = 5_000
    backoff_min_ms: Milliseconds = 1_000
    backoff_max_ms: Milliseconds = 30_000
    stable_after_ms: Milliseconds = 30_000
    cpus: str = ""
    busy_poll_us: BusyPollMicroseconds = 0


class RingSection(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`[ring]`: trades kept per instrument, a power of two."""

    capacity: Annotated[int, Meta(ge=64, le=1 << 22)] = 8_192


class BrainSection(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`[brain]`: who decides, how often, and how far ahead; the last two keys as of the stream.

    The built-in brain abstains below: threshold, |2 p - 1|; coverage, the most confident share;
    min_edge_bp, the expected move before fees. It shows it after fee_bp, a round trip's cost.
    warm_ms: silent until so much market was seen. stale_ms: a quote older than that is no input.
    experts: models beside the built-in brain's own (see hunter.config.plugins). budget_us: what a
    call of a plug-in may take before that is told. model_file: what `hunter train` wrote, relative
    to the configuration; "" = the published prior.
    """

    kind: str = "flow"
    experts: tuple[str, ...] = ()
    budget_us: Annotated[int, Meta(ge=1, le=1_000_000)] = 200
    interval_ms: Annotated[int, Meta(ge=10, le=3_600_000)] = 1_000
    horizon_ms: Annotated[int, Meta(ge=100, le=600_000)] = 5_000
    threshold: Annotated[float, Meta(ge=0, lt=1)] = 0.10
    coverage: Annotated[float, Meta(gt=0, le=1)] = 0.2
    min_edge_bp: Annotated[float, Meta(ge=0, le=1_000)] = 0.0
    fee_bp: Annotated[float, Meta(ge=0, le=1_000)] = 10.0
    warm_ms: Annotated[int, Meta(ge=0, le=3_600_000)] = 30_000
    stale_ms: Annotated[int, Meta(ge=100, le=600_000)] = 5_000
    model_file: str = ""
    cpus: str = ""
    busy_poll_us: BusyPollMicroseconds = 0

    @property
    def has_plugins(self) -> bool:
        """Whether code that is not hunter's runs in the brain's process."""
        return self.kind != "flow" or bool(self.experts)


class WatchdogSection(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`[watchdog]`: how often it looks, and what it does not accept. disk_free_mb: less room than
    that where the data are is told.
    """

    interval_ms: Annotated[int, Meta(ge=50, le=60_000)] = 100
    hang_after_ms: Annotated[int, Meta(ge=250, le=600_000)] = 1_000
    memory_limit_mb: Annotated[int, Meta(ge=64)] = 1_024
    disk_free_mb: Annotated[int, Meta(ge=0)] = 512


class SupervisorSection(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`[supervisor]`: restarts allowed in a period before an actor is parked, and patience at a
    stop.
    """

    max_restarts: Count = 5
    period_s: Count = 60
    stop_timeout_s: Annotated[float, Meta(gt=0, le=600)] = 5.0


class WebSection(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`[web]`: the page, /metrics, /healthz and /readyz; the extra `web`.

    allowed_hosts: names, besides the own address, under which a browser may ask, as a proxy in
    front has them. token_file: who asks from elsewhere has to know what is in it; "" makes one in
    the runtime directory.
    """

    enabled: bool = False
    host: str = "127.0.0.1"
    port: Annotated[int, Meta(ge=1, le=65_535)] = 8_787
    allowed_hosts: tuple[str, ...] = ()
    token_file: str = ""


class AlertsSection(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`[alerts]`: who is told of troubles, and how often. Secrets are named, never written here:
    "file:PATH" or "env:NAME".

    apprise: addresses of the library of that name, one a line; the extra `alerts`. after_s: how
    long a trouble must last. repeat_s: one that lasts is told again then. per_hour_max: of all.
    """

    enabled: bool = False
    webhook: str = ""
    telegram_token: str = ""
    telegram_chat: str = ""
    apprise: str = ""
    after_s: Annotated[int, Meta(ge=0, le=3_600)] = 10
    repeat_s: Annotated[int, Meta(ge=1, le=604_800)] = 3_600
    per_hour_max: Annotated[int, Meta(ge=1, le=1_000)] = 30


TABLES: Final = ("trades", "books", "candles", "signals")


class StoreSection(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`[store]`: Parquet files; the extra `store`. dir: "" is DATA_DIR/store. flush_s: a row is in
    a file after so long. retention_days: older days are removed, 0 = none. budget_mb: the oldest
    days are removed above it.
    """

    enabled: bool = False
    dir: str = ""
    tables: tuple[str, ...] = TABLES
    book_levels: Annotated[int, Meta(ge=1, le=20)] = 20
    flush_s: Annotated[int, Meta(ge=1, le=3_600)] = 60
    retention_days: Annotated[int, Meta(ge=0, le=36_500)] = 0
    budget_mb: Annotated[int, Meta(ge=16)] = 10_000


class Config(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A checked configuration. `base_dir` (of the file) is what relative paths count from."""

    hunter: HunterSection = HunterSection()
    okx: OkxSection = OkxSection()
    stream: StreamSection = StreamSection()
    ring: RingSection = RingSection()
    brain: BrainSection = BrainSection()
    watchdog: WatchdogSection = WatchdogSection()
    supervisor: SupervisorSection = SupervisorSection()
    web: WebSection = WebSection()
    alerts: AlertsSection = AlertsSection()
    store: StoreSection = StoreSection()
    base_dir: str = "."

    @property
    def runtime_dir(self) -> Path:
        """Sockets, locks and the effective configuration; mode 0700."""
        if self.hunter.runtime_dir:
            return self._resolve(self.hunter.runtime_dir)
        return host_runtime_dir() / self.hunter.name

    @property
    def data_dir(self) -> Path:
        return self._resolve(self.hunter.data_dir)

    @property
    def log_dir(self) -> Path:
        return self._resolve(self.hunter.log_dir) if self.hunter.log_dir else self.data_dir / "logs"

    @property
    def store_dir(self) -> Path:
        return self._resolve(self.store.dir) if self.store.dir else self.data_dir / "store"

    @property
    def token_path(self) -> Path:
        """What the page asks of those who come from elsewhere."""
        if self.web.token_file:
            return self._resolve(self.web.token_file)
        return self.runtime_dir / "web-token"

    @property
    def companions(self) -> tuple[str, ...]:
        """Actors, named as their sections, that only look on: without them all goes on."""
        enabled = {
            "web": self.web.enabled,
            "alerts": self.alerts.enabled,
            "store": self.store.enabled,
        }
        return tuple(name for name in enabled if enabled[name])

    @property
    def model_path(self) -> Path | None:
        """The model that the built-in brain begins from; None: the published prior."""
        return self._resolve(self.brain.model_file) if self.brain.model_file else None

    def shard_instruments(self, shard: int) -> tuple[str, ...]:
        """Instruments of stream process `shard`, in the order of the configuration. Mates stay
        together, so that their rows have one order, unless there are fewer groups than processes.
        """
        names = self.okx.instruments
        dealt = deal(names, self.stream.shards)
        return tuple(name for name, its in zip(names, dealt, strict=True) if its == shard)

    def _resolve(self, text: str) -> Path:
        return (Path(self.base_dir) / Path(text).expanduser()).resolve()


SECTIONS: Final[dict[str, Any]] = {
    "hunter": HunterSection,
    "okx": OkxSection,
    "stream": StreamSection,
    "ring": RingSection,
    "brain": BrainSection,
    "watchdog": WatchdogSection,
    "supervisor": SupervisorSection,
    "web": WebSection,
    "alerts": AlertsSection,
    "store": StoreSection,
}
