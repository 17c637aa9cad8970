"""The compiled half built with the address and undefined behaviour sanitizers, for the fuzzers.

Imports nothing of hunter: whoever wants the whole tree to work with this build has to put it in
place before.
"""

from __future__ import annotations

import importlib.machinery
import importlib.util
import os
import subprocess
import sys
import sysconfig
import tempfile
import tomllib
from pathlib import Path
from types import ModuleType

ROOT = Path(__file__).resolve().parents[2]
_LIBRARY_VARIABLE = "HUNTER_FUZZ_LIBRARY"
_FLAGS = (
    "-std=c11 -O1 -g -fPIC -shared -Wall -Wextra -fno-omit-frame-pointer"
    " -fsanitize=address,undefined -fno-sanitize-recover=all"
)


def _build(folder: Path) -> Path:
    """The extension as pyproject.toml has it, with sanitizers."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    (extension,) = project["tool"]["setuptools"]["ext-modules"]
    target = folder / f"_kernel{sysconfig.get_config_var('EXT_SUFFIX')}"
    include = f"-I{sysconfig.get_path('include')}"
    sources = [str(ROOT / name) for name in extension["sources"]]
    subprocess.run(
        ["gcc", *_FLAGS.split(), include, *sources, "-o", str(target), "-lm"], check=True
    )
    return target


def start_again() -> int:
    """This program once more, with the sanitizers before everything else, and each object in memory
    of its own; then `load` has something to load. Its exit code.
    """
    found = subprocess.run(
        ["gcc", "-print-file-name=libasan.so"], check=True, capture_output=True, text=True
    )
    with tempfile.TemporaryDirectory() as folder:
        environment = {
            **os.environ,
            _LIBRARY_VARIABLE: str(_build(Path(folder))),
            "LD_PRELOAD": found.stdout.strip(),
            "ASAN_OPTIONS": "detect_leaks=0:abort_on_error=1",
            "PYTHONMALLOC": "malloc",
            "HUNTER_NATIVE": "off",
        }
        return subprocess.run([sys.executable, *sys.argv], env=environment).returncode


def load() -> ModuleType | None:
    """The build; None before `start_again`."""
    library = os.environ.get(_LIBRARY_VARIABLE)
    if library is None:
        return None
    loader = importlib.machinery.ExtensionFileLoader("_kernel", library)
    spec = importlib.util.spec_from_loader("_kernel", loader)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    loader.exec_module(module)
    return module
