"""The stream process: `python -m hunter.stream NAME RUNTIME_DIR`, started by the supervisor."""

from hunter.runtime.actor import Actor, Context
from hunter.runtime.runner import run_process


def make(context: Context) -> Actor:
    from hunter.stream.actor import (
        StreamActor,
    )  # late: the runner protects the process before heavy imports

    return StreamActor(context)


if __name__ == "__main__":
    run_process(make)
