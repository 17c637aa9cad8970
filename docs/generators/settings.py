"""docs/reference/configuration.md: the schema's keys with the words of hunter.toml."""

from __future__ import annotations

import re
from pathlib import Path

from docs.generators.text import code, fields_of, table, type_words
from hunter.config.schema import SECTIONS
from hunter.config.showing import toml_value

ROOT = Path(__file__).resolve().parents[2]
_HEAD = """# Configuration

`hunter.toml`: in the current folder, else the file that `$HUNTER_CONFIG` names, else the defaults;
`-c FILE` names one. A key that is not in the file has its default. Unknown keys are refused, with
file, line and the nearest known key, and exit code 78. Relative paths count from the folder of the
file.

    hunter config check                     # is it good?
    hunter config show                      # every key with the value in force
    hunter start --set stream.shards=2      # one key, for one run

There is no reload: a change holds from the next `hunter start` on. Where a key takes a place of a
secret it is `"env:NAME"` (a variable of the environment of `hunter start`) or `"file:PATH"` (a file
that only its owner can read); the secret itself is refused.
"""
# What both leave to the name; only what is not said elsewhere.
WORDS = {"store.tables": "which tables are written"}
_COMMENT = re.compile(r"# ?(?!\w+ = )(.*)")
_KEY = re.compile(r"(?:# )?(\w+) = ")


def page() -> str:
    told = comments()
    briefly = readme_words()
    parts = [_HEAD]
    for section, kind in SECTIONS.items():
        rows = []
        for key, its_type in fields_of(kind).items():
            name = f"{section}.{key}"
            default = getattr(kind(), key)
            words = told.get(name) or briefly.get(name) or WORDS.get(name, "")
            rows.append([code(name), type_words(its_type), code(toml_value(default)), words])
        parts += [f"## [{section}]\n", table(["key", "takes", "default", "meaning"], rows)]
    return "\n".join(parts)


def comments() -> dict[str, str]:
    """Key -> the comment above it in hunter.toml; keys that follow without one share it."""
    found: dict[str, str] = {}
    section, words, is_fresh = "", [], True
    for line in (ROOT / "hunter.toml").read_text(encoding="utf-8").splitlines():
        if line.startswith("["):
            section, words, is_fresh = line.strip("[]"), [], True
        elif section and (key := _KEY.match(line)):
            found[f"{section}.{key[1]}"] = " ".join(words) if is_fresh else ""
            words, is_fresh = [], False
        elif section and (text := _COMMENT.fullmatch(line)):
            words, is_fresh = [*words, text[1]], True
    return found


def readme_words() -> dict[str, str]:
    """Key -> the last cell of its row in the README's table, without links."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    rows = re.findall(r"(?m)^\| `(\w+\.\w+)` \|.*\| (.*) \|$", text)
    return {key: re.sub(r"\[([^]]+)\]\([^)]+\)", r"\1", words) for key, words in rows}
