"""What the code never does, whoever asks: each rule with a bad sample that it must catch.

What hunter does at run time about the same list is in tests/system/test_security.py.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

# These run what they read. multiprocessing: its pipes and queues are pickle.
MODULES_BANNED = {
    "cloudpickle", "dill", "joblib", "jsonpickle", "marshal", "multiprocessing", "pickle",
    "shelve", "telnetlib", "yaml",
}  # fmt: skip
CALLS_BANNED = {
    "eval", "exec", "compile", "__import__",
    "os.system", "os.popen", "tempfile.mktemp", "ssl._create_unverified_context",
}  # fmt: skip
NAMES_BANNED = {"ssl.CERT_NONE"}
METHODS_BANNED = {"recv_pyobj", "send_pyobj", "recv_serialized"}
# What somebody adds to make an error go away. shell: subprocess; allow_pickle: numpy.
SWITCHES_BANNED = {
    "shell": True, "allow_pickle": True, "verify": False, "check_hostname": False,
}  # fmt: skip


# What pickles there is what the ring is measured beside; it runs in an environment of its own.
MEASURED = "tests/benchmarks/ring_peers.py"


def _is_constant(node: ast.expr, value: bool) -> bool:
    return isinstance(node, ast.Constant) and node.value is value


def _imports(node: ast.AST) -> Iterator[str]:
    names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
    if isinstance(node, ast.ImportFrom):
        names = [node.module or ""]
        whole = [f"{node.module}.{alias.name}" for alias in node.names]
        # by its own name it would not be recognised where it is used
        yield from (name for name in whole if name in CALLS_BANNED | NAMES_BANNED)
    yield from (name for name in names if name.split(".")[0] in MODULES_BANNED)


def _calls(node: ast.Call) -> Iterator[str]:
    called = ast.unparse(node.func)
    if called in CALLS_BANNED or called.rsplit(".", 1)[-1] in METHODS_BANNED:
        yield called
    if called in ("numpy.load", "np.load") and not any(
        keyword.arg == "allow_pickle" for keyword in node.keywords
    ):
        yield f"{called} without allow_pickle=False"
    for keyword in node.keywords:
        if keyword.arg in SWITCHES_BANNED and _is_constant(
            keyword.value, SWITCHES_BANNED[keyword.arg]
        ):
            yield f"{keyword.arg}={ast.unparse(keyword.value)}"


def dangers(tree: ast.Module) -> list[str]:
    """`line: what` of everything that runs, trusts or opens too much."""
    found = []
    for node in ast.walk(tree):
        what = list(_imports(node))
        if isinstance(node, ast.Call):
            what += _calls(node)
        elif isinstance(node, ast.Attribute) and f"ssl.{node.attr}" in NAMES_BANNED:
            what.append(node.attr)
        elif isinstance(node, ast.Assign):
            target = ast.unparse(node.targets[0]).rsplit(".", 1)[-1]
            if target in SWITCHES_BANNED and _is_constant(node.value, SWITCHES_BANNED[target]):
                what.append(f"{target} = {ast.unparse(node.value)}")
        line = getattr(node, "lineno", 0)
        found += [f"{line}: {item}" for item in what]
    return found


def test_code_runs_nothing_it_reads_and_verifies_what_it_connects_to(
    package_sources: list[Any], test_sources: list[Any]
) -> None:
    found = [
        f"{source.name}:{danger}"
        for source in package_sources + test_sources
        for danger in dangers(source.tree)
        if source.name != MEASURED or not danger.endswith(": multiprocessing")
    ]
    assert found == []


@pytest.mark.parametrize(
    "bad",
    [
        "import pickle",
        "from pickle import loads",
        "import multiprocessing.shared_memory",
        "import yaml",
        "eval(text)",
        "exec(text)",
        "os.system('ls')",
        "tempfile.mktemp()",
        "socket.recv_pyobj()",
        "subprocess.run(text, shell=True)",
        "numpy.load(path)",
        "numpy.load(path, allow_pickle=True)",
        "ssl._create_unverified_context()",
        "context.verify_mode = ssl.CERT_NONE",
        "context.check_hostname = False",
        "get(url, verify=False)",
        "from os import system",
        "from os import path, popen as ask",
        "from tempfile import mktemp",
        "from ssl import CERT_NONE",
        "from ssl import _create_unverified_context as context",
    ],
)
def test_each_danger_is_seen(bad: str) -> None:
    assert dangers(ast.parse(bad))


def test_harmless_relatives_of_dangers_are_allowed() -> None:
    text = (
        "numpy.load(path, allow_pickle=False)\nre.compile(text)\nsubprocess.run(words)\n"
        "context.check_hostname = True\nself._loads(text)\n"
        "from os import path\nfrom tempfile import mkdtemp\nfrom ssl import CERT_REQUIRED\n"
    )
    assert dangers(ast.parse(text)) == []


def texts(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Every text in the code with its line, docstrings too: their examples are read by people."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.lineno, node.value


def open_doors(tree: ast.Module) -> list[str]:
    """Addresses that others than this user on this host can reach."""
    # The wildcard addresses; ZeroMQ over tcp; and names in the abstract space, which have no mode.
    wide = re.compile(r"^(0\.0\.0\.0|::)$|^tcp://|^ipc://@|0\.0\.0\.0:")
    found = [f"{line}: {text}" for line, text in texts(tree) if wide.search(text)]
    return found + [f"{node.lineno}: {ast.unparse(node)}" for node in _unnamed_hosts(tree)]


LISTENERS = {"bind", "create_server", "serve", "start_server"}


def _unnamed_hosts(tree: ast.Module) -> Iterator[ast.Call]:
    """Calls that listen at the host "", or None, which is all of them."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        if ast.unparse(node.func).rsplit(".", 1)[-1] not in LISTENERS:
            continue
        given = [*node.args, *(each.value for each in node.keywords if each.arg == "host")]
        given += [each.elts[0] for each in given if isinstance(each, ast.Tuple) and each.elts]
        if any(isinstance(each, ast.Constant) and each.value in ("", None) for each in given):
            yield node


