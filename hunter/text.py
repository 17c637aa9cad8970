"""Text that came from outside, made fit for one line of a log or of a screen.

A close reason or an error of the exchange (or of whoever speaks in its place) may hold line ends,
which would forge lines of the log, and escape sequences, which a terminal obeys. Pure; anybody may
call it. Where such text comes in is the place to do so.
"""

from __future__ import annotations


def printable(text: str) -> str:
    r"""The same text, with everything that is not to be seen written as `\x1b` or `\u202e`."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else _escaped(c) for c in text)


def _escaped(character: str) -> str:
    code = ord(character)
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
