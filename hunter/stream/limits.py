"""How often this host may connect to one server and ask its REST, over all processes and restarts.

OKX counts per address: what another instance of this user or a killed process has used is gone for
this one too. Each limit is a token bucket; the buckets of one server lie in one small file, changed
under a flock that is only ever tried, never waited for. A bucket's burst and what flows in during
OKX's window are together never more than OKX's number, so no window can hold more, however it is
cut. When OKX says "too many" all the same (others share the address), everything of that limit is
held for a while and its rate is halved; both recover with time.

Times are monotonic and handed in; all processes of a boot share that clock. A slot of the file
that is torn, foreign or of another boot is a fresh bucket. A process killed at any instruction
leaves the slot as it was before its change or after: the kernel frees the lock, and a slot is
written at once and checked.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import struct
import zlib
from pathlib import Path
from typing import Final, NamedTuple
from urllib.parse import urlsplit

import msgspec

from hunter.exchange.okx.endpoints import CONNECTS_PER_SECOND
from hunter.ring.segment import make_private_dir
from hunter.stream.resolver import is_loopback

_S: Final = 1_000_000_000
BUSY_RETRY_NS: Final = 5_000_000
HOLD_NS_MIN: Final = 1 * _S
HOLD_NS_MAX: Final = 60 * _S
FACTOR_MIN: Final = 1 / 16
RECOVERY_NS: Final = 60 * _S
# A hold ends within a minute: a time much later than now was not written by this clock.
FUTURE_NS_MAX: Final = 600 * _S

CONNECTS: Final = "connects"


class Limit(NamedTuple):
    """`burst` at once, then `rate_per_s`; OKX's own numbers are `count_max` in `window_ns`."""

    name: str
    burst: float
    rate_per_s: float
    count_max: int
    window_ns: int


def _rest(name: str, count_max: int, window_ns: int) -> Limit:
    """A fifth at once, and a tenth is never used: what is sent evenly may arrive in a bunch."""
    burst = count_max / 5
    return Limit(name, burst, (0.9 * count_max - burst) * _S / window_ns, count_max, window_ns)


# overview-websocket-connect: 3 a second. Two at once, and less than four within 1.1 s: connections
# that leave 1.1 s apart may arrive within one second.
# The others: the page of each REST endpoint, "Rate limit", per address.
LIMITS: Final = {
    limit.name: limit
    for limit in (
        Limit(CONNECTS, 2.0, 1.78, CONNECTS_PER_SECOND, _S),
        _rest("trades", 100, 2 * _S),
        _rest("history-trades", 20, 2 * _S),
        _rest("books", 40, 2 * _S),
        _rest("instruments", 20, 2 * _S),
        _rest("time", 10, 2 * _S),
    )
}


class LimitState(NamedTuple):
    """For the status page. `waits`: how often somebody was told to wait; `limited`: how often the
    exchange said that it was too much.
    """

    name: str
    rate_per_s: float
    rate_per_s_max: float
    tokens: float
    waits: int
    limited: int


class Bucket(msgspec.Struct):
    """One limit's arithmetic. `factor` of the full rate applies; nothing goes before `held_ns`."""

    tokens: float
    updated_ns: int
    factor: float = 1.0
    held_ns: int = 0
    hold_ns: int = 0
    waits: int = 0
    limited: int = 0

    def advance(self, limit: Limit, now_ns: int) -> None:
        """Let tokens flow in and the rate recover. A time before the last one changes nothing:
        another process had read the clock later and came first.
        """
        start_ns = max(self.updated_ns, self.held_ns)
        if now_ns > start_ns:
            passed_ns = now_ns - start_ns
            rate_per_s = limit.rate_per_s * self.factor
            self.tokens = min(self.tokens + rate_per_s * passed_ns / _S, self._burst(limit))
            self.factor = min(self.factor + passed_ns / RECOVERY_NS, 1.0)
            if self.factor == 1.0:
                self.hold_ns = 0
        self.updated_ns = max(self.updated_ns, now_ns)

    def take(self, limit: Limit, now_ns: int) -> int:
        """0 and a token less, or the nanoseconds until there will be one."""
        self.advance(limit, now_ns)
        if now_ns >= self.held_ns and self.tokens >= 1:
            self.tokens -= 1
            return 0
        self.waits += 1
        missing_ns = max(1 - self.tokens, 0) / (limit.rate_per_s * self.factor) * _S
        return max(self.updated_ns, self.held_ns) + int(missing_ns) + 1 - now_ns

    def slow_down(self, limit: Limit, now_ns: int) -> None:
        """The exchange said that it was too much."""
        self.advance(limit, now_ns)
        self.limited += 1
        if now_ns < self.held_ns:
            return  # the answer to what was sent before the hold began
        self.hold_ns = min(2 * self.hold_ns, HOLD_NS_MAX) if self.hold_ns else HOLD_NS_MIN
        self.held_ns = now_ns + self.hold_ns
        self.factor = max(self.factor / 2, FACTOR_MIN)
        self.tokens = min(self.tokens, 1.0)

    def _burst(self, limit: Limit) -> float:
        return max(limit.burst * self.factor, 1.0)


def fresh(limit: Limit, now_ns: int) -> Bucket:
    return Bucket(limit.burst, now_ns)


# One slot of the file, 64 bytes: boot u8 | tokens f8 | updated u8 | factor f8 | held u8 | hold u8 |
# waits u4 | limited u4 | zero u4 | crc32 u4. The checksum begins with the limit's own numbers, so
# that a slot written for other ones is foreign.
_SLOT: Final = struct.Struct("<QdQdQQIII")
_CRC: Final = struct.Struct("<I")
SLOT_BYTES: Final = 64
assert _SLOT.size + _CRC.size == SLOT_BYTES
_U4_MAX: Final = 2**32 - 1


