"""Whoever is woken by a sentence of `hunter status` finds it in docs/how-to/troubleshooting.md."""

from __future__ import annotations

from pathlib import Path

import pytest

from docs.generators import reasons
from docs.generators.reasons import Template, templates


def squeezed(text: str) -> str:
    return " ".join(text.split())


@pytest.fixture(scope="module")
def page(root: Path) -> str:
    return (root / "docs" / "how-to" / "troubleshooting.md").read_text(encoding="utf-8")


def missing(page: str, wanted: list[Template]) -> list[str]:
    """Templates of which a stable part stands nowhere in the page."""
    text = squeezed(page)
    return [
        f"{template.where}: {part!r}"
        for template in wanted
        for part in template.stable_words
        if squeezed(part) not in text
    ]


def test_every_sentence_of_a_status_has_its_place(page: str) -> None:
    assert missing(page, templates()) == []


def test_sentence_without_a_place_is_seen(page: str) -> None:
    found = templates()
    assert len(found) > 30
    for words in ("was killed and took every process", "is parked", "rows went by unread"):
        without = page.replace(words, "")
        assert missing(without, found), words
    assert missing(page, [Template("x.py:1", ("a sentence that nobody wrote down",))])


def test_docstrings_and_log_lines_are_no_sentences(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "some.py").write_text(
        'def told(name, log):\n    """Some docstring here."""\n'
        '    log.warning("a log line here")\n'
        '    return [f"{name} is told like this {name:.1f}", "and like that", "joint"]\n'
        'def other():\n    return "not of these functions"\n'
    )
    monkeypatch.setattr(reasons, "ROOT", tmp_path)
    monkeypatch.setattr(reasons, "SOURCES", {"some.py": ("told",)})
    assert [template.parts for template in templates()] == [
        ("is told like this",),
        ("and like that",),
    ]


def test_function_that_is_gone_is_no_silent_pass(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "some.py").write_text("def told(): ...\n")
    monkeypatch.setattr(reasons, "ROOT", tmp_path)
    monkeypatch.setattr(reasons, "SOURCES", {"some.py": ("was_told",)})
    with pytest.raises(LookupError, match="was_told"):
        templates()


def test_every_heading_is_a_sentence_of_the_code(page: str) -> None:
    """What hunter does not say any more is taken out of the page."""
    parts = [squeezed(part) for template in templates() for part in template.stable_words]
    titles = [line[4:].strip("` ") for line in page.splitlines() if line.startswith("### ")]
    assert titles
    forgotten = [title for title in titles if not any(part in title for part in parts)]
    assert set(forgotten) <= OTHER_TITLES, forgotten


# Made of more than one text, of which no part is long enough; or of OKX's own words.
OTHER_TITLES = {
    "INSTRUMENT is parked: CODE TEXT",
}
