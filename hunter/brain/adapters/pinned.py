"""Model files that the user named, with their hash: the bytes that are hashed are the bytes used.

A file without its hash in the configuration, or with another, is a ConfigError that gives the right
one, so that whoever has looked at the file can write it down. `check_experts` is for the command
line, before anything is started; `read_pinned` for who loads a model.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Final

from hunter.brain.adapters.extras import expect
from hunter.config.plugins import FILE_KINDS, ExpertSpec, parse_expert
from hunter.errors import ConfigError

FILE_BYTES_MAX: Final = 256 << 20


def read_pinned(spec: ExpertSpec, base_dir: Path) -> bytes:
    """The file's content; `base_dir` (of the configuration) is what a relative path counts from."""
    path = base_dir / Path(spec.target).expanduser()
    try:
        with path.open("rb") as file:
            content = file.read(FILE_BYTES_MAX + 1)
    except OSError as error:
        why = error.strerror or error
        raise ConfigError(f"brain.experts: {path}: cannot be read: {why}") from error
    if len(content) > FILE_BYTES_MAX:
        raise ConfigError(f"brain.experts: {path}: larger than {FILE_BYTES_MAX >> 20} MB")
    found = hashlib.sha256(content).hexdigest()
    if found != spec.sha256:
        wrong = "is not the file that was named" if spec.sha256 else "is named without its hash"
        raise ConfigError(
            f'brain.experts: {path}: {wrong}; if you trust it as it is, write "'
            f'{spec.kind}:{spec.target}#{_fragment(spec, found)}"'
        )
    return content


def _fragment(spec: ExpertSpec, sha256: str) -> str:
    horizon = "" if spec.horizon_ms is None else f"&horizon_ms={spec.horizon_ms}"
    return f"sha256={sha256}{horizon}"


def check_experts(experts: tuple[str, ...], base_dir: Path) -> None:
    """ConfigError for the first file that is not there or not as it was named, or whose library is
    not installed. No code but hunter's is run."""
    for text in experts:
        spec = parse_expert(text)
        expect(spec.kind)
        if spec.kind in FILE_KINDS:
            read_pinned(spec, base_dir)
