"""docs/reference/signals.md and status.md: the JSON shapes, field by field, from their structs."""

from __future__ import annotations

import inspect
from typing import Any, get_args

import msgspec

from docs.generators.text import code, field_words, fields_of, paragraphs, table, type_words
from hunter.signals.decision import Decision, Quality
from hunter.signals.signal import Signal
from hunter.status.latency import Stage
from hunter.status.shapes import StatusReport

_SIGNALS = """# Signals

`hunter signals --json` prints one object a line, oldest first; the journal
(`DATA_DIR/signals`), the ZeroMQ socket and `h.signals()` have the same ones. Fields are never taken
away or given another meaning within one `schema`.
"""
_STATUS = """# Status

`hunter status --json` prints one object, whatever runs or does not; so does `/api/status` of the
page. Every number's unit is in its name. Names that are here stay.

`state` is `running`, `starting`, `degraded`, `stopping` or `stopped`, and the exit code of
`hunter status` is 0 for `running`, 3 for `stopped` and 5 for the others. `reasons` are sentences:
what is wrong now and what to do about it; [troubleshooting](../how-to/troubleshooting.md) has all
of them.
"""
# What the code says nowhere beside the field itself.
WORDS = {
    "schema": "1; another number is another shape",
    "instrument": "as OKX spells it",
    "Signal.id": "RING-INSTRUMENT-MILLISECONDS; the same rows give the same id",
    "direction": "`flat`: nothing to say, and `reason` says why",
    "probability_up": "P(the mid is higher after `horizon_ms`, given that it moves at all)",
    "horizon_ms": "how far ahead it looks",
    "reason": "in words; terms add up to the log-odds of `probability_up`",
    "features": "what the model saw; what had no input is left out",
    "model": "name and version of the brain",
    "quality": "how good the input was",
    "state": "see the text above its table, or the states of the part it belongs to",
    "StatusReport.state": "`running`, `starting`, `degraded`, `stopping` or `stopped`",
    "StatusReport.name": "of the instance",
    "version": "of hunter",
    "pid": "0: there is no process",
    "uptime_s": "since its start",
    "reasons": "what is wrong now, and what to do",
    "actors": "one for each process",
    "feeds": "one for each instrument and channel",
    "connections": "one for each WebSocket",
    "limits": "the exchange's rate limits, as this host keeps to them",
    "rings": "one for each instrument",
    "brain": "what it read and decided",
    "memory": "of all processes together",
    "ActorReport.name": "as commands take it: `hunter restart stream-0`",
    "role": "`stream`, `brain`, `watchdog`, `exchange`, `web`, `alerts` or `store`",
    "ActorReport.state": "`starting`, `ready`, `degraded`, `backoff`, `parked` or `stopped`",
    "active": "false: a standby that is ready to take over",
    "restarts": "how often it was started again",
    "last_exit": "`signal 9`, `exit 1`, `hang`; null: it has not ended yet",
    "heartbeat_age_ms": "since its loop last turned",
    "rss_bytes": "resident memory",
    "cpu_percent": "of one core",
    "errors": "error lines in its log",
    "channel": "as OKX spells it",
    "FeedReport.state": "`live`, `connecting`, `stale`, `resync` (the book is being made anew)"
    " or `parked`",
    "messages": "received",
    "age_ms": "since the last one; null: none yet",
    "gaps": "holes that were found in the chain of matches or of book updates",
    "backfilled": "matches that were fetched over REST into a hole",
    "duplicates": "matches that came again, and were left out",
    "lost": "matches that neither the feed nor REST could supply",
    "malformed": "frames that could not be read",
    "lag_ms_p50": "reception minus the exchange's stamp, median",
    "lag_ms_p99": "the same, 99th percentile",
    "mismatches": "books that another channel contradicted at the same sequence id",
    "resync_ms": "how long the book was not to be believed, the last time it broke",
    "note": "why it is parked, in words",
    "actor": "whose it is",
    "url": "where to",
    "connects": "how often it has connected",
    "last_close": "why the one before ended",
    "capacity": "trades that are kept",
    "sequence": "trades so far",
    "bytes": "shared memory",
    "StoreDocument.bytes": "of all files that are kept",
    "files": "that are kept",
    "removed_files": "for their age or the budget",
    "inputs": "rows read, by kind",
    "decisions": "made so far",
    "signals": "told so far",
    "lapped": "rows that the ring overwrote before they were read",
    "dropped": "given up: the queue, or the disk, did not take them",
    "warm": "it has seen enough market to speak",
    "latency_us": "from a frame's arrival to the decision",
    "shared_bytes": "rings and status block",
    "p50": "median",
    "p99": "99th percentile",
    "p999": "99.9th percentile",
    "recent": "values of the last minute or two, of which the percentiles are",
    "count": "of all since the start",
    "sum": "of all since the start, right to within 1/32",
    "server": "of the exchange",
    "LimitDocument.name": "which limit",
    "rate_per_s": "allowed now",
    "rate_per_s_max": "allowed when all is well",
    "tokens": "requests that may go at once",
    "waits": "requests that were held back",
    "limited": 'times the exchange said "too many" all the same',
    "viewers": "pages that are open now",
    "requests": "answered",
    "refused": "requests of a wrong host, origin or token",
    "sent": "messages",
    "failed": "attempts that failed",
    "held_back": "the same again too soon, or too many in an hour",
    "waiting": "for their turn",
    "trouble": 'why the last attempt failed; "" after one that did not',
    "kind": "which sort of trouble",
    "subject": "whose it is: a directory, an actor, an instrument",
    "text": "the sentence of `reasons` or `notices`",
    "table": "of the store",
    "tables": "one for each table",
    "rows": "written",
    "book_valid": "whether the book could be believed",
    "takeover_ms": "how old the newest row was when it last took the writing over",
    "alerts": "what the alerts' process says; null: not switched on",
    "store": "what the store's process says; null: not switched on",
}


