"""What is to be kept running: specifications of children and of the tree.

Frozen values, checked when they are made, so that a tree which exists is a tree which can be run.
The words and their meaning are those of Erlang/OTP's supervisor. Whoever composes a program makes
these; nothing in here is ever changed by the supervisor. All times are nanoseconds.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from supervisor.errors import SpecError

SECOND_NS = 1_000_000_000
MILLISECOND_NS = 1_000_000
EX_CONFIG = 78  # sysexits.h: a configuration error; trying again cannot help
NAME_LENGTH_MAX = 64


class Restart(enum.Enum):
    """When a child that ended is started again."""

    PERMANENT = "permanent"  # always
    TRANSIENT = "transient"  # if it ended abnormally: a signal, or an exit code that is not 0
    TEMPORARY = "temporary"  # never


class Strategy(enum.Enum):
    """Who else is restarted when a child that was ready ends."""

    ONE_FOR_ONE = "one_for_one"
    REST_FOR_ONE = "rest_for_one"  # and all that were started after it
    ONE_FOR_ALL = "one_for_all"


def _require(condition: bool, message: str) -> None:
    if not condition:
        raise SpecError(message)


def _require_positive(owner: str, **values: int) -> None:
    for key, value in values.items():
        # bool is an int in Python, and never a duration
        _require(
            isinstance(value, int) and not isinstance(value, bool) and value > 0,
            f"{owner}: {key} must be a positive whole number, not {value!r}",
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class RestartIntensity:
    """At most `max_restarts` failures of one child within `period_ns`; one more parks it.

    A burst and a sustained rate in one: 5 in 60 s allows five at once, and one each 12 s for ever.
    """

    max_restarts: int = 5
    period_ns: int = 60 * SECOND_NS

    def __post_init__(self) -> None:
        _require_positive("intensity", period_ns=self.period_ns)
        _require(
            isinstance(self.max_restarts, int) and self.max_restarts >= 0,
            f"intensity: max_restarts must be 0 or more, not {self.max_restarts!r}",
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Backoff:
    """How long to wait before a restart: nothing at first, then doubling.

    Only health resets it (ready for `reset_after_ns`): a program that starts well and dies a second
    later would otherwise be restarted without a pause for ever.
    """

    delay_min_ns: int = 100 * MILLISECOND_NS
    delay_max_ns: int = 10 * SECOND_NS
    jitter_ratio: float = 0.2
    reset_after_ns: int = 60 * SECOND_NS

    def __post_init__(self) -> None:
        _require_positive(
            "backoff",
            delay_min_ns=self.delay_min_ns,
            delay_max_ns=self.delay_max_ns,
            reset_after_ns=self.reset_after_ns,
        )
        _require(
            self.delay_min_ns <= self.delay_max_ns,
            f"backoff: delay_min_ns {self.delay_min_ns} is above delay_max_ns {self.delay_max_ns}",
        )
        _require(
            0 <= self.jitter_ratio < 1,
            f"backoff: jitter_ratio must be in [0, 1), not {self.jitter_ratio!r}",
        )

    def delay_ns(self, attempt: int, draw: float) -> int:
        """The wait before restart number `attempt` (from 0); `draw` in [0, 1) sets the jitter."""
        if attempt == 0:
            return 0
        # 64 doublings exceed any delay_max_ns: a bound on the shift, whatever the count says
        plain_ns = min(self.delay_max_ns, self.delay_min_ns << min(attempt - 1, 64))
        return int(plain_ns * (1 + self.jitter_ratio * (2 * draw - 1)))


@dataclass(frozen=True, slots=True, kw_only=True)
class ChildSpec:
    """One program to keep running.

    `env` None inherits ours; a mapping is the whole environment. `hang_after_ns` None expects no
    beats. `log_path` takes the child's standard output and error; None inherits ours. `role` means
    nothing here; it is carried for whoever shows the tree. A `critical` child at its restart
    limit ends the whole tree. `oom_score_adj` (proc(5): higher is killed sooner when memory runs
    out) and `open_files_max` (RLIMIT_NOFILE) are set right after the start; None inherits ours.
    What the kernel refuses is reported once, and the child runs without it. `after` names those
    before it in the start order whom its start has to wait for; None waits for them all. Variables
    by which we are notified or watched ourselves (NOTIFY_SOCKET, WATCHDOG_*) never reach a child.
    """

    name: str
    argv: tuple[str, ...]
    env: Mapping[str, str] | None = None
    cwd: str | None = None
    role: str = ""
    restart: Restart = Restart.PERMANENT
    ready_timeout_ns: int = 20 * SECOND_NS
    stop_timeout_ns: int = 5 * SECOND_NS
    hang_after_ns: int | None = None
    log_path: str | None = None
    critical: bool = False
    after: frozenset[str] | None = None
    oom_score_adj: int | None = None
    open_files_max: int | None = None
    no_retry_exit_codes: frozenset[int] = field(default=frozenset({EX_CONFIG}))

    def __post_init__(self) -> None:
        _require(
            isinstance(self.name, str)
            and 0 < len(self.name) <= NAME_LENGTH_MAX
            and all(c.isalnum() or c in "-_." for c in self.name),
            f"child name {self.name!r}: use 1 to {NAME_LENGTH_MAX} letters, digits, '-', '_', '.'",
        )
        _require(
            isinstance(self.argv, tuple) and len(self.argv) > 0,
            f"{self.name}: argv must be a tuple with the program first, not {self.argv!r}",
        )
        _require(
            all(isinstance(word, str) and "\0" not in word for word in self.argv),
            f"{self.name}: argv must hold text without NUL",
        )
        _require(isinstance(self.restart, Restart), f"{self.name}: restart {self.restart!r}")
        _require_positive(
            self.name, ready_timeout_ns=self.ready_timeout_ns, stop_timeout_ns=self.stop_timeout_ns
        )
        if self.hang_after_ns is not None:
            _require_positive(self.name, hang_after_ns=self.hang_after_ns)
        adjustment = self.oom_score_adj
        _require(
            adjustment is None or (isinstance(adjustment, int) and -1000 <= adjustment <= 1000),
            f"{self.name}: oom_score_adj must be -1000 to 1000, not {adjustment!r}",
        )
        if self.open_files_max is not None:
            _require_positive(self.name, open_files_max=self.open_files_max)
        _require(
            all(isinstance(code, int) and 0 < code < 256 for code in self.no_retry_exit_codes),
            f"{self.name}: no_retry_exit_codes must be 1 to 255, not {self.no_retry_exit_codes!r}",
        )
        if self.env is not None:
            # a copy nobody else can write to: the specification outlives the caller's dictionary
            object.__setattr__(self, "env", MappingProxyType(dict(self.env)))


@dataclass(frozen=True, slots=True, kw_only=True)
class TreeSpec:
    """The children in start order (stopped in reverse), and what happens when they end.

    `down` names those that an operator has stopped before, under another supervisor: they stay down
    until they are started by name. Names of no child mean nothing.
    """

    children: tuple[ChildSpec, ...]
    strategy: Strategy = Strategy.ONE_FOR_ONE
    intensity: RestartIntensity = field(default_factory=RestartIntensity)
    backoff: Backoff = field(default_factory=Backoff)
    parked_retry_ns: int = 60 * SECOND_NS
    down: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        _require(
            isinstance(self.children, tuple) and len(self.children) > 0,
            "a tree needs a tuple of at least one child",
        )
        names = [child.name for child in self.children]
        twice = sorted({name for name in names if names.count(name) > 1})
        _require(not twice, f"child names must differ; used twice: {', '.join(twice)}")
        for number, child in enumerate(self.children):
            unknown = sorted((child.after or frozenset()) - set(names[:number]))
            _require(not unknown, f"{child.name}: nobody before it is called {', '.join(unknown)}")
        _require(isinstance(self.strategy, Strategy), f"strategy {self.strategy!r}")
        _require_positive("tree", parked_retry_ns=self.parked_retry_ns)
