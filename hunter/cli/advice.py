"""The next command for a reason of `hunter status` that names none itself. Pure."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from hunter.status.report import StatusReport

# A reason with one of these says itself what to do.
_STEP: Final = re.compile(r"\bhunter [a-z]+ ?|\bkill -|\bchmod \d|\bset \[?[a-z]+[.\]]")


def with_step(reason: str, report: StatusReport) -> str:
    """The reason, with the next command where it names none itself."""
    step = next_step(reason, report)
    return f"{reason}; see: {step}" if step else reason


def next_step(reason: str, report: StatusReport) -> str:
    """A command, or "" when the reason holds one, or when waiting is all there is to do."""
    if _STEP.search(reason.replace(f'hunter "{report.name}"', "")):
        return ""
    if reason.startswith("the supervisor"):
        return "" if "about to start" in reason else "hunter logs supervisor"
    for actor in report.actors:
        if re.match(rf"{re.escape(actor.name)}(?![\w-])", reason):
            if actor.state == "backoff" or actor.last_exit:
                return f"hunter logs --around {actor.name}"
            return f"hunter logs {actor.name}"
    if any(reason.startswith(f"{feed.instrument} ") for feed in report.feeds):
        streams = [actor.name for actor in report.actors if actor.role == "stream"]
        return f"hunter logs {' '.join(streams)}" if len(streams) <= 2 else "hunter logs"
    return "hunter logs --level warning"