def signals_page() -> str:
    schema = msgspec.json.schema(Signal)
    text = msgspec.json.format(msgspec.json.encode(schema, order="sorted"), indent=2).decode()
    return "\n".join(
        [
            _SIGNALS,
            _table(Signal, [Decision]),
            "## Quality\n",
            paragraphs(Quality.__doc__) + "\n",
            _table(Quality, []),
            "[The brain](../brain.md) says what the numbers mean and what they are worth.\n",
            "## JSON Schema\n",
            f"```json\n{text}\n```\n",
        ]
    )


def status_page() -> str:
    parts = [_STATUS, _table(StatusReport, [])]
    stages = field_words_of_stages()
    rows = [[code(name), words] for name, words in stages.items()]
    parts += ["## Stages of latency_us\n", table(["stage", "what"], rows)]
    for kind in _below(StatusReport):
        parts += [f"## {kind.__name__}\n", _doc(kind), _table(kind, [])]
    return "\n".join(part for part in parts if part)


def field_words_of_stages() -> dict[str, str]:
    """Stage -> the docstring below it; Stage is an enum, so its fields are assignments."""
    import ast

    body = ast.parse(inspect.getsource(Stage)).body[0]
    assert isinstance(body, ast.ClassDef)
    found = {}
    for before, after in zip(body.body, body.body[1:], strict=False):
        if isinstance(before, ast.Assign) and isinstance(after, ast.Expr):
            name = before.targets[0]
            assert isinstance(name, ast.Name)
            assert isinstance(after.value, ast.Constant)
            found[name.id.lower()] = " ".join(str(after.value.value).split())
    return found


def _doc(kind: type) -> str:
    # msgspec gives a class without words a signature for a docstring.
    words = kind.__dict__.get("__doc__") or ""
    return "" if words.startswith(f"{kind.__name__}(") else paragraphs(words) + "\n"


def _below(kind: type) -> list[type]:
    """Structs that its fields are made of, in the order they come."""
    found: dict[type, None] = {}

    def look(its_type: Any) -> None:
        if inspect.isclass(its_type) and issubclass(its_type, msgspec.Struct):
            if its_type not in found:
                found[its_type] = None
                for part in fields_of(its_type).values():
                    look(part)
            return
        for part in get_args(its_type):
            look(part)

    for its_type in fields_of(kind).values():
        look(its_type)
    return list(found)


def _table(kind: type, others: list[type]) -> str:
    rows = [
        [code(name), type_words(its_type), words_of(kind, name, others)]
        for name, its_type in fields_of(kind).items()
    ]
    return table(["field", "JSON", "what"], rows)


def words_of(kind: type, name: str, others: list[type]) -> str:
    """The code's own words for a field, else the ones above; "" if there are none."""
    for one in (kind, *others):
        if words := field_words(one).get(name):
            return words
    return WORDS.get(f"{kind.__name__}.{name}") or WORDS.get(name, "")
