"""The house rules that a program can check, each with a bad sample that it must catch.

Lists of exceptions are short, named and say why. A rule that is wrong is changed here, not worked
around.
"""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

FUNCTION_LINES_MAX = 70
FILE_LINES_MAX = 500
PARAMETERS_MAX = 6

# Where everything is caught once: the outermost loop of a process, and the edge to foreign code.
BROAD_EXCEPT_ALLOWED = {
    "hunter/brain/plugins/plugin.py": "a user's brain may raise anything; it is counted",
    "hunter/runtime/runner.py": "an actor's crash is logged with its traceback before it exits",
    "supervisor/runner.py": "an observer's bug must not end the supervision of live children",
}

# The only names that two classes share, and the files of these classes.
WIRE_FORMS = {"hunter/bus/messages.py", "supervisor/commands.py"}
TWICE_ALLOWED = {
    # The bus carries the supervisor's own commands, and hunter.system turns one into the other.
    "Answer": WIRE_FORMS,
    "Describe": WIRE_FORMS,
    "StopAll": WIRE_FORMS,
}

# Tests of whole systems wait for other processes; every other test moves a fake clock.
SLEEP_ALLOWED = (
    "tests/system/",
    "tests/soak/",
    "tests/benchmarks/",
    "tests/torture/",
    "tests/fakes/instance.py",  # starts and awaits whole systems for the folders above
    "tests/fakes/audit.py",  # the same, with an exchange to compare with
)

# A name says what a thing is, not how good its author thinks it is.
RANKING_WORDS = {
    "advanced", "awesome", "enhanced", "god", "improved", "master", "mega", "smart", "super",
    "ultimate", "ultra", "v2", "v3",
}  # fmt: skip
RANKING_ALLOWED = {"ENHANCED_LIQUIDITY": "OKX's own name for a kind of order"}

SKIPPED_FOLDERS = {"data", "build", "dist", "htmlcov", "__pycache__"}
TEXT_SUFFIXES = {"", ".py", ".md", ".toml", ".lock", ".typed", ".json", ".txt", ".cfg", ".yml"}


def functions(tree: ast.Module) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def function_lines(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Lines from `def` to the end, without the docstring's."""
    assert node.end_lineno is not None
    count = node.end_lineno - node.lineno + 1
    first = node.body[0]
    if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant):
        assert first.end_lineno is not None
        count -= first.end_lineno - first.lineno + 1
    return count


def long_functions(tree: ast.Module) -> list[str]:
    return [node.name for node in functions(tree) if function_lines(node) > FUNCTION_LINES_MAX]


def wide_functions(tree: ast.Module) -> list[str]:
    found = []
    for node in functions(tree):
        if any(".command(" in ast.unparse(decorator) for decorator in node.decorator_list):
            continue  # click hands every option of a command over as a parameter of its own
        arguments = node.args
        named = arguments.posonlyargs + arguments.args + arguments.kwonlyargs
        names = [argument.arg for argument in named if argument.arg not in ("self", "cls")]
        count = len(names) + (arguments.vararg is not None) + (arguments.kwarg is not None)
        if count > PARAMETERS_MAX:
            found.append(node.name)
    return found


def broad_excepts(tree: ast.Module) -> list[int]:
    """Lines that catch everything: bare, Exception or BaseException, by except or by suppress."""
    broad = ("Exception", "BaseException")

    def names_broad(node: ast.expr | None) -> bool:
        parts = node.elts if isinstance(node, ast.Tuple) else [node]
        return any(part is None or ast.unparse(part) in broad for part in parts)

    lines = []
    for node in ast.walk(tree):
        if isinstance(node, ast.ExceptHandler) and names_broad(node.type):
            lines.append(node.lineno)
        if isinstance(node, ast.Call) and ast.unparse(node.func).endswith("suppress"):
            lines += [node.lineno for argument in node.args if names_broad(argument)]
    return lines


def sleeps(tree: ast.Module) -> list[int]:
    calls = (node for node in ast.walk(tree) if isinstance(node, ast.Call))
    banned = ("time.sleep", "sleep", "sleep_s", "clock.sleep_s")
    return [call.lineno for call in calls if ast.unparse(call.func) in banned]


def classes_of_one_name(sources: list[Any]) -> dict[str, list[str]]:
    """Names of several classes, and the files these are in."""
    places: dict[str, list[str]] = defaultdict(list)
    for source in sources:
        for node in ast.walk(source.tree):
            if isinstance(node, ast.ClassDef):
                places[node.name].append(source.name)
    return {name: found for name, found in places.items() if len(found) > 1}


