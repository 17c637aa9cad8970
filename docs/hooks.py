"""Puts parts of the repository's own documents into pages of the site: nothing stands twice.

    <!-- include: ARCHITECTURE.md from "## Decisions" to "## Faults" -->

Both ends are optional and name a heading; the end is not included. The title of a whole document is
left out, and its headings stay as they are. Called by mkdocs (see `hooks` in mkdocs.yml).
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).resolve().parents[1]
_INCLUDE: Final = re.compile(
    r'<!-- include: (?P<file>[\w./-]+)(?: from "(?P<start>[^"]+)")?(?: to "(?P<end>[^"]+)")? -->'
)
_LINK: Final = re.compile(r"\[([^\]]+)\]\((?!\w+:|#)([^)#\s]+)((?:#[^)]*)?)\)")


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """mkdocs' event: the page's text before it is rendered."""
    depth = page.file.src_uri.count("/")
    return _INCLUDE.sub(lambda found: included(found, depth), markdown)


def included(found: re.Match[str], depth: int) -> str:
    """The part that the comment names; a heading that is not there is an error."""
    text = (ROOT / found["file"]).read_text(encoding="utf-8")
    start = _place(text, found["start"], found["file"]) if found["start"] else 0
    end = _place(text, found["end"], found["file"]) if found["end"] else len(text)
    part = text[start:end]
    if not start:
        part = re.sub(r"\A# .*\n", "", part)
    return _LINK.sub(lambda link: _relinked(link, depth), part)


def _place(text: str, heading: str, name: str) -> int:
    found = re.search(rf"(?m)^{re.escape(heading)}", text)
    if found is None:
        raise ValueError(f'docs/hooks.py: {name} has no heading "{heading}"')
    return found.start()


def _relinked(link: re.Match[str], depth: int) -> str:
    """A link from the root of the repository as the page has to write it; to what is no page of
    the site, only its text."""
    text, target, anchor = link.groups()
    if not target.startswith("docs/"):
        return text
    return f"[{text}]({'../' * depth}{target.removeprefix('docs/')}{anchor})"