def pack_slot(bucket: Bucket, limit: Limit, boot: int) -> bytes:
    body = _SLOT.pack(
        boot,
        bucket.tokens,
        bucket.updated_ns,
        bucket.factor,
        bucket.held_ns,
        bucket.hold_ns,
        min(bucket.waits, _U4_MAX),
        min(bucket.limited, _U4_MAX),
        0,
    )
    return body + _CRC.pack(_checksum(body, limit))


def unpack_slot(raw: bytes, limit: Limit, boot: int, now_ns: int) -> Bucket:
    """The bucket as it was written, or a fresh one if this boot has not written it."""
    body = raw[: _SLOT.size]
    if len(raw) != SLOT_BYTES or _CRC.unpack(raw[_SLOT.size :])[0] != _checksum(body, limit):
        return fresh(limit, now_ns)
    written_by, tokens, updated_ns, factor, held_ns, hold_ns, waits, limited, _ = _SLOT.unpack(body)
    if written_by != boot or max(updated_ns, held_ns) > now_ns + FUTURE_NS_MAX:
        return fresh(limit, now_ns)
    return Bucket(tokens, updated_ns, factor, held_ns, hold_ns, waits, limited)


def _checksum(body: bytes, limit: Limit) -> int:
    return zlib.crc32(body, zlib.crc32(repr(limit).encode()))


def boot_number() -> int:
    """Of this boot of the host; 0 where the kernel does not tell."""
    try:
        text = Path("/proc/sys/kernel/random/boot_id").read_bytes()
    except OSError:
        return 0
    return int.from_bytes(hashlib.blake2s(text, digest_size=8).digest(), "little")


def host_limits_dir() -> Path:
    """What all processes of this user on this host share, whatever their environment says: a
    session, a service and a cron job have different runtime directories and one address.
    """
    return Path(f"/tmp/hunter-{os.getuid()}")


def limiter_path(url: str, runtime_dir: Path) -> Path:
    """The file of the server behind `url`: in `host_limits_dir`, or for a server on this host in
    the instance's own `runtime_dir`: it is nobody else's."""
    parts = urlsplit(url)
    if is_loopback(parts.hostname or ""):
        return runtime_dir / "server.limits"
    server = f"{parts.hostname}:{parts.port or 0}"
    digest = hashlib.blake2s(server.encode(), digest_size=4).hexdigest()
    return host_limits_dir() / f"server-{digest}.limits"


class RateLimiter:
    """All limits of one server. Asking never waits: the answer is how long to wait."""

    def __init__(self, path: Path) -> None:
        make_private_dir(path.parent)
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
        self._descriptor = os.open(path, flags, 0o600)
        self._boot = boot_number()
        self._offsets = {name: index * SLOT_BYTES for index, name in enumerate(LIMITS)}
        # Slots that the file could not take (a full disk): this process alone knows them.
        self._unwritten: dict[str, bytes] = {}
        # Answers "too many" that came while another process held the lock.
        self._untold: list[tuple[str, int]] = []

    def reserve(self, name: str, now_ns: int) -> int:
        """0: go, it is counted. Else the nanoseconds after which to ask again."""
        assert name in LIMITS, name
        if not self._lock():
            return BUSY_RETRY_NS
        try:
            self._tell()
            bucket = self._load(name, now_ns)
            wait_ns = bucket.take(LIMITS[name], now_ns)
            self._store(name, bucket)
            return wait_ns
        finally:
            self._unlock()

    def limited(self, name: str, now_ns: int) -> None:
        """The exchange said "too many": hold everything of this limit, then go on slower."""
        assert name in LIMITS, name
        self._untold.append((name, now_ns))
        if self._lock():
            try:
                self._tell()
            finally:
                self._unlock()

    def states(self, now_ns: int) -> tuple[LimitState, ...]:
        """As they are now; changes nothing and needs no lock."""
        found = []
        for name, limit in LIMITS.items():
            bucket = self._load(name, now_ns)
            bucket.advance(limit, now_ns)
            rate_per_s = limit.rate_per_s * bucket.factor
            found.append(
                LimitState(
                    name,
                    round(rate_per_s, 3),
                    round(limit.rate_per_s, 3),
                    round(bucket.tokens, 3),
                    bucket.waits,
                    bucket.limited,
                )
            )
        return tuple(found)

    def close(self) -> None:
        os.close(self._descriptor)

    def _tell(self) -> None:
        for name, at_ns in self._untold:
            bucket = self._load(name, at_ns)
            bucket.slow_down(LIMITS[name], at_ns)
            self._store(name, bucket)
        self._untold.clear()

    def _load(self, name: str, now_ns: int) -> Bucket:
        raw = self._unwritten.get(name)
        if raw is None:
            try:
                raw = os.pread(self._descriptor, SLOT_BYTES, self._offsets[name])
            except OSError:
                raw = b""
        return unpack_slot(raw, LIMITS[name], self._boot, now_ns)

    def _store(self, name: str, bucket: Bucket) -> None:
        raw = pack_slot(bucket, LIMITS[name], self._boot)
        self._unwritten.pop(name, None)
        try:
            written = os.pwrite(self._descriptor, raw, self._offsets[name])
        except OSError:
            written = 0
        if written != SLOT_BYTES:
            self._unwritten[name] = raw

    def _lock(self) -> bool:
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def _unlock(self) -> None:
        fcntl.flock(self._descriptor, fcntl.LOCK_UN)
