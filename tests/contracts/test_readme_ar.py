"""The Arabic README shows the same commands as the English one, and reads from right to left."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from hunter.cli.main import COMMANDS

_LTR = re.compile(r"(?ms)^```.*?^```|^ {4}\S.*?$")


@pytest.fixture(scope="module")
def arabic(root: Path) -> str:
    return (root / "README.ar.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def english(root: Path) -> str:
    return (root / "README.md").read_text(encoding="utf-8")


def commands(text: str) -> set[str]:
    """`make X` and `hunter X`, whatever folder stands before, without options."""
    found = re.findall(r"\b(make|hunter) ([a-z]+(?: (?:check|show|install))?)\b", code(text))
    return {" ".join(words) for words in found}


def code(text: str) -> str:
    """Blocks and spans of code."""
    blocks = re.findall(r"(?m)^ {4}(\S.*)$", text) + re.findall(r"(?ms)^```\w*\n(.*?)^```", text)
    spans = re.findall(r"`([^`\n]+)`", text) + re.findall(r"<code[^>]*>([^<]+)</code>", text)
    return "\n".join(blocks + spans)


def test_its_commands_are_those_of_the_english_one(arabic: str, english: str) -> None:
    told = commands(arabic)
    assert {"make demo", "make test", "hunter status", "hunter start", "hunter stop"} <= told
    assert told - commands(english) == set()
    assert {name.split()[1] for name in told if name.startswith("hunter")} <= set(COMMANDS)


def test_killing_is_shown_with_the_same_lines(arabic: str, english: str) -> None:
    (lines,) = re.findall(r"(?m)^( {4}\S*hunter start --demo -d\n(?: {4}.+\n)+)", english)
    assert lines in arabic


def test_it_is_written_from_right_to_left_and_its_code_is_not(arabic: str) -> None:
    """GitHub takes the direction of a <div dir>; code blocks stand between them."""
    assert arabic.startswith('<div dir="rtl">\n')
    assert arabic.count('<div dir="rtl">') == arabic.count("</div>")
    inside = re.findall(r'(?s)<div dir="rtl">(.*?)</div>', arabic)
    assert not [part for part in inside if _LTR.search(part)]
    outside = re.sub(r'(?s)<div dir="rtl">.*?</div>', "", arabic)
    assert not re.search(r"[\u0600-\u06ff]", outside)
    spans = re.findall(r"<code[^>]*>", arabic)
    assert set(spans) == {'<code dir="ltr">'}, "else the parts of a name change places"


def test_each_part_has_blank_lines_around_its_markdown(arabic: str) -> None:
    """Without them it is HTML to a reader of Markdown, and shown as it stands."""
    for line in ('<div dir="rtl">', "</div>"):
        assert f"{line}\n" in arabic
        assert not re.search(rf"\n{re.escape(line)}\n(?!\n|\Z)", arabic)
        assert not re.search(rf"[^\n]\n{re.escape(line)}\n", arabic)


def test_it_leads_to_the_english_one(arabic: str) -> None:
    assert "](README.md)" in arabic


def test_commands_are_found_in_blocks_and_spans() -> None:
    text = (
        "x\n\n    env/bin/hunter config check  # y\n\n`make demo` <code>hunter stop</code> make x"
    )
    assert commands(text) == {"hunter config check", "make demo", "hunter stop"}