def words(name: str) -> set[str]:
    """`GodMode_v2` -> god, mode, v2."""
    return {word.lower() for word in re.findall(r"[A-Z]?[a-z]+\d*|[A-Z]+(?![a-z])\d*|\d+", name)}


def ranking_names(tree: ast.Module) -> set[str]:
    defined: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.alias) and node.asname:
            defined.add(node.asname)
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            defined.add(node.name)
        elif isinstance(node, ast.arg):
            defined.add(node.arg)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            defined.add(node.id)
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            defined.add(node.attr)
    return {name for name in defined if words(name) & RANKING_WORDS} - RANKING_ALLOWED.keys()


def leftovers(text: str) -> list[int]:
    """Lines with a note to oneself: such a note is an issue, or nothing."""
    pattern = re.compile(
        r"\b(" + "|".join(("FIX" + "ME", "TO" + "DO", "XX" + "X", "HA" + "CK")) + r")\b"
    )
    return [number for number, line in enumerate(text.splitlines(), 1) if pattern.search(line)]


def foreign_places(text: str) -> list[str]:
    """Paths of one machine, and names of package hosts: neither belongs in a checkout."""
    slash = "/"
    folders = "|".join(("work", "root", "home/[a-z]+", "opt", "Users", "tmp/brief"))
    hosts = "|".join(("pypi" + r"\.org", "python" + r"hosted\.", "npm" + r"js\."))
    return re.findall(rf"(?<![\w.~}}{slash}]){slash}(?:{folders}){slash}\S*|(?:{hosts})\S*", text)


def tracked_files(root: Path) -> Iterator[Path]:
    """What a clone holds, told without git: all but hidden folders (.ci is none) and products."""
    for path in sorted(root.iterdir()):
        if path.is_dir():
            if path.name in SKIPPED_FOLDERS or (path.name.startswith(".") and path.name != ".ci"):
                continue
            for inner in sorted(path.rglob("*")):
                parts = inner.relative_to(root).parts
                if inner.is_file() and "__pycache__" not in parts:
                    yield inner
        elif not path.name.startswith(".coverage"):
            yield path


def text_of(path: Path) -> str | None:
    if path.suffix not in TEXT_SUFFIXES:
        return None
    return path.read_text(encoding="utf-8")


def offenders(found: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in found.items() if value}


def test_functions_are_short(package_sources: list[Any]) -> None:
    assert not offenders({source.name: long_functions(source.tree) for source in package_sources})


def test_long_functions_sees_one_line_too_many_and_forgives_docstrings() -> None:
    body = "\n".join("    x = 1" for _ in range(FUNCTION_LINES_MAX - 1))
    docstring = '    """one\n    two\n    """\n'
    fits, too_long = f"def fits():\n{docstring}{body}\n", f"def long():\n{body}\n    y = 1\n"
    assert long_functions(ast.parse(fits + too_long)) == ["long"]


def test_files_are_short(package_sources: list[Any], test_sources: list[Any]) -> None:
    counts = {source.name: len(source.text.splitlines()) for source in package_sources}
    counts |= {source.name: len(source.text.splitlines()) for source in test_sources}
    assert counts
    assert not {name: count for name, count in counts.items() if count > FILE_LINES_MAX}


def test_functions_take_few_parameters(package_sources: list[Any]) -> None:
    assert not offenders({source.name: wide_functions(source.tree) for source in package_sources})


def test_wide_functions_counts_every_kind_but_not_self() -> None:
    fits = "class A:\n    def fits(self, a, b, /, c, *, d, e, f): ...\n"
    wide = "async def wide(a, b, c, *args, d, e, **kwargs): ...\n"
    command = "@click.command()\ndef start(a, b, c, d, e, f, g): ...\n"
    assert wide_functions(ast.parse(fits + wide + command)) == ["wide"]


def test_class_names_are_unique(package_sources: list[Any]) -> None:
    twice = classes_of_one_name(package_sources)
    allowed = {name for name, files in TWICE_ALLOWED.items() if set(twice.get(name, ())) == files}
    assert not {name: files for name, files in twice.items() if name not in allowed}


def test_classes_of_one_name_sees_a_second_definition(package_sources: list[Any]) -> None:
    assert classes_of_one_name(package_sources * 2)["HunterError"] == ["hunter/errors.py"] * 2


