"""Every error hunter raises on purpose.

    HunterError                 exit code   whose fault
    +-- ConfigError             78          the configuration: never retried
    +-- NotRunning              3           nobody: the instance is down
    +-- NotFound                4           the caller: no such actor, instrument or recording
    +-- TimedOut                6           a part did not answer in time
    +-- VerificationDiffers     7           two runs over the same rows told different signals
    +-- AlreadyRunning          11          the caller: the instance is up
    +-- SegmentError            1           shared memory that is missing, foreign or damaged
    |   +-- SegmentUnusable     78          shared memory cannot be had at all (full, wrong owner)
    +-- MalformedMessage        1           the exchange (or the wire): counted, never fatal
    +-- MissingExtra            1           a library is not installed; the text says how to
    +-- WriterFenced            1           this process lost the writer's lease and must not write

A message says what happened and what to do next. Programmer errors are assertions, not these.
"""

from __future__ import annotations

from typing import ClassVar


class HunterError(Exception):
    """Base; `exit_code` is what the command line returns for it."""

    exit_code: ClassVar[int] = 1


class ConfigError(HunterError):
    exit_code = 78


class NotRunning(HunterError):
    exit_code = 3


class NotFound(HunterError):
    exit_code = 4


class TimedOut(HunterError):
    exit_code = 6


class VerificationDiffers(HunterError):
    exit_code = 7


class AlreadyRunning(HunterError):
    exit_code = 11


class SegmentError(HunterError):
    pass


class SegmentUnusable(SegmentError):
    exit_code = 78


class MalformedMessage(HunterError):
    pass


class MissingExtra(HunterError):
    pass


class WriterFenced(HunterError):
    pass