def test_nothing_listens_beyond_this_host(package_sources: list[Any]) -> None:
    found = [
        f"{source.name}:{door}" for source in package_sources for door in open_doors(source.tree)
    ]
    assert found == []


@pytest.mark.parametrize(
    "bad",
    [
        "bind('0.0.0.0')",
        "bind('::')",
        "bind('tcp://127.0.0.1:1')",
        "bind('ipc://@hunter')",
        "bind(('', 80))",
        "socket.create_server(('', port))",
        "loop.create_server(factory, host=None, port=80)",
        "asyncio.start_server(client, '', 80)",
    ],
)
def test_each_open_door_is_seen(bad: str) -> None:
    assert open_doors(ast.parse(bad))


def test_door_of_this_host_alone_is_none() -> None:
    assert open_doors(ast.parse("bind(('127.0.0.1', 80))\nsay('', 80)\nbind(path)")) == []


def test_installation_takes_only_what_the_lock_has_the_hash_of(root: Path) -> None:
    text = (root / "Makefile").read_text(encoding="utf-8")
    installs = re.findall(r"\$\(PIP\) install (.*)", text)
    locked = [line for line in installs if "-r requirements/" in line]
    assert locked
    assert all("--require-hashes" in line and "--no-deps" in line for line in locked)
    # The checkout itself, built with the backend that the lock has brought.
    own = [line for line in installs if "--editable" in line]
    assert all("--no-deps" in line and "--no-build-isolation" in line for line in own)
    # Whoever resolves anew needs a resolver; nobody else does.
    assert set(installs) - set(locked) - set(own) == {"uv"}


def test_every_line_of_a_lock_is_a_pin_a_hash_or_a_comment(root: Path) -> None:
    for path in sorted((root / "requirements").glob("*.lock")):
        for line in path.read_text(encoding="utf-8").splitlines():
            assert re.fullmatch(
                r"\s*#.*|\s*|[a-z0-9][a-z0-9._-]*==[^\s;]+( ; .+)? \\"
                r"|    --hash=sha256:[0-9a-f]{64}( \\)?",
                line,
            ), f"{path.name}: {line}"
