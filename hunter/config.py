"""The whole configuration: one schema, its defaults, and `load`.

Unknown keys are refused. An error names file, line and key, and gives a hint, on one line; nothing
is started with a configuration that has one. Order of precedence: default, file, `--set`.
"""

from __future__ import annotations

import difflib
import os
import re
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Final, NamedTuple
from urllib.parse import urlsplit

import msgspec
from msgspec import Meta

from hunter.errors import ConfigError
from hunter.market.instrument import is_instrument

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
ENVIRONMENT_VARIABLE: Final = "HUNTER_CONFIG"
DEFAULT_FILE: Final = "hunter.toml"


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
_SITE_URLS: Final = ("public_url", "business_url", "rest_url")

Milliseconds = Annotated[int, Meta(ge=1, le=86_400_000)]
Count = Annotated[int, Meta(ge=1, le=1_000_000)]


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
    quiet. ping_after_ms: a text ping after so much silence; OKX closes at 30,000.
    """

    standby: bool = False
    shards: Annotated[int, Meta(ge=1, le=SHARDS_MAX)] = 1
    stale_after_ms: Milliseconds = 8_000
    ping_after_ms: Annotated[int, Meta(ge=100, le=25_000)] = 5_000
    backoff_min_ms: Milliseconds = 1_000
    backoff_max_ms: Milliseconds = 30_000
    stable_after_ms: Milliseconds = 30_000


class RingSection(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`[ring]`: trades kept per instrument, a power of two."""

    capacity: Annotated[int, Meta(ge=64, le=1 << 22)] = 8_192


