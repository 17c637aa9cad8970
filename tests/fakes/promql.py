"""What a PromQL expression names: metrics with their label filters, labels it groups by, and words
that are neither. Enough for rules and dashboards; refuses what it does not know.
"""

from __future__ import annotations

import re
from itertools import pairwise
from typing import NamedTuple

FUNCTIONS = frozenset(
    ("rate", "increase", "sum", "max", "min", "avg", "count", "absent", "histogram_quantile")
)
WORDS = frozenset(("by", "without", "or", "and", "unless", "on", "ignoring", "bool"))
_TOKEN = re.compile(
    r'"(?:[^"\\]|\\.)*"|\[[^\]]*\]|[A-Za-z_:][A-Za-z0-9_:]*|[0-9.]+|[=!~<>]+|[-+*/%^(){},]|\S'
)


class Named(NamedTuple):
    """`metrics`: name -> labels that it is filtered by; `groups`: labels of by() and without()."""

    metrics: dict[str, set[str]]
    groups: set[str]


def named_in(expression: str) -> Named:
    """Raises ValueError for a word that is no metric, function or keyword."""
    tokens = _TOKEN.findall(expression)
    metrics: dict[str, set[str]] = {}
    groups: set[str] = set()
    place = 0
    while place < len(tokens):
        token, after = tokens[place], tokens[place + 1 : place + 2]
        place += 1
        if not re.match(r"[A-Za-z_:]", token):
            continue
        if token in ("by", "without", "on", "ignoring"):
            end = tokens.index(")", place)
            groups |= {word for word in tokens[place:end] if word not in "(,"}
            place = end
        elif token in WORDS or (token in FUNCTIONS and after and after[0] in ("(", "by")):
            continue
        elif token == "up" or token.startswith("hunter_"):
            filters = metrics.setdefault(token, set())
            if after == ["{"]:
                end = tokens.index("}", place)
                inside = tokens[place + 1 : end]
                filters |= {
                    word for word, then in pairwise(inside) if re.fullmatch(r"=~?|!=|!~", then)
                }
                place = end
        else:
            raise ValueError(f"{token!r} in {expression!r}")
    return Named(metrics, groups)
