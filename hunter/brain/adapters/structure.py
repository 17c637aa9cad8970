"""The state of a learning object as plain data, without pickle.

`capture` writes down the numbers that an object made by a known function holds, however deep;
`renew` puts them into another object that the same function has made. Nothing of the data says
which code is run: classes, functions and the shape come from the new object alone, and where the
data does not fit it, it is refused. So only what changes in its numbers can be kept: scalers,
linear models, counters. What grows new parts while it learns (a tree) is a StructureError.

A dictionary's order is kept, as sums go by it.
"""

from __future__ import annotations

from collections import deque
from typing import Any, Final

import numpy as np

_SCALARS: Final = (type(None), bool, int, float, str)
_FIXED: Final = ("function", "builtin_function_or_method", "type", "method", "frozenset")
"""Kinds that are part of the code; what they are the new object says."""
DEPTH_MAX: Final = 30


class StructureError(ValueError):
    """Something that is no plain data, or data that fits no such object."""


def capture(thing: Any) -> Any:
    """Plain data: scalars, lists, and dictionaries with str keys."""
    return _capture(thing, {}, "it", 0)


def _capture(thing: Any, seen: dict[int, int], path: str, depth: int) -> Any:
    if isinstance(thing, _SCALARS) and type(thing) in _SCALARS:
        return thing
    if depth > DEPTH_MAX:
        raise StructureError(f"{path} is too deep")
    if id(thing) in seen:
        return ["again", seen[id(thing)]]
    seen[id(thing)] = len(seen)
    kind = type(thing).__name__
    if kind in _FIXED:
        return ["fixed", kind]
    if isinstance(thing, np.ndarray):
        if thing.dtype.kind not in "fiub":
            raise StructureError(f"{path} is an array of {thing.dtype}")
        return ["array", thing.dtype.str, list(thing.shape), thing.tobytes()]
    if isinstance(thing, np.generic):
        return ["number", thing.dtype.str, thing.tobytes()]
    if _is_mapping(thing):
        pairs = [
            [_key(key, path), _capture(value, seen, f"{path}[{key!r}]", depth + 1)]
            for key, value in thing.items()
        ]
        return ["map", kind, pairs, _attributes(thing, seen, path, depth)]
    if isinstance(thing, (list, tuple, deque)):
        items = [_capture(item, seen, f"{path}[]", depth + 1) for item in thing]
        return ["items", kind, items]
    if hasattr(thing, "__dict__"):
        return ["object", kind, _attributes(thing, seen, path, depth)]
    raise StructureError(f"{path} is a {kind}, which is no plain data")


def _attributes(thing: Any, seen: dict[int, int], path: str, depth: int) -> list[Any]:
    return (
        [
            [name, _capture(value, seen, f"{path}.{name}", depth + 1)]
            for name, value in vars(thing).items()
        ]
        if hasattr(thing, "__dict__")
        else []
    )


def _is_mapping(thing: Any) -> bool:
    """A dict, or what river keeps its weights in, which is a dict written in another language."""
    return isinstance(thing, dict) or type(thing).__name__ == "VectorDict"


def _key(key: Any, path: str) -> Any:
    if type(key) not in _SCALARS:
        raise StructureError(f"{path} has a key of {type(key).__name__}")
    return key


def renew(thing: Any, data: Any) -> None:
    """Put what `capture` wrote of another object into this new one; StructureError when it does not
    fit, and then this one is spoilt.
    """
    _renew(thing, data, [], "it")


def _renew(thing: Any, data: Any, seen: list[Any], path: str) -> Any:
    """What is to stand where `thing` stands."""
    if isinstance(data, _SCALARS):
        return data
    kind, *rest = data
    if kind == "again":
        return seen[rest[0]]
    place = len(seen)
    seen.append(thing)
    if kind == "fixed":
        _expect(type(thing).__name__ == rest[0], path, rest[0])
        return thing
    if kind == "array":
        dtype, shape, raw = rest
        array = np.frombuffer(raw, dtype=np.dtype(dtype)).reshape(shape).copy()
        seen[place] = array
        return array
    if kind == "number":
        seen[place] = np.frombuffer(rest[1], dtype=np.dtype(rest[0]))[0]
        return seen[place]
    if kind == "items":
        return _renew_items(thing, rest, seen, path)
    _expect(type(thing).__name__ == rest[0], path, rest[0])
    if kind == "map":
        old = dict(thing.items())
        renewed = [
            (key, _renew(old.get(key), value, seen, f"{path}[{key!r}]")) for key, value in rest[1]
        ]
        thing.clear()
        for key, value in renewed:
            thing[key] = value
    else:
        _expect(kind == "object", path, str(kind))
    for name, value in rest[-1]:
        renewed_value = _renew(getattr(thing, name, None), value, seen, f"{path}.{name}")
        if renewed_value is not getattr(thing, name, None):
            setattr(thing, name, renewed_value)
    return thing


def _renew_items(thing: Any, rest: list[Any], seen: list[Any], path: str) -> Any:
    kind, items = rest
    place = len(seen) - 1
    _expect(type(thing).__name__ == kind or thing is None, path, kind)
    old = list(thing) if thing is not None else []
    old += [None] * (len(items) - len(old))
    renewed = [
        _renew(before, item, seen, f"{path}[]") for before, item in zip(old, items, strict=False)
    ]
    if isinstance(thing, (list, deque)):
        thing.clear()
        thing.extend(renewed)
        return thing
    made = tuple(renewed) if kind == "tuple" else renewed
    _expect(kind in ("tuple", "list"), path, kind)
    seen[place] = made
    return made


def _expect(fits: bool, path: str, what: str) -> None:
    if not fits:
        raise StructureError(f"{path} is no {what} in a new one: it grows parts as it learns")
