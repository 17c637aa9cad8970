"""Hunter: gap-free OKX market data in shared memory, and signals made from it.

    exchange -> stream -> ring -> brain -> signals

    market      what is traded
    exchange    OKX's protocol, pure
    stream      process: sockets in, ring rows out
    ring        shared memory with one writer and any number of readers
    brain       process: rows in, decisions out
    signals     decisions that are worth telling, and their journal
    watchdog    process: beats in, restart requests out
    simulator   process: an exchange look-alike
    status      what everybody says of himself, in shared memory
    runtime     the loop all processes run
    bus         ZeroMQ: wake-ups, commands, copies of signals
    native      the compiled half of stream and ring
    system      puts it together under the supervisor
    access      read-only access for users
    cli         the command line

Invariants of the whole: the ring is the record, never a message; each match is in it once, in
order, or counted as lost; any process may be killed at any instruction; only `clock` reads the
time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hunter.access import Instance, attach

__all__ = ["Instance", "attach"]


def __getattr__(name: str) -> object:
    # Late: `import hunter` is part of every process's start, and few of them need all of this.
    if name in __all__:
        from hunter import access

        return getattr(access, name)
    raise AttributeError(f"module 'hunter' has no attribute {name!r}")
