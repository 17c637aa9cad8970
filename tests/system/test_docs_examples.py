"""The Python of the README and of the documentation runs as it stands there, against one demo whose
brain is the tutorial's own.

A block of ```python in docs/ says in a comment above it what becomes of it:

    <!-- runs -->                 a program that ends by itself
    <!-- runs: polars -->         the same, where that library is installed
    <!-- follows -->              one that prints until it is ended
    <!-- follows RUNTIME_DIR -->  the same, with an argument
    <!-- file: mybrain.py -->     a module beside hunter.toml
    <!-- not run: WHY -->         it needs what a demo has not

The README's blocks are told apart by what they hold: its plug-ins are run by test_readme_brain.py.
"""

from __future__ import annotations

import ast
import contextlib
import re
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

import pytest
from fakes.instance import HunterInstance, temporary_home, wait_until

pytestmark = pytest.mark.system

ROOT = Path(__file__).resolve().parents[2]
PAGES = [
    ROOT / "README.md",
    *sorted(path for path in (ROOT / "docs").rglob("*.md") if path.parent.name != "reference"),
]
LINES_WANTED = 2
_BLOCK = re.compile(r"(?ms)(?:^<!-- (?P<mark>[^\n]*?) -->\n)?^```python\n(?P<code>.*?)^```")
EAGER = ("brain.interval_ms=50", "brain.warm_ms=0", "brain.horizon_ms=100")


class Example(NamedTuple):
    where: str
    mark: str
    code: str


def examples(text: str, where: str) -> list[Example]:
    """Every block of Python with its mark, "" without one."""
    return [
        Example(f"{where}:{text[: found.start('code')].count(chr(10)) + 1}", *found.group(1, 2))
        for found in _BLOCK.finditer(text)
    ]


def marked(example: Example) -> Example:
    """With the mark that follows from what a block of the README holds."""
    if example.mark or not example.where.startswith("README"):
        return example
    if re.search(r"(?m)^class ", example.code):
        return example._replace(mark="not run: test_readme_brain.py does")
    return example._replace(mark="follows" if "follow=True" in example.code else "runs")


def all_examples() -> list[Example]:
    return [
        marked(Example(each.where, each.mark or "", each.code))
        for path in PAGES
        for each in examples(path.read_text("utf-8"), path.relative_to(ROOT).as_posix())
    ]


def of_kind(*kinds: str) -> list[Example]:
    return [each for each in all_examples() if each.mark.split(" ")[0] in kinds]


@pytest.fixture(scope="module")
def demo() -> Iterator[HunterInstance]:
    with temporary_home() as home:
        for example in of_kind("file:"):
            (home / example.mark.removeprefix("file: ")).write_text(example.code)
        instance = HunterInstance(home, (*EAGER, 'brain.kind="mybrain:Momentum"'), None)
        try:
            instance.start("--demo")
            # the ring has what the examples look for, and the brain has spoken
            wait_until("its signals", lambda: len(instance.signals()) >= LINES_WANTED)
            wait_until("a whole bar", lambda: len(instance.trades("BTC-USDT-SWAP")) > 60)
            yield instance
        finally:
            instance.stop()


@pytest.mark.parametrize("example", all_examples(), ids=lambda example: example.where)
def test_block_says_what_becomes_of_it(example: Example) -> None:
    assert re.fullmatch(
        r"runs(: \w+)?|follows( RUNTIME_DIR)?|file: \w+\.py|not run: .{5,}", example.mark
    ), "see the docstring of this file"
    ast.parse(example.code, example.where)


@pytest.mark.parametrize("example", of_kind("runs", "runs:"), ids=lambda example: example.where)
def test_example_runs_to_its_end(demo: HunterInstance, example: Example) -> None:
    library = example.mark.partition(": ")[2]
    if library and find_spec(library) is None:
        pytest.skip(f"needs {library}")
    done = subprocess.run(
        [sys.executable, "-c", example.code],
        cwd=demo.home,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()


@pytest.mark.parametrize("example", of_kind("follows"), ids=lambda example: example.where)
def test_example_goes_on_printing(demo: HunterInstance, example: Example) -> None:
    arguments = [str(demo.config.runtime_dir)] * example.mark.endswith("RUNTIME_DIR")
    process = subprocess.Popen(
        [sys.executable, "-u", "-c", example.code, *arguments],
        cwd=demo.home,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        assert process.stdout is not None
        lines = [process.stdout.readline() for _ in range(LINES_WANTED + 1)]
        assert process.poll() is None, "".join(lines)
        assert all(re.search(r"BTC|\d", line) for line in lines), lines
    finally:
        process.kill()
        process.wait()
        with contextlib.suppress(OSError):
            process.stdout.close()


def test_brain_of_the_tutorial_is_heard(demo: HunterInstance) -> None:
    assert {signal["model"] for signal in demo.signals()} == {"mybrain:Momentum"}
    assert "in shadow" not in demo.log("brain-0")


def test_blocks_are_found_with_their_marks() -> None:
    text = "a\n<!-- runs -->\n```python\nx = 1\n```\n\n```python\ny\n```\n```sh\nz\n```\n"
    found = examples(text, "docs/a.md")
    assert [(each.where, each.mark, each.code) for each in found] == [
        ("docs/a.md:4", "runs", "x = 1\n"),
        ("docs/a.md:8", None, "y\n"),
    ]
    assert marked(Example("README.md:1", "", "class A: ...\n")).mark.startswith("not run")
    assert marked(Example("README.md:1", "", "f(follow=True)\n")).mark == "follows"
    assert marked(Example("docs/a.md:1", "", "x\n")).mark == ""
