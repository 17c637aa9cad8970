"""How plug-ins are named in a configuration: `brain.kind` and the entries of `brain.experts`.

Only spelling, and what installed packages offer under a name: nothing is imported, no file is
read. Called by `checks` and by the loader of brains.

    lightgbm:models/btc.txt#sha256=HEX      a model in a file (also onnx:, sklearn:)
    river:my_module:factory                 an online model that a function of the user's makes
    my_module:MyExpert                      a class of the user's
    some-name                               what an installed package calls so

Each may end in `horizon_ms=N` after the `#`, with `&` between two: it then votes at that horizon
alone.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final, NamedTuple

from hunter.config.wording import nearest, told
from hunter.errors import ConfigError

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

BRAINS: Final = "hunter.brains"
EXPERTS: Final = "hunter.experts"
"""Groups of entry points."""

EXPERTS_MAX: Final = 16
FILE_KINDS: Final = ("lightgbm", "onnx", "sklearn")
OPTIONS: Final = ("sha256", "horizon_ms")
_CLASS: Final = re.compile(r"[\w.]+:\w+")


class ExpertSpec(NamedTuple):
    """One entry of `brain.experts`, taken apart. `kind`: lightgbm, onnx, sklearn, river, class or
    installed; `target`: a path as written, `module:name`, or the name of an entry point."""

    text: str
    kind: str
    target: str
    sha256: str = ""
    horizon_ms: int | None = None

    @property
    def name(self) -> str:
        """What it is called in weights and reasons: the entry without its hash."""
        head = self.text.partition("#")[0]
        return head if self.horizon_ms is None else f"{head}@{self.horizon_ms}"


def installed(group: str) -> Mapping[str, EntryPoint]:
    """What installed packages offer in a group, by name."""
    from importlib.metadata import entry_points  # slower than all the rest of a configuration

    return {point.name: point for point in sorted(entry_points(group=group))}


def kind_fault(kind: str) -> str:
    """Why this is no `brain.kind`; "" if it may be one."""
    if kind == "flow" or _CLASS.fullmatch(kind):
        return ""
    return _unknown(kind, "brain", 'write "flow" or "module:Class"', BRAINS)


def _unknown(name: str, what: str, known: str, group: str) -> str:
    """Why a name that stands for itself is none; "" if a package offers it."""
    offered = installed(group)
    if name in offered:
        return ""
    near = nearest(name, tuple(offered)) if offered else "; none is installed"
    return f'"{told(name)}" is no {what}; {known}, or the name of an installed one{near}'


def parse_expert(text: str) -> ExpertSpec:
    """Take an entry apart. ConfigError says what is wrong with it, without its place."""
    head, _, tail = text.partition("#")
    options = _options(text, tail)
    kind, _, target = head.partition(":")
    horizon_ms = _horizon(text, options.get("horizon_ms"))
    if kind in FILE_KINDS:
        sha256 = options.get("sha256", "").lower()
        if not target:
            raise ConfigError(f'"{told(text)}" names no file; write "{kind}:PATH#sha256=HEX"')
        if sha256 and not re.fullmatch(r"[0-9a-f]{64}", sha256):
            raise ConfigError(f'"{told(text)}": sha256 takes 64 hexadecimal digits')
        return ExpertSpec(text, kind, target, sha256, horizon_ms)
    if "sha256" in options:
        raise ConfigError(f'"{told(text)}": only a file has a sha256')
    if kind == "river":
        if not _CLASS.fullmatch(target):
            raise ConfigError(f'"{told(text)}" is no river model; write "river:module:factory"')
        return ExpertSpec(text, kind, target, "", horizon_ms)
    if _CLASS.fullmatch(head):
        return ExpertSpec(text, "class", head, "", horizon_ms)
    ways = f'write "module:Class", "river:module:factory", {", ".join(FILE_KINDS)}:PATH#sha256=HEX'
    if fault := _unknown(head, "expert", ways, EXPERTS):
        raise ConfigError(fault)
    return ExpertSpec(text, "installed", head, "", horizon_ms)


def _options(text: str, tail: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for part in tail.split("&") if tail else ():
        key, equals, value = part.partition("=")
        if key not in OPTIONS or not equals or key in found:
            near = nearest(key, OPTIONS)
            raise ConfigError(
                f'"{told(text)}": after the # come sha256=HEX and horizon_ms=N, not'
                f' "{told(part)}"{near}'
            )
        found[key] = value
    return found


def _horizon(text: str, value: str | None) -> int | None:
    if value is None:
        return None
    if not re.fullmatch(r"[1-9]\d{2,5}", value):
        raise ConfigError(f'"{told(text)}": horizon_ms takes a number from 100 to 600000')
    return int(value)


def experts_fault(texts: tuple[str, ...]) -> str:
    """What is wrong with the list `brain.experts`; "" if nothing is."""
    if len(texts) > EXPERTS_MAX:
        return f"{len(texts)} experts; at most {EXPERTS_MAX}"
    seen = set()
    for text in texts:
        try:
            spec = parse_expert(text)
        except ConfigError as error:
            return str(error)
        if spec.name in seen:
            return f'"{told(spec.name)}" is named twice'
        seen.add(spec.name)
    return ""
