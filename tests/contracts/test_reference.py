"""docs/reference is what the code says, and says something of everything; the site's own parts."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from docs import generate, hooks
from docs.generators import codes, settings, shapes
from hunter.cli.main import COMMANDS
from hunter.config.schema import SECTIONS


def last_cells(text: str) -> dict[str, str]:
    """First cell -> last cell of each row of each table; a cell may hold an escaped bar."""
    rows = [re.split(r"(?<!\\)\|", line)[1:-1] for line in text.splitlines() if line[:1] == "|"]
    cells = [[cell.strip() for cell in row] for row in rows]
    return {row[0]: row[-1] for row in cells if set(row[0]) != {"-"}}


def test_reference_is_what_the_code_says() -> None:
    assert generate.stale() == [], "python docs/generate.py"


def test_page_that_was_changed_by_hand_is_stale(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in generate.PAGES:
        (tmp_path / name).write_text(generate.made(name), encoding="utf-8")
    monkeypatch.setattr(generate, "REFERENCE", tmp_path)
    assert generate.stale() == []
    (tmp_path / "cli.md").write_text("# by hand\n")
    (tmp_path / "old.md").write_text("# of a command that is gone\n")
    assert generate.stale() == ["cli.md", "old.md"]


@pytest.mark.parametrize(
    "name", ["configuration.md", "signals.md", "status.md", "metrics.md", "alerts.md"]
)
def test_everything_has_a_meaning(name: str) -> None:
    silent = [first for first, last in last_cells(generate.made(name)).items() if not last]
    assert silent == [], "give it a docstring, or a line in docs/generators/shapes.py WORDS"


def test_every_key_and_command_stands_in_its_page() -> None:
    keys = last_cells(generate.made("configuration.md"))
    wanted = {f"`{name}.{key}`" for name, kind in SECTIONS.items() for key in fields(kind)}
    assert wanted - keys.keys() == set()
    page = generate.made("cli.md")
    assert [name for name in COMMANDS if f"## hunter {name}\n" not in page] == []


def fields(kind: Any) -> tuple[str, ...]:
    names: tuple[str, ...] = kind.__struct_fields__
    return names


def test_comments_of_the_configuration_are_read_with_their_keys() -> None:
    told = settings.comments()
    assert told["okx.proxy"].startswith("http://[user:password@]host:port for WebSocket")
    assert told["okx.business_url"] == "", "it shares the comment of the key above it"


def test_exit_codes_are_read_from_the_help() -> None:
    found = codes.exit_codes()
    assert found["4"] == "no such actor, instrument or recording"
    assert {"0", "3", "5", "78", "130"} <= found.keys()


def test_words_are_of_fields_that_exist() -> None:
    """A meaning for a field that is gone, or that has a docstring now, is taken out."""
    known = generate.made("status.md") + generate.made("signals.md")
    unused = [key for key, words in shapes.WORDS.items() if f"| {words} |" not in known]
    assert unused == []


def test_part_of_a_document_is_put_into_a_page() -> None:
    asked = hooks._INCLUDE.search(
        '<!-- include: ARCHITECTURE.md from "## Faults" to "## Tests" -->'
    )
    assert asked is not None
    part = hooks.included(asked, 1)
    assert part.startswith("## Faults")
    assert "| X28 |" in part
    assert "## Tests" not in part
    gone = hooks._INCLUDE.search('<!-- include: ARCHITECTURE.md from "## No such heading" -->')
    assert gone is not None
    with pytest.raises(ValueError, match="no heading"):
        hooks.included(gone, 0)


def test_links_of_such_a_part_are_those_of_the_site() -> None:
    link = hooks._LINK.search("see [brain](docs/brain.md#worth) there")
    assert link is not None
    assert hooks._relinked(link, 1) == "[brain](../brain.md#worth)"
    link = hooks._LINK.search("[arch](ARCHITECTURE.md)")
    assert link is not None
    assert hooks._relinked(link, 1) == "arch"
    assert hooks._LINK.search("[a](https://example.org) [b](#here)") is None
