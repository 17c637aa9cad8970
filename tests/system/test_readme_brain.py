"""The README's own plug-ins run: each block of Python that defines one is put into a module beside
a configuration, as a reader would, and is heard in a live demo.
"""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest
from fakes.instance import HunterInstance, wait_until

pytestmark = pytest.mark.system

README = Path(__file__).resolve().parents[2] / "README.md"
LINES_MAX = 15
EAGER = ("brain.interval_ms=50", "brain.warm_ms=0", "brain.horizon_ms=100")


def blocks(text: str, method: str) -> dict[str, str]:
    """Class name -> code of the blocks that define a class with this method."""
    found = {}
    for code in re.findall(r"(?ms)^```python\n(.*?)^```", text):
        for node in ast.parse(code).body:
            if isinstance(node, ast.ClassDef):
                methods = {item.name for item in node.body if isinstance(item, ast.FunctionDef)}
                if method in methods:
                    found[node.name] = code
    return found


def test_blocks_sees_classes_by_their_methods() -> None:
    text = "a\n```python\nclass A:\n    def decide(self): ...\n```\n```python\nx = 1\n```\n"
    assert blocks(text, "decide") == {"A": "class A:\n    def decide(self): ...\n"}
    assert blocks(text, "predict") == {}


def test_plugins_of_the_readme_run_as_they_stand_there(home: Path) -> None:
    text = README.read_text(encoding="utf-8")
    ((brain, code),) = blocks(text, "decide").items()
    assert len([line for line in code.splitlines() if line]) <= LINES_MAX
    named = re.search(rf'brain\.kind = "(\w+):{brain}"', text)
    assert named, "the README says how it is configured"
    (home / f"{named[1]}.py").write_text(code)
    instance = HunterInstance(home, (*EAGER, f'brain.kind="{named[1]}:{brain}"'), None)
    try:
        instance.start("--demo")
        wait_until("its signals", lambda: instance.signals())
        assert {signal["model"] for signal in instance.signals()} == {f"{named[1]}:{brain}"}
        assert "failed" not in instance.log("brain-0")
        assert "in shadow" not in instance.log("brain-0")
    finally:
        instance.stop()


def test_experts_of_the_readme_vote_as_they_stand_there(home: Path) -> None:
    text = README.read_text(encoding="utf-8")
    experts = blocks(text, "predict")
    if not experts:
        pytest.skip("the README shows no expert")
    ((expert, code),) = experts.items()
    named = re.search(rf'brain\.experts = \["(\w+):{expert}"', text)
    assert named, "the README says how it is configured"
    (home / f"{named[1]}.py").write_text(code)
    instance = HunterInstance(home, (*EAGER, f'brain.experts=["{named[1]}:{expert}"]'), None)
    try:
        instance.start("--demo")
        name = f"{named[1]}:{expert}"
        wait_until("its weight", lambda: any(name in s["experts"] for s in instance.signals()))
        assert "in shadow" not in instance.log("brain-0")
    finally:
        instance.stop()