class BrainSection(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`[brain]`: who decides, how often, and how far ahead."""

    kind: str = "flow"
    interval_ms: Annotated[int, Meta(ge=10, le=3_600_000)] = 1_000
    horizon_ms: Annotated[int, Meta(ge=100, le=600_000)] = 5_000


class WatchdogSection(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`[watchdog]`: how often it looks, and what it does not accept."""

    interval_ms: Annotated[int, Meta(ge=50, le=60_000)] = 100
    hang_after_ms: Annotated[int, Meta(ge=250, le=600_000)] = 1_000
    memory_limit_mb: Annotated[int, Meta(ge=64)] = 1_024


class SupervisorSection(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`[supervisor]`: restarts allowed in a period before an actor is parked, and patience at a
    stop.
    """

    max_restarts: Count = 5
    period_s: Count = 60
    stop_timeout_s: Annotated[float, Meta(gt=0, le=600)] = 5.0


class Config(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A checked configuration. `base_dir` (of the file) is what relative paths count from."""

    hunter: HunterSection = HunterSection()
    okx: OkxSection = OkxSection()
    stream: StreamSection = StreamSection()
    ring: RingSection = RingSection()
    brain: BrainSection = BrainSection()
    watchdog: WatchdogSection = WatchdogSection()
    supervisor: SupervisorSection = SupervisorSection()
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

    def shard_instruments(self, shard: int) -> tuple[str, ...]:
        """Instruments of stream process `shard`: dealt out in turn, so that each gets its share."""
        return self.okx.instruments[shard :: self.stream.shards]

    def _resolve(self, text: str) -> Path:
        return (Path(self.base_dir) / Path(text).expanduser()).resolve()


# May hold a password: shown nowhere.
_SECRET: Final = frozenset((("okx", "proxy"),))

_SECTIONS: Final[dict[str, Any]] = {
    "hunter": HunterSection,
    "okx": OkxSection,
    "stream": StreamSection,
    "ring": RingSection,
    "brain": BrainSection,
    "watchdog": WatchdogSection,
    "supervisor": SupervisorSection,
}


def find_file(given: str | None) -> Path | None:
    """The configuration file: the one given, else ./hunter.toml, else $HUNTER_CONFIG, else none."""
    if given is not None:
        return Path(given)
    if Path(DEFAULT_FILE).is_file():
        return Path(DEFAULT_FILE)
    named = os.environ.get(ENVIRONMENT_VARIABLE)
    return Path(named) if named else None


def load(path: Path | None, overrides: Sequence[str] = ()) -> Config:
    """Read, check and complete a configuration; `overrides` are `section.key=value` texts.

    Raises ConfigError with one line: place, key, what is wrong and what would be right.
    """
    text = ""
    tables: dict[str, Any] = {}
    if path is not None:
        text, tables = _read(path)
    places = _Places(path, text)
    for override in overrides:
        _override(tables, override, places)
    _complete(tables, places)
    sections: dict[str, Any] = {}
    for name, table in tables.items():
        if name not in _SECTIONS:
            raise ConfigError(
                f"{places.of(name)}: unknown section [{_told(name)}]{_nearest(name, _SECTIONS)}"
            )
        sections[name] = _convert(name, table, places)
    base = path.resolve().parent if path is not None else Path.cwd()
    config = Config(**sections, base_dir=str(base))
    _check(config, places)
    return config


def _complete(tables: dict[str, Any], places: _Places) -> None:
    """The addresses of the region, where none are given."""
    table = tables.get("okx")
    region = table.get("region", "global") if isinstance(table, dict) else "global"
    if not isinstance(table, dict) or not isinstance(region, str):
        return  # nothing is given, or it is refused with its place
    if region not in REGIONS:
        raise ConfigError(
            f'{places.of("okx", "region")}: okx.region: unknown region "{_told(region)}"'
            f"{_nearest(region, REGIONS)}"
        )
    public_url = table.get("public_url")
    if isinstance(public_url, str) and public_url.endswith("/public"):
        # the other path of the same server, not of OKX
        table.setdefault("business_url", public_url.removesuffix("public") + "business")
    for key in _SITE_URLS:
        table.setdefault(key, getattr(REGIONS[region], key))


def _read(path: Path) -> tuple[str, dict[str, Any]]:
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise ConfigError(f"{path}: no such file; name another with -c FILE") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read: {error}") from None
    try:
        return text, tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:  # the latter: absurd nesting
        found = re.search(r"\(at line (\d+)", str(error))
        line = found[1] if found else len(text.splitlines())  # else it is "at end of document"
        reason = str(error).split(" (at ")[0]
        raise ConfigError(f"{path}:{line}: not valid TOML: {reason}") from None


def _convert(section: str, table: object, places: _Places) -> Any:
    if not isinstance(table, dict):
        raise ConfigError(
            f"{places.of(section)}: {section} must be a table: write [{section}] above its keys"
        )
    known = [field.name for field in msgspec.structs.fields(_SECTIONS[section])]
    for key in table:
        if key not in known:
            raise ConfigError(
                f"{places.of(section, key)}: unknown key {section}.{_told(key)}"
                f"{_nearest(key, known)}"
            )
    try:
        return msgspec.convert(table, _SECTIONS[section])
    except msgspec.ValidationError as error:
        reason, _, where = str(error).partition(" - at `$.")
        key = re.split(r"[.\[`]", where)[0] if where else ""
        default = getattr(_SECTIONS[section](), key, None)
        hint = f" (for example {_toml(default)})" if default not in (None, "") else ""
        dotted = f"{section}.{key}" if key else section
        raise ConfigError(f"{places.of(section, key)}: {dotted}: {_plain(reason)}{hint}") from None


def _plain(reason: str) -> str:
    """msgspec's sentence in a reader's words."""
    reason = reason.replace("`", "")
    names = {"int": "a whole number", "str": "a text", "bool": "true or false", "float": "a number"}
    names |= {"array": "a list", "object": "a table"}
    found = re.fullmatch(r"Expected (\w+), got (\w+)", reason)
    if found:
        return f"expected {names.get(found[1], found[1])}, got {names.get(found[2], found[2])}"
    return reason[0].lower() + reason[1:].replace("int ", "a whole number ")


def _override(tables: dict[str, Any], override: str, places: _Places) -> None:
    dotted, equals, value = override.partition("=")
    section, dot, key = dotted.strip().partition(".")
    shown = f"{_told(dotted)}{equals}{_told(value)}"
    if difflib.get_close_matches("proxy", re.findall(r"\w+", override.lower())):
        shown = f"{_told(dotted.split()[0]) if dotted.strip() else ''}{equals or ' '}..."
    if not equals or not dot:
        raise ConfigError(f"--set {shown}: write section.key=value, for example stream.shards=2")
    try:
        parsed = tomllib.loads(f"value = {value}")["value"]
    except (tomllib.TOMLDecodeError, RecursionError):
        parsed = value.strip()  # a bare word is a text: --set hunter.name=lab
    table = tables.setdefault(section, {})
    if isinstance(table, dict):  # what is none is refused with its place in the file
        table[key] = parsed
        places.overridden[section, key] = f"--set {shown}"


def _check(config: Config, places: _Places) -> None:
    """What the types cannot say."""

    def refuse(section: str, key: str, reason: str) -> None:
        raise ConfigError(f"{places.of(section, key)}: {section}.{key}: {reason}")

    if not re.fullmatch(r"[A-Za-z0-9_-]{1,32}", config.hunter.name):
        refuse("hunter", "name", "1 to 32 letters, digits, '-' or '_'")
    instruments = config.okx.instruments
    if not 1 <= len(instruments) <= INSTRUMENTS_MAX:
        refuse("okx", "instruments", f"name 1 to {INSTRUMENTS_MAX} instruments")
    for name in instruments:
        if not is_instrument(name):
            hint = f'; did you mean "{name.upper()}"?' if is_instrument(name.upper()) else ""
            refuse(
                "okx",
                "instruments",
                f'"{_told(name)}" is not spelt like BTC-USDT or BTC-USDT-SWAP{hint}',
            )
        if instruments.count(name) > 1:
            refuse("okx", "instruments", f'"{name}" is named twice')
    for channel in config.okx.channels:
        if channel not in CHANNELS:
            near = _nearest(channel, CHANNELS)
            refuse("okx", "channels", f'unknown channel "{_told(channel)}"{near}')
    if not {"trades", "trades-all"} & set(config.okx.channels):
        refuse("okx", "channels", 'must contain "trades": the ring is made of them')
    for key, schemes in (("public_url", "ws"), ("business_url", "ws"), ("rest_url", "http")):
        if why := _url_fault(getattr(config.okx, key), schemes):
            refuse("okx", key, why)
    if config.okx.proxy and not _is_proxy(config.okx.proxy):
        refuse("okx", "proxy", "must be of the form http://[user:password@]host:port")
    if config.ring.capacity & (config.ring.capacity - 1):
        above = 1 << config.ring.capacity.bit_length()
        refuse("ring", "capacity", f"must be a power of two: {above >> 1} or {above}")
    if config.stream.shards > len(instruments):
        refuse("stream", "shards", f"at most one per instrument, and there are {len(instruments)}")
    streams = config.stream.shards * (1 + config.stream.standby)
    if streams + 3 > ACTORS_MAX:
        refuse("stream", "shards", f"{streams} stream processes; at most {ACTORS_MAX - 3} fit")
    if config.stream.backoff_max_ms < config.stream.backoff_min_ms:
        refuse(
            "stream",
            "backoff_max_ms",
            f"must be at least backoff_min_ms = {config.stream.backoff_min_ms}",
        )
    kind = config.brain.kind
    if kind != "flow" and not re.fullmatch(r"[\w.]+:\w+", kind):
        refuse("brain", "kind", f'"{_told(kind)}" is no brain; write "flow" or "module:Class"')


class _Places:
    """Finds the line of a key: tomllib does not keep it."""

    def __init__(self, path: Path | None, text: str) -> None:
        self.overridden: dict[tuple[str, str], str] = {}
        self._file = str(path) if path is not None else "defaults"
        self._lines: dict[tuple[str, str], int] = {}
        table = ""
        for number, line in enumerate(text.splitlines(), 1):
            if found := re.match(r"\s*\[+([\w\s.\"'-]+)\]+\s*(#.*)?$", line):
                table = found[1]
                self._remember(table, number)
            elif found := re.match(r"\s*([\w.\"'-]+)\s*=", line):
                self._remember(f"{table}.{found[1]}" if table else found[1], number)

    def _remember(self, dotted: str, number: int) -> None:
        """`[stream]`, `shards =` below it, `[stream.shards]`, `stream.shards =`: all may occur."""
        section, key, *_ = *(re.sub(r"[\s\"']", "", part) for part in dotted.split(".")), ""
        self._lines.setdefault((section, key), number)

    def of(self, section: str, key: str = "") -> str:
        if (section, key) in self.overridden:
            return self.overridden[section, key]
        if not key and (section, "") not in self._lines:
            for (overridden, _), place in self.overridden.items():
                if overridden == section:
                    return place
        for wanted in ((section, key), (section, "")):
            if wanted in self._lines:
                return f"{self._file}:{self._lines[wanted]}"
        return self._file


def _url_fault(text: str, scheme: str) -> str:
    """Why this is no address of a server; "" if it is one."""
    try:
        parts = urlsplit(text)
        good = parts.scheme in (scheme, scheme + "s") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # a port that is none, half an IPv6 address
        good = False
    if not good:
        return f"must begin with {scheme}:// or {scheme}s:// and name a host"
    if "@" in parts.netloc:
        return "must hold no user or password: market data need none"
    if not text.isprintable() or {" ", "#"} & set(text) or (scheme == "http" and parts.query):
        return "must hold no blank, '#' or control character, and that of REST no '?'"
    return ""


def _is_proxy(text: str) -> bool:
    try:
        parts = urlsplit(text)
        return parts.scheme == "http" and bool(parts.hostname) and bool(parts.port)
    except ValueError:
        return False


def _nearest(word: str, known: Sequence[str] | dict[str, Any]) -> str:
    close = difflib.get_close_matches(word, list(known), n=1, cutoff=0.5)
    return f'; did you mean "{close[0]}"?' if close else f"; known: {', '.join(known)}"


def _toml(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        # A JSON string is a TOML one, but for the one control character that JSON leaves as it is.
        return msgspec.json.encode(value).decode().replace("\x7f", "\\u007F")
    if isinstance(value, tuple):
        return "[" + ", ".join(_toml(item) for item in value) + "]"
    return str(value)


def shown_url(url: str) -> str:
    """What people may see of an address: a gateway of one's own may want a token in the query."""
    place, mark, _ = url.partition("?")
    return f"{place}?***" if mark else place


def _shown(section: str, key: str, value: object) -> object:
    """What people may see of a value: neither the password nor the token of a proxy."""
    if section == "okx" and key in _SITE_URLS:
        return shown_url(str(value))
    scheme, separator, rest = str(value).partition("://")
    who, at, place = rest.rpartition("@")
    if (section, key) not in _SECRET or not at:
        return value
    name, colon, _ = who.partition(":")
    # A name without a password is a token.
    return f"{scheme}{separator}{name if colon else ''}{colon}***{at}{place}"


def _told(text: str) -> str:
    """What an error repeats of a text: nothing of an address, which may hold a password."""
    return "..." if "@" in text or "://" in text else text


def to_toml(config: Config) -> str:
    """Every key with its effective value; a password is not shown."""
    lines: list[str] = []
    for section in _SECTIONS:
        lines.append(f"[{section}]")
        values = getattr(config, section)
        lines += [
            f"{key} = {_toml(_shown(section, key, getattr(values, key)))}"
            for key in values.__struct_fields__
        ]
        lines.append("")
    return "\n".join(lines)


def save_effective(config: Config, path: Path) -> None:
    """Write the checked configuration for the actors: they all run with the very same one."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(msgspec.json.encode(config))


def load_effective(path: Path) -> Config:
    """Read back what `save_effective` wrote."""
    return msgspec.json.decode(path.read_bytes(), type=Config)
