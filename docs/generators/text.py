"""Markdown from the code's own words: tables, docstrings, what a type is called."""

from __future__ import annotations

import ast
import inspect
import textwrap
import types
import typing
from collections.abc import Sequence
from functools import cache
from typing import Annotated, Any, Literal, get_args, get_origin

import msgspec


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table; cells may hold anything but line ends."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(cell(text) for text in line) + " |" for line in lines) + "\n"


def cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def code(text: str) -> str:
    return f"`{text}`" if text else ""


def paragraphs(docstring: str | None) -> str:
    """A docstring as Markdown: indented blocks stay code."""
    return inspect.cleandoc(docstring or "").strip()


@cache
def field_words(kind: type) -> dict[str, str]:
    """Field -> the docstring that stands below it in the class."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(kind)))
    body = tree.body[0]
    assert isinstance(body, ast.ClassDef)
    found = {}
    for before, after in zip(body.body, body.body[1:], strict=False):
        if (
            isinstance(before, ast.AnnAssign)
            and isinstance(before.target, ast.Name)
            and isinstance(after, ast.Expr)
            and isinstance(after.value, ast.Constant)
            and isinstance(after.value.value, str)
        ):
            found[before.target.id] = " ".join(after.value.value.split())
    return found


def fields_of(kind: type) -> dict[str, Any]:
    """Field -> its type, with what `Annotated` adds."""
    return typing.get_type_hints(kind, include_extras=True)


def type_words(kind: Any) -> str:
    """What a JSON or TOML value of this type is called, with its limits."""
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is Annotated:
        limits = [limit for meta in arguments[1:] if (limit := _limits(meta))]
        return ", ".join([type_words(arguments[0]), *limits])
    if origin is Literal:
        return " or ".join(f'"{value}"' for value in arguments)
    if origin in (typing.Union, types.UnionType):
        return " or ".join(type_words(part) for part in arguments)
    if origin in (list, tuple):
        parts = [part for part in arguments if part is not Ellipsis]
        return f"list of {type_words(parts[0])}"
    if origin is dict:
        return f"object of {type_words(arguments[1])}"
    if inspect.isclass(kind) and issubclass(kind, msgspec.Struct):
        return f"[{kind.__name__}](#{kind.__name__.lower()})"
    names = {int: "integer", float: "number", str: "text", bool: "true or false"}
    return "null" if kind is type(None) else names.get(kind, str(kind))


def _limits(meta: Any) -> str:
    if not isinstance(meta, msgspec.Meta):
        return ""
    low = "" if meta.ge is None else f">= {meta.ge:,}"
    low = low if meta.gt is None else f"> {meta.gt:,}"
    high = "" if meta.le is None else f"<= {meta.le:,}"
    high = high if meta.lt is None else f"< {meta.lt:,}"
    return ", ".join(part for part in (low, high) if part)
