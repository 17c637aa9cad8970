"""The words of an error: a reader's, with a hint, and without what may be a secret."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any


def nearest(word: str, known: Sequence[str] | dict[str, Any]) -> str:
    import difflib  # only an error needs it, and it takes as long as all the rest of this module

    close = difflib.get_close_matches(word, list(known), n=1, cutoff=0.5)
    return f'; did you mean "{close[0]}"?' if close else f"; known: {', '.join(known)}"


def told(text: str) -> str:
    """What an error repeats of a text: nothing of an address, which may hold a password."""
    return "..." if "@" in text or "://" in text else text


def plain_reason(reason: str) -> str:
    """msgspec's sentence in a reader's words."""
    reason = reason.replace("`", "")
    names = {"int": "a whole number", "str": "a text", "bool": "true or false", "float": "a number"}
    names |= {"array": "a list", "object": "a table"}
    found = re.fullmatch(r"Expected (\w+), got (\w+)", reason)
    if found:
        return f"expected {names.get(found[1], found[1])}, got {names.get(found[2], found[2])}"
    return reason[0].lower() + reason[1:].replace("int ", "a whole number ")
