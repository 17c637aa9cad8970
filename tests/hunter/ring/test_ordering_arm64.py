"""The order of loads and stores that the compiled half asks a processor for: looked up in what the
compilers make of it. No machine that reorders is needed; none is a substitute for one, either.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sysconfig
from pathlib import Path

import pytest

NATIVE = Path(__file__).resolve().parents[3] / "hunter" / "native"
HEADERS = Path(sysconfig.get_paths()["include"])
ARM64 = "aarch64-linux-gnu-gcc"
X86_64 = "gcc"


def assembly(compiler: str, name: str, *further: str) -> str:
    """Of one file of the compiled half; skips where it cannot be made."""
    if shutil.which(compiler) is None:
        pytest.skip(f"{compiler} is not here")
    if not (HEADERS / "Python.h").exists():
        pytest.skip("the headers of Python are not here")
    options = ["-std=c11", "-O3", f"-I{HEADERS}", "-S", *further]
    made = subprocess.run(
        [compiler, *options, str(NATIVE / name), "-o", "-"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    if made.returncode and "pyconfig" in made.stderr:
        pytest.skip("the headers of Python are of another machine")
    assert not made.returncode, made.stderr
    return made.stdout


def function(text: str, name: str) -> str:
    """A function's instructions, and those of the parts that the compiler has put elsewhere."""
    found = re.findall(rf"(?ms)^({name}(?:\.\w+\.\d+)?:\n.*?)^\t\.size\t", text)
    assert found, name
    return "\n".join(found)


@pytest.fixture(scope="module")
def ring() -> str:
    return assembly(ARM64, "ring.c")


@pytest.fixture(scope="module")
def reader() -> str:
    return assembly(ARM64, "reader.c")


def test_heads_are_stored_with_release(ring: str) -> None:
    publish = function(ring, "hn_lanes_publish")
    assert publish.count("\tstlr\t") >= 2, "heads, then arrival heads"
    assert "\tldar\t" in publish, "the epoch"


def test_nothing_is_stored_to_a_row_before_its_intent(ring: str) -> None:
    claim = function(ring, "hn_lanes_claim")
    intent = re.search(r"\tstr\tx\d+, \[x\d+\]\n\tdmb\tish\n", claim)
    assert intent, "the fence follows the store of the intent at once"


def test_rows_are_loaded_between_the_head_and_the_second_look(reader: str) -> None:
    take = function(reader, "window_take")
    first_load, fence = take.find("\tldar\t"), take.find("\tdmb\tishld\n")
    assert take.count("\tldar\t") >= 2, "head and intent"
    assert -1 < first_load < take.find("memcpy") <= take.rfind("memcpy") < fence
    assert re.search(r"\tldr\tx\d+", take[fence:]), "the intent once more"


def test_words_are_stored_and_loaded_in_order(reader: str) -> None:
    load, store = function(reader, "words_load"), function(reader, "words_store")
    assert re.search(r"\tdmb\tishld\n\tldar\t", load)
    assert re.search(r"\tstlr\t[^\n]*\n\tdmb\tish\n", store)


@pytest.mark.parametrize("name", ["ring.c", "reader.c"])
def test_x86_64_pays_nothing_for_it(name: str) -> None:
    text = assembly(X86_64, name)
    if "rax" not in text:
        pytest.skip("this compiler makes code for another processor")
    assert not re.findall(r"\t(?:[mls]fence|lock|xchg[bwlq]?)\b.*", text)


def test_arm64_uses_its_crc_instructions_where_the_compiler_may() -> None:
    assert "\tcrc32x\t" in assembly(ARM64, "crc32.c", "-march=armv8-a+crc")
    assert "\tcrc32x\t" not in assembly(ARM64, "crc32.c", "-march=armv8-a")