def test_errors_are_caught_by_name(package_sources: list[Any]) -> None:
    found = {
        source.name: broad_excepts(source.tree)
        for source in package_sources
        if source.name not in BROAD_EXCEPT_ALLOWED
    }
    assert not offenders(found)


def test_broad_excepts_sees_each_form() -> None:
    forms = ("except:", "except Exception:", "except (ValueError, BaseException) as error:")
    for form in forms:
        assert broad_excepts(ast.parse(f"try:\n    f()\n{form}\n    pass\n")) == [3]
    assert broad_excepts(ast.parse("with contextlib.suppress(Exception):\n    f()\n")) == [1]
    assert not broad_excepts(ast.parse("try:\n    f()\nexcept OSError:\n    pass\n"))


def test_tests_do_not_sleep(test_sources: list[Any]) -> None:
    found = {
        source.name: sleeps(source.tree)
        for source in test_sources
        if not source.name.startswith(SLEEP_ALLOWED)
    }
    assert not offenders(found)


def test_sleeps_sees_each_form() -> None:
    assert sleeps(ast.parse("import time\ntime.sleep(1)\nsleep(1)\nclock.sleep_s(1)")) == [2, 3, 4]


def test_names_do_not_rank(package_sources: list[Any], test_sources: list[Any]) -> None:
    sources = package_sources + test_sources
    assert not offenders({source.name: ranking_names(source.tree) for source in sources})
    assert not [source.name for source in sources if words(Path(source.name).stem) & RANKING_WORDS]


def test_ranking_names_sees_each_place() -> None:
    bad = "class GodMode: ...\ndef ultra_fast(smart): ...\nrules_v2 = 1\nself.master = 1\n"
    found = ranking_names(ast.parse(bad + "import a as super_a\nsupervisor = 1\n"))
    assert found == {"GodMode", "ultra_fast", "smart", "rules_v2", "master", "super_a"}


def test_modules_say_what_they_own(package_sources: list[Any]) -> None:
    bare = [source.name for source in package_sources if source.text.strip()
            and ast.get_docstring(source.tree) is None]  # fmt: skip
    assert not bare


def test_no_note_to_oneself_is_left(root: Path) -> None:
    found = {}
    for path in tracked_files(root):
        text = text_of(path)
        if text is not None and path.suffix != ".lock":
            found[path.relative_to(root).as_posix()] = leftovers(text)
    assert "hunter/errors.py" in found
    assert not offenders(found)


def test_leftovers_sees_a_note() -> None:
    assert leftovers("a\n# " + "TO" + "DO: later\nmethod\n") == [2]


def test_no_machine_or_package_host_is_named(root: Path) -> None:
    found = {}
    for path in tracked_files(root):
        text = text_of(path)
        if text is not None:
            found[path.relative_to(root).as_posix()] = foreign_places(text)
    assert {"Makefile", ".ci/run", "requirements/dev.lock", "hunter/errors.py"} <= found.keys()
    assert not offenders(found)


def test_foreign_places_sees_paths_and_hosts() -> None:
    bad = (
        "/ro" + "ot/x.py",
        "see /wo" + "rk/main",
        "https://py" + "pi.org/simple",
        "/ho" + "me/me/x",
    )
    for text in bad:
        assert foreign_places(text), text
    for text in (
        "/tmp/hunter-1000/default",
        "/dev/shm",
        "/proc/1/root/",
        "../data",
        "network/work",
    ):
        assert not foreign_places(text), text


def test_comments_do_not_decorate(package_sources: list[Any]) -> None:
    """No banners, no emojis: a heading is a smaller file."""
    found = {}
    for source in package_sources:
        lines = io.StringIO(source.text).readline
        tokens = tokenize.generate_tokens(lines)
        found[source.name] = [token.start[0] for token in tokens if is_decoration(token)]
    assert not offenders(found)


def is_decoration(token: tokenize.TokenInfo) -> bool:
    if token.type != tokenize.COMMENT:
        return False
    text = token.string.lstrip("# ")
    return bool(re.fullmatch(r"[-=#*~_ ]{4,}", text)) or any(ord(char) >= 0x2190 for char in text)


def test_is_decoration_sees_banners_and_emojis() -> None:
    def comment(text: str) -> tokenize.TokenInfo:
        return next(tokenize.generate_tokens(io.StringIO(text).readline))

    assert is_decoration(comment("# ========"))
    assert is_decoration(comment("# done " + chr(0x1F600)))
    assert not is_decoration(comment("# why: see RFC 6455, section 5.5.2 -- a ping"))
