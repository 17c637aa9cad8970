"""What the types cannot say: how names are spelt, which addresses are fit, what goes with what.

Called by `load` on a complete configuration; the first fault is raised as a ConfigError.
"""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from hunter.config.cpus import host_cpu_count, parse_cpus
from hunter.config.places import Places
from hunter.config.plugins import experts_fault, kind_fault
from hunter.config.schema import ACTORS_MAX, CHANNELS, INSTRUMENTS_MAX, TABLES, Config
from hunter.config.secrets import secret_fault
from hunter.config.wording import nearest, told
from hunter.errors import ConfigError
from hunter.market.instrument import is_instrument


def check(config: Config, places: Places) -> None:
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
                f'"{told(name)}" is not spelt like BTC-USDT or BTC-USDT-SWAP{hint}',
            )
        if instruments.count(name) > 1:
            refuse("okx", "instruments", f'"{name}" is named twice')
    for channel in config.okx.channels:
        if channel not in CHANNELS:
            near = nearest(channel, CHANNELS)
            refuse("okx", "channels", f'unknown channel "{told(channel)}"{near}')
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
    others = 3 + len(config.companions)
    if streams + others > ACTORS_MAX:
        refuse("stream", "shards", f"{streams} stream processes; at most {ACTORS_MAX - others} fit")
    if config.stream.backoff_max_ms < config.stream.backoff_min_ms:
        refuse(
            "stream",
            "backoff_max_ms",
            f"must be at least backoff_min_ms = {config.stream.backoff_min_ms}",
        )
    for section, cpus in (("stream", config.stream.cpus), ("brain", config.brain.cpus)):
        if why := _cpus_fault(cpus):
            refuse(section, "cpus", why)
    if why := kind_fault(config.brain.kind):
        refuse("brain", "kind", why)
    if config.brain.experts and config.brain.kind != "flow":
        refuse("brain", "experts", 'vote in the built-in brain: they need kind = "flow"')
    if why := experts_fault(config.brain.experts):
        refuse("brain", "experts", why)
    if found := _companion_fault(config):
        refuse(*found)


def _companion_fault(config: Config) -> tuple[str, str, str] | None:
    """Section, key and reason of the first fault of [web], [alerts] and [store]."""
    web, alerts, store = config.web, config.alerts, config.store
    for host in (web.host, *web.allowed_hosts):
        if not re.fullmatch(r"[A-Za-z0-9.-]{1,253}|[0-9A-Fa-f:]{2,45}", host):
            key = "host" if host == web.host else "allowed_hosts"
            return "web", key, f'"{told(host)}" is no host name or address (write it without port)'
    for key in ("webhook", "telegram_token", "apprise"):
        if why := secret_fault(getattr(alerts, key)):
            return "alerts", key, why
    if bool(alerts.telegram_token) != bool(alerts.telegram_chat):
        missing = "telegram_chat" if alerts.telegram_token else "telegram_token"
        return "alerts", missing, "Telegram needs both telegram_token and telegram_chat"
    if alerts.enabled and not (alerts.webhook or alerts.telegram_token or alerts.apprise):
        return "alerts", "enabled", "nobody to tell: set webhook, telegram_token or apprise"
    for table in store.tables:
        if table not in TABLES:
            return "store", "tables", f'unknown table "{told(table)}"{nearest(table, TABLES)}'
    if store.enabled and not store.tables:
        return "store", "tables", f"name at least one of {', '.join(TABLES)}"
    return None


def _cpus_fault(text: str) -> str:
    """Why these are no cores of this host; "" if they are, or if none is named. Whether we are let
    have them is another matter, and may change from one start to the next.
    """
    try:
        cpus = parse_cpus(text)
    except ValueError as error:
        return str(error)
    count = host_cpu_count()
    beyond = [cpu for cpu in cpus if cpu >= count]
    return f"no core {beyond[0]} here; this host has 0 to {count - 1}" if beyond else ""


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
