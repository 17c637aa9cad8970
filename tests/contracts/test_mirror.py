"""Every module has its test file at the same path, and every test file its module.

Coverage of a module should come from its own test; a module that only others' tests reach is a
module whose contract nobody wrote down.
"""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

# Modules without a test file of their own, and where they are tested instead.
WITHOUT_TEST = {
    "hunter/__init__.py": "the public names; test_exports looks at each",
    "hunter/__main__.py": "two lines; test_exports runs `python -m hunter`",
    "hunter/alerts/__main__.py": "puts an actor together; tests/system/test_alerts.py runs it",
    "hunter/brain/__main__.py": "puts an actor together; every test in tests/system runs it",
    "hunter/simulator/__main__.py": "puts an actor together; every test in tests/system runs it",
    "hunter/store/__main__.py": "puts an actor together; tests/system/test_store.py runs it",
    "hunter/stream/__main__.py": "puts an actor together; every test in tests/system runs it",
    "hunter/watchdog/__main__.py": "puts an actor together; every test in tests/system runs it",
    "hunter/web/__main__.py": "puts an actor together; test_web in tests/system runs it",
}


def holds_code(tree: ast.Module) -> bool:
    """Whether a module has more than declarations: constants, imports, classes without methods."""
    functions = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
    return any(isinstance(node, functions) for node in ast.walk(tree))


def test_file_of(name: str) -> str:
    path = Path(name)
    stem = "init" if path.stem == "__init__" else path.stem.strip("_")
    return (Path("tests") / path.parent / f"test_{stem}.py").as_posix()


test_file_of.__test__ = False  # type: ignore[attr-defined]


def untested(modules: dict[str, ast.Module], tests: set[str]) -> list[str]:
    return [
        name
        for name, tree in modules.items()
        if holds_code(tree) and test_file_of(name) not in tests and name not in WITHOUT_TEST
    ]


def orphans(modules: set[str], tests: set[str]) -> list[str]:
    """Test files under tests/hunter and tests/supervisor whose name begins with no module's."""
    found = []
    for test in tests:
        path = Path(test)
        folder = path.parent.relative_to("tests")
        stems = {Path(name).stem.strip("_") for name in modules if Path(name).parent == folder}
        stem = path.stem.removeprefix("test_")
        if not any(stem == own or stem.startswith(f"{own}_") for own in stems):
            found.append(test)
    return found


def is_mirror(name: str) -> bool:
    return name.startswith(("tests/hunter/", "tests/supervisor/")) and "/test_" in name


def test_every_module_has_its_test_file(
    package_sources: list[Any], test_sources: list[Any]
) -> None:
    modules = {source.name: source.tree for source in package_sources}
    tests = {source.name for source in test_sources if is_mirror(source.name)}
    assert tests
    assert untested(modules, tests) == []
    assert modules.keys() >= WITHOUT_TEST.keys(), "an exception for a module that is gone"


def test_every_test_file_has_its_module(
    package_sources: list[Any], test_sources: list[Any], root: Path
) -> None:
    modules = {source.name for source in package_sources}
    # A file of the compiled half is a module too.
    compiled = root.glob("hunter/native/*.c")
    modules |= {path.relative_to(root).with_suffix(".py").as_posix() for path in compiled}
    tests = {source.name for source in test_sources if is_mirror(source.name)}
    assert orphans(modules, tests) == []


def test_every_test_file_holds_a_test(test_sources: list[Any]) -> None:
    for source in test_sources:
        if Path(source.name).name.startswith("test_"):
            names = [getattr(node, "name", "") for node in ast.walk(source.tree)]
            has_machine = "TestCase" in source.text  # a hypothesis state machine
            assert has_machine or any(name.startswith("test_") for name in names), source.name


def test_untested_sees_a_module_with_code_and_no_test() -> None:
    code = ast.parse('"""What."""\nimport os\nX = 1\ndef f(): ...\n')
    plain = ast.parse('"""What."""\nimport os\nX = 1\nclass A:\n    b: int = 1\n')
    modules = {"hunter/a/b.py": code, "hunter/a/c.py": code, "hunter/a/__init__.py": plain}
    assert untested(modules, {"tests/hunter/a/test_b.py"}) == ["hunter/a/c.py"]


def test_orphans_sees_a_test_of_nothing() -> None:
    modules = {"hunter/a/b.py", "hunter/a/__main__.py"}
    tests = {"tests/hunter/a/test_b_properties.py", "tests/hunter/a/test_main.py"}
    assert orphans(modules, tests) == []
    assert orphans(modules, {"tests/hunter/a/test_bee.py"}) == ["tests/hunter/a/test_bee.py"]
