"""The page's process: `python -m hunter.web NAME RUNTIME_DIR`, started by the supervisor."""

from hunter.runtime.actor import Actor, Context
from hunter.runtime.runner import run_process


def make(context: Context) -> Actor:
    from hunter.extras import expect_extra

    expect_extra("web", "the page")
    from hunter.web.actor import WebActor  # late, as in hunter.simulator

    return WebActor(context)


if __name__ == "__main__":
    run_process(make)
